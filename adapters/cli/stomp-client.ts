/**
 * A small STOMP 1.1 and 1.2 client over protocol/: what `pub` and `sub` need, no reconnecting. Every fault ends it and
 * reaches the caller once, through `closed` and through whatever was being waited for.
 */
import {
  formatHeartBeat,
  type Frame,
  FrameParser,
  Headers,
  negotiateHeartBeat,
  parseHeartBeat,
  serializeFrame,
  type CommandName,
  type StompVersion,
} from '../../protocol/index.js';
import { openConnection, type ClientConnection, type ClientTrust } from './client-connection.js';

export interface StompClientOptions extends ClientTrust {
  readonly url: URL;
  readonly login?: string | undefined;
  readonly passcode?: string | undefined;
  /** Value of `host` in CONNECT; default: the host of the URL. */
  readonly hostHeader?: string | undefined;
  /** From dialling to CONNECTED, and for each receipt. */
  readonly timeoutMs: number;
  readonly onMessage?: ((frame: Frame) => void) | undefined;
  /** Makes the connection; default: by the URL's scheme. */
  readonly open?: typeof openConnection | undefined;
  /** Drops the connection, in whatever state it is. */
  readonly signal?: AbortSignal | undefined;
}

type HeaderList = readonly (readonly [string, string])[];

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

const HEART_BEAT = { sendMs: 10_000, receiveMs: 10_000 };
/** A late heart-beat is none yet (STOMP 1.2, Heart-beating: "an error margin"). */
const HEART_BEAT_TOLERANCE = 2;
/** A broker may allow more than this program's own server does. */
const LIMITS = { maxHeaders: 1_000, maxHeaderLineBytes: 64 * 1024, maxBodyBytes: 512 * 1024 * 1024 };

export class StompClient {
  /** Resolves when the connection has ended as wanted, rejects when it was lost or the broker answered ERROR. */
  readonly closed: Promise<void>;
  readonly #options: StompClientOptions;
  readonly #connection: ClientConnection;
  readonly #parser = new FrameParser({ sender: 'server', limits: LIMITS, lenientNul: true });
  readonly #receipts = new Map<string, Waiter>();
  #ended: Waiter = { resolve: () => undefined, reject: () => undefined };
  #connected: Waiter | null = null;
  #version: StompVersion = '1.2';
  #welcome: Headers = new Headers();
  #lastReceipt = 0;
  #timer: NodeJS.Timeout | null = null;
  #receivedAt = 0;
  #fault: Error | null = null;
  #isEnding = false;

