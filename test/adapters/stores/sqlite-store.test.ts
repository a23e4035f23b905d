import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import workerThreads from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import t, { type Test } from 'tap';
import { SqliteStore } from '../../../adapters/stores/index.js';
import type { StoreContents, StoreOperation } from '../../../broker/ports.js';
import { requireProgram } from '../../helpers/programs.js';
import { BATCH, storedMessage, StoreProcess } from '../../helpers/store-process.js';

const ALL = { maxMessages: 10_000, maxBytes: 100_000_000 };
const APPLICATION_ID = 0x68626561;

/** Around a program, in a namespace of its own: with a small file system, or with one that is read-only. */
const SMALL_DISK = 'mount -t tmpfs -o size=32m none "$0" && exec "$@"';
const READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"';

/** Some systems let nobody have such a namespace. */
function canMount(): boolean {
  return spawnSync('unshare', ['-rm', 'sh', '-c', SMALL_DISK, '/mnt', 'true'], { stdio: 'ignore' }).status === 0;
}

/** Where a store may make its directory. */
function newDirectory(t: Test): string {
  return path.join(t.testdir(), 'data');
}

function fileIn(directory: string): string {
  return path.join(directory, 'hoofbeat.db');
}

async function opened(
  t: Test,
  directory: string,
  more: { readonly maxBytes?: number } = {},
): Promise<{ readonly store: SqliteStore; readonly contents: StoreContents }> {
  const store = new SqliteStore({ directory, ...more });
  const contents = await store.open();
  t.teardown(() => store.close());
  return { store, contents };
}

function append(sequence: number, bytes = 1_000, stream = 'a'): StoreOperation {
  return { kind: 'append', stream, message: storedMessage(sequence, bytes) };
}

function trim(sequence: number): StoreOperation {
  return { kind: 'trim', stream: 'a', priority: 4, sequence };
}

async function stored(store: SqliteStore): Promise<number[]> {
  return (await store.read('a', 4, 0, ALL)).map(({ sequence }) => sequence);
}

/** A directory with a closed file that holds 1,000 messages of 1,000 octets. */
async function filledDirectory(t: Test): Promise<string> {
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  await store.commit(Array.from({ length: 1_000 }, (_, at) => append(at + 1)));
  await store.close();
  return directory;
}

/** What a crash would leave of a file that is open. */
function copyOpenFile(from: string, to: string): string {
  mkdirSync(to);
  for (const name of ['hoofbeat.db', 'hoofbeat.db-wal']) copyFileSync(path.join(from, name), path.join(to, name));
  return to;
}

/** The octets of everything of SQLite's in a directory, but for its index in shared memory. */
function octetsIn(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => !name.endsWith('-shm'));
  return Object.fromEntries(names.map((name) => [name, readFileSync(path.join(directory, name), 'latin1')]));
}

/** Opening is refused with one line that begins with `subject`, and changes nothing. */
async function refuses(t: Test, directory: string, what: RegExp, subject = fileIn(directory)): Promise<void> {
  const isFile = subject === fileIn(directory) && statSync(subject).isFile();
  const before = isFile ? octetsIn(directory) : {};
  const store = new SqliteStore({ directory });
  const error = await store.open().then(
    () => null,
    (error: unknown) => error as Error,
  );
  await store.close();
  t.match(error, { code: 'store-failed' });
  t.equal(error?.message.slice(0, subject.length + 2), `${subject}: `);
  t.match(error?.message.slice(subject.length + 2), what);
  t.notMatch(error?.message, /\n/);
  const after = isFile ? octetsIn(directory) : {};
  for (const [name, octets] of Object.entries(before)) t.ok(after[name] === octets, `${name} is as it was`);
}

t.test('makes directory and file for its own user alone', async (t) => {
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  await store.commit([append(1)]);
  const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);
  t.equal(mode(directory), '700');
  t.strictSame(
    readdirSync(directory).map((name) => `${name} ${mode(path.join(directory, name))}`),
    ['hoofbeat.db 600', 'hoofbeat.db-wal 600'],
  );
  await store.close();
  t.strictSame(readdirSync(directory), ['hoofbeat.db'], 'and leaves one file when it is closed');
});

