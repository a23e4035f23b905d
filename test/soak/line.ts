/** A client of any kind, as the soak uses it: what it sends, what it gets, and how many of its frames were surely handled. */

export type LineKind =
  | 'tcp-1.0'
  | 'tcp-1.1'
  | 'tcp-1.2'
  | 'stompjs-websocket'
  | 'sockjs-websocket'
  | 'sockjs-xhr-streaming'
  | 'sockjs-eventsource'
  | 'sockjs-xhr-polling'
  | 'json'
  | 'socketio-websocket'
  | 'socketio-polling';

export type HeaderMap = Readonly<Record<string, string>>;

/** One MESSAGE. */
export interface Received {
  readonly body: string;
  readonly header: (name: string) => string | undefined;
}

export interface LineSpec {
  readonly tcpPort: number;
  readonly httpPort: number;
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  readonly clientId?: string | undefined;
  /** Heart-beats both ways, in ms; 0 is none. */
  readonly beatMs: number;
}

/** Called with the headers of the RECEIPT, where the kind has one. */
export type OnReceipt = (header: (name: string) => string | undefined) => void;

export interface Subscribing {
  readonly ack: 'auto' | 'client' | 'client-individual';
  readonly headers?: HeaderMap | undefined;
  readonly onMessage: (message: Received) => void;
  readonly onReceipt?: OnReceipt | undefined;
}

export abstract class Line {
  readonly kind: LineKind;
  /** Frames given to the transport, CONNECT included. */
  written = 0;
  /** Of these, the ones that are surely handled: a later one was answered. */
  confirmed = 0;
  received = 0;
  hasEnded = false;
  /** CONNECTED, or the end. */
  readonly ready: Promise<boolean>;
  readonly ended: Promise<void>;
  /** What the server said when it ended it. */
  error: string | null = null;
  onError: ((code: string) => void) | null = null;
  readonly #receipts = new Map<string, { readonly place: number; readonly act: OnReceipt | undefined }>();
  #lastId = 0;
  #ready!: (isOpen: boolean) => void;
  #end!: () => void;

  constructor(kind: LineKind) {
    this.kind = kind;
    this.ready = new Promise((resolve) => (this.#ready = resolve));
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  /** As of now; what was looked at before a wait says nothing. */
  isOpen(): boolean {
    return !this.hasEnded;
  }

  /** A gateway knows a subscription by its destination: a second one there is the first, whatever it asks for. */
  hasSubscribed(_destination: string): boolean {
    return false;
  }

  /** Gateways have neither transactions nor two subscriptions to one destination, and no word for leaving. */
  get isGateway(): boolean {
    return this.kind === 'json' || this.kind.startsWith('socketio');
  }

  abstract send(destination: string, headers: HeaderMap, body: string, onReceipt?: OnReceipt): void;
  /** @returns what `unsubscribe` and `settle` want */
  abstract subscribe(destination: string, subscribing: Subscribing): string;
  abstract unsubscribe(subscription: string, headers?: HeaderMap): void;
  abstract settle(
    verb: 'ACK' | 'NACK',
    subscription: string,
    message: Received,
    headers: HeaderMap,
    onReceipt?: OnReceipt,
  ): void;
  abstract transact(verb: 'BEGIN' | 'COMMIT' | 'ABORT', transaction: string, onReceipt?: OnReceipt): void;
  /** In an orderly way: resolves when the connection is gone. */
  abstract leave(): Promise<void>;
  /** At once. */
  abstract drop(): void;

  protected nextId(): string {
    return String(++this.#lastId);
  }

  protected wrote(): void {
    this.written++;
  }

  /** Of the frame that is written next. @returns its receipt id */
  protected expect(act: OnReceipt | undefined): string {
    const id = `r${this.nextId()}`;
    this.#receipts.set(id, { place: this.written + 1, act });
    return id;
  }

  protected connected(): void {
    this.confirmed = Math.max(this.confirmed, 1);
    this.#ready(true);
  }

  protected receipted(id: string, header: (name: string) => string | undefined = () => undefined): void {
    const receipt = this.#receipts.get(id);
    if (receipt === undefined) return;
    this.#receipts.delete(id);
    this.confirmed = Math.max(this.confirmed, receipt.place);
    receipt.act?.(header);
  }

  protected refused(code: string): void {
    this.error = code;
    this.onError?.(code);
  }

  protected over(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.#ready(false);
    this.#end();
  }
}
