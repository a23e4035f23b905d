/** Records sessions in a connection log: listens to the broker's events, writes in batches, cleans up. */
import { withDeadline } from '../../broker/deadline.js';
import type { CloseCode } from '../../broker/close-reason.js';
import type { SessionEventMap, SessionEvents } from '../../broker/application/session-events.js';
import type { Clock, Logger } from '../../broker/ports.js';
import { addressOf, userAgentOf, userIdOf } from './client-details.js';
import type { ConnectionLog, ConnectionLogStatistics } from './connection-log.js';
import {
  CONNECTION_STATUSES,
  type ConnectionQuery,
  type ConnectionRecord,
  type ConnectionStatus,
} from './connection-record.js';
import { type ConnectionSink, UnusableSinkError } from './connection-sink.js';
import { ConnectionWriter } from './connection-writer.js';

export interface SessionRecorderOptions {
  /** How long a change may wait before it is written. */
  readonly flushIntervalMs: number;
  /** How long rows of ended connections are kept. */
  readonly retentionMs: number;
  /** Without activity for so long, a row that is CONNECTED and is not open is ended. */
  readonly staleAfterMs: number;
  readonly cleanUpIntervalMs: number;
  /** Rows of ended connections beyond so many rows are deleted, oldest first. */
  readonly maxRows: number;
  /** Connections whose changes wait while the sink fails; further ones are dropped. */
  readonly maxPendingRows: number;
  /** Header of CONNECT with the number of the user; null takes the principal's name. */
  readonly userIdHeader: string | null;
  /** Header of CONNECT that is believed to tell the client's address; null believes none. */
  readonly addressHeader: string | null;
}

export interface SessionRecorderPorts {
  readonly events: SessionEvents;
  readonly sink: ConnectionSink;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Rows asked for or deleted in one call: short enough that a batch of changes behind it does not wait long. */
const PAGE_ROWS = 1_000;
/** How far the bound on rows may be exceeded before they are counted again, as a part of it. */
const EXCESS = 0.01;
/** For the last rows at the end; a database that is locked for longer loses them. */
const CLOSE_DEADLINE_MS = 5_000;
const MAX_QUERY_ROWS = 10_000;
const DEFAULT_QUERY_ROWS = 100;

export class SessionRecorder implements ConnectionLog {
  readonly #options: SessionRecorderOptions;
  readonly #ports: SessionRecorderPorts;
  readonly #writer: ConnectionWriter;
  /** Ids of the connections that are open in this process. */
  readonly #open = new Set<string>();
  #undo: (() => void)[] = [];
  #cleaning: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #insertedSincePrune = 0;

  constructor(options: SessionRecorderOptions, ports: SessionRecorderPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#writer = new ConnectionWriter(ports.sink, ports.logger, options.maxPendingRows);
  }