t.test('refuses what it cannot use, and leaves it as it was', async (t) => {
  t.test('a file that is no database', async (t) => {
    const directory = t.testdir({ 'hoofbeat.db': 'orders.csv, by mistake\n'.repeat(1_000) });
    await refuses(t, directory, /^is no SQLite database \(SQLITE_NOTADB\)$/);
  });

  t.test('a database of another program', async (t) => {
    const base = t.testdir();
    for (const id of [0, 42]) {
      const directory = path.join(base, String(id));
      mkdirSync(directory);
      const other = new SqliteDatabase(fileIn(directory));
      other.exec(
        `PRAGMA journal_mode = WAL; PRAGMA application_id = ${id}; CREATE TABLE t (x); INSERT INTO t VALUES (1)`,
      );
      // Also as it is while the other program has not closed it: what makes it a foreign one is in its log alone.
      const copy = copyOpenFile(directory, path.join(base, `copy-${id}`));
      other.close();
      await refuses(t, directory, /^is a database of another program \(application_id \d+\)/);
      await refuses(t, copy, /^is a database of another program \(application_id \d+\)/);
    }
  });

  t.test('a file of a newer version, also when only the log says so', async (t) => {
    const directory = await filledDirectory(t);
    const newer = new SqliteDatabase(fileIn(directory));
    newer.pragma('user_version = 99');
    const copy = copyOpenFile(directory, `${directory}-copy`);
    newer.close();
    await refuses(t, directory, /^was written by a newer hoofbeat \(schema 99, this one knows up to \d+\)$/);
    await refuses(t, copy, /^was written by a newer hoofbeat/);
  });

  t.test('a file with damaged pages', async (t) => {
    const directory = await filledDirectory(t);
    const octets = readFileSync(fileIn(directory));
    octets.fill(0xa5, Math.floor(octets.length / 2 / 4_096) * 4_096, Math.floor(octets.length / 2 / 4_096 + 4) * 4_096);
    writeFileSync(fileIn(directory), octets);
    await refuses(t, directory, /^is damaged \(/);
  });

  t.test('a file that is cut short', async (t) => {
    const directory = await filledDirectory(t);
    writeFileSync(fileIn(directory), readFileSync(fileIn(directory)).subarray(0, 300_000));
    await refuses(t, directory, /^is damaged \(/);
  });

  t.test('places where no file can be', async (t) => {
    const base = t.testdir({ file: 'x', taken: { 'hoofbeat.db': {} } });
    await refuses(t, path.join(base, 'file'), /^is no directory$/, path.join(base, 'file'));
    const lost = path.join(base, 'none', 'data');
    await refuses(t, lost, /^cannot be made, as the directory above it is missing$/, lost);
    const under = path.join(base, 'file', 'data');
    await refuses(t, under, /^(is no directory|cannot be made)/, under);
    await refuses(t, path.join(base, 'taken'), /^the system could not read or write \(SQLITE_IOERR/);
    t.notOk(existsSync(path.join(base, 'none')));
  });
});

t.test('an empty file is as good as none', async (t) => {
  const directory = t.testdir({ 'hoofbeat.db': '' });
  const { store, contents } = await opened(t, directory);
  t.strictSame(contents, { lanes: [], records: [] });
  await store.commit([append(1)]);
});

t.test('a file in use is refused, and its owner not disturbed', async (t) => {
  const directory = newDirectory(t);
  const owner = new StoreProcess(t, ['hold', directory]);
  await owner.lines(1);
  for (const sequence of [1, 2, 3]) {
    const late = new SqliteStore({ directory });
    await t.rejects(late.open(), { code: 'store-failed', message: /hoofbeat\.db: is in use by another process/ });
    owner.tell('store one');
    t.equal((await owner.lines(sequence + 1)).at(-1), `stored ${sequence}`);
  }
  await owner.kill();
  const { store } = await opened(t, directory);
  t.strictSame(await stored(store), [1, 2, 3], 'and is free as soon as the owner is killed');
});

t.test('a second store of the same process is refused like any other', async (t) => {
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  await store.commit([append(1)]);
  for (const sequence of [2, 3]) {
    await t.rejects(new SqliteStore({ directory }).open(), { message: /is in use/ });
    await store.commit([append(sequence)]);
  }
  const other = new StoreProcess(t, ['hold', directory]);
  await other.ended();
  await t.rejects(other.lines(1), { message: /ended/ }, 'still locked to other processes');
  t.strictSame(await stored(store), [1, 2, 3]);
});

t.test('a process killed while it commits leaves whole commits, and none that was told is missing', async (t) => {
  const directory = newDirectory(t);
  for (const kills of [1, 2, 3, 4, 5, 6]) {
    const writer = new StoreProcess(t, ['write', directory]);
    await writer.lines(1 + kills * 3);
    const told = Number((await writer.kill()).at(-1));
    const { store, contents } = await opened(t, directory);
    const last = Number(contents.records.find(({ key }) => key === 'last')?.value);
    t.ok(last >= told, `told of ${told}, stored are ${last}`);
    // Each commit trims what was stored two commits before it.
    const from = Math.max(last - 1, 1) * BATCH;
    const whole = Array.from({ length: (last + 1) * BATCH - from }, (_, at) => from + 1 + at);
    t.strictSame(await stored(store), whole);
    t.match(contents.lanes, [{ stream: 'a', priority: 4 }]);
    await store.commit([{ kind: 'drop', stream: 'a' }]);
    await store.close();
  }
});

t.test('a file system that fails: commits are refused until the cause is gone', async (t) => {
  if (!requireProgram(t, 'prlimit')) return;
  const directory = newDirectory(t);
  const refused = `refused store-failed: ${fileIn(directory)}: the system could not read or write (SQLITE_IOERR_WRITE)`;
  t.strictSame(await new StoreProcess(t, ['fail', directory]).ended(), [
    'stored',
    refused,
    refused,
    '1',
    'stored',
    'stored',
    '5,6',
  ]);
  const { store } = await opened(t, directory);
  t.strictSame(await stored(store), [5, 6]);
});

t.test('refuses a directory and a file that cannot be written', async (t) => {
  const directory = await filledDirectory(t);
  const before = octetsIn(directory);
  for (const target of [directory, fileIn(directory)]) {
    // To root nothing is closed but what is mounted so.
    const around = process.getuid?.() === 0 ? ['unshare', '-rm', 'sh', '-c', READ_ONLY, target] : [];
    if (around.length > 0 && !canMount()) continue;
    const { mode } = statSync(target);
    chmodSync(target, mode & 0o555);
    const [line] = await new StoreProcess(t, ['look', directory], around).ended();
    chmodSync(target, mode);
    t.match(line, new RegExp(`^${target.replaceAll('.', '\\.')}: cannot be written: (permission|is on a read-only)`));
  }
  t.strictSame(octetsIn(directory), before);
});

// Only a file system of its own is ever full; maxBytes stands for it in the contract.
if (canMount()) {
  t.test('a full disk: what is consumed makes room, and the store opens without any', async (t) => {
    const mount = t.testdir();
    const child = new StoreProcess(t, ['fill', mount], ['unshare', '-rm', 'sh', '-c', SMALL_DISK, mount]);
    const refused = `refused store-full: ${fileIn(path.join(mount, 'data'))}: no room`;
    t.strictSame(await child.ended(), [
      `${refused}, as less than 16 MB are left on the disk`,
      'trim stored',
      'append stored',
      'opened with 2',
      `${refused}, by maxBytes or on the disk (SQLITE_FULL)`,
      'record stored',
    ]);
  });
}

t.test('the log stays small, whatever passes through', async (t) => {
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  let largest = 0;
  for (let sequence = 1; sequence <= 60; sequence++) {
    await store.commit([append(sequence, 1_000_000), trim(sequence - 1)]);
    largest = Math.max(largest, statSync(`${fileIn(directory)}-wal`).size);
  }
  t.ok(largest < 10_000_000, `${largest} octets`);
  await store.close();
  t.notOk(existsSync(`${fileIn(directory)}-wal`));
  t.ok(statSync(fileIn(directory)).size < 10_000_000, 'the file neither');
});

t.test('maxBytes bounds the file, across restarts', async (t) => {
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  await store.commit(Array.from({ length: 1_000 }, (_, at) => append(at + 1)));
  await store.close();
  const { store: limited } = await opened(t, directory, { maxBytes: 500_000 });
  await t.rejects(limited.commit([append(2_000, 50_000)]), { code: 'store-full' }, 'larger than it may be already');
  await limited.commit([trim(500)]);
  await limited.commit([append(2_000, 50_000)]);
  t.equal((await stored(limited)).length, 501);
});

t.test('a thread that has ended is told to everybody, then and later', async (t) => {
  const { Worker } = workerThreads;
  const started: workerThreads.Worker[] = [];
  workerThreads.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      started.push(this);
    }
  };
  syncBuiltinESMExports();
  t.teardown(() => {
    workerThreads.Worker = Worker;
    syncBuiltinESMExports();
  });
  const directory = newDirectory(t);
  const { store } = await opened(t, directory);
  t.equal(started.length, 1);
  await store.commit([append(1)]);
  const ended = started[0]?.terminate();
  const failure = { code: 'store-failed', message: /hoofbeat\.db: the thread of the store has ended \(.+\); restart/ };
  await t.rejects(store.commit([append(2)]), failure);
  await ended;
  await t.rejects(store.commit([append(3)]), failure);
  await t.rejects(store.read('a', 4, 0, ALL), failure);
  await store.close();
  const { store: again } = await opened(t, directory);
  t.equal((await stored(again))[0], 1, 'the file is free and whole');
});

t.test('a file of an older version is brought up to date', async (t) => {
  // As it is made, before anything else: version 0.
  const directory = newDirectory(t);
  mkdirSync(directory);
  new SqliteDatabase(fileIn(directory)).exec(`PRAGMA application_id = ${APPLICATION_ID}`).close();
  const { store, contents } = await opened(t, directory);
  t.strictSame(contents, { lanes: [], records: [] });
  await store.commit([append(1)]);
  await store.close();
  const file = new SqliteDatabase(fileIn(directory), { readonly: true });
  t.equal(file.pragma('user_version', { simple: true }), 1);
  t.equal(file.pragma('application_id', { simple: true }), APPLICATION_ID);
  t.equal(file.pragma('journal_mode', { simple: true }), 'wal');
  file.close();
});
