/** What is special about the SQLite file: its schema, what other programs see in it, and how it fails. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import t, { type Test } from 'tap';
import {
  type ConnectionChange,
  type ConnectionEntry,
  SqliteConnectionSink,
  UnusableSinkError,
} from '../../../adapters/connection-log/index.js';

const START_MS = Date.UTC(2026, 10, 20, 12, 0, 0, 7);
const ALL = { limit: 100, offset: 0 };

function insert(connectionId: string, more: Partial<ConnectionEntry> = {}): ConnectionChange {
  const connection: ConnectionEntry = {
    connectionId,
    userId: null,
    sessionId: connectionId,
    connectedEpochMs: START_MS,
    disconnectedEpochMs: null,
    lastActiveEpochMs: START_MS,
    userAgent: null,
    ipAddress: null,
    status: 'CONNECTED',
    ...more,
  };
  return { kind: 'insert', connection };
}

/** An open sink and a second look at its file. */
async function open(t: Test, file = path.join(t.testdir(), 'connections.db')) {
  const sink = new SqliteConnectionSink(file);
  t.teardown(() => sink.close());
  await sink.open();
  const database = new Database(file);
  t.teardown(() => database.close());
  return { sink, file, database };
}

t.test('the columns and indexes are those that other programs expect', async (t) => {
  const { database } = await open(t);
  const columns = database.pragma('table_info(websocket_connections)') as { name: string; type: string; pk: number }[];
  t.strictSame(
    columns.map(({ name, type }) => `${name} ${type}`),
    [
      'id INTEGER',
      'connection_id TEXT',
      'user_id ANY',
      'session_id TEXT',
      'connected_at TEXT',
      'disconnected_at TEXT',
      'last_active_at TEXT',
      'user_agent TEXT',
      'ip_address TEXT',
      'status TEXT',
    ],
  );
  t.strictSame(columns.map(({ pk }) => pk).filter(Boolean), [1]);
  const indexes = database.pragma('index_list(websocket_connections)') as { name: string; unique: number }[];
  const described = indexes.map(({ name, unique }) => {
    const [column] = database.pragma(`index_info(${name})`) as { name: string }[];
    return `${name} on ${column?.name ?? ''}${unique === 1 ? ', unique' : ''}`;
  });
  t.strictSame(described.sort(), [
    'idx_ws_connections_connection_id on connection_id, unique',
    'idx_ws_connections_status on status',
    'idx_ws_connections_user_id on user_id',
  ]);
  t.equal(database.pragma('journal_mode', { simple: true }), 'wal');
  t.equal(database.pragma('user_version', { simple: true }), 1);
});

t.test('times are ISO 8601 in UTC, user ids numbers where they are written as one', async (t) => {
  const { sink, database } = await open(t);
  await sink.write([insert('a', { userId: '9007199254740993' }), insert('b', { userId: '007' })]);
  const rows = database
    .prepare(
      'SELECT typeof(user_id) AS type, CAST(user_id AS TEXT) AS id, connected_at, disconnected_at FROM websocket_connections',
    )
    .all();
  const times = { connected_at: '2026-11-20T12:00:00.007Z', disconnected_at: null };
  t.strictSame(rows, [
    { type: 'integer', id: '9007199254740993', ...times },
    { type: 'text', id: '007', ...times },
  ]);
});

t.test('a row of another program takes the defaults; what the columns do not allow is refused', async (t) => {
  const { sink, database } = await open(t);
  database.exec("INSERT INTO websocket_connections (connection_id, session_id) VALUES ('x', 'x')");
  const [row] = await sink.list(ALL);
  t.match(row, { status: 'CONNECTED', disconnectedEpochMs: null, userId: null });
  t.ok((row?.connectedEpochMs ?? 0) > START_MS - 400 * 86_400_000, 'a time of day');
  const insertRaw = (columns: string, values: string) => () =>
    database.exec(`INSERT INTO websocket_connections (${columns}) VALUES (${values})`);
  t.throws(insertRaw('connection_id, session_id', "'x', 'y'"), /UNIQUE/);
  t.throws(insertRaw('connection_id, session_id, status', "'y', 'y', 'OPEN'"), /CHECK/);
  t.throws(insertRaw('connection_id', "'y'"), /NOT NULL/);
  t.throws(insertRaw('connection_id, session_id', `'${'y'.repeat(256)}', 'y'`), /CHECK/);
  t.throws(insertRaw('connection_id, session_id, ip_address', `'y', 'y', '${'1'.repeat(46)}'`), /CHECK/);
});

