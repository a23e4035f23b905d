/**
 * The tables of a data file, and how a file of an older version becomes one of this version. `PRAGMA user_version` is the
 * number of the last migration done; `application_id` says that the file is ours. DESIGN.md says what the tables hold.
 */
import type { Database } from 'better-sqlite3';

/** "hbea", as `file` shows it. */
export const APPLICATION_ID = 0x68626561;

/** Migration n leads from version n to n + 1. What was released is never changed: a new one goes to the end. */
export const MIGRATIONS: readonly string[] = [
  `
  -- The number of a stream is not used again, so that what is left of a dropped one belongs to nobody.
  CREATE TABLE streams (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
  -- Streams whose messages are still to be deleted, a few at a time.
  CREATE TABLE dropped_streams (id INTEGER PRIMARY KEY);
  CREATE TABLE messages (
    stream_id INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    weight_bytes INTEGER NOT NULL,
    published_epoch_ms INTEGER NOT NULL,
    expires_epoch_ms INTEGER NOT NULL,
    not_before_epoch_ms INTEGER NOT NULL,
    delivery_count INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (stream_id, priority, sequence)
  ) WITHOUT ROWID;
  CREATE TABLE marks (
    stream_id INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (stream_id, priority)
  ) WITHOUT ROWID;
  CREATE TABLE records (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_epoch_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX records_by_expiry ON records (expires_epoch_ms) WHERE expires_epoch_ms > 0;
  `,
];

/** The version this program reads and writes. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings a file that is empty, or ours and not newer, to this version: each step whole or not at all.
 * @param migrations all there are, the first first
 */
export function migrate(database: Database, migrations: readonly string[] = MIGRATIONS): void {
  const from = database.pragma('user_version', { simple: true }) as number;
  for (const [version, statements] of migrations.entries()) {
    if (version < from) continue;
    database.transaction(() => {
      database.exec(statements);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${version + 1}`);
    })();
  }
}
