/**
 * A STOMP client for queues, as cheap as can be: prepared frames out, frames in told apart by their first octet. Bodies
 * hold no NUL. ERROR ends the bench: a figure with refused frames in it would mean nothing.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const LF = 0x0a;
const NUL = 0;
const [RECEIPT, MESSAGE, CONNECTED] = ['R', 'M', 'C'].map((letter) => letter.charCodeAt(0));
const ACK_HEADER = Buffer.from('\nack:');
const NOTHING = Buffer.alloc(0);

export class QueueClient {
  /** For each RECEIPT. */
  onReceipt: (() => void) | null = null;
  /** For each MESSAGE, with the value of its `ack` header as it was sent; empty where there is none. */
  onMessage: ((ackId: string) => void) | null = null;
  /** After everything one read brought in: the place to write what was gathered. */
  onReadEnd: (() => void) | null = null;
  /** Value of `server` in CONNECTED. */
  server = '';
  readonly #socket: Socket;
  #rest: Buffer = NOTHING;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on('close', () => {
      if (this.onReceipt !== null || this.onMessage !== null) throw new Error('the server ended the connection');
    });
  }

  /** Connected, in STOMP 1.2 without heart-beats. */
  static async open(port: number): Promise<QueueClient> {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const client = new QueueClient(socket);
    client.write('CONNECT\naccept-version:1.2\nhost:/\n\n\0');
    while (client.server === '') await once(socket, 'data');
    return client;
  }

  write(octets: Buffer | string): void {
    this.#socket.write(octets);
  }

  /** Writes what ends in a frame with a receipt; resolves when that comes, with no other on its way. */
  async request(frame: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.onReceipt = resolve;
      this.write(frame);
    });
    this.onReceipt = null;
  }

  close(): void {
    this.onReceipt = null;
    this.onMessage = null;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const octets = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (;;) {
      while (octets[start] === LF) start++;
      const end = octets.indexOf(NUL, start);
      if (end < 0) break;
      this.#onFrame(octets, start, end);
      start = end + 1;
    }
    this.#rest = start === octets.length ? NOTHING : octets.subarray(start);
    this.onReadEnd?.();
  }

  #onFrame(octets: Buffer, start: number, end: number): void {
    const first = octets[start];
    if (first === RECEIPT) this.onReceipt?.();
    else if (first === MESSAGE) {
      const at = octets.indexOf(ACK_HEADER, start) + ACK_HEADER.length;
      const hasAck = at >= ACK_HEADER.length && at < end;
      this.onMessage?.(hasAck ? octets.toString('latin1', at, octets.indexOf(LF, at)) : '');
    } else if (first === CONNECTED) {
      this.server = /^server:(.*)$/m.exec(octets.toString('utf8', start, end))?.[1] ?? 'unknown';
    } else throw new Error(`the server answers ${octets.toString('utf8', start, end)}`);
  }
}
