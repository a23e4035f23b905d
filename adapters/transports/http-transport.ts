/**
 * STOMP endpoints on an HTTP server of our own: WebSocket and SockJS on their paths, a line of help on `/`.
 * The Fastify application is open to others (admin API) until `listen`.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TlsOptions } from 'node:tls';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { AcceptConnection, ListenAddress, Transport } from '../../broker/ports.js';
import type { EndpointOptions, PassOn } from './endpoint.js';
import { attachEndpoints, type AttachedEndpoints } from './http-endpoints.js';
import { BACKLOG, OpenSockets } from './open-sockets.js';
import type { SocketBudget } from './socket-budget.js';

export interface HttpTransportOptions {
  /** Address to bind; default `127.0.0.1`. */
  readonly host?: string;
  /** 0 takes a free port; default 8080. */
  readonly port?: number;
  /** Certificate, key and the rest of node:tls; without it the port is plain. */
  readonly tls?: TlsOptions;
  readonly endpoints: readonly EndpointOptions[];
  /** Connections begun with in one turn of the event loop; with TLS an eighth. Default 32. */
  readonly connectionsPerTurn?: number | undefined;
  /** Of sockets, shared with the other listeners of the process; default: any number. */
  readonly budget?: SocketBudget | null | undefined;
  /** From the connection, or the request before, to the end of a request's headers; default 15,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** To the end of its body; default 60,000. */
  readonly requestTimeoutMs?: number | undefined;
  readonly logger: FastifyBaseLogger;
  /** Missing: every SockJS session is this process's. */
  readonly passOn?: PassOn | undefined;
  /** What else sits on the server, in front of the endpoints. */
  readonly attachMore?: ((server: Server) => readonly AttachedEndpoints[]) | undefined;
}

/** Node's defaults are 60 s and 300 s; STOMP clients send small requests, and slow ones only hold sockets. */
export const HEADERS_TIMEOUT_MS = 15_000;
export const REQUEST_TIMEOUT_MS = 60_000;
const MAX_PARAM_LENGTH = 4_096;

export class HttpTransport implements Transport {
  readonly name: 'http' | 'https';
  readonly app: FastifyInstance;
  readonly server: Server;
  readonly #options: HttpTransportOptions;
  readonly #sockets: OpenSockets;
  /** The endpoints first. */
  #attached: readonly AttachedEndpoints[] = [];

  constructor(options: HttpTransportOptions) {
    this.#options = options;
    this.name = options.tls === undefined ? 'http' : 'https';
    const { headersTimeoutMs = HEADERS_TIMEOUT_MS, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
    const timed = { connectionsCheckingInterval: checkingIntervalMs(Math.min(headersTimeoutMs, requestTimeoutMs)) };
    const common = {
      loggerInstance: options.logger,
      // Long polling alone would write a line for each client and second; refusals have lines of their own.
      logController: new LogController({ disableRequestLogging: true }),
      requestTimeout: requestTimeoutMs,
      // Destinations stand in paths of the admin API, encoded.
      routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
      forceCloseConnections: true,
    };
    this.app =
      options.tls === undefined
        ? fastify({ ...common, http: timed })
        : fastify({ ...common, https: { ...options.tls, ...timed } });
    this.server = this.app.server;
    const { connectionsPerTurn: perTurn, budget } = options;
    this.#sockets = new OpenSockets(this.server, { perTurn, isTls: options.tls !== undefined, budget });
    this.server.headersTimeout = headersTimeoutMs;
    this.app.get('/', (request, reply) => reply.type('text/plain; charset=utf-8').send(this.#help(request.host)));
  }

  async listen(accept: AcceptConnection): Promise<ListenAddress> {
    const { host = '127.0.0.1', port = 8080, endpoints, logger, passOn } = this.#options;
    const own = attachEndpoints(this.server, endpoints, accept, logger, passOn);
    this.#attached = [own, ...(this.#options.attachMore?.(this.server) ?? [])];
    await this.app.ready();
    // Not Fastify's own listen: for `localhost` that makes a second server, on which nobody knows our endpoints.
    const address = await new Promise<AddressInfo>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: BACKLOG }, () => {
        this.server.removeListener('error', reject);
        resolve(this.server.address() as AddressInfo);
      });
    });
    this.server.on('error', (error) => {
      logger.error({ err: error }, 'accepting connections failed');
    });
    return { transport: this.name, host: address.address, port: address.port, endpoints: own.paths };
  }

  /** Takes a request that came in another way; false when its path is none of an endpoint's. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    return this.#attached.findLast((each) => each.take(request, response)) !== undefined;
  }

  /** The port stays open: sessions over SockJS polling need it for every one of their requests. */
  stopAccepting(): Promise<void> {
    for (const each of this.#attached) each.stopAccepting();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    for (const each of this.#attached) each.detach();
    // First of all, so that no connection comes in between.
    this.server.close();
    this.#sockets.destroyAll();
    await this.app.close();
  }

  #help(host: string): string {
    const secure = this.name === 'https' ? 's' : '';
    const lines = this.#options.endpoints.flatMap(({ path, sockjs }) => [
      `  ws${secure}://${host}${path}`,
      ...(sockjs === undefined || sockjs === false ? [] : [`  http${secure}://${host}${path}  (SockJS)`]),
    ]);
    return `hoofbeat: a STOMP message broker. Connect a STOMP client to\n${lines.join('\n')}\n`;
  }
}

/** Node looks every 30 s whether requests are late, which would double a timeout of that length. */
export function checkingIntervalMs(timeoutMs: number): number {
  return Math.max(50, Math.min(5_000, timeoutMs / 4));
}
