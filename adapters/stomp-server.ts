/**
 * Composition root: the one place that names concrete adapters. Options in, a running server out; for embedding in an
 * application and for `hoofbeat serve` alike.
 */
import { readFile } from 'node:fs/promises';
import { Broker } from '../broker/broker.js';
import type { Authenticator, Clock, ListenAddress, Transport } from '../broker/ports.js';
import { LoginAuthenticator } from './auth/index.js';
import {
  OptionsError,
  type ResolvedEndpoint,
  type ResolvedServerOptions,
  resolveServerOptions,
  type ServerOptions,
  type TlsFileOptions,
} from './config/index.js';
import { createLogger, type ServerLogger } from './logging/index.js';
import { SystemClock } from './system-clock.js';
import { type EndpointOptions, HttpTransport, TcpTransport } from './transports/index.js';

/** What an embedding application may bring instead of what the options would make. */
export interface StompServerPorts {
  /** Default: `auth` of the options. */
  readonly authenticator?: Authenticator | undefined;
  /** A pino logger. Default: `log` of the options, to standard error. */
  readonly logger?: ServerLogger | undefined;
  readonly clock?: Clock | undefined;
}

export interface StompServer {
  readonly broker: Broker;
  /** Defaults filled in. */
  readonly options: ResolvedServerOptions;
  /** Where it listens, port 0 resolved; empty until started and after stop. */
  readonly addresses: readonly ListenAddress[];
  /**
   * Opens every listener, or none. Can be called once.
   * @throws Error of one line naming host, port and cause; OptionsError when a TLS file cannot be read
   */
  start(): Promise<readonly ListenAddress[]>;
  /**
   * Stops accepting, writes what is queued, closes sessions (WebSocket status 1001), frees the ports.
   * @param deadlineMs after which connections that have not closed are cut; default 5,000. Calls after the first wait for it.
   */
  stop(deadlineMs?: number): Promise<void>;
}

/**
 * Builds a server that is not listening yet. Without options: STOMP on 127.0.0.1:61613, WebSocket and SockJS on
 * 127.0.0.1:8080 at `/ws`, anonymous clients let in.
 * @throws OptionsError naming every option that is wrong
 */
export function createStompServer(options: ServerOptions = {}, ports: StompServerPorts = {}): StompServer {
  return new ComposedServer(resolveServerOptions(options), ports);
}

/** Room for headers, and for STOMP frames that share a message, beside the largest body. */
const MESSAGE_OVERHEAD_BYTES = 256 * 1024;

class ComposedServer implements StompServer {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  readonly #logger: ServerLogger;
  readonly #open: Transport[] = [];
  #addresses: readonly ListenAddress[] = [];
  #starting: Promise<readonly ListenAddress[]> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: ResolvedServerOptions, ports: StompServerPorts) {
    this.options = options;
    this.#logger = ports.logger ?? createLogger(options.log);
    this.broker = new Broker(options.broker, {
      clock: ports.clock ?? new SystemClock(),
      logger: this.#logger,
      authenticator: ports.authenticator ?? new LoginAuthenticator(options.auth),
    });
    if (ports.authenticator === undefined && !options.auth.anonymous && options.auth.users.length === 0) {
      this.#logger.warn(
        {},
        'nobody can connect: auth.users is empty and anonymous clients are refused beyond loopback',
      );
    }
  }

  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  start(): Promise<readonly ListenAddress[]> {
    if (this.#starting !== null) return Promise.reject(new Error('the server was started before'));
    this.#starting = this.#start();
    return this.#starting;
  }

  stop(deadlineMs?: number): Promise<void> {
    this.#stopping ??= this.#stop(deadlineMs);
    return this.#stopping;
  }

  async #start(): Promise<readonly ListenAddress[]> {
    const listeners = await this.#listeners();
    await this.broker.start();
    const addresses: ListenAddress[] = [];
    for (const { transport, host, port } of listeners) {
      this.#open.push(transport);
      try {
        addresses.push(await transport.listen((connection) => this.broker.accept(connection)));
      } catch (error) {
        await this.stop(0);
        throw new Error(bindFault(host, port, error), { cause: error });
      }
    }
    this.#addresses = addresses;
    for (const address of addresses) this.#logger.info({ ...address }, 'listening');
    return addresses;
  }

  async #stop(deadlineMs: number | undefined): Promise<void> {
    // A start under way is let finish, so that what it opened is closed; its failure is its caller's to see.
    if (this.#addresses.length === 0 && this.#open.length === 0) await this.#starting?.catch(() => undefined);
    // The clock keeps no process alive, and once the last socket is gone nothing else does: there is still work to finish.
    const alive = setInterval(() => undefined, 60_000);
    try {
      for (const transport of this.#open) await transport.stopAccepting();
      await this.broker.stop(deadlineMs);
      for (const transport of this.#open) await transport.close();
      this.#addresses = [];
    } finally {
      clearInterval(alive);
    }
  }

  async #listeners(): Promise<{ transport: Transport; host: string; port: number }[]> {
    const { http, tcp, broker } = this.options;
    const logger = this.#logger;
    const listeners = [];
    if (tcp !== false) {
      const { host, port } = tcp;
      const tls = await readTls('tcp', tcp.tls);
      listeners.push({ transport: new TcpTransport({ host, port, logger, ...tls }), host, port });
    }
    if (http !== false) {
      const { host, port } = http;
      const tls = await readTls('http', http.tls);
      const maxMessageBytes = broker.limits.frame.maxBodyBytes + MESSAGE_OVERHEAD_BYTES;
      const endpoints = http.endpoints.map((endpoint) => ({ ...endpointOptions(endpoint), maxMessageBytes }));
      listeners.push({ transport: new HttpTransport({ host, port, endpoints, logger, ...tls }), host, port });
    }
    return listeners;
  }
}

/** The configuration says what Spring's users know; the transport has names of its own. */
function endpointOptions({ sockjs, ...endpoint }: ResolvedEndpoint): EndpointOptions {
  if (typeof sockjs === 'boolean') return { ...endpoint, sockjs };
  const { heartbeatDelayMs, disconnectDelayMs, responseLimitBytes, jsessionid, websocket, clientLibraryUrl } = sockjs;
  return {
    ...endpoint,
    sockjs: {
      heartBeatDelayMs: heartbeatDelayMs,
      disconnectDelayMs,
      responseLimitBytes,
      sessionCookie: jsessionid,
      websocket,
      clientUrl: clientLibraryUrl,
    },
  };
}

async function readTls(
  listener: 'http' | 'tcp',
  files: TlsFileOptions | undefined,
): Promise<{ tls?: { cert: Buffer; key: Buffer } }> {
  if (files === undefined) return {};
  const read = async (option: keyof TlsFileOptions): Promise<Buffer> => {
    try {
      return await readFile(files[option]);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const got = JSON.stringify(files[option]);
      throw new OptionsError([`${listener}.tls.${option}: got ${got}, wants a readable PEM file (${String(code)})`]);
    }
  };
  return { tls: { cert: await read('certFile'), key: await read('keyFile') } };
}

/** One line for whoever started the server. */
function bindFault(host: string, port: number, error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const where = `port ${port} on ${host}`;
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is in use`;
    case 'EACCES':
      return `${where} needs rights that this process does not have`;
    case 'EADDRNOTAVAIL':
      return `${where} cannot be opened: no interface of this machine has that address`;
    case 'ENOTFOUND':
      return `${where} cannot be opened: the host name is unknown`;
    default:
      return `${where} cannot be opened: ${message}`;
  }
}
