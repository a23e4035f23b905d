/** The admin API on a port of its own. */
import type { AddressInfo } from 'node:net';
import type { TlsOptions } from 'node:tls';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import type { Logger } from '../../broker/ports.js';
import type { AdminParts } from './admin-parts.js';
import { type AdminPluginOptions, registerAdmin } from './admin-plugin.js';
import { Problem, PROBLEM_MEDIA_TYPE } from './problem.js';

export interface AdminServerOptions extends AdminPluginOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly tls?: TlsOptions | undefined;
  /** Believes X-Forwarded-For about the address in audit log and rate limit. */
  readonly trustProxy: boolean;
  /** From the first octet of a request, or from the connection, to its last. */
  readonly requestTimeoutMs: number;
  /** Where it is not pino's, the framework itself logs nothing. */
  readonly logger: Logger;
}

/** A destination of the longest name that is usual, encoded. */
const MAX_PARAM_LENGTH = 4_096;

export class AdminServer {
  readonly #app: FastifyInstance;
  readonly #options: AdminServerOptions;

  constructor(parts: AdminParts, options: AdminServerOptions) {
    this.#options = options;
    const common = {
      ...(isComplete(options.logger) ? { loggerInstance: options.logger } : {}),
      // Acts are in the audit log; whoever looks at numbers every second is no news.
      logController: new LogController({ disableRequestLogging: true }),
      // Requests are small; whoever sends slowly only holds a socket.
      requestTimeout: options.requestTimeoutMs,
      routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
      trustProxy: options.trustProxy,
      forceCloseConnections: true,
    };
    // Node looks every 30 s whether requests are late, which would double the timeout.
    const timed = { connectionsCheckingInterval: Math.max(50, Math.min(5_000, options.requestTimeoutMs / 4)) };
    this.#app =
      options.tls === undefined
        ? fastify({ ...common, http: timed })
        : fastify({ ...common, https: { ...options.tls, ...timed } });
    this.#app.server.headersTimeout = options.requestTimeoutMs;
    this.#app.setNotFoundHandler((request, reply) => {
      const [path = ''] = request.url.split('?');
      return reply
        .code(404)
        .type(PROBLEM_MEDIA_TYPE)
        .send(JSON.stringify(new Problem('not-found').body(path)));
    });
    void this.#app.register((app) => registerAdmin(app, parts, options));
  }

  /** Rejects with the system's error (EADDRINUSE, EACCES …). */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.#options;
    await this.#app.ready();
    const { server } = this.#app;
    // Not Fastify's own listen: for `localhost` that makes a second server.
    const address = await new Promise<AddressInfo>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, () => {
        server.removeListener('error', reject);
        resolve(server.address() as AddressInfo);
      });
    });
    return { host: address.address, port: address.port };
  }

  async close(): Promise<void> {
    this.#app.server.close();
    this.#app.server.closeAllConnections();
    await this.#app.close();
  }
}

function isComplete(logger: Logger): logger is Logger & FastifyBaseLogger {
  return 'child' in logger && 'fatal' in logger && 'trace' in logger;
}