  /**
   * Records from now on. A sink that is out of order for now is only logged.
   * @throws UnusableSinkError
   */
  async open(): Promise<void> {
    const { sink, events, clock } = this.#ports;
    try {
      await sink.open();
    } catch (error) {
      if (error instanceof UnusableSinkError) {
        await this.close();
        throw error;
      }
      this.#writer.fail(error);
    }
    this.#undo = [
      events.on('connect', (event) => {
        this.#onConnect(event);
      }),
      events.on('subscribe', ({ session }) => {
        this.#onActivity(session.id);
      }),
      events.on('disconnect', (event) => {
        this.#onDisconnect(event);
      }),
      clock.every(this.#options.flushIntervalMs, () => void this.#writer.flush()),
      clock.every(this.#options.cleanUpIntervalMs, () => void this.cleanUp()),
    ];
    void this.cleanUp();
  }

  /** Ends what is still open in the log, writes the rest and closes the sink. Does not reject. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async statistics(maxUsers = DEFAULT_QUERY_ROWS): Promise<ConnectionLogStatistics> {
    checkRange('maxUsers', maxUsers, 0, MAX_QUERY_ROWS);
    await this.#writer.flush();
    const counts = await this.#ports.sink.statistics(maxUsers);
    return { ...counts, active: this.#open.size, pending: this.#writer.pending, dropped: this.#writer.dropped };
  }

  async list(query: ConnectionQuery = {}): Promise<readonly ConnectionRecord[]> {
    const { status, limit = DEFAULT_QUERY_ROWS, offset = 0 } = query;
    if (status !== undefined && !CONNECTION_STATUSES.includes(status)) {
      throw new RangeError(`status: got ${status}, wants one of ${CONNECTION_STATUSES.join(', ')}`);
    }
    checkRange('limit', limit, 1, MAX_QUERY_ROWS);
    checkRange('offset', offset, 0, Number.MAX_SAFE_INTEGER);
    await this.#writer.flush();
    return this.#ports.sink.list({ ...query, limit, offset });
  }

  cleanUp(): Promise<void> {
    this.#cleaning ??= this.#cleanUp().finally(() => {
      this.#cleaning = null;
    });
    return this.#cleaning;
  }

  #onConnect(event: SessionEventMap['connect']): void {
    const { session } = event;
    const nowMs = this.#ports.clock.epochMs();
    this.#open.add(session.id);
    this.#writer.add({
      kind: 'insert',
      connection: {
        connectionId: session.id,
        userId: userIdOf(event, this.#options.userIdHeader),
        sessionId: session.id,
        connectedEpochMs: nowMs,
        disconnectedEpochMs: null,
        lastActiveEpochMs: nowMs,
        userAgent: userAgentOf(event),
        ipAddress: addressOf(event, this.#options.addressHeader),
        status: 'CONNECTED',
      },
    });
    const { maxRows } = this.#options;
    if (++this.#insertedSincePrune <= Math.max(PAGE_ROWS, maxRows * EXCESS)) return;
    this.#insertedSincePrune = 0;
    void this.cleanUp();
  }

  #onActivity(connectionId: string): void {
    const lastActiveEpochMs = this.#ports.clock.epochMs();
    this.#writer.add({ kind: 'update', connectionId, lastActiveEpochMs, end: null });
  }

  #onDisconnect({ session, reason, cause }: SessionEventMap['disconnect']): void {
    if (this.#open.delete(session.id)) this.#end(session.id, hasFailed(reason, cause) ? 'ERROR' : 'DISCONNECTED');
  }

  #end(connectionId: string, status: Exclude<ConnectionStatus, 'CONNECTED'>): void {
    const epochMs = this.#ports.clock.epochMs();
    this.#writer.add({ kind: 'update', connectionId, lastActiveEpochMs: null, end: { status, epochMs } });
  }

  async #close(): Promise<void> {
    const { clock, logger, sink } = this.#ports;
    for (const undo of this.#undo.splice(0)) undo();
    for (const connectionId of this.#open) this.#end(connectionId, 'DISCONNECTED');
    this.#open.clear();
    const late = (): Error => new Error(`the last rows took over ${CLOSE_DEADLINE_MS} ms`);
    try {
      await withDeadline(this.#settled(), clock, CLOSE_DEADLINE_MS, late);
      await withDeadline(sink.close(), clock, CLOSE_DEADLINE_MS, late);
    } catch (error) {
      this.#writer.fail(error);
    }
    const lost = this.#writer.pending;
    if (lost > 0) logger.warn({ sink: sink.name, lost }, 'rows of the connection log were not written');
  }

  /** Nothing is under way any more. */
  async #settled(): Promise<void> {
    await this.#cleaning;
    await this.#writer.flush();
  }

  async #cleanUp(): Promise<void> {
    try {
      await this.#endStale();
      await this.#prune();
    } catch (error) {
      this.#writer.fail(error);
    }
  }

  async #endStale(): Promise<void> {
    const beforeMs = this.#ports.clock.epochMs() - this.#options.staleAfterMs;
    let afterId = 0;
    for (;;) {
      const stale = await this.#ports.sink.stale(beforeMs, afterId, PAGE_ROWS);
      for (const { connectionId } of stale) {
        if (!this.#open.has(connectionId)) this.#end(connectionId, 'DISCONNECTED');
      }
      await this.#writer.flush();
      afterId = stale.at(-1)?.id ?? afterId;
      if (stale.length < PAGE_ROWS) return;
    }
  }

  async #prune(): Promise<void> {
    const { retentionMs, maxRows } = this.#options;
    const endedBeforeEpochMs = this.#ports.clock.epochMs() - retentionMs;
    while (await this.#ports.sink.prune({ endedBeforeEpochMs, maxRows, atOnce: PAGE_ROWS }));
  }
}

/** The network said so, or nothing came from the client or went to it any more. */
function hasFailed(reason: CloseCode, cause: Error | undefined): boolean {
  if (reason === 'heart-beat-timeout' || reason === 'slow-consumer') return true;
  return reason === 'client-gone' && cause !== undefined;
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${name}: got ${String(value)}, wants a whole number from ${min} to ${max}`);
}
