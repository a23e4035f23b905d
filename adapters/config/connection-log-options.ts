/** The `connectionLog` part of ServerOptions, its defaults, and the step between the two. */
import path from 'node:path';

export interface ConnectionLogOptions {
  /** SQLite file; false keeps the log in memory. Default: `connections.db` in `data`; in memory without `data`. */
  readonly file?: string | false | undefined;
  /** How long a change may wait before it is written. Default 1,000. */
  readonly flushIntervalMs?: number | undefined;
  /** How long rows of ended connections are kept. Default 30 days. */
  readonly retentionMs?: number | undefined;
  /** Rows beyond so many are deleted, ended ones only, oldest first. Default 1,000,000; 10,000 in memory. */
  readonly maxRows?: number | undefined;
  /** Rows still CONNECTED without activity for so long are ended when they are not really open. Default an hour. */
  readonly staleAfterMs?: number | undefined;
  /** How often that is looked for, and what is too old deleted; also at start. Default an hour. */
  readonly cleanUpIntervalMs?: number | undefined;
  /** Rows that wait while the log cannot be written; further ones are dropped and counted. Default 100,000. */
  readonly maxPendingRows?: number | undefined;
  /** Header of CONNECT with the user's number, believed as it stands. Default: the name of whoever was authenticated. */
  readonly userIdHeader?: string | undefined;
  /** Header of CONNECT that tells the client's address, believed as it stands. Default: none is believed. */
  readonly addressHeader?: string | undefined;
}

export interface ResolvedConnectionLogOptions {
  readonly file: string | false;
  readonly flushIntervalMs: number;
  readonly retentionMs: number;
  readonly maxRows: number;
  readonly staleAfterMs: number;
  readonly cleanUpIntervalMs: number;
  readonly maxPendingRows: number;
  readonly userIdHeader: string | null;
  readonly addressHeader: string | null;
}

const HOUR_MS = 3_600_000;

/** A row takes about 300 octets in a file, and half a kilobyte in memory. */
export const DEFAULT_CONNECTION_LOG_OPTIONS = Object.freeze({
  fileName: 'connections.db',
  flushIntervalMs: 1_000,
  retentionMs: 30 * 24 * HOUR_MS,
  maxRows: 1_000_000,
  maxRowsInMemory: 10_000,
  staleAfterMs: HOUR_MS,
  cleanUpIntervalMs: HOUR_MS,
  maxPendingRows: 100_000,
});

/** @param data directory of the server, or false when it keeps nothing on disk */
export function resolveConnectionLog(
  given: boolean | ConnectionLogOptions | undefined,
  data: string | false,
): ResolvedConnectionLogOptions | false {
  if (given === undefined || given === false) return false;
  const options = given === true ? {} : given;
  const standard = DEFAULT_CONNECTION_LOG_OPTIONS;
  const file = options.file ?? (data === false ? false : path.join(data, standard.fileName));
  return {
    file,
    flushIntervalMs: options.flushIntervalMs ?? standard.flushIntervalMs,
    retentionMs: options.retentionMs ?? standard.retentionMs,
    maxRows: options.maxRows ?? (file === false ? standard.maxRowsInMemory : standard.maxRows),
    staleAfterMs: options.staleAfterMs ?? standard.staleAfterMs,
    cleanUpIntervalMs: options.cleanUpIntervalMs ?? standard.cleanUpIntervalMs,
    maxPendingRows: options.maxPendingRows ?? standard.maxPendingRows,
    userIdHeader: options.userIdHeader ?? null,
    addressHeader: options.addressHeader ?? null,
  };
}
