/** A server of its own: options in, a running broker with its listeners out; behind `hoofbeat serve`, and for embedding. */
import type { FastifyInstance } from 'fastify';
import type { Broker } from '../broker/broker.js';
import type { AcceptConnection, ListenAddress } from '../broker/ports.js';
import type { ReloadResult } from './admin/index.js';
import type { ConnectionLog, SessionRecorder } from './connection-log/index.js';
import { type CompositionPorts, composeBroker, composeLogger } from './composition.js';
import { composeGatewayHost } from './endpoint-composition.js';
import {
  requireOneProcess,
  type ResolvedServerOptions,
  resolveServerOptions,
  type ServerOptions,
} from './config/index.js';
import type { Gateway, GatewayHost } from './gateways/index.js';
import { composeHttp, composeTcp } from './listener-composition.js';
import { keepingProcess, Listeners, logAddresses } from './listeners.js';
import type { ServerLogger } from './logging/index.js';
import { type LookedAfter, lookAfter } from './looked-after.js';
import { watchedSocketBudget } from './open-files.js';
import type { ReloadableAccess } from './reloadable-access.js';
import { SystemClock } from './system-clock.js';
import type { WorkerState } from './workers/index.js';

/** What an embedding application may bring instead of what the options would make; the logger is pino's. */
export interface StompServerPorts extends CompositionPorts<ServerLogger> {
  /** Reads the options again, for `reload`. Default: they cannot change. @throws OptionsError */
  readonly readOptions?: (() => Promise<ServerOptions>) | undefined;
}

export interface StompServer {
  readonly broker: Broker;
  /** Defaults filled in. */
  readonly options: ResolvedServerOptions;
  /** Null unless the options switch it on. */
  readonly connectionLog: ConnectionLog | null;
  /** Where it listens, port 0 resolved; empty until started and after stop. */
  readonly addresses: readonly ListenAddress[];
  /**
   * Opens every listener, or none. Can be called once.
   * @throws Error of one line naming host, port and cause; OptionsError when a file of TLS or `auth` cannot be read;
   * UnusableSinkError when the file of the connection log is none, or of a later version
   */
  start(): Promise<readonly ListenAddress[]>;
  /**
   * Reads the options again (port `readOptions`) and takes on what a running server can: `log.level`, `auth`,
   * `broker.limits.maxConnections`; what needs a restart is told.
   * @param isDryRun changes nothing
   * @throws OptionsError naming every option that is wrong, and nothing has changed; Error without `readOptions`
   */
  reload(isDryRun?: boolean): Promise<ReloadResult>;
  /**
   * Says that it is not ready (for `broker.shutdown.noticeMs`), stops accepting, sends sessions away at a pace, lets them
   * settle what they hold, writes what is queued (WebSocket status 1001), frees the ports.
   * @param deadlineMs after which connections that have not closed are cut; default `broker.shutdown.deadlineMs`. A call
   * with it after the first hurries that one: sessions that are left are told to go at once, and cut by then.
   */
  stop(deadlineMs?: number): Promise<void>;
}

/**
 * Builds a server that is not listening yet. Without options: STOMP on 127.0.0.1:61613, WebSocket and SockJS on
 * 127.0.0.1:8080 at `/ws`, anonymous clients let in.
 * @throws OptionsError naming every option that is wrong
 */
export function createStompServer(options: ServerOptions = {}, ports: StompServerPorts = {}): StompServer {
  const resolved = resolveFor(options, ports);
  requireOneProcess(options);
  return new ComposedServer(resolved, ports, (parts) => new OwnListeners(parts));
}

/** @throws OptionsError naming every option that is wrong */
export function resolveFor(options: ServerOptions, ports: StompServerPorts): ResolvedServerOptions {
  // An application that knows its users lets in nobody else unless it says so.
  const isClosed = ports.authenticate !== undefined && options.auth?.anonymous === undefined;
  return resolveServerOptions(isClosed ? { ...options, auth: { ...options.auth, anonymous: false } } : options);
}

/** How clients get in: by listeners of this process, or of others. */
export interface WaysIn {
  /** Processes that hold clients' sockets; missing where this one does. */
  readonly states?: readonly WorkerState[];
  /** All or none. @throws Error of one line naming host, port and cause */
  open(): Promise<readonly ListenAddress[]>;
  stopAccepting(): Promise<void>;
  close(): Promise<void>;
}

/** What the ways in are given. */
export interface WaysInParts {
  readonly accept: AcceptConnection;
  readonly gatewayHost: GatewayHost;
  /** Beside those of the options. */
  readonly gateways: readonly Gateway[];
  readonly options: ResolvedServerOptions;
  readonly logger: ServerLogger;
  /** Has health say that nobody more can connect; null: it is over. */
  readonly report: (shortage: string | null) => void;
  /** Puts the admin API on the application of the endpoints, where it has no port of its own. */
  readonly share: (app: FastifyInstance) => void;
}

class OwnListeners implements WaysIn {
  readonly #parts: WaysInParts;
  readonly #listeners: Listeners;

  constructor(parts: WaysInParts) {
    this.#parts = parts;
    this.#listeners = new Listeners(parts.accept);
  }

