/** A disk whose syncs take as long as a test says: a shared object, compiled here, that the server loads first. */
import { execFileSync } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const SOURCE = path.resolve(import.meta.dirname, '../../../test/faults/slow-sync.c');

export class SlowDisk {
  /** Of the server that has it. */
  readonly environment: NodeJS.ProcessEnv;
  readonly #file: string;

  /** @param directory for what is compiled */
  constructor(directory: string) {
    const library = path.join(directory, 'slow-sync.so');
    this.#file = path.join(directory, 'sync-ms');
    execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE], { stdio: 'inherit' });
    this.environment = { LD_PRELOAD: library, HOOFBEAT_SYNC_MS: this.#file };
    this.syncMs = 0;
  }

  /** From the next sync on. */
  set syncMs(ms: number) {
    // Never seen half written.
    writeFileSync(`${this.#file}.new`, String(ms));
    renameSync(`${this.#file}.new`, this.#file);
  }
}
