/**
 * A client that writes raw octets on a TCP socket and reads the server's frames with a strict reader of its own, which
 * shares nothing with protocol/. Nothing here waits for time to pass: what must not come is proven by a fence.
 */
import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import { DEADLINE_MS, Inbox, inTime } from './inbox.js';

export type Version = '1.0' | '1.1' | '1.2';
export const VERSIONS: readonly Version[] = ['1.0', '1.1', '1.2'];

type HeaderList = readonly (readonly [name: string, value: string])[];

/** One frame as the server wrote it. */
export class ReceivedFrame {
  readonly command: string;
  /** Header lines as they were on the wire. */
  readonly raw: HeaderList;
  /** Unescaped by the rules of the session's version. */
  readonly headers: HeaderList;
  readonly body: Buffer;

  constructor(command: string, raw: HeaderList, headers: HeaderList, body: Buffer) {
    this.command = command;
    this.raw = raw;
    this.headers = headers;
    this.body = body;
  }

  /** The first value of that name, unescaped. */
  get(name: string): string | undefined {
    return this.headers.find(([key]) => key === name)?.[1];
  }

  /** The first value of that name as it was on the wire. */
  getRaw(name: string): string | undefined {
    return this.raw.find(([key]) => key === name)?.[1];
  }

  get text(): string {
    return this.body.toString('utf8');
  }
}

const CLIENT_OPTIONS = { host: '127.0.0.1', noDelay: true } as const;

