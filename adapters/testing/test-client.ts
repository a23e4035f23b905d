/** A STOMP client without a socket: every frame goes through the real parser, session and serializer of the broker. */
import { encodePayload } from '../../broker/application/payload.js';
import type { CloseCode } from '../../broker/close-reason.js';
import {
  FrameParser,
  type CommandName,
  type RawFrame,
  type RawFrameSink,
  serializeFrame,
  type StompVersion,
} from '../../protocol/index.js';
import type { MemoryConnection } from './memory-connection.js';
import type { Pace } from './pace.js';
import { ReceivedFrame } from './received-frame.js';

export type HeaderValues = Readonly<Record<string, string>>;

/** What `subscribe` returns; names the subscription in `messages`, `nextMessage` and the matchers. */
export interface TestSubscription {
  readonly id: string;
  /** As given to `subscribe`. */
  readonly destination: string;
}

/** CONNECT was answered with ERROR, or with the end of the connection. */
export class ConnectRefusedError extends Error {
  /** Header `code` of the ERROR frame, e.g. `authentication-failed`. */
  readonly code: string | undefined;
  readonly frame: ReceivedFrame | undefined;

  constructor(frame: ReceivedFrame | undefined) {
    super(`CONNECT was refused: ${frame?.toString() ?? 'the connection was closed'}`);
    this.name = 'ConnectRefusedError';
    this.code = frame?.headers.get('code');
    this.frame = frame;
  }
}

export class TestClient implements RawFrameSink {
  readonly #connection: MemoryConnection;
  readonly #pace: Pace;
  readonly #version: StompVersion;
  readonly #parser: FrameParser;
  readonly #received: ReceivedFrame[] = [];
  /** How many messages of each subscription `nextMessage` has returned. */
  readonly #taken = new Map<string, number>();
  #lastSubscription = 0;

  constructor(connection: MemoryConnection, pace: Pace, version: StompVersion) {
    this.#connection = connection;
    this.#pace = pace;
    this.#version = version;
    this.#parser = new FrameParser({ sender: 'server', version });
  }

  /** @throws ConnectRefusedError */
  async connect(headers: HeaderValues): Promise<void> {
    await this.frame('CONNECT', headers);
    if (this.connected === undefined) throw new ConnectRefusedError(this.errors()[0]);
  }

  /** The CONNECTED frame. */
  get connected(): ReceivedFrame | undefined {
    return this.frames().find(({ command }) => command === 'CONNECTED');
  }

  /** Why the broker closed the connection, e.g. `refused`; null while it is open. */
  get closedWith(): CloseCode | null {
    this.frames();
    return this.#connection.closedWith?.code ?? null;
  }

  /**
   * Subscribes; ids are `sub-0`, `sub-1` … unless a header says otherwise. Resolves when the broker has worked on it,
   * accepted or refused: see `errors`.
   */
  async subscribe(destination: string, headers: HeaderValues = {}): Promise<TestSubscription> {
    const id = headers['id'] ?? `sub-${this.#lastSubscription++}`;
    await this.frame('SUBSCRIBE', { ...headers, id, destination });
    return { id, destination };
  }

  async unsubscribe({ id }: TestSubscription, headers: HeaderValues = {}): Promise<void> {
    await this.frame('UNSUBSCRIBE', { ...headers, id });
  }

  /**
   * Sends text as text, octets as octets, anything else as JSON; nothing for undefined. Resolves when the handler is done
   * and its replies have arrived. A handler that waits for virtual time is helped by `advance` before this is awaited.
   * @param headers a `content-type` overrides that of the payload; a `receipt` is answered as to any client
   * @throws Error when the handler takes longer than the test's patience
   */
  async send(destination: string, payload?: unknown, headers: HeaderValues = {}): Promise<void> {
    if (payload === undefined) {
      await this.frame('SEND', { destination, ...headers });
      return;
    }
    const { contentType, body } = encodePayload(payload);
    await this.frame('SEND', { destination, 'content-type': contentType, ...headers }, body);
  }

