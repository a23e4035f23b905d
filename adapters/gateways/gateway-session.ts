/**
 * The broker's side of one gateway client: a STOMP client in this process. It says CONNECT, SUBSCRIBE, SEND and UNSUBSCRIBE
 * to an ordinary session, so that authentication, rules, limits, routing and statistics are the broker's own.
 */
import { FrameParser, serializeFrame, type Frame } from '../../protocol/index.js';
import type { SessionHandle } from '../../broker/application/session-handle.js';
import type { CloseReason } from '../../broker/close-reason.js';
import { BrokerError, type BrokerErrorCode } from '../../broker/errors.js';
import type { Connection, ConnectionListener, Handshake, TransportName } from '../../broker/ports.js';
import { RAW_FRAMING } from '../transports/index.js';
import type { GatewayHost } from './gateway.js';

/** What the session needs of the connection to the client. */
export interface OuterConnection {
  readonly transport: TransportName;
  readonly remoteAddress: string;
  /** Octets taken and not yet with the operating system. */
  readonly bufferedBytes: number;
  pause(): void;
  resume(): void;
  close(reason: CloseReason): void;
  destroy(reason: CloseReason): void;
}

export interface GatewayMessage {
  /** As subscribed, or as published for what was subscribed by a pattern. */
  readonly destination: string;
  /** As the subscription named it, `/user/…` included. */
  readonly subscription: string;
  /** The first of each name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** JSON parsed, text as text, anything else as octets. */
  readonly payload: unknown;
}

/** What a message of the client can do in its session. */
export type SessionAction =
  | {
      readonly type: 'subscribe';
      readonly destination: string;
      /** Of SUBSCRIBE, e.g. `ack`, `selector`, `replay`. */
      readonly headers?: Readonly<Record<string, string>> | undefined;
    }
  | { readonly type: 'unsubscribe'; readonly destination: string }
  | {
      readonly type: 'send';
      readonly destination: string;
      readonly payload?: unknown;
      /** Of SEND, e.g. `persistent`. */
      readonly headers?: Readonly<Record<string, string>> | undefined;
    }
  /** Of a message in an ack mode; `id` is its header `ack`. */
  | { readonly type: 'ack' | 'nack'; readonly id: string };

/** A destination, or one with headers of SUBSCRIBE, e.g. `ack`. */
export type StandingSubscription = string | Omit<Extract<SessionAction, { readonly type: 'subscribe' }>, 'type'>;

export interface GatewayEvents {
  onMessage(message: GatewayMessage): void;
  /** Refused before it was open, or ended by the broker; the connection is closed next. */
  onEnd(error: BrokerError): void;
}

type HeaderList = readonly (readonly [string, string])[];

type Said = 'CONNECT' | 'SUBSCRIBE' | 'UNSUBSCRIBE' | 'SEND' | 'ACK' | 'NACK';

interface Waiting {
  resolve(frame: Frame): void;
  reject(error: Error): void;
}

const PARSER_LIMITS = { maxHeaders: 1_024, maxHeaderLineBytes: 65_536, maxBodyBytes: 2 ** 30 };

export class GatewaySession implements Connection {
  readonly framing = RAW_FRAMING;
  /** What it is given is copied before `write` returns. */
  readonly holdsMemory = false;
  /** Refusals of one frame are answered, and the session goes on. */
  readonly keepsAfterError = true;
  readonly #host: GatewayHost;
  readonly #outer: OuterConnection;
  readonly #events: GatewayEvents;
  readonly #parser: FrameParser;
  #handshake: Handshake | null;
  #listener: ConnectionListener | null = null;
  #connecting: Waiting | null = null;
  readonly #receipts = new Map<string, Waiting>();
  /** Ids of subscriptions by destination. */
  readonly #subscriptions = new Map<string, string>();
  readonly #destinations = new Map<string, string>();
  #lastId = 0;
  #incoming: Frame[] = [];
  #isGone = false;
  #session: SessionHandle | null = null;

  constructor(host: GatewayHost, outer: OuterConnection, handshake: Handshake | null, events: GatewayEvents) {
    this.#host = host;
    this.#outer = outer;
    this.#handshake = handshake;
    this.#events = events;
    this.#parser = new FrameParser({ limits: PARSER_LIMITS, sender: 'server' });
  }

