/**
 * One client's own connection to the external broker: its subscriptions, and everything it sends from then on. An ERROR
 * there is this client's alone. Where connections are shared it is made again after a loss, subscriptions included.
 */
import type { BrokerError } from '../../../broker/errors.js';
import type { RelayAck, RelayedMessage, RelayRequest, RelaySubscription } from '../../../broker/ports.js';
import type { Frame } from '../../../protocol/index.js';
import { Reconnector, type ReconnectorPorts } from './reconnector.js';
import { connectionClosed, notAvailable } from './relay-errors.js';
import { relayedMessage } from './relayed-message.js';
import { serializeRequest } from './request-octets.js';
import type { HeaderList, UpstreamConnection, UpstreamEnd, UpstreamTerms } from './upstream-connection.js';

export interface ClientLinkTerms {
  /** False: its loss is the end of the session. */
  readonly isKept: boolean;
  readonly maxPendingBytes: number;
  /** Throws when nothing is to be taken on. */
  readonly assertAvailable: () => void;
  readonly onLost: (error: BrokerError) => void;
  /** Requests nobody waited for that went down with the connection, or may have. */
  readonly onDropped: (requests: number) => void;
}

interface OwnSubscription {
  readonly headers: readonly (readonly [string, string])[];
  readonly onMessage: (message: RelayedMessage) => void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
}

export class ClientLink {
  readonly #terms: ClientLinkTerms;
  readonly #reconnector: Reconnector;
  readonly #subscriptions = new Map<string, OwnSubscription>();
  /** Who waits for a receipt. */
  readonly #waiting = new Set<Waiter>();
  /** Who waits for the first connection. */
  readonly #opening = new Set<Waiter>();
  /** Another for each connection: ACKs of an earlier one mean nothing. */
  #era = 0;
  #isOver = false;
  #isPaused = false;
  #writtenBytes = 0;
  #confirmedBytes = 0;
  #askedBytes = 0;
  /** Requests nobody waits for, written since what was confirmed last. */
  #unconfirmed = 0;
  #behind: (() => void)[] = [];