  async open(): Promise<readonly ListenAddress[]> {
    const { options, logger, share, gatewayHost, gateways, report } = this.#parts;
    // Here, as the store and the relays have opened by now what they need.
    const budget = watchedSocketBudget(logger, report);
    const http = await composeHttp(options, logger, { gatewayHost, gateways, budget });
    for (const { transport } of http) share(transport.app);
    return this.#listeners.open([...(await composeTcp(options, logger, budget)), ...http]);
  }

  stopAccepting(): Promise<void> {
    return this.#listeners.stopAccepting();
  }

  close(): Promise<void> {
    return this.#listeners.close();
  }
}

/** Everything of a server but its ways in. */
export class ComposedServer implements StompServer {
  readonly broker: Broker;
  readonly options: ResolvedServerOptions;
  readonly connectionLog: SessionRecorder | null;
  readonly #logger: ServerLogger;
  readonly #waysIn: WaysIn;
  readonly #access: ReloadableAccess;
  readonly #lookedAfter: LookedAfter;
  #addresses: readonly ListenAddress[] = [];
  #starting: Promise<readonly ListenAddress[]> | null = null;
  #stopping: Promise<void> | null = null;
  #isBrokerStopping = false;
  /** Of who hurried a stop; null: nobody did. */
  #deadlineMs: number | null = null;
  #endNotice: () => void = () => undefined;

  constructor(options: ResolvedServerOptions, ports: StompServerPorts, createWaysIn: (parts: WaysInParts) => WaysIn) {
    this.options = options;
    this.#logger = composeLogger(options, ports);
    const composed = composeBroker(options, ports, this.#logger);
    const { broker, access, connectionLog } = composed;
    this.broker = broker;
    this.connectionLog = connectionLog;
    this.#access = access;
    const { readOptions, clock } = ports;
    this.#lookedAfter = lookAfter(options, {
      broker,
      access,
      clock,
      logger: this.#logger,
      addresses: () => this.#addresses,
      workers: () => this.#waysIn.states ?? [],
      read: readOptions === undefined ? null : async () => resolveFor(await readOptions(), ports),
    });
    const { admin } = this.#lookedAfter;
    this.#waysIn = createWaysIn({
      accept: broker.acceptor,
      gatewayHost: composeGatewayHost(composed, { clock: clock ?? new SystemClock(), logger: this.#logger }),
      gateways: ports.gateways ?? [],
      options,
      logger: this.#logger,
      report: (shortage) => {
        broker.operations.reportShortage(shortage);
      },
      share: (app) => admin?.share(app),
    });
  }

  get addresses(): readonly ListenAddress[] {
    return this.#addresses;
  }

  start(): Promise<readonly ListenAddress[]> {
    if (this.#starting !== null) return Promise.reject(new Error('the server was started before'));
    this.#starting = this.#start();
    return this.#starting;
  }

  reload(isDryRun = false): Promise<ReloadResult> {
    return this.#lookedAfter.reload(isDryRun);
  }

  stop(deadlineMs?: number): Promise<void> {
    if (this.#stopping === null) this.#stopping = keepingProcess(() => this.#stop(deadlineMs));
    else if (deadlineMs !== undefined) this.#hurry(deadlineMs);
    return this.#stopping;
  }

  #hurry(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs;
    this.#endNotice();
    if (this.#isBrokerStopping) void this.broker.stop(deadlineMs);
  }

  async #start(): Promise<readonly ListenAddress[]> {
    const { admin } = this.#lookedAfter;
    await this.#access.load();
    await this.connectionLog?.open();
    try {
      // First: a store may take its time to open, and somebody may ask how it goes.
      const address = (await admin?.open()) ?? null;
      await this.broker.start();
      const addresses = await this.#waysIn.open();
      this.#addresses = address === null ? addresses : [...addresses, address];
      logAddresses(this.#addresses, this.#logger);
    } catch (error) {
      await keepingProcess(async () => {
        await this.broker.stop(0);
        await this.connectionLog?.close();
        await admin?.close();
      });
      throw error;
    }
    return this.#addresses;
  }

  async #stop(deadlineMs: number | undefined): Promise<void> {
    // A start under way is let finish, so that what it opened is closed; its failure is its caller's to see.
    await this.#starting?.catch(() => undefined);
    if (deadlineMs === undefined) await this.#giveNotice(this.options.broker.shutdown.noticeMs);
    await this.#waysIn.stopAccepting();
    this.#isBrokerStopping = true;
    await this.broker.stop(this.#deadlineMs ?? deadlineMs);
    this.#isBrokerStopping = false;
    await this.#waysIn.close();
    await this.connectionLog?.close();
    await this.#lookedAfter.admin?.close();
    this.#addresses = [];
  }

  /** Whoever sends clients here is to see first that it should not. */
  #giveNotice(noticeMs: number): Promise<void> {
    this.broker.operations.announceLeave();
    if (noticeMs === 0 || this.#addresses.length === 0 || this.#deadlineMs !== null) return Promise.resolve();
    this.#logger.info({ noticeMs }, 'stopping: not ready any more');
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, noticeMs);
      this.#endNotice = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
