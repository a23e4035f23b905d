/** What the disk under a bench can do at most: syncs of a file, and commits of SQLite with nothing around them. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';

/** Kinds of file system that keep everything in memory, where a sync says nothing. */
const IN_MEMORY = ['tmpfs', 'ramfs'];

/** Kind of file system (as `mount` calls it) under a directory; `unknown` where there is no /proc. */
export function fileSystemOf(directory: string): string {
  const mounts = '/proc/self/mounts';
  if (!existsSync(mounts)) return 'unknown';
  const real = `${realpathSync(directory)}/`;
  let longest = '';
  let type = 'unknown';
  for (const line of readFileSync(mounts, 'utf8').split('\n')) {
    const [, at = '', name = ''] = line.split(' ');
    const prefix = at.endsWith('/') ? at : `${at}/`;
    if (prefix.length >= longest.length && at !== '' && real.startsWith(prefix)) [longest, type] = [prefix, name];
  }
  return type;
}

/** SQLite moves its log into the file at this size, and begins anew. */
const WRITTEN_OVER_BYTES = 4 * 1024 * 1024;

/**
 * A new directory on a real disk, deleted when the process exits.
 * @param parent undefined: the system's folder for temporary files, or where that is kept in memory, the current one
 */
export function makeDataDirectory(parent?: string): string {
  const chosen = parent ?? (IN_MEMORY.includes(fileSystemOf(tmpdir())) ? process.cwd() : tmpdir());
  const directory = path.join(chosen, `hoofbeat-bench-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Writes out what is left of the work before, so that its author pays for it and not who comes next. */
export function settleDisk(directory: string): void {
  spawnSync('sync', ['--file-system', directory]);
}

/** Appending 256 octets and syncing them, per second. */
export function syncsPerSecond(directory: string, durationMs: number): number {
  const file = path.join(directory, 'syncs');
  const descriptor = openSync(file, 'w');
  const octets = Buffer.alloc(256, 'x');
  try {
    return rate(durationMs, () => {
      writeSync(descriptor, octets);
      fdatasyncSync(descriptor);
    });
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}

/** Commits of SQLite (WAL, synchronous=FULL) per second, each of `rows` messages of `bodyBytes`: no network, no broker. */
export function commitsPerSecond(directory: string, rows: number, bodyBytes: number, durationMs: number): number {
  const file = path.join(directory, 'commits.db');
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE message (sequence INTEGER PRIMARY KEY, octets BLOB NOT NULL)');
  // A log that has reached its size is written over, which costs less than one that grows.
  database.prepare('INSERT INTO message (octets) VALUES (zeroblob(?))').run(2 * WRITTEN_OVER_BYTES);
  database.pragma('wal_checkpoint(RESTART)');
  const insert = database.prepare('INSERT INTO message (octets) VALUES (?)');
  const octets = Buffer.alloc(bodyBytes, 'x');
  const commit = database.transaction(() => {
    for (let row = 0; row < rows; row++) insert.run(octets);
  });
  try {
    return rate(durationMs, commit);
  } finally {
    database.close();
    rmSync(file);
  }
}

function rate(durationMs: number, step: () => void): number {
  const start = performance.now();
  let steps = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    step();
    steps++;
    elapsedMs = performance.now() - start;
  }
  return (steps / elapsedMs) * 1000;
}
