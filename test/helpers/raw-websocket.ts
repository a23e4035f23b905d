/**
 * A WebSocket client that can break every rule: frames are given bit by bit.
 */
import { connect, type Socket } from 'node:net';
import { Inbox, inTime } from './inbox.js';

export interface RawFrameSpec {
  readonly opcode: number;
  readonly payload?: Uint8Array | string;
  readonly fin?: boolean;
  /** The three reserved bits, as 0x40, 0x20 and 0x10. */
  readonly reserved?: number;
  readonly masked?: boolean;
}

export interface ReceivedFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

export function encodeFrame({ opcode, payload = '', fin = true, reserved = 0, masked = true }: RawFrameSpec): Buffer {
  const octets = Buffer.from(payload as string);
  const header = Buffer.alloc(octets.length < 126 ? 2 : octets.length < 65_536 ? 4 : 10);
  header[0] = (fin ? 0x80 : 0) | reserved | opcode;
  if (header.length === 2) header[1] = octets.length;
  else if (header.length === 4) header.writeUInt16BE(octets.length, 2);
  else header.writeBigUInt64BE(BigInt(octets.length), 2);
  if (header.length > 2) header[1] = header.length === 4 ? 126 : 127;
  if (!masked) return Buffer.concat([header, octets]);
  header[1] = (header[1] ?? 0) | 0x80;
  for (let at = 0; at < octets.length; at++) octets[at] = (octets[at] ?? 0) ^ (MASK[at % 4] ?? 0);
  return Buffer.concat([header, MASK, octets]);
}

export class RawWebSocket {
  readonly socket: Socket;
  readonly frames = new Inbox<ReceivedFrame>();
  /** Resolves when the server has closed its side. */
  readonly ended: Promise<void>;
  #buffer = Buffer.alloc(0);
  #isOpen = false;
  readonly #head = new Inbox<string>();

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.on('data', (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#read();
    });
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const onEnd = (): void => {
        this.frames.end('the server ended the connection');
        this.#head.end('the server ended the connection');
        resolve();
      };
      this.socket.on('end', onEnd);
      this.socket.on('close', onEnd);
    });
  }

  /** Makes the handshake; rejects unless it is answered 101. */
  static async open(port: number, path: string): Promise<RawWebSocket> {
    const client = new RawWebSocket(port);
    const head = await client.handshake(path);
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(head);
    return client;
  }

  /** Sends an upgrade request; resolves to the head of the answer. */
  handshake(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<string> {
    const all = {
      Host: `127.0.0.1:${String(this.socket.remotePort ?? 0)}`,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'x3JJHMbDL1EzLkh9GBhXDw==',
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return this.#head.next('the answer to the handshake');
  }

  send(...frames: readonly RawFrameSpec[]): void {
    this.socket.write(Buffer.concat(frames.map(encodeFrame)));
  }

  next(what = 'a WebSocket frame'): Promise<ReceivedFrame> {
    return this.frames.next(what);
  }

  /** The status in the close frame that comes next. */
  async closeStatus(): Promise<number> {
    const frame = await this.next('a close frame');
    if (frame.opcode !== 8) throw new Error(`got opcode ${String(frame.opcode)}: ${frame.payload.toString()}`);
    return frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0);
  }

  untilEnd(): Promise<void> {
    return inTime(this.ended, 'the server to end the connection');
  }

  close(): void {
    this.socket.destroy();
  }

  #read(): void {
    if (!this.#isOpen) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.#isOpen = true;
      this.#head.push(this.#buffer.toString('latin1', 0, end));
      this.#buffer = this.#buffer.subarray(end + 4);
    }
    while (this.#readFrame());
  }

  #readFrame(): boolean {
    const buffer = this.#buffer;
    if (buffer.length < 2) return false;
    const [first = 0, second = 0] = buffer;
    let start = 2;
    let lengthBytes = second & 0x7f;
    if (lengthBytes === 126) {
      if (buffer.length < 4) return false;
      lengthBytes = buffer.readUInt16BE(2);
      start = 4;
    } else if (lengthBytes === 127) {
      if (buffer.length < 10) return false;
      lengthBytes = Number(buffer.readBigUInt64BE(2));
      start = 10;
    }
    if (buffer.length < start + lengthBytes) return false;
    this.frames.push({
      opcode: first & 0x0f,
      fin: (first & 0x80) !== 0,
      payload: Buffer.from(buffer.subarray(start, start + lengthBytes)),
    });
    this.#buffer = buffer.subarray(start + lengthBytes);
    return true;
  }
}
