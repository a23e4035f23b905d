/**
 * Refuses messages before the disk is full, and while the file is not where the next start would look for it: what is written
 * to a file that was moved or removed is lost with the process. On a disk without any room SQLite could not write down either what was
 * consumed, so that a full store would stay full until somebody enlarges the disk.
 */
import { statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Database, Statement } from 'better-sqlite3';
import { BrokerError } from '../../broker/errors.js';

/** The log at its largest, and once more for moving it into the file. */
const RESERVE_BYTES = 16_000_000;
/** What inner pages and pages that are partly filled may take beside the octets themselves. */
const SLACK_BYTES = 64 * 1024;

export class SqliteRoom {
  readonly #file: string;
  readonly #directory: string;
  readonly #pageBytes: number;
  /** Which file it is, wherever it stands. */
  readonly #inode: bigint;
  readonly #freePages: Statement<[], number>;

  constructor(database: Database) {
    this.#file = database.name;
    this.#directory = path.dirname(database.name);
    this.#inode = statSync(database.name, { bigint: true }).ino;
    this.#pageBytes = database.pragma('page_size', { simple: true }) as number;
    this.#freePages = database.prepare<[], number>('PRAGMA freelist_count').pluck();
  }

  /**
   * For messages of so many octets there is room on the disk, or in pages of the file that are free.
   * @throws BrokerError `store-full`, `store-failed`
   */
  require(octets: number): void {
    // A few microseconds: so it is asked each time.
    if (statSync(this.#file, { bigint: true, throwIfNoEntry: false })?.ino !== this.#inode) {
      throw new BrokerError('store-failed', `${this.#file}: was moved or removed while it is in use; put it back`);
    }
    const { bavail, bsize } = statfsSync(this.#directory);
    if (bavail * bsize >= RESERVE_BYTES + octets) return;
    const free = (this.#freePages.get() ?? 0) * this.#pageBytes;
    if (free >= 2 * octets + SLACK_BYTES) return;
    throw new BrokerError(
      'store-full',
      `${this.#file}: no room, as less than ${RESERVE_BYTES / 1_000_000} MB are left on the disk`,
    );
  }
}
