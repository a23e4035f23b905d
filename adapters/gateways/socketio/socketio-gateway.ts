/**
 * Socket.IO clients on the application's HTTP server: rooms are destinations, events are messages. The Socket.IO server
 * itself is the application's, and knows nothing of the broker; its rooms and broadcasts are not used.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { BrokerError } from '../../../broker/errors.js';
import { type AttachedEndpoints, handshakeOf, takeOver } from '../../transports/index.js';
import type { Gateway, GatewayHost } from '../gateway.js';
import type { SocketIoOptions } from './socketio-mapping.js';
import type { SocketIoConnection, SocketIoSocket } from './socketio-server.js';
import { SocketIoSession } from './socketio-session.js';

export interface SocketIoGatewayStats {
  readonly connections: number;
  /** Since start. */
  readonly totalConnections: number;
  /** Clients that were not let in. */
  readonly refusedConnections: number;
  /** Refused events, by name. */
  readonly refusedEvents: Readonly<Record<string, number>>;
}

export class SocketIoGateway implements Gateway {
  readonly #options: SocketIoOptions;
  readonly #sessions = new Map<SocketIoSocket, SocketIoSession>();
  /** Those that are not let in, or not yet, among them. */
  readonly #connections = new Set<SocketIoConnection>();
  readonly #refusedEvents = new Map<string, number>();
  #total = 0;
  #refused = 0;
  #isAttached = false;

  constructor(options: SocketIoOptions) {
    this.#options = options;
  }

  get stats(): SocketIoGatewayStats {
    return {
      connections: this.#sessions.size,
      totalConnections: this.#total,
      refusedConnections: this.#refused,
      refusedEvents: Object.fromEntries(this.#refusedEvents),
    };
  }

  attach(server: Server, host: GatewayHost): AttachedEndpoints {
    if (this.#isAttached) throw new Error('a Socket.IO gateway is attached once, as its Socket.IO server is');
    this.#isAttached = true;
    const { io } = this.#options;
    // Socket.IO would take the listeners of the real server over; this one it has for itself, and it never listens.
    const inner = createServer();
    io.attach(inner);
    const path = io.path();
    let state: 'open' | 'draining' | 'detached' = 'open';
    const owns = (request: IncomingMessage): boolean => state !== 'detached' && isSocketIo(request, path);
    io.use((socket, next) => {
      if (socket.conn.readyState !== 'open') {
        // A client may say all of it in one write and be gone: nobody would be told of its end any more.
        next(new Error('The connection is gone'));
        return;
      }
      this.#connections.add(socket.conn);
      socket.conn.on('close', () => this.#connections.delete(socket.conn));
      if (state === 'open') void this.#letIn(socket, host, next);
      else next(new Error('The server is going away; connect again in a moment.'));
    });
    io.on('connection', (socket) => {
      void this.#sessions.get(socket)?.start();
    });
    const take: AttachedEndpoints['take'] = (request, response) =>
      owns(request) && inner.emit('request', request, response);
    takeOver(server, {
      onRequest: take,
      onUpgrade: (request, socket, head) => owns(request) && inner.emit('upgrade', request, socket, head),
    });
    return {
      paths: [path],
      take,
      stopAccepting: () => {
        state = 'draining';
      },
      detach: () => {
        state = 'detached';
        // A client that polls might not come back for its close, and Socket.IO would wait half a minute for it.
        for (const connection of this.#connections) connection.close(true);
        io.close();
      },
    };
  }

  async #letIn(socket: SocketIoSocket, host: GatewayHost, next: (error?: Error) => void): Promise<void> {
    const { mapping, trustProxy = false } = this.#options;
    const handshake = handshakeOf(socket.request, trustProxy);
    const onRefused = (event: string): void => {
      const name = Object.hasOwn(mapping.events, event) ? event : 'unknown';
      this.#refusedEvents.set(name, (this.#refusedEvents.get(name) ?? 0) + 1);
    };
    const session = new SocketIoSession(socket, mapping, host, { handshake, onRefused });
    try {
      await session.open();
    } catch (error) {
      this.#refused++;
      host.logger.info({ err: error, remoteAddress: session.remoteAddress }, 'Socket.IO client refused');
      next(new Error(error instanceof BrokerError ? error.message : 'Internal error'));
      return;
    }
    this.#total++;
    this.#sessions.set(socket, session);
    socket.on('disconnect', () => {
      session.end();
      this.#sessions.delete(socket);
    });
    socket.conn.on('close', () => {
      this.#sessions.delete(socket);
    });
    next();
  }
}

/** `EIO` is in every request of a Socket.IO client, so that the path may be a SockJS endpoint's too. */
function isSocketIo({ url = '' }: IncomingMessage, path: string): boolean {
  const [own, query = ''] = url.split('?', 2);
  const isPath = own === path || own === `${path}/`;
  return isPath && /(^|&)EIO=/.test(query);
}
