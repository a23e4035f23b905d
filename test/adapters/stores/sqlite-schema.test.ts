import SqliteDatabase, { type Database } from 'better-sqlite3';
import t from 'tap';
import { APPLICATION_ID, migrate, MIGRATIONS, SCHEMA_VERSION } from '../../../adapters/stores/sqlite-schema.js';

function versionOf(database: Database): unknown {
  return database.pragma('user_version', { simple: true });
}

function tablesOf(database: Database): unknown[] {
  return database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
}

const TABLES = ['dropped_streams', 'marks', 'messages', 'records', 'sqlite_sequence', 'streams'];

t.test('an empty file becomes one of this version, once', async (t) => {
  const database = new SqliteDatabase(':memory:');
  migrate(database);
  t.equal(versionOf(database), SCHEMA_VERSION);
  t.equal(database.pragma('application_id', { simple: true }), APPLICATION_ID);
  t.strictSame(tablesOf(database), TABLES);
  migrate(database);
  t.strictSame(tablesOf(database), TABLES);
});

t.test('an older file keeps what it holds, and gets what is new, in order', async (t) => {
  const database = new SqliteDatabase(':memory:');
  migrate(database, MIGRATIONS.slice(0, 1));
  database.exec("INSERT INTO records VALUES ('key', 'value', 0)");
  const later = [
    'ALTER TABLE records ADD COLUMN owner TEXT',
    "UPDATE records SET owner = 'nobody'; CREATE TABLE owners (name TEXT)",
  ];
  migrate(database, [...MIGRATIONS.slice(0, 1), ...later]);
  t.equal(versionOf(database), 3);
  t.strictSame(database.prepare('SELECT * FROM records').all(), [
    { key: 'key', value: 'value', expires_epoch_ms: 0, owner: 'nobody' },
  ]);
});

t.test('a migration that fails leaves the version before it, whole', async (t) => {
  const database = new SqliteDatabase(':memory:');
  const first = MIGRATIONS.slice(0, 1);
  const good = 'CREATE TABLE good (x)';
  t.throws(() => migrate(database, [...first, good, 'CREATE TABLE half (x); CREATE TABLE good (x)']), /good/);
  t.equal(versionOf(database), 2);
  t.strictSame(tablesOf(database), [...TABLES, 'good'].sort());
  t.notOk(database.inTransaction);
  migrate(database, [...first, good, 'CREATE TABLE whole (x)']);
  t.equal(versionOf(database), 3);
});
