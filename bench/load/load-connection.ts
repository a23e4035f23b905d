/**
 * One client connection of the load, as cheap as Node allows: all connections of the process read into one buffer, and
 * nothing is kept of what was read. While it is being set up, what comes in is read as text.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What one read brings at most. */
const READ_BYTES = 256 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);
/** Longer than any server here takes to answer, even with 10,000 clients at its door. */
const ANSWER_MS = 30_000;

export class LoadConnection {
  /** For each read; the octets are overwritten by the next. */
  onOctets: (octets: Buffer) => void;
  readonly #socket: Socket;
  #text = '';
  #onText: (() => void) | null = null;
  #isClosing = false;

  private constructor(port: number) {
    this.onOctets = this.#readText;
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.onOctets(readBuffer.subarray(0, length));
          return true;
        },
      },
    });
    this.#socket.on('close', () => {
      if (!this.#isClosing)
        throw new Error(`the server closed a connection${this.#text === '' ? '' : `: ${this.#text}`}`);
    });
    this.#socket.on('error', () => undefined);
  }

  static async open(port: number): Promise<LoadConnection> {
    const connection = new LoadConnection(port);
    await once(connection.#socket, 'connect');
    return connection;
  }

  write(octets: Buffer | string): void {
    this.#socket.write(octets);
  }

  /**
   * Resolves with what has come in so far, once it holds one of the texts; begins anew with what follows.
   * @throws Error when it does not come in time, or the server answers ERROR
   */
  async until(...texts: readonly string[]): Promise<string> {
    const deadline = performance.now() + ANSWER_MS;
    while (!texts.some((text) => this.#text.includes(text))) {
      if (this.#text.includes('ERROR\n')) throw new Error(`the server answers ${this.#text}`);
      if (performance.now() > deadline)
        throw new Error(`the server does not answer ${texts.join(' or ')}, but ${this.#text}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ANSWER_MS);
        this.#onText = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const answer = this.#text;
    this.#text = '';
    return answer;
  }

  /** Ends it without a word. */
  close(): void {
    this.#isClosing = true;
    this.#socket.destroy();
  }

  readonly #readText = (octets: Buffer): void => {
    this.#text += octets.toString('latin1');
    const onText = this.#onText;
    this.#onText = null;
    onText?.();
  };
}
