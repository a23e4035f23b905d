/**
 * A TCP client for tests with very many subscriptions: it keeps no frames, only checks that each subscription gets the
 * messages numbered 0, 1, 2 … in its turn, and counts them.
 */
import { connect, type Socket } from 'node:net';
import { inTime } from './inbox.js';
import { frame } from './stomp-text.js';

const HEAD = Buffer.from('MESSAGE\nsubscription:');
const BLANK_LINE = Buffer.from('\n\n');

export class CountingClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  /** MESSAGEs in all. */
  messages = 0;
  /** The first thing that was not as it should be. */
  fault: string | null = null;
  /** By subscription: the number that has to come next. */
  readonly #next: number[];
  #rest: Buffer = Buffer.alloc(0);
  #awaited: { readonly text: string; readonly resolve: () => void } | null = null;
  #goal: { readonly messages: number; readonly resolve: () => void } | null = null;

  private constructor(port: number, subscriptions: number) {
    this.#next = new Array<number>(subscriptions).fill(0);
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => {
      this.#onData(chunk);
    });
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        resolve();
      });
    });
  }

  /** Connected and subscribed to `destination` with ids 0 … `subscriptions` - 1. */
  static async open(port: number, destination: string, subscriptions: number): Promise<CountingClient> {
    const client = new CountingClient(port, subscriptions);
    let frames = frame('CONNECT', { 'accept-version': '1.2', 'heart-beat': '0,0' });
    for (let id = 0; id < subscriptions; id++) frames += frame('SUBSCRIBE', { id: String(id), destination });
    const isLive = client.#reads('receipt-id:live\n');
    client.socket.write(frames + frame('SEND', { destination: '/topic/none', receipt: 'live' }));
    await inTime(isLive, `${subscriptions} subscriptions to be live`, 20_000);
    return client;
  }

  /** Resolves when so many MESSAGEs have come in all. */
  async received(messages: number, deadlineMs: number): Promise<void> {
    const done = new Promise<void>((resolve) => {
      if (this.messages >= messages) resolve();
      else this.#goal = { messages, resolve };
    });
    await inTime(done, `${messages} messages`, deadlineMs).catch((error: unknown) => {
      throw new Error(`${String(error)}, got ${this.messages}`);
    });
  }

  send(destination: string, body: string): void {
    this.socket.write(frame('SEND', { destination }, body));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #reads(text: string): Promise<void> {
    return new Promise((resolve) => (this.#awaited = { text, resolve }));
  }

  #onData(chunk: Buffer): void {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let end = octets.indexOf(0, at); end >= 0; end = octets.indexOf(0, at)) {
      while (octets[at] === 10) at++;
      this.#onFrame(octets, at, end);
      at = end + 1;
    }
    this.#rest = octets.subarray(at);
    if (this.#goal !== null && this.messages >= this.#goal.messages) this.#goal.resolve();
  }

  #onFrame(octets: Buffer, start: number, end: number): void {
    if (octets.compare(HEAD, 0, HEAD.length, start, Math.min(start + HEAD.length, end)) !== 0) {
      const text = octets.toString('latin1', start, end);
      if (text.startsWith('ERROR')) this.fault ??= text;
      if (this.#awaited !== null && text.includes(this.#awaited.text)) this.#awaited.resolve();
      return;
    }
    const id = digits(octets, start + HEAD.length);
    const body = digits(octets, octets.indexOf(BLANK_LINE, start) + BLANK_LINE.length);
    const expected = this.#next[id];
    if (body !== expected) this.fault ??= `subscription ${id}: expected ${String(expected)}, got ${body}`;
    this.#next[id] = body + 1;
    this.messages++;
  }
}

/** The whole number that begins at `at`. */
function digits(octets: Buffer, at: number): number {
  let value = 0;
  for (let k = at; ; k++) {
    const digit = (octets[k] ?? 0) - 48;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}
