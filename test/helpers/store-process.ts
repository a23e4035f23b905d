/**
 * A process with a SqliteStore of its own, to be killed, locked out or left without room. Run as a program it does what its
 * arguments say and prints a line for each thing done; imported it starts that program.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { SqliteStore } from '../../adapters/stores/index.js';
import type { StoredMessage, StoreOperation } from '../../broker/ports.js';
import { inTime } from './inbox.js';

const DEADLINE_MS = 30_000;
const SCRIPT = fileURLToPath(import.meta.url);
/** Messages of one commit of `write`. */
export const BATCH = 200;

export class StoreProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #lines: string[] = [];
  #rest = '';
  #onLine: () => void = () => undefined;

  /** @param around a program to start it with, e.g. `unshare` and its arguments; gets the rest of the command line */
  constructor(t: Test, args: readonly string[], around: readonly string[] = []) {
    // Without what tap has each process load first: among it, handlers of signals that Node itself ignores.
    const bare = ['env', '-u', 'NODE_OPTIONS', process.execPath];
    const [program = '', ...rest] = [...around, ...bare, SCRIPT, ...args];
    this.child = spawn(program, rest, { env: { PATH: process.env['PATH'] } });
    t.teardown(() => this.child.kill('SIGKILL'));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => t.comment(text));
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n');
      this.#rest = lines.pop() ?? '';
      this.#lines.push(...lines);
      this.#onLine();
    });
    this.#ended = new Promise((resolve) => {
      this.child.on('close', () => {
        resolve();
        this.#onLine();
      });
    });
  }

  /** What it printed so far, once that is `count` lines. */
  async lines(count: number): Promise<readonly string[]> {
    const reached = new Promise<void>((resolve, reject) => {
      this.#onLine = () => {
        if (this.#lines.length >= count) resolve();
        else if (this.child.exitCode !== null) reject(new Error(`ended after: ${this.#lines.join(', ')}`));
      };
      this.#onLine();
    });
    await inTime(reached, `line ${count} of a store process`, DEADLINE_MS);
    return this.#lines;
  }

  tell(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Everything it printed before it died. */
  async kill(): Promise<readonly string[]> {
    this.child.kill('SIGKILL');
    return this.ended();
  }

  async ended(): Promise<readonly string[]> {
    await inTime(this.#ended, 'the end of a store process', DEADLINE_MS);
    return this.#lines;
  }
}

function print(line: string): void {
  writeSync(1, `${line}\n`);
}

export function storedMessage(sequence: number, bytes: number): StoredMessage {
  const times = { publishedEpochMs: 1, expiresEpochMs: 0, notBeforeEpochMs: 0 };
  return { sequence, priority: 4, octets: Buffer.alloc(bytes, 'x'), weightBytes: bytes, ...times, deliveryCount: 0 };
}

function appendAll(stream: string, first: number, count: number, bytes = 1_000): StoreOperation[] {
  return Array.from({ length: count }, (_, at) => ({
    kind: 'append',
    stream,
    message: storedMessage(first + at, bytes),
  }));
}

/** Whether the store opens, and if not, why. */
async function look(directory: string): Promise<void> {
  const store = new SqliteStore({ directory });
  print(
    await store.open().then(
      () => 'open',
      (error: unknown) => (error as Error).message,
    ),
  );
  await store.close();
}

/** Without end, four commits on their way at a time; prints the number of each that is stored. */
async function write(directory: string): Promise<never> {
  const store = new SqliteStore({ directory });
  await store.open();
  print('open');
  const underWay: Promise<void>[] = [];
  for (let number = 1; ; number++) {
    const operations: StoreOperation[] = [
      { kind: 'trim', stream: 'a', priority: 4, sequence: (number - 1) * BATCH },
      ...appendAll('a', number * BATCH + 1, BATCH),
      { kind: 'put', key: 'last', value: String(number), expiresEpochMs: 0 },
    ];
    underWay.push(store.commit(operations).then(() => print(String(number))));
    if (underWay.length >= 4) await underWay.shift();
  }
}

/** Holds the store, and stores one message for each line it is told. */
async function hold(directory: string): Promise<void> {
  const store = new SqliteStore({ directory });
  await store.open();
  print('open');
  let sequence = 0;
  for await (const chunk of process.stdin) {
    for (const _line of String(chunk).split('\n').slice(1)) {
      await store.commit(appendAll('a', ++sequence, 1));
      print(`stored ${sequence}`);
    }
  }
}

/** On a small file system of its own: fills it up, makes room, then starts again without any. */
async function fill(mount: string): Promise<void> {
  const directory = path.join(mount, 'data');
  const ballast = path.join(mount, 'ballast');
  const store = new SqliteStore({ directory });
  await store.open();
  let stored = 0;
  let outcome = '';
  while (!outcome.startsWith('refused')) outcome = await attempt(store, appendAll('a', ++stored, 1, 100_000));
  print(outcome);
  print(`trim ${await attempt(store, [{ kind: 'trim', stream: 'a', priority: 4, sequence: stored - 2 }])}`);
  print(`append ${await attempt(store, appendAll('a', stored, 1, 100_000))}`);
  await store.close();
  try {
    writeFileSync(ballast, Buffer.alloc(64_000_000));
  } catch {
    // As much as there was room for.
  }
  const again = new SqliteStore({ directory });
  const { lanes } = await again.open();
  print(`opened with ${lanes[0]?.messages ?? 0}`);
  const record: StoreOperation = { kind: 'put', key: 'large', value: 'x'.repeat(1_000_000), expiresEpochMs: 0 };
  print(await attempt(again, [record]));
  rmSync(ballast);
  print(`record ${await attempt(again, [record])}`);
  await again.close();
}

function attempt(store: SqliteStore, operations: readonly StoreOperation[]): Promise<string> {
  return store.commit(operations).then(
    () => 'stored',
    (error: unknown) => `refused ${(error as { code: string }).code}: ${(error as Error).message}`,
  );
}

/** While no file of this process can grow, as the system refuses to write: two commits, and a read. Then two more. */
async function fail(directory: string): Promise<void> {
  const limit = (bytes: number | 'unlimited'): void => {
    const { status } = spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:`]);
    if (status !== 0) print('prlimit failed');
  };
  const store = new SqliteStore({ directory });
  await store.open();
  const commit = async (operations: readonly StoreOperation[]): Promise<void> => {
    print(await attempt(store, operations));
  };
  const show = async (): Promise<void> => {
    const messages = await store.read('a', 4, 0, { maxMessages: 10, maxBytes: 1_000_000 });
    print(messages.map(({ sequence }) => sequence).join());
  };
  const remove: StoreOperation = { kind: 'remove', stream: 'a', priority: 4, sequence: 1 };
  await commit(appendAll('a', 1, 1));
  limit(statSync(path.join(directory, 'hoofbeat.db-wal')).size);
  await Promise.all([commit(appendAll('a', 2, 2)), commit([remove, ...appendAll('a', 4, 1)])]);
  await show();
  limit('unlimited');
  await Promise.all([commit(appendAll('a', 5, 1)), commit([remove, ...appendAll('a', 6, 1)])]);
  await show();
  await store.close();
}

if (process.argv[1] === SCRIPT) {
  const [, , mode, directory = ''] = process.argv;
  await { look, write, hold, fill, fail }[mode as 'look' | 'write' | 'hold' | 'fill' | 'fail'](directory);
}