  private constructor(options: StompClientOptions) {
    this.#options = options;
    this.closed = new Promise((resolve, reject) => (this.#ended = { resolve, reject }));
    // Whoever does not wait for it hears of faults from what is waited for.
    this.closed.catch(() => undefined);
    this.#connection = (options.open ?? openConnection)(
      options.url,
      {
        onOpen: () => this.#sendConnect(),
        onBytes: (chunk, endsMessage) => this.#onBytes(chunk, endsMessage),
        onClose: (cause) => this.#onClose(cause),
      },
      options,
    );
    options.signal?.addEventListener('abort', () => this.destroy(), { once: true });
  }

  /** Connects and logs in. @throws Error of one line */
  static async connect(options: StompClientOptions): Promise<StompClient> {
    const client = new StompClient(options);
    await client.#within(new Promise((resolve, reject) => (client.#connected = { resolve, reject })), 'CONNECTED');
    return client;
  }

  /** Headers of CONNECTED. */
  get connected(): Headers {
    return this.#welcome;
  }

  /** Resolves once the broker has confirmed, or without a receipt, once the octets are with the system. */
  send(headers: HeaderList, body: Buffer, receipt: boolean): Promise<void> {
    const all: HeaderList = [...headers, ['content-length', String(body.length)]];
    if (receipt) return this.#withReceipt('SEND', all, body);
    return new Promise((resolve, reject) => {
      if (this.#fault !== null) reject(this.#fault);
      else this.#write('SEND', all, body, resolve);
    });
  }

  /** Resolves once the subscription is registered. */
  subscribe(headers: HeaderList): Promise<void> {
    return this.#withReceipt('SUBSCRIBE', headers);
  }

  /** Acknowledges one message, in the words of the version. */
  ack(message: Frame): void {
    const value = (name: string): string => message.headers.get(name) ?? '';
    if (this.#version === '1.2') this.#write('ACK', [['id', value('ack')]]);
    else
      this.#write('ACK', [
        ['subscription', value('subscription')],
        ['message-id', value('message-id')],
      ]);
  }

  /** Leaves once everything sent before was processed (STOMP 1.2, DISCONNECT). */
  async disconnect(): Promise<void> {
    const receipt = this.#withReceipt('DISCONNECT', []);
    this.#isEnding = true;
    await receipt;
    this.#connection.end();
    await this.#within(this.closed, 'the end of the connection');
  }

  /** Drops everything. What is being waited for stays open for ever; `closed` resolves. */
  destroy(): void {
    this.#isEnding = true;
    this.#receipts.clear();
    this.#connection.destroy();
  }

  #sendConnect(): void {
    const { url, login, passcode, hostHeader } = this.#options;
    this.#write('CONNECT', [
      ['accept-version', '1.1,1.2'],
      ['host', hostHeader ?? url.hostname],
      ['heart-beat', formatHeartBeat(HEART_BEAT)],
      ...(login === undefined ? [] : ([['login', login]] as const)),
      ...(passcode === undefined ? [] : ([['passcode', passcode]] as const)),
    ]);
  }

  #write(command: CommandName, headers: HeaderList, body?: Buffer, onWritten?: () => void): void {
    this.#connection.write(serializeFrame(command, headers, this.#version, body), onWritten);
  }

  #withReceipt(command: CommandName, headers: HeaderList, body?: Buffer): Promise<void> {
    if (this.#fault !== null) return Promise.reject(this.#fault);
    const id = String(++this.#lastReceipt);
    const received = new Promise<void>((resolve, reject) => this.#receipts.set(id, { resolve, reject }));
    this.#write(command, [...headers, ['receipt', id]], body);
    return this.#within(received, `RECEIPT of ${command}`);
  }

  async #within(promise: Promise<void>, what: string): Promise<void> {
    const { timeoutMs, url } = this.#options;
    const timer = setTimeout(() => {
      this.#fail(new Error(`${where(url)}: no ${what} within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    // The connection keeps the process; once that is gone nothing can time out.
    timer.unref();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #onBytes(chunk: Buffer, endsMessage: boolean): void {
    if (this.#fault !== null) return;
    this.#receivedAt = performance.now();
    try {
      this.#parser.push(chunk, (frame) => this.#onFrame(frame), endsMessage);
    } catch (error) {
      this.#fail(new Error(`${where(this.#options.url)} does not speak STOMP: ${(error as Error).message}`));
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.command) {
      case 'CONNECTED':
        this.#onConnected(frame);
        break;
      case 'MESSAGE':
        this.#options.onMessage?.(frame);
        break;
      case 'RECEIPT': {
        const id = frame.headers.get('receipt-id') ?? '';
        this.#receipts.get(id)?.resolve();
        this.#receipts.delete(id);
        break;
      }
      default: {
        const detail = frame.body.toString().trim();
        const message = frame.headers.get('message') ?? 'no reason given';
        this.#fail(
          new Error(`ERROR from the broker: ${message}${detail === '' || detail === message ? '' : `\n${detail}`}`),
        );
      }
    }
  }

  #onConnected(frame: Frame): void {
    this.#welcome = frame.headers;
    this.#version = frame.headers.get('version') === '1.2' ? '1.2' : '1.1';
    this.#parser.version = this.#version;
    const server = parseHeartBeat(frame.headers.get('heart-beat'));
    // Seen from this side, where "server" of the negotiation is we ourselves.
    const agreed = negotiateHeartBeat(server, HEART_BEAT);
    const everyMs = Math.min(agreed.sendEveryMs || Infinity, agreed.receiveEveryMs || Infinity);
    if (everyMs !== Infinity) {
      this.#timer = setInterval(() => this.#beat(agreed.sendEveryMs, agreed.receiveEveryMs), everyMs / 2);
    }
    this.#connected?.resolve();
  }

  #beat(sendEveryMs: number, receiveEveryMs: number): void {
    if (sendEveryMs > 0) this.#connection.write(Buffer.from('\n'));
    if (receiveEveryMs > 0 && performance.now() - this.#receivedAt > receiveEveryMs * HEART_BEAT_TOLERANCE) {
      this.#fail(new Error(`${where(this.#options.url)} has gone silent`));
    }
  }

  #onClose(cause: Error | undefined): void {
    const gone = `${where(this.#options.url)} closed the connection`;
    if (!this.#isEnding || this.#receipts.size > 0)
      this.#fail(describeCause(this.#options.url, cause) ?? new Error(gone));
    this.#stop();
    this.#ended.resolve();
  }

  #fail(error: Error): void {
    if (this.#fault !== null) return;
    this.#fault = error;
    this.#stop();
    for (const waiter of [this.#connected, ...this.#receipts.values()]) waiter?.reject(error);
    this.#receipts.clear();
    this.#ended.reject(error);
    this.#connection.destroy();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}

/** Never the whole URL: it may hold a passcode. */
function where(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

function describeCause(url: URL, cause: Error | undefined): Error | null {
  if (cause === undefined) return null;
  const { code } = cause as NodeJS.ErrnoException;
  // Node gathers what every address of a name answered, and leaves the message empty.
  const text = code === 'ECONNREFUSED' ? 'nobody listens there (ECONNREFUSED)' : cause.message || String(code);
  return new Error(`${where(url)}: ${text}`, { cause });
}