export class RawClient {
  /** Rules the reader unescapes by; `connect` sets it. */
  version: Version = '1.2';
  readonly socket: Socket;
  /** LFs read between frames. */
  heartBeats = 0;
  /** The server has ended the connection, in whatever way. */
  hasEnded = false;
  readonly #frames = new Inbox<ReceivedFrame>();
  readonly #beats = new Inbox<number>();
  readonly #end: Promise<void>;
  #octets: Buffer = Buffer.alloc(0);
  #lastFence = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#end = new Promise((resolve, reject) => {
      socket.on('end', resolve);
      socket.on('error', reject);
    });
    // Whoever waits hears of it; without anybody waiting it is no unhandled rejection.
    this.#end.catch(() => undefined);
    socket.on('data', (chunk) => {
      try {
        this.#onData(chunk);
      } catch (error) {
        this.#finish(String(error));
        socket.destroy();
      }
    });
    socket.on('end', () => {
      this.#finish('the server closed the connection');
    });
    socket.on('error', (error) => {
      this.#finish(error.message);
    });
  }

  static async open(
    port: number,
    options: { readonly allowHalfOpen?: boolean; readonly localAddress?: string } = {},
  ): Promise<RawClient> {
    const socket = connect({ ...CLIENT_OPTIONS, ...options, port });
    const client = new RawClient(socket);
    const connected = new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    await inTime(connected, 'a TCP connection');
    return client;
  }

  /** As `open`, destroyed with the test. */
  static async openFor(t: Test, port: number): Promise<RawClient> {
    const client = await RawClient.open(port);
    t.teardown(() => {
      client.destroy();
    });
    return client;
  }

  /** Writes octets as they are; resolves when the system has taken them. */
  send(octets: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(octets, () => {
        resolve();
      });
    });
  }

  /** Writes a frame with headers as given, unescaped. */
  sendFrame(command: string, headers: Readonly<Record<string, string>> = {}, body: string | Buffer = ''): void {
    void this.send(Buffer.concat([Buffer.from(frameHead(command, headers)), Buffer.from(body), NUL]));
  }

  /** The next frame. Rejects when the connection ends first, or after a deadline. */
  frame(command?: string): Promise<ReceivedFrame> {
    return this.#frames.next(command === undefined ? 'a frame' : `a ${command} frame`).then((frame) => {
      if (command === undefined || frame.command === command) return frame;
      throw new Error(`expected ${command}, got ${describe(frame)}`);
    });
  }

  /** `count` MESSAGEs in a row. */
  async messages(count: number): Promise<ReceivedFrame[]> {
    const frames: ReceivedFrame[] = [];
    while (frames.length < count) frames.push(await this.frame('MESSAGE'));
    return frames;
  }

  /** The next `count` LFs between frames. */
  async nextHeartBeats(count = 1): Promise<void> {
    for (let k = 0; k < count; k++) await this.#beats.next('a heart-beat');
  }

  /** Sends CONNECT and reads CONNECTED. */
  async connect(version: Version = '1.2', headers: Readonly<Record<string, string>> = {}): Promise<ReceivedFrame> {
    this.sendFrame('CONNECT', connectHeaders(version, headers));
    this.version = version;
    return this.frame('CONNECTED');
  }

  /** Subscribes and waits until the subscription is live. */
  async subscribe(destination: string, id = '0', headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const receipt = `subscribed-${id}`;
    this.sendFrame('SUBSCRIBE', { id, destination, receipt, ...headers });
    await this.receipt(receipt);
  }

  /** The next frame must be the RECEIPT of `id`. */
  async receipt(id: string): Promise<ReceivedFrame> {
    const frame = await this.frame('RECEIPT');
    if (frame.get('receipt-id') !== id) throw new Error(`expected the RECEIPT of ${id}, got ${describe(frame)}`);
    return frame;
  }

  /** Proves that every frame sent so far is handled and that no frame is on its way: else throws, naming it. */
  async fence(): Promise<void> {
    const receipt = `fence-${++this.#lastFence}`;
    this.sendFrame('SEND', { destination: '/topic/nobody.listens.here', receipt });
    await this.receipt(receipt);
    // Messages of this turn leave with its receipts; a second round trip lets a later flush be seen as well.
    this.sendFrame('SEND', { destination: '/topic/nobody.listens.here', receipt: `${receipt}-again` });
    await this.receipt(`${receipt}-again`);
  }

  /**
   * The next frame must be an ERROR that keeps the rules all ERRORs keep, and the last: then the server ends.
   * @returns the ERROR
   */
  async expectError(code?: string): Promise<ReceivedFrame> {
    const error = await this.frame('ERROR');
    const message = error.get('message');
    if (message === undefined || message === '' || /[\r\n]/.test(message)) {
      throw new Error(`ERROR needs a one-line message: ${describe(error)}`);
    }
    if (error.get('content-type') !== 'text/plain') throw new Error(`ERROR without content-type: ${describe(error)}`);
    if (error.get('content-length') !== String(error.body.length)) {
      throw new Error(`ERROR without content-length: ${describe(error)}`);
    }
    if (code !== undefined && error.get('code') !== code) throw new Error(`expected ${code}, got ${describe(error)}`);
    await this.closed();
    return error;
  }

  /** Resolves at the server's FIN with nothing unread before it; rejects on a reset, or when a frame is unread. */
  async closed(deadlineMs = DEADLINE_MS): Promise<void> {
    await inTime(this.#end, 'the server to end the connection', deadlineMs);
    if (this.#frames.length > 0) throw new Error(`unread before the end: ${describe(await this.frame())}`);
    if (this.#octets.length > 0)
      throw new Error(`half a frame before the end: ${JSON.stringify(String(this.#octets))}`);
  }

  /** Ends this side in order (FIN). */
  end(): void {
    this.socket.end();
  }

  /** Ends this side at once (RST where octets are unread). */
  destroy(): void {
    this.socket.destroy();
  }

  /** No frame may have arrived unread so far. */
  get unread(): number {
    return this.#frames.length;
  }

  #finish(why: string): void {
    this.hasEnded = true;
    this.#frames.end(why);
    this.#beats.end(why);
  }

  #onData(chunk: Buffer): void {
    this.#octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk]);
    let at = 0;
    for (;;) {
      if (this.#octets[at] === LF) {
        at++;
        this.#beats.push(++this.heartBeats);
        continue;
      }
      const end = this.#readFrame(at);
      if (end < 0) break;
      at = end;
    }
    this.#octets = this.#octets.subarray(at);
  }

  /** Reads one frame from `start`; returns the position behind it, or -1 while it is not whole. */
  #readFrame(start: number): number {
    const blank = this.#octets.indexOf('\n\n', start);
    if (blank < 0) return -1;
    const [command = '', ...lines] = this.#octets.toString('utf8', start, blank).split('\n');
    if (!/^(CONNECTED|MESSAGE|RECEIPT|ERROR)$/.test(command)) throw new Error(`not a server's command: ${command}`);
    const raw = lines.map((line): readonly [string, string] => {
      const colon = line.indexOf(':');
      if (colon < 1) throw new Error(`not a header line: ${JSON.stringify(line)}`);
      return [line.slice(0, colon), line.slice(colon + 1)];
    });
    const length = raw.find(([name]) => name === 'content-length')?.[1];
    const bodyStart = blank + 2;
    const bodyEnd = length === undefined ? this.#octets.indexOf(0, bodyStart) : bodyStart + Number(length);
    if (bodyEnd < 0 || bodyEnd >= this.#octets.length) return -1;
    if (this.#octets[bodyEnd] !== 0) throw new Error(`no NUL behind the body of ${command}`);
    const plain = command === 'CONNECTED' || this.version === '1.0';
    const headers = plain ? raw : raw.map(([name, value]) => [this.#unescape(name), this.#unescape(value)] as const);
    this.#frames.push(new ReceivedFrame(command, raw, headers, Buffer.from(this.#octets.subarray(bodyStart, bodyEnd))));
    return bodyEnd + 1;
  }

  #unescape(text: string): string {
    if (text.includes(':')) throw new Error(`raw colon in ${JSON.stringify(text)}`);
    return text.replace(/\\([^]?)/g, (escape, letter: string) => {
      const octet = letter === 'r' && this.version !== '1.2' ? undefined : ESCAPES.get(letter);
      if (octet === undefined) throw new Error(`${escape} is no escape of ${this.version}`);
      return octet;
    });
  }
}

const LF = 10;
const NUL = Buffer.alloc(1);
const ESCAPES = new Map([
  ['n', '\n'],
  ['r', '\r'],
  ['c', ':'],
  ['\\', '\\'],
]);

/** Command and header lines, and the blank line; values are written as they are. */
export function frameHead(command: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  return `${command}\n${lines.join('')}\n`;
}

/** What a client of that version shows; 1.0 knows no accept-version. */
export function connectHeaders(
  version: Version,
  headers: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  return version === '1.0' ? headers : { 'accept-version': version, host: 'localhost', ...headers };
}

function describe(frame: ReceivedFrame): string {
  const headers = frame.raw.map(([name, value]) => `${name}:${value}`).join(', ');
  return `${frame.command} {${headers}} ${JSON.stringify(frame.text.slice(0, 200))}`;
}

/** A client that is connected with `version`, destroyed with the test. */
export async function openConnected(
  t: Test,
  port: number,
  version: Version = '1.2',
  headers: Readonly<Record<string, string>> = {},
): Promise<RawClient> {
  const client = await RawClient.openFor(t, port);
  await client.connect(version, headers);
  return client;
}
