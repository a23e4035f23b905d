/** Clients that speak something else: JSON over a WebSocket, and Socket.IO. */
import { io, type Socket } from 'socket.io-client';
import { WebSocket } from 'ws';
import {
  type HeaderMap,
  Line,
  type LineKind,
  type LineSpec,
  type OnReceipt,
  type Received,
  type Subscribing,
} from './line.js';
import { JSON_PATH, SOCKET_IO_PATH } from './soaked-options.js';

type Fields = Readonly<Record<string, unknown>>;

/** What both have in common: a subscription is known by its destination, and an answer comes when all has taken effect. */
abstract class GatewayLine extends Line {
  readonly #subscriptions = new Map<string, Subscribing>();

  protected abstract say(type: string, fields: Fields, receipt: string): void;
  protected abstract end(): void;

  send(destination: string, headers: HeaderMap, body: string, onReceipt?: OnReceipt): void {
    this.#do('send', { destination, headers, payload: body }, onReceipt);
  }

  subscribe(destination: string, subscribing: Subscribing): string {
    this.#subscriptions.set(destination, subscribing);
    const { ack, headers, onReceipt } = subscribing;
    this.#do('subscribe', { destination, headers: { ...headers, ack } }, onReceipt);
    return destination;
  }

  /** Also one that has ended: what was on its way would be taken for the next one's. */
  override hasSubscribed(destination: string): boolean {
    return this.#subscriptions.has(destination);
  }

  unsubscribe(subscription: string): void {
    this.#do('unsubscribe', { destination: subscription });
  }

  settle(
    verb: 'ACK' | 'NACK',
    _subscription: string,
    message: Received,
    _headers: HeaderMap,
    onReceipt?: OnReceipt,
  ): void {
    this.#do(verb.toLowerCase(), { ack: message.header('ack') ?? '' }, onReceipt);
  }

  transact(): void {
    throw new Error('a gateway has no transactions');
  }

  async leave(): Promise<void> {
    this.end();
    await this.ended;
  }

  protected took(fields: Fields): void {
    this.received++;
    const { subscription, payload } = fields;
    this.#subscriptions.get(String(subscription))?.onMessage({
      body: String(payload),
      header: (name) => textOf(fields[name]),
    });
  }

  #do(type: string, fields: Fields, onReceipt?: OnReceipt): void {
    if (this.hasEnded) return;
    const receipt = this.expect(onReceipt);
    this.wrote();
    this.say(type, fields, receipt);
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

export class JsonLine extends GatewayLine {
  readonly #socket: WebSocket;
  #lastReadMs = Date.now();
  readonly #watch: NodeJS.Timeout;

  constructor({ httpPort }: LineSpec) {
    super('json');
    this.wrote();
    this.#socket = new WebSocket(`ws://127.0.0.1:${httpPort}${JSON_PATH}`);
    this.#socket.on('message', (octets: Buffer) => {
      this.#onMessage(JSON.parse(octets.toString()) as Fields);
    });
    this.#socket.on('ping', () => (this.#lastReadMs = Date.now()));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      clearInterval(this.#watch);
      this.over();
    });
    this.#watch = setInterval(() => {
      if (Date.now() - this.#lastReadMs > 6_000) this.drop();
    }, 1_000);
  }

  drop(): void {
    this.#socket.terminate();
  }

  protected say(type: string, { headers = {}, ...fields }: Fields, id: string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ type, id, ...(headers as HeaderMap), ...fields }));
  }

  protected end(): void {
    this.#socket.close();
  }

  #onMessage(fields: Fields): void {
    this.#lastReadMs = Date.now();
    const { type, id, code } = fields;
    if (type === 'opened') this.connected();
    else if (type === 'message') this.took(fields);
    else if (type === 'done') this.receipted(String(id));
    else this.refused(String(code));
  }
}

export class SocketIoLine extends GatewayLine {
  readonly #socket: Socket;

  constructor(kind: LineKind, { httpPort }: LineSpec) {
    super(kind);
    this.wrote();
    const transport = kind === 'socketio-polling' ? 'polling' : 'websocket';
    this.#socket = io(`http://127.0.0.1:${httpPort}`, {
      path: SOCKET_IO_PATH,
      transports: [transport],
      reconnection: false,
      forceNew: true,
      multiplex: false,
    });
    this.#socket.on('connect', () => {
      this.connected();
    });
    this.#socket.on('connect_error', () => {
      this.#socket.disconnect();
      this.over();
    });
    this.#socket.on('disconnect', () => {
      this.over();
    });
    this.#socket.on('message', (fields: Fields) => {
      this.took(fields);
    });
  }

  drop(): void {
    // Its transport ends without a word of Socket.IO.
    this.#socket.io.engine.close();
    this.#socket.disconnect();
  }

  protected say(type: string, { destination, payload, headers = {}, ack }: Fields, id: string): void {
    const args =
      type === 'ack' || type === 'nack'
        ? [ack]
        : type === 'send'
          ? [destination, payload, headers]
          : [destination, headers];
    this.#socket.emit(type, ...args, ({ status, code }: { status: string; code?: string }) => {
      if (status === 'ok') this.receipted(id);
      else this.refused(code ?? 'unknown');
    });
  }

  protected end(): void {
    this.#socket.disconnect();
    this.over();
  }
}