  /** Acknowledges a message of a subscription with `ack: client` or `client-individual`. */
  async ack(message: ReceivedFrame, headers: HeaderValues = {}): Promise<void> {
    await this.frame('ACK', { ...this.#ackHeaders(message), ...headers });
  }

  async nack(message: ReceivedFrame, headers: HeaderValues = {}): Promise<void> {
    await this.frame('NACK', { ...this.#ackHeaders(message), ...headers });
  }

  /** Any frame: BEGIN, COMMIT, or what a client should not send. Resolves when the broker reads on. */
  async frame(command: CommandName, headers: HeaderValues = {}, body: Buffer = Buffer.alloc(0)): Promise<void> {
    const counted = body.length === 0 ? headers : { ...headers, 'content-length': String(body.length) };
    this.#connection.feed(Buffer.from(serializeFrame(command, Object.entries(counted), this.#version, body)));
    const where = headers['destination'] === undefined ? '' : ` to ${headers['destination']}`;
    await this.#pace.until(
      () => !this.#connection.isPaused || this.#connection.isGone,
      () =>
        `${command}${where} is still being worked on; does its handler wait for virtual time? then advance it first`,
    );
  }

  /** Says DISCONNECT; the broker ends the connection. */
  async disconnect(headers: HeaderValues = {}): Promise<void> {
    await this.frame('DISCONNECT', headers);
  }

  /** The network goes away, without a word to the broker. */
  async drop(): Promise<void> {
    this.#connection.vanish();
    await this.#pace.turn();
  }

  /** Every frame received so far, in order. */
  frames(): readonly ReceivedFrame[] {
    this.#pace.clock.turn();
    const octets = this.#connection.take();
    if (octets.length > 0) this.#parser.pushRaw(octets, this, false);
    return this.#received;
  }

  /** Every message received so far, of one subscription or of all. Takes none away. */
  messages(subscription?: TestSubscription): readonly ReceivedFrame[] {
    return this.frames().filter(
      ({ command, headers }) =>
        command === 'MESSAGE' && (subscription === undefined || headers.get('subscription') === subscription.id),
    );
  }

  /** The first message of the subscription that this has not returned before; waits for it. @throws Error when none comes */
  async nextMessage(subscription: TestSubscription): Promise<ReceivedFrame> {
    const { id, destination } = subscription;
    const taken = this.#taken.get(id) ?? 0;
    const next = (): ReceivedFrame | undefined => this.messages(subscription)[taken];
    const isOver = (): boolean => next() !== undefined || this.#connection.isGone;
    await this.#pace.until(isOver, () => this.#without(destination));
    const message = next();
    if (message === undefined) throw new Error(this.#without(destination));
    this.#taken.set(id, taken + 1);
    return message;
  }

  /** ERROR frames received so far. */
  errors(): readonly ReceivedFrame[] {
    return this.frames().filter(({ command }) => command === 'ERROR');
  }

  /** The RECEIPT for a frame that was sent with header `receipt`. */
  receipt(id: string): ReceivedFrame | undefined {
    return this.frames().find(({ command, headers }) => command === 'RECEIPT' && headers.get('receipt-id') === id);
  }

  /** Takes what the parser finds; not for tests. */
  onRawFrame(raw: RawFrame): boolean {
    this.#received.push(new ReceivedFrame(raw.decode(this.#version)));
    return true;
  }

  #without(destination: string): string {
    const errors = this.errors().map((error) => `; the broker answered ${error.toString()}`);
    return `no message came on ${destination}${errors.join('')}`;
  }

  #ackHeaders({ headers }: ReceivedFrame): HeaderValues {
    const messageId = headers.get('message-id') ?? '';
    if (this.#version === '1.2') return { id: headers.get('ack') ?? '' };
    return { 'message-id': messageId, subscription: headers.get('subscription') ?? '' };
  }
}
