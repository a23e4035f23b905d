/**
 * Opens the data file: makes what is missing, refuses what it should not touch, and leaves what it refuses as it was.
 * Needs no help after a crash: SQLite takes over what its log holds.
 */
import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { BrokerError } from '../../broker/errors.js';
import { fileOf, type SqliteWorkerData } from './sqlite-requests.js';
import { APPLICATION_ID, migrate, SCHEMA_VERSION } from './sqlite-schema.js';

/** What is kept of the file in memory. Messages pass through once, so more would not be hit more often. */
const PAGE_CACHE_KIB = 8 * 1024;
/** The log moves into the file at 1,000 pages of 4 KiB; a commit of the journal may come on top of that. */
const CHECKPOINT_PAGES = 1_000;
const MAX_LOG_BYTES = 8 * 1024 * 1024;
/** Files up to this size are checked page by page at every start: about 0.1 s. */
const ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024;
/** After a crash, up to this size: about a second, and the reading. */
const CHECKED_AFTER_CRASH_BYTES = 1024 * 1024 * 1024;
/**
 * Why looking without writing may be impossible, though opening is not: killed while the file was made, so that SQLite has
 * something to undo first; or no room on the disk for the index that readers share.
 */
const CANNOT_LOOK: readonly string[] = ['SQLITE_READONLY_ROLLBACK', 'SQLITE_IOERR_SHMSIZE', 'SQLITE_FULL'];

/** @throws BrokerError `store-failed`, one line that names the file */
export function openFile(options: SqliteWorkerData): Database {
  const file = fileOf(options);
  makeDirectory(options.directory);
  try {
    makeFile(file);
    requireAccess(options.directory, file);
    inspect(file);
    return openForWriting(file, options.maxBytes);
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw refusal(file, describe(error), error);
  }
}

/**
 * Looks whether a data file could be opened, and changes nothing.
 * @returns its octets; null when there is none yet. @throws BrokerError `store-failed`, one line that names the file
 */
export function inspectDataFile(directory: string): { readonly bytes: number | null } {
  const file = fileOf({ directory });
  try {
    if (statSync(directory, { throwIfNoEntry: false }) === undefined) return { bytes: null };
    const isThere = statSync(file, { throwIfNoEntry: false }) !== undefined;
    requireAccess(directory, isThere ? file : directory);
    if (!isThere) return { bytes: null };
    inspect(file);
    return { bytes: sizeOf(file) + sizeOf(`${file}-wal`) };
  } catch (error) {
    if (error instanceof BrokerError) throw error;
    throw refusal(file, describe(error), error);
  }
}

/** What SQLite or the system says, in words for an operator; the code stands behind. */
export function describe(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known = Object.entries(CAUSES).find(([prefix]) => code?.startsWith(prefix));
  if (known !== undefined) return `${known[1]} (${String(code)})`;
  return code === undefined ? message : `${message} (${code})`;
}

/** By the beginning of the code, the more exact first. */
const CAUSES: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'no room, by maxBytes or on the disk',
  SQLITE_NOTADB: 'is no SQLite database',
  SQLITE_CORRUPT: 'is damaged',
  SQLITE_BUSY: 'is in use by another process',
  SQLITE_LOCKED: 'is in use by another process',
  SQLITE_READONLY: 'is read-only',
  SQLITE_CANTOPEN: 'cannot be opened',
  SQLITE_IOERR: 'the system could not read or write',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'no room on the disk',
};

function refusal(file: string, what: string, cause?: unknown): BrokerError {
  return new BrokerError('store-failed', `${file}: ${what}`, { cause });
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
    syncDirectory(path.dirname(path.resolve(directory)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(directory).isDirectory()) return;
    if (code === 'EEXIST' || code === 'ENOTDIR') throw refusal(directory, 'is no directory', error);
    if (code === 'ENOENT') throw refusal(directory, 'cannot be made, as the directory above it is missing', error);
    throw refusal(directory, `cannot be made: ${describe(error)}`, error);
  }
}

/** So that the entry of what was made is on the disk too. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Nobody else may read messages. SQLite's files beside it take over its mode. */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** SQLite's own codes for this are many, and say little. Asking does not open the file. */
function requireAccess(directory: string, file: string): void {
  for (const target of [directory, file]) {
    try {
      accessSync(target, target === file ? constants.R_OK | constants.W_OK : constants.W_OK | constants.X_OK);
    } catch (error) {
      throw refusal(target, `cannot be written: ${describe(error)}`, error);
    }
  }
}

/**
 * Looks at what is there without the means to change it: a connection that may write would, on closing, move SQLite's log
 * into the file. Not by reading the file ourselves: closing it would free the locks that this process holds on it.
 */
function inspect(file: string): void {
  // A log is left behind where the file was not closed.
  const log = sizeOf(`${file}-wal`);
  const maxBytes = log > 0 ? CHECKED_AFTER_CRASH_BYTES : ALWAYS_CHECKED_BYTES;
  const database = new SqliteDatabase(file, { readonly: true, fileMustExist: true, timeout: 0 });
  try {
    refuseForeign(file, database);
    if (sizeOf(file) + log <= maxBytes) refuseDamaged(file, database);
  } catch (error) {
    if (!CANNOT_LOOK.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    database.close();
  }
}

function refuseForeign(file: string, database: Database): void {
  const id = database.pragma('application_id', { simple: true }) as number;
  const version = database.pragma('user_version', { simple: true }) as number;
  const tables = database.prepare<[], number>('SELECT count(*) FROM sqlite_schema').pluck().get() ?? 0;
  if (id === 0 && version === 0 && tables === 0) return;
  if (id !== APPLICATION_ID) {
    throw refusal(file, `is a database of another program (application_id ${id}); name another data directory`);
  }
  if (version <= SCHEMA_VERSION) return;
  throw refusal(file, `was written by a newer hoofbeat (schema ${version}, this one knows up to ${SCHEMA_VERSION})`);
}

function refuseDamaged(file: string, database: Database): void {
  const result = database.pragma('integrity_check(1)', { simple: true }) as string;
  if (result === 'ok') return;
  throw refusal(file, `is damaged (${result.replaceAll('\n', ' ')}); restore it from a backup, or move it away`);
}

function openForWriting(file: string, maxBytes: number): Database {
  const database = new SqliteDatabase(file, { fileMustExist: true, timeout: 0 });
  try {
    // First of all: held from the first read until the process ends, however it ends. Keeps SQLite's index in memory, too.
    database.pragma('locking_mode = EXCLUSIVE');
    refuseForeign(file, database);
    // Fails here rather than at the first message when the file or its directory is read-only.
    database.exec('BEGIN IMMEDIATE; COMMIT');
    migrate(database);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma(`cache_size = -${PAGE_CACHE_KIB}`);
    database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    database.pragma(`journal_size_limit = ${MAX_LOG_BYTES}`);
    limitSize(database, maxBytes);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A file that is larger already stays, and does not grow. */
function limitSize(database: Database, maxBytes: number): void {
  if (maxBytes === 0) return;
  const pageBytes = database.pragma('page_size', { simple: true }) as number;
  database.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
