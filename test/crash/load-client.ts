/**
 * A STOMP 1.2 client for load over TCP: callbacks instead of promises for each frame, and an end that may come at any
 * moment without being a fault. Reads with the tests' own reader of frames.
 */
import { connect, type Socket } from 'node:net';
import { frameHead } from '../helpers/raw-client.js';
import { header, readServerFrames, type ServerFrame } from '../helpers/server-frames.js';

const NUL = Buffer.alloc(1);

export interface LoadClientEvents {
  readonly onMessage?: ((message: ServerFrame) => void) | undefined;
  /** Every frame, before anything else is done with it. */
  readonly onFrame?: (() => void) | undefined;
  /** ERROR with its code, or octets that are no frame. */
  readonly onFault: (text: string, code?: string) => void;
  /** Once: the connection is gone, or the server says with ERROR that it ends it. */
  readonly onEnd: () => void;
}

interface Answers {
  readonly onReceipt: () => void;
  readonly onError: (() => void) | undefined;
}

export class LoadClient {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #events: LoadClientEvents;
  readonly #receipts = new Map<string, Answers>();
  #lastReceipt = 0;
  #octets: Buffer = Buffer.alloc(0);
  #hasEnded = false;
  #onConnected: () => void = () => undefined;
  /** Whoever waits for RECEIPTs. */
  #waiting: { readonly most: number; readonly resolve: () => void } | null = null;

  private constructor(port: number, events: LoadClientEvents) {
    this.#events = events;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk) => {
      this.#onData(chunk);
    });
    // A killed peer resets what it had not read.
    this.#socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => {
        this.#end();
        resolve();
      });
    });
  }

  /** Resolves once connected, or once the connection is gone: `hasEnded` tells. */
  static async open(
    port: number,
    events: LoadClientEvents,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<LoadClient> {
    const client = new LoadClient(port, events);
    const connected = new Promise<void>((resolve) => (client.#onConnected = resolve));
    client.send('CONNECT', { 'accept-version': '1.2', host: 'localhost', 'heart-beat': '0,0', ...headers });
    await Promise.race([connected, client.closed]);
    return client;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** @param headers written as they are */
  send(command: string, headers: Readonly<Record<string, string>>, body: Uint8Array = Buffer.alloc(0)): void {
    if (this.#hasEnded) return;
    const counted = body.length === 0 ? headers : { ...headers, 'content-length': String(body.length) };
    this.#socket.write(Buffer.concat([Buffer.from(frameHead(command, counted)), body, NUL]));
  }

  /**
   * @param onReceipt called at its RECEIPT, which may never come
   * @param onError called at an ERROR that names it
   */
  request(
    command: string,
    headers: Readonly<Record<string, string>>,
    onReceipt: () => void,
    { body, onError }: { readonly body?: Uint8Array; readonly onError?: () => void } = {},
  ): void {
    const receipt = String(++this.#lastReceipt);
    this.#receipts.set(receipt, { onReceipt, onError });
    this.send(command, { ...headers, receipt }, body);
  }

  /** Resolves once no more than so many RECEIPTs are awaited, or the connection is gone. */
  async awaiting(most: number): Promise<void> {
    if (this.#hasEnded || this.#receipts.size <= most) return;
    await new Promise<void>((resolve) => (this.#waiting = { most, resolve }));
  }

  /** Leaves in an orderly way: what is held is with the broker again once this resolves. */
  async leave(): Promise<void> {
    this.request('DISCONNECT', {}, () => this.#socket.end());
    await this.closed;
  }

  /** Drops the connection at once. */
  destroy(): void {
    this.#end();
    this.#socket.destroy();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#waiting?.resolve();
    this.#events.onEnd();
  }

  #onData(chunk: Buffer): void {
    if (this.#hasEnded) return;
    try {
      const octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk]);
      const { frames, rest } = readServerFrames(octets);
      this.#octets = rest;
      for (const frame of frames) this.#onFrame(frame);
    } catch (error) {
      this.#events.onFault(String(error));
      this.destroy();
    }
  }

  #onFrame(frame: ServerFrame): void {
    if (this.#hasEnded) return;
    this.#events.onFrame?.();
    switch (frame.command) {
      case 'MESSAGE':
        this.#events.onMessage?.(frame);
        break;
      case 'RECEIPT':
        this.#onReceipt(header(frame, 'receipt-id') ?? '');
        break;
      case 'CONNECTED':
        this.#onConnected();
        break;
      default:
        this.#receipts.get(header(frame, 'receipt-id') ?? '')?.onError?.();
        this.#events.onFault(`${frame.command} ${String(header(frame, 'message'))}`, header(frame, 'code'));
        this.#end();
        this.#socket.destroy();
    }
  }

  #onReceipt(id: string): void {
    const answers = this.#receipts.get(id);
    if (answers === undefined) this.#events.onFault(`RECEIPT of ${id}, which was not asked for`);
    this.#receipts.delete(id);
    answers?.onReceipt();
    if (this.#waiting === null || this.#receipts.size > this.#waiting.most) return;
    const { resolve } = this.#waiting;
    this.#waiting = null;
    resolve();
  }
}
