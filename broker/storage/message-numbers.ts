/**
 * Numbers for messages: growing, and never given twice, not even by a later process on the same store. They are reserved
 * in the store in blocks, ahead of use; a block that a crash leaves unused is skipped.
 */
import type { StoredRecord } from '../ports.js';
import type { Journal } from './journal.js';

const KEY = 'message-numbers';
const BLOCK = 1_000_000;

export class MessageNumbers {
  #last = 0;
  #reserved = Infinity;
  #journal: Journal | null = null;

  /** Before this numbers count from 1, and are good for what is not stored. */
  restore(records: readonly StoredRecord[], journal: Journal): void {
    const reserved = Number(records.find(({ key }) => key === KEY)?.value ?? 0);
    this.#journal = journal;
    this.#last = Math.max(this.#last, reserved);
    this.#reserve();
  }

  /** The one given last; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  next(): number {
    if (++this.#last > this.#reserved) this.#reserve();
    return this.#last;
  }

  /** The record stands in front of any message with a number of its block. */
  #reserve(): void {
    this.#reserved = this.#last + BLOCK;
    this.#journal?.owe({ kind: 'put', key: KEY, value: String(this.#reserved), expiresEpochMs: 0 });
  }
}
