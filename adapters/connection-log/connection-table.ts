/**
 * The table `websocket_connections` in a SQLite file. Synchronous: lives in the thread of sqlite-connection-worker.ts.
 * Whatever fails is rolled back; the next call opens the file again when it has to.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import {
  CONNECTION_STATUSES,
  type ConnectionChange,
  type ConnectionEntry,
  type ConnectionRecord,
  type ConnectionStatistics,
  type ConnectionStatus,
  type UserConnections,
} from './connection-record.js';
import { type PruneLimits, type ResolvedConnectionQuery, UnusableSinkError } from './connection-sink.js';
import { APPLICATION_ID, MIGRATIONS } from './connection-schema.js';

/** How long another program may hold the file before a call gives up. */
const BUSY_TIMEOUT_MS = 2_000;
/** Causes that pass, so that the file is opened again later: locked, disk full, a disk that reports errors. */
const PASSING = /^(SQLITE_(BUSY|LOCKED|FULL|IOERR|NOMEM)|ENOSPC|EDQUOT|EIO|EMFILE|ENFILE)/;

const INSERT = `
INSERT INTO websocket_connections
  (connection_id, user_id, session_id, connected_at, disconnected_at, last_active_at, user_agent, ip_address, status)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (connection_id) DO UPDATE SET
  status = excluded.status, last_active_at = excluded.last_active_at, disconnected_at = excluded.disconnected_at`;
const TOUCH = `UPDATE websocket_connections SET last_active_at = ? WHERE connection_id = ? AND status = 'CONNECTED'`;
const END = `
UPDATE websocket_connections
SET last_active_at = coalesce(?, last_active_at), status = ?, disconnected_at = ?
WHERE connection_id = ? AND status = 'CONNECTED'`;
const SELECT = `
SELECT id, connection_id, CAST(user_id AS TEXT) AS user_id, session_id, connected_at, disconnected_at, last_active_at,
  user_agent, ip_address, status
FROM websocket_connections`;
const STALE = `
SELECT id, connection_id AS connectionId FROM websocket_connections
WHERE status = 'CONNECTED' AND last_active_at < ? AND id > ? ORDER BY id LIMIT ?`;
/** Ids rise with connected_at, so what connected later than the limit need not be looked at. */
const PRUNE_PAST = `
DELETE FROM websocket_connections WHERE id IN (
  SELECT id FROM websocket_connections
  WHERE status <> 'CONNECTED' AND disconnected_at < :before AND id < coalesce(
    (SELECT id FROM websocket_connections WHERE connected_at >= :before ORDER BY id LIMIT 1), 9223372036854775807)
  ORDER BY id LIMIT :limit)`;
const PRUNE_EXCESS = `
DELETE FROM websocket_connections WHERE id IN (
  SELECT id FROM websocket_connections WHERE status <> 'CONNECTED' ORDER BY id LIMIT ?)`;
const COUNT = 'SELECT count(*) FROM websocket_connections';
const COUNT_BY_STATUS = 'SELECT status, count(*) AS connections FROM websocket_connections GROUP BY status';
/** Both counts come from an index alone, as the rows of CONNECTED are few. */
const COUNT_BY_USER = `
SELECT CAST(most.user_id AS TEXT) AS userId, most.connections, coalesce(open.connected, 0) AS connected
FROM (SELECT user_id, count(*) AS connections FROM websocket_connections
      WHERE user_id IS NOT NULL GROUP BY user_id ORDER BY connections DESC, user_id LIMIT ?) AS most
LEFT JOIN (SELECT user_id, count(*) AS connected FROM websocket_connections
           WHERE status = 'CONNECTED' GROUP BY user_id) AS open ON open.user_id IS most.user_id
ORDER BY most.connections DESC, most.user_id`;

interface Row {
  readonly id: number;
  readonly connection_id: string;
  readonly user_id: string | null;
  readonly session_id: string;
  readonly connected_at: string;
  readonly disconnected_at: string | null;
  readonly last_active_at: string;
  readonly user_agent: string | null;
  readonly ip_address: string | null;
  readonly status: ConnectionStatus;
}

