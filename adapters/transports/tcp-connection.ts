/**
 * One TCP or TLS socket as a Connection.
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Handshake } from '../../broker/ports.js';
import { SocketConnection } from './socket-connection.js';
import { RAW_FRAMING } from './websocket-framing.js';

/**
 * How long output may still follow the client's FIN, or what its listener says is owed to it. A client that is really gone
 * should not stay in the books for long.
 */
const HALF_CLOSED_MS = 100;

const OWNER = Symbol('connection of a socket');
interface OwnedSocket extends Socket {
  [OWNER]: TcpConnection;
}

export class TcpConnection extends SocketConnection {
  readonly transport: 'tcp' | 'tls';
  #discards = false;
  #paused = false;
  #peerEnded = false;
  #cause: Error | undefined;
  readonly #client: string | null;

  /** @param client where a proxy says that it comes from; null: what the socket says */
  constructor(socket: Socket, transport: 'tcp' | 'tls', client: string | null = null) {
    super(socket, RAW_FRAMING);
    this.#client = client;
    this.transport = transport;
    const owned = socket as OwnedSocket;
    owned[OWNER] = this;
    // The functions are shared: closures would cost each idle connection more than this object.
    owned.on('data', onData);
    owned.on('end', onEnd);
    owned.on('error', onError);
    owned.on('close', onClose);
  }

  override get remoteAddress(): string {
    return this.#client ?? super.remoteAddress;
  }

  protected override get writable(): boolean {
    return this.socket.writable;
  }

  takeHandshake(): Handshake | null {
    return null;
  }

  pause(): void {
    if (this.#discards) return;
    this.#paused = true;
    this.socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.socket.resume();
    if (this.#peerEnded) this.#endSoon();
  }

  /** Reads on, so that a client still sending meets our octets and FIN rather than a reset (STOMP 1.2, Lingering). */
  close(_reason: CloseReason): void {
    this.#discards = true;
    this.socket.end();
    this.socket.resume();
  }

  destroy(_reason: CloseReason): void {
    this.#discards = true;
    this.socket.destroy();
  }

  onData(chunk: Buffer): void {
    if (!this.#discards) this.listener?.onBytes(chunk, false);
  }

  onPeerEnd(): void {
    this.#peerEnded = true;
    // A listener that paused is still working on a frame; its answer comes before resume().
    if (!this.#paused) this.#endSoon();
  }

  onError(error: Error): void {
    this.#cause = error;
  }

  onSocketClose(): void {
    this.end(this.#cause);
  }

  #endSoon(): void {
    if (this.#discards) return;
    setTimeout(() => {
      if (this.#paused) return;
      const answered = this.listener?.onEnd?.();
      if (answered === undefined) this.socket.end();
      // The answer leaves at the end of its turn.
      else void answered.then(() => setTimeout(() => this.socket.end(), HALF_CLOSED_MS));
    }, HALF_CLOSED_MS);
  }
}

function onData(this: OwnedSocket, chunk: Buffer): void {
  this[OWNER].onData(chunk);
}

function onEnd(this: OwnedSocket): void {
  this[OWNER].onPeerEnd();
}

function onError(this: OwnedSocket, error: Error): void {
  this[OWNER].onError(error);
}

function onClose(this: OwnedSocket): void {
  this[OWNER].onSocketClose();
}
