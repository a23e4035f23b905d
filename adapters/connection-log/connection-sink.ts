/** Where the connection log is kept: implemented here for SQLite and memory, by an application for its own database. */
import type { ConnectionChange, ConnectionQuery, ConnectionRecord, ConnectionStatistics } from './connection-record.js';

/** Every part of a ConnectionQuery decided. */
export interface ResolvedConnectionQuery extends ConnectionQuery {
  readonly limit: number;
  readonly offset: number;
}

export interface PruneLimits {
  /** Rows that ended before may go. */
  readonly endedBeforeEpochMs: number;
  /** Beyond so many rows, those that ended may go, oldest connection first. */
  readonly maxRows: number;
  /** How many to delete in one call, at most. */
  readonly atOnce: number;
}

/**
 * Never called before the one before has settled, except by `list` and `statistics`. A call that fails changes nothing;
 * the next may succeed. Whoever shares a sink between processes lets `stale` find the rows of its own process alone.
 */
export interface ConnectionSink {
  /** What logs call it, e.g. `sqlite`. */
  readonly name: string;
  /**
   * Called once, first. An error that is no UnusableSinkError is taken for an outage: `write` is called in spite of it,
   * and has to open what is not open yet.
   * @throws UnusableSinkError for what only a person can mend
   */
  open(): Promise<void>;
  /** All of it or nothing; at most one change for each connection. */
  write(changes: readonly ConnectionChange[]): Promise<void>;
  /** The first `limit` rows behind `afterId` that are CONNECTED and were last active before; by id. */
  stale(
    beforeEpochMs: number,
    afterId: number,
    limit: number,
  ): Promise<readonly { readonly id: number; readonly connectionId: string }[]>;
  /** Deletes rows that ended, never one that is CONNECTED. @returns whether there is more to delete */
  prune(limits: PruneLimits): Promise<boolean>;
  /** The latest row first. */
  list(query: ResolvedConnectionQuery): Promise<readonly ConnectionRecord[]>;
  statistics(maxUsers: number): Promise<ConnectionStatistics>;
  /** Called once, last; also when `open` was not. */
  close(): Promise<void>;
}

/** The log cannot be used, and trying again will not help: start fails. The message is one line that names the place. */
export class UnusableSinkError extends Error {
  override readonly name = 'UnusableSinkError';
}
