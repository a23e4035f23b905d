import SqliteDatabase, { type Database } from 'better-sqlite3';
import t from 'tap';
import { migrate } from '../../../adapters/stores/sqlite-schema.js';
import { SqliteTables } from '../../../adapters/stores/sqlite-tables.js';
import type { StoreOperation } from '../../../broker/ports.js';
import { storedMessage } from '../../helpers/store-process.js';

const NOW = 1_763_700_000_000;
const ALL = { maxMessages: 10_000, maxBytes: 100_000_000 };

function newTables(): { readonly database: Database; readonly tables: SqliteTables } {
  const database = new SqliteDatabase(':memory:');
  migrate(database);
  return { database, tables: new SqliteTables(database) };
}

function rows(database: Database, table: string): unknown {
  return database.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
}

function appendMany(stream: string, count: number): StoreOperation[] {
  return Array.from({ length: count }, (_, at) => ({ kind: 'append', stream, message: storedMessage(at + 1, 10) }));
}

function put(key: string, expiresEpochMs: number): StoreOperation {
  return { kind: 'put', key, value: '', expiresEpochMs };
}

t.test('a dropped stream is deleted some messages at a time', async (t) => {
  const { database, tables } = newTables();
  tables.commit([...appendMany('a', 1_200), ...appendMany('b', 5)], NOW);
  tables.commit([{ kind: 'drop', stream: 'a' }, ...appendMany('a', 3)], NOW);
  t.equal(rows(database, 'messages'), 1_208, 'nothing yet');
  const left: unknown[] = [];
  while (tables.tidy(NOW)) left.push(rows(database, 'messages'));
  t.strictSame(left, [708, 208, 8]);
  t.equal(rows(database, 'dropped_streams'), 0);
  t.equal(tables.read('a', 4, 0, ALL).length, 3);
  t.notOk(tables.tidy(NOW), 'and then there is nothing to do');
});

t.test('what was dropped is not there at open, deleted or not', async (t) => {
  const { database, tables } = newTables();
  tables.commit(appendMany('a', 600), NOW);
  tables.commit([{ kind: 'mark', stream: 'a', priority: 4, sequence: 9 }, ...appendMany('b', 1)], NOW);
  tables.commit([{ kind: 'drop', stream: 'a' }], NOW);
  const again = new SqliteTables(database);
  t.strictSame(again.contents(NOW).lanes, [{ stream: 'b', priority: 4, messages: 1, bytes: 10, markedSequence: 0 }]);
  again.commit(appendMany('a', 1), NOW);
  t.equal(again.contents(NOW).lanes.find(({ stream }) => stream === 'a')?.markedSequence, 0, 'with its marks');
});

t.test('streams that are empty, and their marks, are forgotten at open', async (t) => {
  const { database, tables } = newTables();
  for (let at = 0; at < 50; at++) {
    tables.commit([...appendMany(`${at}`, 1), { kind: 'mark', stream: `${at}`, priority: 4, sequence: 1 }], NOW);
    tables.commit([{ kind: 'remove', stream: `${at}`, priority: 4, sequence: 1 }], NOW);
  }
  tables.commit(appendMany('kept', 1), NOW);
  new SqliteTables(database).contents(NOW);
  t.strictSame([rows(database, 'streams'), rows(database, 'marks')], [1, 0]);
});

t.test('records that have expired go as others come, and at leisure', async (t) => {
  const { database, tables } = newTables();
  let most = 0;
  for (let at = 0; at < 500; at++) {
    tables.commit([put(`${at}`, NOW + at + 10)], NOW + at);
    most = Math.max(most, rows(database, 'records') as number);
  }
  t.ok(most <= 20, `${most} where 10 are alive`);
  tables.commit(
    Array.from({ length: 1_200 }, (_, at) => put(`more ${at}`, NOW + 2_000)),
    NOW + 1_000,
  );
  tables.commit([put('for ever', 0)], NOW + 3_000);
  t.equal(rows(database, 'records'), 1_201, 'a record without an end makes none go');
  while (tables.tidy(NOW + 3_000));
  t.equal(rows(database, 'records'), 1);
});

t.test('a commit that fails in the middle leaves nothing, and no transaction open', async (t) => {
  const { database, tables } = newTables();
  tables.commit(appendMany('a', 1), NOW);
  // A column that must not be empty stands for any failure.
  const broken = { kind: 'append', stream: 'new', message: { ...storedMessage(1, 10), octets: null } };
  const operations = [...appendMany('new', 2), { kind: 'drop', stream: 'a' }, broken] as unknown as StoreOperation[];
  t.throws(() => tables.commit(operations, NOW), { code: 'SQLITE_CONSTRAINT_NOTNULL' });
  t.notOk(database.inTransaction);
  t.equal(tables.read('a', 4, 0, ALL).length, 1);
  tables.commit(appendMany('new', 1), NOW);
  t.equal(tables.read('new', 4, 0, ALL).length, 1, 'a stream that was made in vain is made again');
});

t.test('a transaction that could not be ended is ended before the next', async (t) => {
  const { database, tables } = newTables();
  database.exec("BEGIN; INSERT INTO records VALUES ('left open', '', 0)");
  tables.commit([put('next', 0)], NOW);
  t.strictSame(
    tables.contents(NOW).records.map(({ key }) => key),
    ['next'],
  );
});

t.test('dropping what fills the file makes room for the very next commit', async (t) => {
  const { database, tables } = newTables();
  database.pragma('max_page_count = 60');
  const one = (sequence: number): StoreOperation => ({
    kind: 'append',
    stream: 'a',
    message: storedMessage(sequence, 1_000),
  });
  let sequence = 0;
  const fill = (): void => {
    for (;;) tables.commit([one(++sequence)], NOW);
  };
  t.throws(fill, { code: 'SQLITE_FULL' });
  tables.commit([{ kind: 'drop', stream: 'a' }], NOW);
  tables.commit([one(1)], NOW);
  t.equal(tables.read('a', 4, 0, ALL).length, 1);
});
