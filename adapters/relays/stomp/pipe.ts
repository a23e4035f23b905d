/** The octets of one connection to the external broker: TCP or TLS, written once per turn of the event loop. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface PipeEvents {
  onOpen(): void;
  onBytes(chunk: Buffer): void;
  /** Exactly once, after onOpen or instead of it; `cause` when it was a fault of the network. */
  onClose(cause?: Error): void;
}

export interface Pipe {
  /** Never throws, never waits, keeps order. What is written after the end is dropped. */
  write(octets: Buffer): void;
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  destroy(): void;
}

/** Begins to connect; what becomes of it is told by `events`. */
export type Dial = (events: PipeEvents) => Pipe;

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Null: plain TCP. `ca`: PEM of authorities to trust instead of the system's. */
  readonly tls: { readonly ca?: Buffer | undefined } | null;
}

export function socketDial({ host, port, tls }: DialOptions): Dial {
  return (events) => {
    // An IP address is no server name (RFC 6066, 3).
    const secure = tls === null ? null : { ...tls, servername: isIP(host) === 0 ? host : '' };
    const socket = secure === null ? connectTcp({ host, port, noDelay: true }) : connectTls({ host, port, ...secure });
    let cause: Error | undefined;
    socket.once(secure === null ? 'connect' : 'secureConnect', () => events.onOpen());
    socket.on('data', (chunk: Buffer) => events.onBytes(chunk));
    socket.on('error', (error: Error) => (cause = error));
    socket.once('close', () => events.onClose(cause));
    return new SocketPipe(socket);
  };
}

class SocketPipe implements Pipe {
  readonly #socket: Socket;
  #isCorked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  write(octets: Buffer): void {
    if (!this.#socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(octets);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
