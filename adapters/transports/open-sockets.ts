/**
 * The sockets of a server, so that closing it can end them: what is in a TLS handshake, upgraded or refused is not in
 * Node's own list.
 */
import type { Server, Socket } from 'node:net';

/**
 * Connections that may wait to be accepted: Node's 511 are full when a few thousand clients come back at once, and those
 * beyond try again after a second. The system takes the lesser of this and its own limit (net.core.somaxconn).
 */
export const BACKLOG = 4096;

const REGISTRY = Symbol('registry of a socket');
interface ListedSocket extends Socket {
  [REGISTRY]: Set<Socket>;
}

export class OpenSockets {
  readonly #sockets = new Set<Socket>();

  /** Lists raw sockets, under TLS as well: a `connection` comes before its handshake. */
  constructor(server: Server) {
    server.on('connection', (socket: ListedSocket) => {
      // A request handed back after an unwanted upgrade comes here a second time.
      if (this.#sockets.has(socket)) return;
      this.#sockets.add(socket);
      socket[REGISTRY] = this.#sockets;
      socket.on('close', forget);
    });
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Shared by all sockets: a closure for each would cost more than the listing. */
function forget(this: ListedSocket): void {
  this[REGISTRY].delete(this);
}
