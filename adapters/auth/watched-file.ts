/**
 * A small file that is read again when it has changed: looked at on use, so that there is no watcher to lose and no delay.
 * Once it was good, a version that cannot be read or understood is logged, and the last good one stays.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Logger } from '../../broker/ports.js';

export class WatchedFile<T> {
  readonly path: string;
  readonly #parse: (text: string) => T | Promise<T>;
  readonly #logger: Logger;
  /** Of the version that was read last, good or not. */
  #fingerprint = '';
  #good: { readonly value: T } | null = null;
  #fault: unknown = null;
  #reading: Promise<void> | null = null;

  /** @param parse throws when the text is not what it should be; its message goes to the log, so it quotes no secret */
  constructor(path: string, parse: (text: string) => T | Promise<T>, logger: Logger) {
    this.path = path;
    this.#parse = parse;
    this.#logger = logger;
  }

  /** The contents as they are now. Rejects with what is wrong while no version was ever good. */
  async read(): Promise<T> {
    this.#reading ??= this.#refresh().finally(() => {
      this.#reading = null;
    });
    await this.#reading;
    if (this.#good !== null) return this.#good.value;
    throw this.#fault;
  }

  async #refresh(): Promise<void> {
    const before = this.#fingerprint;
    try {
      // Taken before reading: a write in between shows as a change the next time.
      this.#fingerprint = await this.#look();
      if (this.#fingerprint === before) return;
      const value = await this.#parse(await readFile(this.path, 'utf8'));
      if (this.#good !== null) this.#logger.info({ file: this.path }, 'file was read again');
      this.#good = { value };
    } catch (error) {
      this.#fault = error;
      if (error instanceof Error && 'syscall' in error) this.#fingerprint = `unreadable ${error.message}`;
      if (this.#good === null || this.#fingerprint === before) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.warn({ file: this.path, reason }, 'a changed file cannot be used; what it said before stays');
    }
  }

  async #look(): Promise<string> {
    const { ino, size, mtimeNs, ctimeNs } = await stat(this.path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  }
}