export class ConnectionTable {
  readonly #file: string;
  #database: Database.Database | null = null;

  /** @param file is made when it is missing, and its directory, but not what is above that */
  constructor(file: string) {
    this.#file = file;
  }

  /** @throws UnusableSinkError for what is no connection log, or a later version's, and is left as it is */
  open(): void {
    this.#use(() => undefined);
  }

  write(changes: readonly ConnectionChange[]): void {
    this.#use((database) => {
      const insert = database.prepare(INSERT);
      const touch = database.prepare(TOUCH);
      const end = database.prepare(END);
      const apply = (change: ConnectionChange): void => {
        if (change.kind === 'insert') insert.run(...columnsOf(change.connection));
        else if (change.end !== null) {
          const { status, epochMs } = change.end;
          end.run(timeOf(change.lastActiveEpochMs), status, timeOf(epochMs), change.connectionId);
        } else if (change.lastActiveEpochMs !== null) touch.run(timeOf(change.lastActiveEpochMs), change.connectionId);
      };
      database.transaction(() => {
        for (const change of changes) apply(change);
      })();
    });
  }

  stale(beforeEpochMs: number, afterId: number, limit: number): { id: number; connectionId: string }[] {
    return this.#use((database) =>
      database
        .prepare<[string | null, number, number], { id: number; connectionId: string }>(STALE)
        .all(timeOf(beforeEpochMs), afterId, limit),
    );
  }

  prune({ endedBeforeEpochMs, maxRows, atOnce }: PruneLimits): boolean {
    return this.#use((database) => {
      const before = timeOf(endedBeforeEpochMs);
      const past = database.prepare(PRUNE_PAST).run({ before, limit: atOnce }).changes;
      const total = database.prepare<[], number>(COUNT).pluck().get() ?? 0;
      const excess = Math.max(0, Math.min(total - maxRows, atOnce - past));
      const tooMany = excess === 0 ? 0 : database.prepare(PRUNE_EXCESS).run(excess).changes;
      return past + tooMany === atOnce;
    });
  }

  list({ status, userId, limit, offset }: ResolvedConnectionQuery): ConnectionRecord[] {
    const conditions: string[] = [];
    const values: (string | bigint | number | null)[] = [];
    if (status !== undefined) {
      conditions.push('status = ?');
      values.push(status);
    }
    if (userId !== undefined) {
      conditions.push('user_id IS ?');
      values.push(userIdColumn(userId));
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    return this.#use((database) =>
      database
        .prepare<unknown[], Row>(`${SELECT} ${where} ORDER BY id DESC LIMIT ? OFFSET ?`)
        .all(...values, limit, offset)
        .map(recordOf),
    );
  }

  statistics(maxUsers: number): ConnectionStatistics {
    return this.#use((database) => {
      const byStatus = Object.fromEntries(CONNECTION_STATUSES.map((status) => [status, 0])) as Record<
        ConnectionStatus,
        number
      >;
      let total = 0;
      const counts = database.prepare<[], { status: ConnectionStatus; connections: number }>(COUNT_BY_STATUS).all();
      for (const { status, connections } of counts) {
        byStatus[status] = connections;
        total += connections;
      }
      const users = database.prepare<[number], UserConnections>(COUNT_BY_USER).all(maxUsers);
      return { total, byStatus, users };
    });
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
  }

  #use<T>(work: (database: Database.Database) => T): T {
    try {
      this.#database ??= openDatabase(this.#file);
      return work(this.#database);
    } catch (error) {
      // A file on a disk that failed is only good again when it is opened anew; a locked one was never bad.
      if (!isBusy(error)) this.close();
      throw describe(error, this.#file);
    }
  }
}

