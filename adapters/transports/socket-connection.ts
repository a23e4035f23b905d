/**
 * What connections over a stream socket share: writing, gathering, and telling when everything has left.
 * TCP and both WebSocket kinds extend it; nothing here knows how octets are framed.
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Framing, Handshake, TransportName } from '../../broker/ports.js';

const NOTHING = Buffer.alloc(0);

export abstract class SocketConnection implements Connection {
  abstract readonly transport: TransportName;
  readonly framing: Framing;
  protected readonly socket: Socket;
  protected listener: ConnectionListener | null = null;
  #corked = false;
  #awaitsDrain = false;
  #gone = false;

  constructor(socket: Socket, framing: Framing) {
    this.socket = socket;
    this.framing = framing;
  }

  /** False once the connection is closing; what is written then is dropped. */
  protected abstract readonly writable: boolean;

  /** Asked of the socket each time: keeping it would cost every idle connection a string. */
  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  get bufferedBytes(): number {
    return this.socket.writableLength;
  }

  write(octets: Uint8Array): void {
    if (!this.writable) return;
    this.socket.write(octets);
    if (!this.#corked && this.socket.writableLength !== 0) this.#watchDrain();
  }

  cork(): void {
    this.#corked = true;
    this.socket.cork();
  }

  uncork(): void {
    this.#corked = false;
    this.socket.uncork();
    if (this.socket.writableLength !== 0 && this.writable) this.#watchDrain();
  }

  /** Begins to deliver; called once, by the transport that made the connection. */
  start(listener: ConnectionListener): void {
    if (this.#gone) listener.onClose();
    else this.listener = listener;
  }

  abstract takeHandshake(): Handshake | null;
  abstract pause(): void;
  abstract resume(): void;
  abstract close(reason: CloseReason): void;
  abstract destroy(reason: CloseReason): void;

  /** Tells the listener that this is over, the first time it is called. */
  protected end(cause?: Error): void {
    if (this.#gone) return;
    this.#gone = true;
    const listener = this.listener;
    this.listener = null;
    if (cause === undefined) listener?.onClose();
    else listener?.onClose(cause);
  }

  /**
   * The stream says 'drain' only for what went over its high-water mark. An empty write queued behind the rest is called
   * back whatever the amount, and costs nothing while the system takes everything at once.
   */
  #watchDrain(): void {
    if (this.#awaitsDrain) return;
    this.#awaitsDrain = true;
    this.socket.write(NOTHING, (error) => {
      this.#awaitsDrain = false;
      if (error || this.#gone) return;
      if (this.bufferedBytes === 0) this.listener?.onDrain();
      else if (this.writable) this.#watchDrain();
    });
  }
}
