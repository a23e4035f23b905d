/** @stomp/stompjs over a WebSocket, or over sockjs-client with one transport. */
import { Client, type IMessage } from '@stomp/stompjs';
import { overSockJs, overWebSocket, type SockJsTransport } from '../helpers/stompjs-client.js';
import {
  type HeaderMap,
  Line,
  type LineKind,
  type LineSpec,
  type OnReceipt,
  type Received,
  type Subscribing,
} from './line.js';

export class StompjsLine extends Line {
  readonly #client: Client;
  readonly #subscriptions = new Map<string, (headers: HeaderMap) => void>();

  constructor(kind: LineKind, { httpPort, login, passcode, beatMs }: LineSpec) {
    super(kind);
    const transport = kind.replace('sockjs-', '') as SockJsTransport;
    this.#client = new Client({
      ...(kind === 'stompjs-websocket' ? overWebSocket(httpPort) : overSockJs(httpPort, transport)),
      reconnectDelay: 0,
      heartbeatIncoming: beatMs,
      heartbeatOutgoing: beatMs,
      connectHeaders: login === undefined ? {} : { login, passcode: passcode ?? '' },
      // A lost connection is not waited for: it is what this is about.
      discardWebsocketOnCommFailure: true,
      onConnect: () => {
        this.connected();
      },
      onStompError: ({ headers }) => {
        this.refused(headers['code'] ?? 'unknown');
      },
      onWebSocketClose: () => {
        this.over();
      },
    });
    this.wrote();
    this.#client.activate();
  }

  send(destination: string, headers: HeaderMap, body: string, onReceipt?: OnReceipt): void {
    this.#do((receipt) => {
      this.#client.publish({ destination, headers: { ...headers, ...receipt }, body });
    }, onReceipt);
  }

  subscribe(destination: string, { ack, headers, onMessage, onReceipt }: Subscribing): string {
    const id = this.nextId();
    this.#do((receipt) => {
      const { unsubscribe } = this.#client.subscribe(
        destination,
        (message: IMessage) => {
          this.received++;
          onMessage({ body: message.body, header: (name) => message.headers[name] });
        },
        { ...headers, id, ack, ...receipt },
      );
      this.#subscriptions.set(id, unsubscribe);
    }, onReceipt);
    return id;
  }

  unsubscribe(id: string, headers: HeaderMap = {}): void {
    this.#do(() => this.#subscriptions.get(id)?.(headers));
  }

  settle(
    verb: 'ACK' | 'NACK',
    subscription: string,
    message: Received,
    headers: HeaderMap,
    onReceipt?: OnReceipt,
  ): void {
    const id = message.header('ack') ?? '';
    this.#do((receipt) => {
      if (verb === 'ACK') this.#client.ack(id, subscription, { ...headers, ...receipt });
      else this.#client.nack(id, subscription, { ...headers, ...receipt });
    }, onReceipt);
  }

  transact(verb: 'BEGIN' | 'COMMIT' | 'ABORT', transaction: string, onReceipt?: OnReceipt): void {
    // Its own methods take no receipt: a SEND to nowhere behind it says the same.
    this.#do(() => {
      if (verb === 'BEGIN') this.#client.begin(transaction);
      else if (verb === 'COMMIT') this.#client.commit(transaction);
      else this.#client.abort(transaction);
    });
    if (onReceipt !== undefined) this.send('/app/count', {}, '', onReceipt);
  }

  async leave(): Promise<void> {
    this.wrote();
    await this.#client.deactivate();
    await this.ended;
  }

  drop(): void {
    void this.#client.deactivate({ force: true });
  }

  #do(act: (receipt: HeaderMap) => void, onReceipt?: OnReceipt): void {
    if (this.hasEnded || !this.#client.connected) return;
    const receipt = onReceipt === undefined ? null : this.expect(onReceipt);
    if (receipt !== null) {
      this.#client.watchForReceipt(receipt, ({ headers }) => {
        this.receipted(receipt, (name) => headers[name]);
      });
    }
    this.wrote();
    try {
      act(receipt === null ? {} : { receipt });
    } catch {
      // The connection has gone meanwhile, and the client has not yet said so.
    }
  }
}