function openDatabase(file: string): Database.Database {
  makeFile(file);
  inspect(file);
  const database = new Database(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    migrate(database, file);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Addresses and names are nobody else's business. SQLite's files beside it take over its mode: were a file that may only be
 * read opened, they would stay read-only when it no longer is.
 */
function makeFile(file: string): void {
  try {
    mkdirSync(path.dirname(path.resolve(file)), { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (!statSync(file).isFile())
      throw new UnusableSinkError(`the connection log ${file} cannot be used: it is no file`);
    accessSync(file, constants.W_OK);
  }
}

/** Without the means to change it: a connection that may write would tidy up another program's log on closing. */
function inspect(file: string): void {
  const database = new Database(file, { readonly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    versionOf(database, file);
  } catch (error) {
    // Killed while it was made: undoing that needs a connection that writes.
    if (codeOf(error) !== 'SQLITE_READONLY_ROLLBACK') throw error;
  } finally {
    database.close();
  }
}

/** 0 when it is new. @throws UnusableSinkError for what is not ours */
function versionOf(database: Database.Database, file: string): number {
  const applicationId = database.pragma('application_id', { simple: true }) as number;
  const version = database.pragma('user_version', { simple: true }) as number;
  const tables = database.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0;
  if (applicationId !== APPLICATION_ID && (applicationId !== 0 || version !== 0 || tables > 0)) {
    throw new UnusableSinkError(`${file} is another program's database, not a connection log`);
  }
  if (version > MIGRATIONS.length) {
    const known = MIGRATIONS.length;
    throw new UnusableSinkError(`${file} is a connection log of version ${version}; this program knows up to ${known}`);
  }
  return version;
}

function migrate(database: Database.Database, file: string): void {
  const version = versionOf(database, file);
  database.pragma('journal_mode = WAL');
  // The end of the process loses nothing that was written; loss of power may lose the last rows, never the file.
  database.pragma('synchronous = NORMAL');
  for (let next = version; next < MIGRATIONS.length; next++) {
    database.transaction(() => {
      database.exec(MIGRATIONS[next] ?? '');
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${next + 1}`);
    })();
  }
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** One line that names the file. */
function describe(error: unknown, file: string): Error {
  if (error instanceof UnusableSinkError) return error;
  const code = codeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const text = `the connection log ${file} cannot be used: ${reason}${reason.includes(code) ? '' : ` (${code})`}`;
  return PASSING.test(code) ? new Error(text, { cause: error }) : new UnusableSinkError(text, { cause: error });
}

function columnsOf(entry: ConnectionEntry): (string | bigint | null)[] {
  return [
    entry.connectionId,
    userIdColumn(entry.userId),
    entry.sessionId,
    timeOf(entry.connectedEpochMs),
    timeOf(entry.disconnectedEpochMs),
    timeOf(entry.lastActiveEpochMs),
    entry.userAgent,
    entry.ipAddress,
    entry.status,
  ];
}

function recordOf(row: Row): ConnectionRecord {
  return {
    id: row.id,
    connectionId: row.connection_id,
    userId: row.user_id,
    sessionId: row.session_id,
    connectedEpochMs: Date.parse(row.connected_at),
    disconnectedEpochMs: row.disconnected_at === null ? null : Date.parse(row.disconnected_at),
    lastActiveEpochMs: Date.parse(row.last_active_at),
    userAgent: row.user_agent,
    ipAddress: row.ip_address,
    status: row.status,
  };
}

/** Numbers as numbers, so that the column can be joined with one of numbers; a text that only looks like one stays text. */
function userIdColumn(userId: string | null): string | bigint | null {
  if (userId === null || !/^(0|-?[1-9]\d{0,18})$/.test(userId)) return userId;
  const number = BigInt(userId);
  return BigInt.asIntN(64, number) === number ? number : userId;
}

/** ISO 8601 in UTC with milliseconds: sorts as text, and says its zone. */
function timeOf(epochMs: number): string;
function timeOf(epochMs: number | null): string | null;
function timeOf(epochMs: number | null): string | null {
  return epochMs === null ? null : new Date(epochMs).toISOString();
}