t.test('a batch is written whole or not at all, and the next one works', async (t) => {
  const { sink } = await open(t);
  await t.rejects(sink.write([insert('a'), insert('b'.repeat(256)), insert('c')]), /CHECK constraint failed/);
  t.strictSame(await sink.list(ALL), []);
  await sink.write([insert('d')]);
  t.match(await sink.list(ALL), [{ connectionId: 'd' }]);
});

t.test('what was written is there after the file is opened again; its directory is made', async (t) => {
  const file = path.join(t.testdir(), 'a', 'connections.db');
  const first = new SqliteConnectionSink(file);
  await first.open();
  await first.write([insert('a')]);
  t.equal(statSync(file).mode & 0o777, 0o600, 'for nobody else');
  await first.close();
  const second = new SqliteConnectionSink(file);
  t.teardown(() => second.close());
  await second.open();
  await second.write([insert('b')]);
  t.match(await second.list(ALL), [
    { id: 2, connectionId: 'b' },
    { id: 1, connectionId: 'a' },
  ]);
});

t.test('a file that is no connection log, or a later one, is refused and left as it is', async (t) => {
  const directory = t.testdir();
  const make = (name: string, sql: string): string => {
    const file = path.join(directory, name);
    const database = new Database(file);
    database.exec(sql);
    database.close();
    return file;
  };
  const text = path.join(directory, 'text');
  writeFileSync(text, 'This is a text, and longer than the header of a database would be. '.repeat(20));
  const cases: readonly (readonly [string, RegExp])[] = [
    [text, /text cannot be used: file is not a database \(SQLITE_NOTADB\)$/],
    [make('app.db', 'CREATE TABLE users (id INTEGER)'), /app\.db is another program's database, not a connection log$/],
    [make('other.db', 'PRAGMA application_id = 42'), /another program's database/],
    [
      make('later.db', 'PRAGMA application_id = 0x6862434c; PRAGMA user_version = 2; CREATE TABLE x (y)'),
      /later\.db is a connection log of version 2; this program knows up to 1$/,
    ],
  ];
  for (const [file, message] of cases) {
    const before = readFileSync(file);
    const sink = new SqliteConnectionSink(file);
    const error = await sink.open().then(
      () => null,
      (fault: unknown) => fault,
    );
    await sink.close();
    t.ok(error instanceof UnusableSinkError, file);
    t.match(error, { message });
    t.notMatch((error as Error).message, '\n');
    t.ok(readFileSync(file).equals(before), 'not a bit of it has changed');
    t.notOk(existsSync(`${file}-wal`));
  }
});

t.test('a place where no file can be is refused', async (t) => {
  const directory = t.testdir({ file: 'a file' });
  mkdirSync(path.join(directory, 'taken.db'));
  for (const place of ['file/connections.db', 'taken.db', 'nowhere/deeper/connections.db']) {
    const sink = new SqliteConnectionSink(path.join(directory, place));
    await t.rejects(sink.open(), { name: 'UnusableSinkError', message: /connection log .* cannot be used: / });
    await sink.close();
  }
});

t.test('a file that somebody holds is an outage, not a reason to refuse it', async (t) => {
  const { sink, database } = await open(t);
  await sink.write([insert('a')]);
  database.exec('BEGIN EXCLUSIVE');
  const error = await sink.write([insert('b')]).then(
    () => null,
    (fault: unknown) => fault,
  );
  t.match(error, { message: /database is locked \(SQLITE_BUSY\)$/ });
  t.notOk(error instanceof UnusableSinkError);
  database.exec('COMMIT');
  await sink.write([insert('b')]);
  t.equal((await sink.statistics(0)).total, 2);
});

t.test('a thread that dies fails its calls, and the next call has a new one', async (t) => {
  const started = once(process, 'worker') as Promise<[Worker]>;
  const { sink } = await open(t);
  const [worker] = await started;
  // In this order: a thread told to end does not take up another call, while one that works might finish it first.
  const ended = worker.terminate();
  const call = sink.write([insert('a')]);
  await Promise.all([ended, t.rejects(call, /the thread of the connection log .* has ended/)]);
  await sink.write([insert('b')]);
  t.equal((await sink.statistics(0)).total, 1);
});

t.test('after the end nothing is asked any more', async (t) => {
  const { sink } = await open(t);
  const last = sink.write([insert('a')]);
  await Promise.all([last, sink.close()]);
  await t.rejects(sink.write([insert('b')]), /is closed$/);
  await sink.close();
});
