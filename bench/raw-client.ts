/**
 * A STOMP client as cheap as can be: writes prepared octets, counts NULs. Over TCP, or over WebSocket with frames made
 * and skipped by hand, so that the load costs little beside the server it measures.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

const MASK_BYTES = 4;

export class RawClient {
  /** NULs received: frames, as long as no body holds one. */
  frames = 0;
  onFrames: (() => void) | null = null;
  readonly #socket: Socket;
  readonly #isWebSocket: boolean;

  private constructor(socket: Socket, isWebSocket: boolean) {
    this.#socket = socket;
    this.#isWebSocket = isWebSocket;
  }

  static async open(port: number, path: string | null): Promise<RawClient> {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const client = new RawClient(socket, path !== null);
    if (path !== null) {
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      await once(socket, 'data');
    }
    socket.on('data', (chunk) => {
      client.#count(chunk);
    });
    return client;
  }

  /** Resolves once `count` frames in all have arrived. */
  async received(count: number): Promise<void> {
    while (this.frames < count) {
      await new Promise<void>((resolve) => {
        this.onFrames = resolve;
      });
    }
  }

  send(octets: Buffer): void {
    this.#socket.write(octets);
  }

  /** Prepared once: the frames as one write, each a WebSocket message of its own where there are messages. */
  encode(frame: string, count: number): Buffer {
    const octets = Buffer.from(frame);
    if (!this.#isWebSocket) return Buffer.concat(Array.from({ length: count }, () => octets));
    const header = Buffer.from(
      octets.length < 126
        ? [0x81, 0x80 | octets.length]
        : [0x81, 0x80 | 126, octets.length >>> 8, octets.length & 0xff],
    );
    // A mask of zeros is a mask: the octets stay as they are.
    const message = Buffer.concat([header, Buffer.alloc(MASK_BYTES), octets]);
    return Buffer.concat(Array.from({ length: count }, () => message));
  }

  close(): void {
    this.#socket.destroy();
  }

  #count(chunk: Buffer): void {
    let at = chunk.indexOf(0);
    const before = this.frames;
    for (; at >= 0; at = chunk.indexOf(0, at + 1)) this.frames++;
    if (this.frames === before) return;
    const { onFrames } = this;
    this.onFrames = null;
    onFrames?.();
  }
}
