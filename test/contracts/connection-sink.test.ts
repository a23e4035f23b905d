/** What every sink of the connection log promises, in memory and in SQLite. */
import path from 'node:path';
import t, { type Test } from 'tap';
import {
  type ConnectionChange,
  type ConnectionEntry,
  type ConnectionSink,
  MemoryConnectionSink,
  SqliteConnectionSink,
} from '../../adapters/connection-log/index.js';

const SINKS: Readonly<Record<string, (t: Test) => ConnectionSink>> = {
  memory: () => new MemoryConnectionSink(),
  sqlite: (t) => new SqliteConnectionSink(path.join(t.testdir(), 'connections.db')),
};

const START_MS = Date.UTC(2026, 10, 20, 12, 0, 0, 123);
const ALL = { limit: 1_000, offset: 0 };

function entry(connectionId: string, more: Partial<ConnectionEntry> = {}): ConnectionEntry {
  return {
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
}

function insert(connectionId: string, more: Partial<ConnectionEntry> = {}): ConnectionChange {
  return { kind: 'insert', connection: entry(connectionId, more) };
}

/** A row that ended `agoMs` before START_MS. */
function ended(connectionId: string, agoMs: number, more: Partial<ConnectionEntry> = {}): ConnectionChange {
  const epochMs = START_MS - agoMs;
  const times = { connectedEpochMs: epochMs - 10, lastActiveEpochMs: epochMs - 10, disconnectedEpochMs: epochMs };
  return insert(connectionId, { ...times, status: 'DISCONNECTED', ...more });
}

function end(connectionId: string, status: 'DISCONNECTED' | 'ERROR', epochMs: number): ConnectionChange {
  return { kind: 'update', connectionId, lastActiveEpochMs: null, end: { status, epochMs } };
}

for (const [name, make] of Object.entries(SINKS)) {
  const open = async (t: Test): Promise<ConnectionSink> => {
    const sink = make(t);
    await sink.open();
    t.teardown(() => sink.close());
    return sink;
  };
  const ids = async (sink: ConnectionSink): Promise<string[]> =>
    (await sink.list(ALL)).map(({ connectionId }) => connectionId);

  t.test(`${name}: a row comes back as it was written, with an id`, async (t) => {
    const sink = await open(t);
    const full = {
      userId: '123',
      sessionId: 'session',
      userAgent: 'Größe/1.0 (\u{1f40e})',
      ipAddress: '2001:db8::1',
      lastActiveEpochMs: START_MS + 5,
    };
    await sink.write([insert('a', full), insert('b')]);
    t.strictSame(await sink.list(ALL), [
      { id: 2, ...entry('b') },
      { id: 1, ...entry('a', full) },
    ]);
    t.equal(sink.name, name);
  });

  t.test(`${name}: user ids are texts, whatever they look like`, async (t) => {
    const sink = await open(t);
    const users = ['7', '007', '-7', '1e3', '0x10', '9223372036854775807', '9223372036854775808', 'ann', '', '12.0'];
    await sink.write(users.map((userId) => insert(`of ${userId}`, { userId })));
    for (const userId of users) {
      const found = await sink.list({ ...ALL, userId });
      t.strictSame(
        found.map((row) => [row.connectionId, row.userId]),
        [[`of ${userId}`, userId]],
      );
    }
  });

  t.test(`${name}: a connection id that is known again is CONNECTED and active, and keeps the rest`, async (t) => {
    const sink = await open(t);
    await sink.write([insert('a', { userId: '1', userAgent: 'old', ipAddress: '192.0.2.1' })]);
    await sink.write([end('a', 'ERROR', START_MS + 10)]);
    const later = { connectedEpochMs: START_MS + 20, lastActiveEpochMs: START_MS + 20 };
    await sink.write([insert('a', { userId: '2', userAgent: 'new', ipAddress: '192.0.2.2', ...later })]);
    t.strictSame(await sink.list(ALL), [
      {
        id: 1,
        ...entry('a', { userId: '1', userAgent: 'old', ipAddress: '192.0.2.1', lastActiveEpochMs: START_MS + 20 }),
      },
    ]);
  });

  t.test(`${name}: activity and end change what they name; the first end stands`, async (t) => {
    const sink = await open(t);
    await sink.write([insert('a'), insert('b'), insert('c')]);
    await sink.write([
      { kind: 'update', connectionId: 'a', lastActiveEpochMs: START_MS + 1, end: null },
      {
        kind: 'update',
        connectionId: 'b',
        lastActiveEpochMs: START_MS + 2,
        end: { status: 'ERROR', epochMs: START_MS + 3 },
      },
      { kind: 'update', connectionId: 'c', lastActiveEpochMs: null, end: null },
      end('nobody', 'DISCONNECTED', START_MS),
    ]);
    await sink.write([end('b', 'DISCONNECTED', START_MS + 9)]);
    t.strictSame(await sink.list(ALL), [
      { id: 3, ...entry('c') },
      {
        id: 2,
        ...entry('b', {
          lastActiveEpochMs: START_MS + 2,
          disconnectedEpochMs: START_MS + 3,
          status: 'ERROR',
        }),
      },
      { id: 1, ...entry('a', { lastActiveEpochMs: START_MS + 1 }) },
    ]);
  });

  t.test(`${name}: list selects by status and user, the latest first, page by page`, async (t) => {
    const sink = await open(t);
    const changes = Array.from({ length: 6 }, (_, k) => insert(`c${k}`, { userId: k % 2 === 0 ? '1' : null }));
    await sink.write([...changes, ended('e', 5, { userId: '1' })]);
    const idsOf = async (query: object): Promise<string[]> =>
      (await sink.list({ ...ALL, ...query })).map(({ connectionId }) => connectionId);
    t.strictSame(await idsOf({ userId: '1' }), ['e', 'c4', 'c2', 'c0']);
    t.strictSame(await idsOf({ userId: null }), ['c5', 'c3', 'c1']);
    t.strictSame(await idsOf({ userId: '2' }), []);
    t.strictSame(await idsOf({ status: 'DISCONNECTED' }), ['e']);
    t.strictSame(await idsOf({ status: 'CONNECTED', userId: '1', limit: 2 }), ['c4', 'c2']);
    t.strictSame(await idsOf({ limit: 2, offset: 3 }), ['c3', 'c2']);
    t.strictSame(await idsOf({ offset: 7 }), []);
  });

  t.test(`${name}: stale finds rows that are connected and were not active, in pages by id`, async (t) => {
    const sink = await open(t);
    await sink.write([
      insert('old1', { lastActiveEpochMs: START_MS - 100 }),
      ended('gone', 100),
      insert('old2', { lastActiveEpochMs: START_MS - 50 }),
      insert('young'),
      insert('old3', { lastActiveEpochMs: START_MS - 1 }),
    ]);
    t.strictSame(await sink.stale(START_MS, 0, 2), [
      { id: 1, connectionId: 'old1' },
      { id: 3, connectionId: 'old2' },
    ]);
    t.strictSame(await sink.stale(START_MS, 3, 2), [{ id: 5, connectionId: 'old3' }]);
    t.strictSame(await sink.stale(START_MS - 100, 0, 2), []);
  });

  t.test(`${name}: prune deletes what ended long ago, and never a connection that is open`, async (t) => {
    const sink = await open(t);
    await sink.write([
      ended('past1', 100),
      insert('open', { connectedEpochMs: START_MS - 500, lastActiveEpochMs: START_MS - 500 }),
      ended('past2', 90, { status: 'ERROR' }),
      ended('just', 10, { connectedEpochMs: START_MS - 400 }),
      ended('past3', 80),
    ]);
    const limits = { endedBeforeEpochMs: START_MS - 50, maxRows: 100 };
    t.equal(await sink.prune({ ...limits, atOnce: 2 }), true);
    t.strictSame(await ids(sink), ['past3', 'just', 'open']);
    t.equal(await sink.prune({ ...limits, atOnce: 2 }), false);
    t.strictSame(await ids(sink), ['just', 'open']);
  });

  t.test(`${name}: prune keeps the number of rows, the oldest that ended going first`, async (t) => {
    const sink = await open(t);
    await sink.write([insert('open1'), ended('a', 3), ended('b', 4), insert('open2'), ended('c', 5)]);
    const limits = { endedBeforeEpochMs: 0, atOnce: 10 };
    t.equal(await sink.prune({ ...limits, maxRows: 4 }), false);
    t.strictSame(await ids(sink), ['c', 'open2', 'b', 'open1']);
    t.equal(await sink.prune({ ...limits, maxRows: 2, atOnce: 1 }), true);
    t.strictSame(await ids(sink), ['c', 'open2', 'open1']);
    t.equal(await sink.prune({ ...limits, maxRows: 0 }), false);
    t.strictSame(await ids(sink), ['open2', 'open1']);
  });

  t.test(`${name}: ids are not used again`, async (t) => {
    const sink = await open(t);
    await sink.write([ended('a', 3)]);
    await sink.prune({ endedBeforeEpochMs: 0, maxRows: 0, atOnce: 10 });
    await sink.write([insert('b')]);
    t.match(await sink.list(ALL), [{ id: 2, connectionId: 'b' }]);
  });

  t.test(`${name}: statistics count by status and by user, those with the most first`, async (t) => {
    const sink = await open(t);
    t.strictSame(await sink.statistics(10), {
      total: 0,
      byStatus: { CONNECTED: 0, DISCONNECTED: 0, ERROR: 0 },
      users: [],
    });
    await sink.write([
      insert('a', { userId: '1' }),
      insert('b', { userId: '2' }),
      insert('c', { userId: '2' }),
      ended('d', 1, { userId: '2' }),
      ended('e', 1, { userId: 'ann', status: 'ERROR' }),
      ended('f', 1, { userId: 'ann' }),
      insert('g'),
    ]);
    const users = [
      { userId: '2', connections: 3, connected: 2 },
      { userId: 'ann', connections: 2, connected: 0 },
      { userId: '1', connections: 1, connected: 1 },
    ];
    const counts = { total: 7, byStatus: { CONNECTED: 4, DISCONNECTED: 2, ERROR: 1 } };
    t.strictSame(await sink.statistics(10), { ...counts, users });
    t.strictSame(await sink.statistics(2), { ...counts, users: users.slice(0, 2) });
    t.strictSame(await sink.statistics(0), { ...counts, users: [] });
  });

  t.test(`${name}: closing without opening is no fault`, async () => {
    await make(t).close();
  });
}
