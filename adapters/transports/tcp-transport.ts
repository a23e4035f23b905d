/**
 * STOMP over plain TCP and over TLS: one net socket is one Connection. What the first octets mean (a TLS hello on a
 * plain port, an HTTP request) is the parser's to tell.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { closeReason } from '../../broker/close-reason.js';
import type { AcceptConnection, ListenAddress, Logger, Transport } from '../../broker/ports.js';
import { BACKLOG, OpenSockets } from './open-sockets.js';
import type { SocketBudget } from './socket-budget.js';
import { takeProxyHeader } from './proxied-socket.js';
import { TcpConnection } from './tcp-connection.js';

export interface TcpTransportOptions {
  /** Address to bind; default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free port; default 61613, or 61614 with `tls`. */
  readonly port?: number;
  /** Certificate, key and the rest of node:tls; without it the port is plain. */
  readonly tls?: TlsOptions;
  /**
   * Each connection begins with a PROXY header, version 1 or 2, and `remoteAddress` is what it says; default false. Only
   * where nobody but the proxy can reach the port, and not together with `tls`.
   */
  readonly proxyProtocol?: boolean;
  /** From accept to the whole PROXY header; default 5,000. */
  readonly proxyHeaderMs?: number;
  /** Connections begun with in one turn of the event loop; with TLS an eighth. Default 32. */
  readonly connectionsPerTurn?: number | undefined;
  /** Of sockets, shared with the other listeners of the process; default: any number. */
  readonly budget?: SocketBudget | null | undefined;
  readonly logger: Logger;
}

/** Idle time after which the system itself asks whether the peer is still there; STOMP heart-beats may be off. */
const KEEP_ALIVE_MS = 60_000;
/** node:tls waits two minutes; nobody honest needs that. */
const TLS_HANDSHAKE_MS = 10_000;
/** A proxy sends its header at once; RabbitMQ waits 3 s. */
const PROXY_HEADER_MS = 5_000;

export class TcpTransport implements Transport {
  readonly name: 'tcp' | 'tls';
  readonly #options: TcpTransportOptions;
  readonly #server: Server;
  readonly #sockets: OpenSockets;
  #accept: AcceptConnection | null = null;

  constructor(options: TcpTransportOptions) {
    this.#options = options;
    this.name = options.tls === undefined ? 'tcp' : 'tls';
    const socketOptions = {
      // A client may end its side and still wait for receipts.
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    };
    if (options.tls === undefined) {
      this.#server = createServer(socketOptions, (socket) => {
        if (options.proxyProtocol === true) this.#onProxied(socket);
        else this.#onSocket(socket);
      });
    } else {
      const server = createTlsServer(
        { handshakeTimeout: TLS_HANDSHAKE_MS, ...options.tls, ...socketOptions },
        (socket) => {
          this.#onSocket(socket);
        },
      );
      server.on('tlsClientError', (error, socket) => {
        options.logger.debug({ remoteAddress: socket.remoteAddress, error: error.message }, 'TLS handshake failed');
        socket.destroy();
      });
      this.#server = server;
    }
    const { connectionsPerTurn: perTurn, budget } = options;
    this.#sockets = new OpenSockets(this.#server, { perTurn, isTls: options.tls !== undefined, budget });
  }

  listen(accept: AcceptConnection): Promise<ListenAddress> {
    this.#accept = accept;
    const { host = '127.0.0.1', port = this.name === 'tcp' ? 61_613 : 61_614 } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', (error) => {
          this.#options.logger.error({ err: error }, 'accepting connections failed');
        });
        const address = this.#server.address() as AddressInfo;
        resolve({ transport: this.name, host: address.address, port: address.port, endpoints: [] });
      });
    });
  }

  stopAccepting(): Promise<void> {
    this.#server.close();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      // An error here only says that the server was not listening any more.
      this.#server.close(() => {
        resolve();
      });
    });
    this.#sockets.destroyAll();
    await closed;
  }

  #onProxied(socket: Socket): void {
    const { logger, proxyHeaderMs = PROXY_HEADER_MS } = this.#options;
    const { remoteAddress } = socket;
    takeProxyHeader(socket, {
      deadlineMs: proxyHeaderMs,
      onHeader: (client) => {
        this.#onSocket(socket, client);
        socket.resume();
      },
      onRefused: (reason) => {
        logger.warn({ code: 'refused', transport: this.name, remoteAddress }, reason);
      },
    });
  }

  #onSocket(socket: Socket, client: string | null = null): void {
    const connection = new TcpConnection(socket, this.name, client);
    const listener = this.#accept?.(connection) ?? null;
    if (listener === null) connection.destroy(closeReason('refused'));
    else connection.start(listener);
  }
}
