/**
 * The sockets of a server, so that closing it can end them: what is in a TLS handshake, upgraded or refused is not in
 * Node's own list. When thousands come at once they are begun with in portions, so that the others are served in between.
 */
import type { Server, Socket } from 'node:net';
import type { SocketBudget } from './socket-budget.js';

/**
 * Connections that may wait to be accepted: Node's 511 are full when a few thousand clients come back at once, and those
 * beyond try again after a second. The system takes the lesser of this and its own limit (net.core.somaxconn).
 */
export const BACKLOG = 4096;

/** A portion: some 3 ms of HTTP upgrades. */
export const CONNECTIONS_PER_TURN = 32;
/** A TLS handshake costs that many times as much as what comes behind it. */
const TLS_WEIGHT = 8;

const REGISTRY = Symbol('registry of a socket');
const FORGET = Symbol('a socket is gone');
interface ListedSocket extends Socket {
  [REGISTRY]: OpenSockets;
}

export interface OpenSocketsOptions {
  /** Connections to begin with in one turn of the event loop; with TLS an eighth of it. */
  readonly perTurn?: number | undefined;
  readonly isTls?: boolean;
  /** Shared with the other listeners of the process; null: any number. */
  readonly budget?: SocketBudget | null | undefined;
}

export class OpenSockets {
  readonly #sockets = new Set<Socket>();

  readonly #perTurn: number;
  readonly #budget: SocketBudget | null;
  #begun = 0;
  #waiting: Socket[] = [];
  #isScheduled = false;

  /** Lists raw sockets, under TLS as well: a `connection` comes before its handshake. */
  constructor(
    server: Server,
    { perTurn = CONNECTIONS_PER_TURN, isTls = false, budget = null }: OpenSocketsOptions = {},
  ) {
    this.#budget = budget;
    this.#perTurn = isTls ? Math.ceil(perTurn / TLS_WEIGHT) : perTurn;
    const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
    // In front of all listeners, Node's own for HTTP and TLS included.
    const emitInTurn = (event: string | symbol, ...values: unknown[]): boolean => {
      if (event !== 'connection') return emit(event, ...values);
      const socket = values[0] as ListedSocket;
      // A request handed back after an unwanted upgrade comes here a second time.
      if (!this.#sockets.has(socket) && !this.#list(socket)) return true;
      if (this.#begun < this.#perTurn) {
        this.#begun++;
        emit('connection', socket);
      } else this.#waiting.push(socket);
      this.#schedule(emit);
      return true;
    };
    Object.defineProperty(server, 'emit', { value: emitInTurn, configurable: true, writable: true });
  }

  /** @returns false: there are too many, and it is gone */
  #list(socket: ListedSocket): boolean {
    if (this.#budget?.take() === false) {
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket[REGISTRY] = this;
    socket.on('close', forget);
    return true;
  }

  [FORGET](socket: Socket): void {
    if (this.#sockets.delete(socket)) this.#budget?.give();
  }

  #schedule(emit: (event: string, socket: Socket) => boolean): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const next = this.#waiting.splice(0, this.#perTurn);
      this.#begun = next.length;
      for (const socket of next) if (!socket.destroyed) emit('connection', socket);
      if (next.length > 0) this.#schedule(emit);
    });
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Shared by all sockets: a closure for each would cost more than the listing. */
function forget(this: ListedSocket): void {
  this[REGISTRY][FORGET](this);
}