  /** @returns false when the broker takes no more connections */
  open(): boolean {
    this.#listener = this.#host.accept(this);
    return this.#listener !== null;
  }

  /** The broker's session, once connected; null before and after. */
  get session(): SessionHandle | null {
    return this.#isGone ? null : this.#session;
  }

  /**
   * @param headers of CONNECT, beside the version
   * @throws BrokerError when the client is not let in
   */
  async connect(headers: HeaderList = []): Promise<SessionHandle> {
    const connected = new Promise<Frame>((resolve, reject) => (this.#connecting = { resolve, reject }));
    this.#send('CONNECT', [['accept-version', '1.2'], ['host', 'gateway'], ...headers]);
    const frame = await connected;
    const session = this.#host.session(frame.headers.get('session') ?? '');
    if (session === undefined) throw new BrokerError('internal', 'The session is gone');
    this.#session = session;
    return session;
  }

  /**
   * Resolves once the subscription is there; a second one to the same destination is the first.
   * @throws BrokerError when it is refused
   */
  async subscribe(destination: string, headers: HeaderList = []): Promise<void> {
    if (this.#subscriptions.has(destination)) return;
    const id = String(++this.#lastId);
    this.#subscriptions.set(destination, id);
    this.#destinations.set(id, destination);
    try {
      await this.#confirmed('SUBSCRIBE', [['id', id], ['destination', destination], ...headers]);
    } catch (error) {
      this.#subscriptions.delete(destination);
      this.#destinations.delete(id);
      throw error;
    }
  }

  /** One message of the client, whatever it means. @returns how long it would have to wait, in ms: it is refused; 0: it passes */
  admit(bytes: number): number {
    return this.#listener?.admit?.(bytes) ?? 0;
  }

  /** What each client has from the beginning, one after the other; a refusal is told and passed over. */
  async subscribeAll(
    standing: readonly StandingSubscription[],
    onRefused: (error: unknown, destination: string) => void,
  ): Promise<void> {
    for (const each of standing) {
      const { destination, headers } = typeof each === 'string' ? { destination: each, headers: undefined } : each;
      await this.act({ type: 'subscribe', destination, headers }).catch((error: unknown) => {
        onRefused(error, destination);
      });
    }
  }

  /** What a gateway's mapping made of a message. @throws BrokerError when it is refused */
  async act(action: SessionAction): Promise<void> {
    switch (action.type) {
      case 'subscribe':
        return this.subscribe(action.destination, Object.entries(action.headers ?? {}));
      case 'unsubscribe':
        return this.unsubscribe(action.destination);
      case 'send':
        return this.send(action.destination, action.payload, Object.entries(action.headers ?? {}));
      default:
        return this.#confirmed(action.type === 'ack' ? 'ACK' : 'NACK', [['id', action.id]]);
    }
  }

  /** Of what is not subscribed: nothing. @throws BrokerError */
  async unsubscribe(destination: string): Promise<void> {
    const id = this.#subscriptions.get(destination);
    if (id === undefined) return;
    this.#subscriptions.delete(destination);
    await this.#confirmed('UNSUBSCRIBE', [['id', id]]);
    this.#destinations.delete(id);
  }

  /** Resolves once it has taken effect. @throws BrokerError when it is refused, or its handler failed */
  async send(destination: string, payload: unknown, headers: HeaderList = []): Promise<void> {
    const isText = typeof payload === 'string';
    const body = Buffer.isBuffer(payload)
      ? payload
      : Buffer.from(isText ? payload : payload === undefined ? '' : JSON.stringify(payload));
    const type = Buffer.isBuffer(payload) ? 'application/octet-stream' : isText ? 'text/plain' : 'application/json';
    const all: HeaderList = [['destination', destination], ['content-type', type], ...headers];
    await this.#confirmed('SEND', [...all, ['content-length', String(body.length)]], body);
  }

  // ——— What the outer connection tells ———

  onDrain(): void {
    this.#listener?.onDrain();
  }

  onClose(cause?: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const gone = new BrokerError('internal', 'The connection is gone');
    for (const waiting of [...this.#receipts.values(), ...(this.#connecting === null ? [] : [this.#connecting])]) {
      waiting.reject(gone);
    }
    this.#receipts.clear();
    if (cause === undefined) this.#listener?.onClose();
    else this.#listener?.onClose(cause);
  }

  // ——— What the broker sees ———

  get transport(): TransportName {
    return this.#outer.transport;
  }

  get remoteAddress(): string {
    return this.#outer.remoteAddress;
  }

  get bufferedBytes(): number {
    return this.#outer.bufferedBytes;
  }

  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  /** The broker is in the middle of its flush: what this leads to comes in a turn of its own. */
  write(octets: Uint8Array): void {
    if (this.#isGone) return;
    const isFirst = this.#incoming.length === 0;
    this.#parser.push(Buffer.from(octets), (frame) => {
      this.#incoming.push(frame);
    });
    if (!isFirst || this.#incoming.length === 0) return;
    queueMicrotask(() => {
      for (const frame of this.#incoming.splice(0)) this.#receive(frame);
    });
  }

  cork(): void {
    // Nothing is gathered here: frames are parsed at once.
  }

  uncork(): void {
    // As cork.
  }

  pause(): void {
    this.#outer.pause();
  }

  resume(): void {
    this.#outer.resume();
  }

  close(reason: CloseReason): void {
    this.#outer.close(reason);
  }

  destroy(reason: CloseReason): void {
    this.#outer.destroy(reason);
  }

  #receive(frame: Frame): void {
    switch (frame.command) {
      case 'CONNECTED':
        this.#connecting?.resolve(frame);
        this.#connecting = null;
        return;
      case 'RECEIPT':
        this.#settle(frame.headers.get('receipt-id'))?.resolve(frame);
        return;
      case 'MESSAGE':
        this.#onMessage(frame);
        return;
      default:
        this.#onError(frame);
    }
  }

  #onMessage({ headers, body }: Frame): void {
    const subscription = this.#destinations.get(headers.get('subscription') ?? '');
    // Unsubscribed meanwhile.
    if (subscription === undefined) return;
    const type = headers.get('content-type');
    const all = new Map<string, string>();
    for (const [name, value] of headers) if (!all.has(name)) all.set(name, value);
    const destination = headers.get('destination') ?? subscription;
    this.#events.onMessage({ destination, subscription, headers: all, body, payload: payloadOf(body, type) });
  }

  #onError({ headers, body }: Frame): void {
    const code = (headers.get('code') ?? 'internal') as BrokerErrorCode;
    const retryAfterMs = Number(headers.get('retry-after-ms') ?? NaN);
    const text = headers.get('message') ?? body.toString().trim();
    const error = new BrokerError(code, text, Number.isNaN(retryAfterMs) ? {} : { retryAfterMs });
    const receipt = this.#settle(headers.get('receipt-id'));
    if (receipt !== undefined) {
      receipt.reject(error);
      return;
    }
    const connecting = this.#connecting;
    this.#connecting = null;
    connecting?.reject(error);
    if (connecting === null) this.#events.onEnd(error);
  }

  #settle(receiptId: string | undefined): Waiting | undefined {
    const waiting = this.#receipts.get(receiptId ?? '');
    this.#receipts.delete(receiptId ?? '');
    return waiting;
  }

  async #confirmed(command: Exclude<Said, 'CONNECT'>, headers: HeaderList, body?: Buffer): Promise<void> {
    if (this.#isGone) throw new BrokerError('internal', 'The connection is gone');
    // The one character that STOMP has no escape for: it would end the frame, and what follows would be another one.
    const broken = headers.find(([, value]) => value.includes('\0'));
    if (broken !== undefined) throw new BrokerError('header-invalid', `A NUL cannot stand in ${broken[0]}`);
    const receipt = `r${++this.#lastId}`;
    const confirmed = new Promise<Frame>((resolve, reject) => {
      this.#receipts.set(receipt, { resolve, reject });
    });
    this.#send(command, [...headers, ['receipt', receipt]], body);
    await confirmed;
  }

  #send(command: Said, headers: HeaderList, body?: Buffer): void {
    const octets = serializeFrame(command, headers, '1.2', body);
    this.#listener?.onBytes(Buffer.from(octets), false);
  }
}

function payloadOf(body: Buffer, contentType = ''): unknown {
  if (!/[/+]json/i.test(contentType)) return /^text\/|^$/i.test(contentType) ? body.toString() : body;
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}
