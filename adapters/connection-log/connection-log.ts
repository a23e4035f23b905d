/** The connection log as an application sees it: who was connected, when, from where, and how it ended. */
import type { ConnectionQuery, ConnectionRecord, ConnectionStatistics } from './connection-record.js';

/** What the log adds to what its sink counts. */
export interface ConnectionLogStatistics extends ConnectionStatistics {
  /** Connections of this process that are open now, whatever the rows say. */
  readonly active: number;
  /** Connections whose changes wait to be written. */
  readonly pending: number;
  /** Changes lost since start, because the log could not be written for too long. */
  readonly dropped: number;
}

export interface ConnectionLog {
  /**
   * Counts, after everything that happened before the call has been written where that is possible.
   * @param maxUsers users with the most connections to be named; default 100, at most 10,000
   * @throws RangeError for another number; Error when the log cannot be read
   */
  statistics(maxUsers?: number): Promise<ConnectionLogStatistics>;
  /**
   * Rows, the latest connection first; everything that happened before the call is in them where it could be written.
   * @throws RangeError naming the part of the query that is wrong; Error when the log cannot be read
   */
  list(query?: ConnectionQuery): Promise<readonly ConnectionRecord[]>;
  /**
   * Ends rows that are still CONNECTED, have not been active for `staleAfterMs` and are not open, and deletes what is past
   * `retentionMs` or beyond `maxRows`. Happens by itself at start and every `cleanUpIntervalMs`. Does not reject: what
   * fails is logged, and tried again with the next one.
   */
  cleanUp(): Promise<void>;
}
