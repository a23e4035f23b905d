/** A client that sends an octet now and then, and never enough. */
import { connect, type Socket } from 'node:net';
import { inTime } from '../helpers/inbox.js';

const EVERY_MS = 25;

export class SlowSocket {
  /** What the server said until it ended the connection. */
  readonly ended: Promise<string>;
  hasEnded = false;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #at = 0;

  /** @param atOnce sent to begin with @param slowly sent octet by octet, over and over */
  constructor(port: number, atOnce: string, slowly: string) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => (text += part));
    socket.on('error', () => undefined);
    if (atOnce !== '') socket.write(atOnce, 'latin1');
    this.#timer = setInterval(() => {
      if (socket.writable && slowly !== '') socket.write(slowly[this.#at++ % slowly.length] ?? '');
    }, EVERY_MS);
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.hasEnded = true;
        clearInterval(this.#timer);
        socket.destroy();
        resolve(text);
      };
      socket.on('end', end);
      socket.on('close', end);
    });
  }

  untilEnd(): Promise<string> {
    return inTime(this.ended, 'the server to end a slow connection', 15_000);
  }

  destroy(): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
  }
}
