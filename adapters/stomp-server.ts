/**
 * Composition root: the one place that names concrete adapters. Makes a broker with its listeners out of one options
 * object; the CLI, the examples and an embedding application all start here.
 */
import { readFile } from 'node:fs/promises';
import { Broker } from '../broker/broker.js';
import { LoginAuthenticator } from './auth/index.js';
import { resolveServerOptions, type ResolvedServerOptions, type ServerOptions } from './config/index.js';
import { createLogger } from './logging/index.js';
import { SystemClock } from './system-clock.js';
import { HttpTransport, TcpTransport, type EndpointOptions } from './transports/index.js';
import type { Authenticator, ListenAddress, Transport } from '../broker/ports.js';
import type { ResolvedEndpoint, TlsFileOptions } from './config/index.js';
import type { Logger as PinoLogger } from 'pino';
import type { TlsOptions } from 'node:tls';

/** What an embedding application may bring instead of what the options would make. */
export interface StompServerPorts {
  readonly logger?: PinoLogger | undefined;
  readonly authenticator?: Authenticator | undefined;
}

export interface StompServer {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  /** Where it really listens; empty until `start` resolved. */
  readonly addresses: readonly ListenAddress[];
  /**
   * Opens every listener, or none.
   * @throws Error in one line, naming host, port and cause, when a listener cannot be opened
   */
  start(): Promise<readonly ListenAddress[]>;
  /** Ends sessions in an orderly way (WebSocket 1001), then frees the ports. Calling it again is harmless. */
  stop(): Promise<void>;
}

/** @throws OptionsError `invalid-option`, one line for each fault */
export function createStompServer(options: ServerOptions = {}, ports: StompServerPorts = {}): StompServer {
  return new NodeStompServer(resolveServerOptions(options), ports);
}

class NodeStompServer implements StompServer {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  readonly #logger: PinoLogger;
  #transports: readonly Transport[] = [];
  #addresses: readonly ListenAddress[] = [];
  #stopping: Promise<void> | null = null;

  constructor(options: ResolvedServerOptions, ports: StompServerPorts) {
    this.options = options;
    this.#logger = ports.logger ?? createLogger(options.log);
    this.broker = new Broker(options.broker, {
      clock: new SystemClock(),
      logger: this.#logger,
      authenticator: ports.authenticator ?? new LoginAuthenticator(options.auth),
    });
  }

  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  async start(): Promise<readonly ListenAddress[]> {
    this.#transports = await this.#createTransports();
    await this.broker.start();
    const addresses: ListenAddress[] = [];
    for (const transport of this.#transports) {
      try {
        addresses.push(await transport.listen((connection) => this.broker.accept(connection)));
      } catch (error) {
        await this.stop();
        throw listenError(this.#wanted(transport), error);
      }
    }
    this.#addresses = addresses;
    return addresses;
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await Promise.all(this.#transports.map((transport) => transport.stopAccepting()));
    await this.broker.stop();
    await Promise.all(this.#transports.map((transport) => transport.close()));
    this.#addresses = [];
  }

  async #createTransports(): Promise<Transport[]> {
    const { http, tcp } = this.options;
    const logger = this.#logger;
    const transports: Transport[] = [];
    if (http !== false) {
      const { host, port } = http;
      const endpoints = http.endpoints.map(endpointOptions);
      transports.push(new HttpTransport({ host, port, endpoints, logger, ...(await readTls(http.tls)) }));
    }
    if (tcp !== false) {
      const { host, port } = tcp;
      transports.push(new TcpTransport({ host, port, logger, ...(await readTls(tcp.tls)) }));
    }
    return transports;
  }

  #wanted(transport: Transport): { readonly host: string; readonly port: number } {
    const { http, tcp } = this.options;
    const wanted = transport instanceof HttpTransport ? http : tcp;
    return wanted === false ? { host: '', port: 0 } : wanted;
  }
}

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

async function readTls(files: TlsFileOptions | undefined): Promise<{ tls: TlsOptions } | object> {
  if (files === undefined) return {};
  const [cert, key] = await Promise.all([readFile(files.certFile), readFile(files.keyFile)]);
  return { tls: { cert, key } };
}

const CAUSES: Readonly<Record<string, string | undefined>> = Object.freeze({
  EADDRINUSE: 'is in use',
  EACCES: 'may not be opened by this user',
  EADDRNOTAVAIL: 'is no address of this machine',
  ENOTFOUND: 'cannot be resolved',
});

function listenError({ host, port }: { readonly host: string; readonly port: number }, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const text = error instanceof Error ? error.message : String(error);
  return new Error(`port ${port} on ${host} ${CAUSES[code] ?? `cannot be opened: ${text}`}`, { cause: error });
}