  constructor(upstream: UpstreamTerms, terms: ClientLinkTerms, ports: ReconnectorPorts) {
    this.#terms = terms;
    this.#reconnector = new Reconnector(
      upstream,
      {
        onUp: (connection) => {
          this.#onUp(connection);
        },
        onMessage: (frame) => {
          this.#onMessage(frame);
        },
        onDown: (end) => {
          this.#onDown(end);
        },
      },
      ports,
    );
    this.#reconnector.start();
  }

  /** It will not be used again. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves once it is connected; rejects with BrokerError `relay-unavailable`. */
  opened(): Promise<void> {
    if (this.#reconnector.connection !== null) return Promise.resolve();
    return new Promise((resolve, reject) => this.#opening.add({ resolve, reject }));
  }

  submit(request: RelayRequest): Promise<void> | undefined {
    const connection = this.#require();
    if (request.isAwaited) return this.#confirmed((receipt) => this.#write(connection, request, receipt));
    this.#write(connection, request, null);
    this.#unconfirmed++;
    return undefined;
  }

  caughtUp(): Promise<void> | undefined {
    const { connection } = this.#reconnector;
    if (connection === null || this.#writtenBytes - this.#confirmedBytes <= this.#terms.maxPendingBytes)
      return undefined;
    if (this.#askedBytes < this.#writtenBytes) this.#askFence(connection);
    return new Promise((resolve) => this.#behind.push(resolve));
  }

  /** @throws BrokerError as `RelayClient.subscribe` */
  async subscribe(headers: HeaderList, onMessage: (message: RelayedMessage) => void): Promise<RelaySubscription> {
    const connection = this.#require();
    const all = [...headers].filter(([name]) => name !== 'receipt');
    const id = all.find(([name]) => name === 'id')?.[1] ?? '';
    const subscription: OwnSubscription = { headers: all, onMessage };
    this.#subscriptions.set(id, subscription);
    try {
      await this.#confirmed((receipt) => connection.send('SUBSCRIBE', [...all, receipt]));
    } catch (error) {
      this.#subscriptions.delete(id);
      throw error;
    }
    return { end: (also, isAwaited) => this.#unsubscribe(id, also, isAwaited) };
  }

  pause(): void {
    this.#isPaused = true;
    this.#reconnector.connection?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#reconnector.connection?.resume();
  }

  close(): void {
    this.#isOver = true;
    this.#reconnector.stop();
    this.#caughtUp();
    for (const { reject } of [...this.#waiting, ...this.#opening]) reject(connectionClosed());
    this.#waiting.clear();
    this.#opening.clear();
  }

  #require(): UpstreamConnection {
    this.#terms.assertAvailable();
    const { connection } = this.#reconnector;
    if (connection === null) throw notAvailable();
    return connection;
  }

  #write(connection: UpstreamConnection, request: RelayRequest, receipt: readonly [string, string] | null): void {
    const octets = serializeRequest(request, receipt, connection.version);
    this.#writtenBytes += octets.length;
    connection.write(octets);
  }

  /** Frames that do nothing but ask for a receipt: it tells that what stands before them was read. */
  #askFence(connection: UpstreamConnection): void {
    const transaction = ['transaction', `hoofbeat-fence-${this.#writtenBytes}`] as const;
    const receipt = connection.askReceipt(this.#fence());
    connection.send('BEGIN', [transaction]);
    connection.send('ABORT', [transaction, receipt]);
  }

  /** Everything written so far is confirmed with what is asked for now. */
  #fence(): () => void {
    const writtenBytes = (this.#askedBytes = this.#writtenBytes);
    const covered = this.#unconfirmed;
    return () => {
      this.#confirmedBytes = writtenBytes;
      this.#unconfirmed = Math.max(0, this.#unconfirmed - covered);
      this.#caughtUp();
    };
  }

  #caughtUp(): void {
    const { maxPendingBytes } = this.#terms;
    if (this.#isOver || this.#writtenBytes - this.#confirmedBytes <= maxPendingBytes)
      for (const resolve of this.#behind.splice(0)) resolve();
  }

  #confirmed(write: (receipt: readonly [string, string]) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { resolve, reject };
      this.#waiting.add(waiter);
      const { connection } = this.#reconnector;
      if (connection === null) return;
      const passed = this.#fence();
      write(
        connection.askReceipt(() => {
          this.#waiting.delete(waiter);
          passed();
          resolve();
        }),
      );
    });
  }

  #unsubscribe(id: string, also: HeaderList, isAwaited: boolean): Promise<void> | undefined {
    const { connection } = this.#reconnector;
    if (!this.#subscriptions.delete(id) || connection === null) return undefined;
    const headers = [['id', id] as const, ...[...also].filter(([name]) => name !== 'id' && name !== 'receipt')];
    if (isAwaited) return this.#confirmed((receipt) => connection.send('UNSUBSCRIBE', [...headers, receipt]));
    connection.send('UNSUBSCRIBE', headers);
    return undefined;
  }

  #onUp(connection: UpstreamConnection): void {
    this.#era++;
    if (this.#isPaused) connection.pause();
    for (const { headers } of this.#subscriptions.values()) connection.send('SUBSCRIBE', headers);
    for (const { resolve } of this.#opening) resolve();
    this.#opening.clear();
  }

  #onMessage(frame: Frame): void {
    const { headers } = frame;
    const id = headers.get('subscription') ?? '';
    this.#subscriptions.get(id)?.onMessage(relayedMessage(frame, this.#ackOf(frame, id)));
  }

  #ackOf({ headers }: Frame, subscription: string): RelayAck {
    const ack = headers.get('ack');
    const named: RelayAck['headers'] =
      this.#reconnector.connection?.version === '1.2'
        ? [['id', ack ?? '']]
        : [
            ['message-id', headers.get('message-id') ?? ''],
            ['subscription', subscription],
          ];
    return new EraAck(named, this.#era, () => this.#era);
  }

  #onDown({ error, isRefusal, wasConnected }: UpstreamEnd): void {
    this.#era++;
    const waiting = [...this.#waiting, ...this.#opening];
    this.#waiting.clear();
    this.#opening.clear();
    if (this.#unconfirmed > 0) this.#terms.onDropped(this.#unconfirmed);
    this.#unconfirmed = this.#writtenBytes = this.#confirmedBytes = this.#askedBytes = 0;
    this.#caughtUp();
    const isFatal = (isRefusal && wasConnected) || !this.#terms.isKept || waiting.length > 0;
    if (!isFatal) return;
    this.close();
    // Whoever waits tells the client, and which of its frames it was.
    for (const { reject } of waiting) reject(error);
    if (waiting.length === 0) this.#terms.onLost(error);
  }
}

class EraAck implements RelayAck {
  readonly headers: RelayAck['headers'];
  readonly #era: number;
  readonly #eraNow: () => number;

  constructor(headers: RelayAck['headers'], era: number, eraNow: () => number) {
    this.headers = headers;
    this.#era = era;
    this.#eraNow = eraNow;
  }

  get isLive(): boolean {
    return this.#era === this.#eraNow();
  }
}
