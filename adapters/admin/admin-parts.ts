/** What the admin API is made of, and what it asks of the server around it. */
import type { Server } from 'node:http';
import type { Broker } from '../../broker/broker.js';
import type { Authenticator, Clock, EntryTerms, ListenAddress, Logger } from '../../broker/ports.js';
import type { AdminAccess } from './admin-access.js';
import type { AuditLog } from './audit-log.js';
import type { OutboxWatch } from './outbox-watch.js';
import type { PageReader } from './paging/page-reader.js';

/** One option that a reload would change. */
export interface ConfigurationChange {
  /** E.g. `log.level`. */
  readonly path: string;
  /** As JSON; secrets are not shown. */
  readonly from: unknown;
  readonly to: unknown;
}

export interface ReloadResult {
  /** Nothing was changed: it was only asked what would be. */
  readonly isDryRun: boolean;
  /** Taken on at once. */
  readonly applied: readonly ConfigurationChange[];
  /** Take effect at the next start. */
  readonly needsRestart: readonly ConfigurationChange[];
}

/** A STOMP endpoint of the configuration. */
export interface ServedEndpoint {
  readonly path: string;
  readonly isSockJs: boolean;
}

/** How late the event loop is: since the start, and lately. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Lately: since it was asked last, a second at least. */
  readonly recentP99Ms: number;
  readonly recentMaxMs: number;
}

/** A process that holds clients' sockets for the broker. */
export interface WorkerProcessState {
  /** 1 and up. */
  readonly worker: number;
  /** Null: it has died and is started again. */
  readonly processId: number | null;
  readonly isListening: boolean;
  readonly connections: number;
  /** Null: it has told nothing yet. */
  readonly report: {
    /** Of V8's heap what counts towards its limit. */
    readonly heapBytes: number;
    readonly heapLimitBytes: number;
    /** Heap and buffers. */
    readonly totalBytes: number;
    readonly residentBytes: number;
    readonly cpuMs: number;
    readonly delay: { readonly recentP99Ms: number; readonly recentMaxMs: number } | null;
    /** Null: without a bound. */
    readonly sockets: { readonly open: number; readonly max: number } | null;
  } | null;
}

/** The server that is looked after. */
export interface AdministeredServer {
  readonly version: string;
  readonly startedEpochMs: number;
  readonly workers: number;
  /** Empty where the broker's process has the sockets. */
  workerStates(): readonly WorkerProcessState[];
  readonly addresses: readonly ListenAddress[];
  readonly endpoints: readonly ServedEndpoint[];
  /** As resolved, with secrets hidden. */
  configuration(): Readonly<Record<string, unknown>>;
  /**
   * Reads the configuration again and takes on what a running server can. Null: there is nothing to read it from.
   * @throws Error of several lines naming every fault; nothing is changed then
   */
  readonly reload: ((isDryRun: boolean) => Promise<ReloadResult>) | null;
}

/** A logger whose level can be set while it runs; pino's. */
export interface AdjustableLogger extends Logger {
  level: string;
}

/** What the console needs of the STOMP side. */
export interface ConsolePorts {
  /** Asked about clients. */
  readonly authenticator: Authenticator;
  /** Puts a STOMP endpoint (SockJS, and WebSocket on the bare path) on a server. @returns what takes it away */
  readonly openDoor: (server: Server, path: string, terms: EntryTerms) => () => void;
}

export interface AdminParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: AdjustableLogger;
  readonly access: AdminAccess;
  readonly audit: AuditLog;
  readonly pages: PageReader;
  readonly eventLoop: { delay(): EventLoopDelay };
  readonly outboxes: OutboxWatch;
  readonly server: AdministeredServer;
  /** Null: there is none. */
  readonly console: ConsolePorts | null;
}
