/**
 * What one topic keeps: messages in the order of their offsets, the oldest of which give way. Offsets count from 1 within
 * one epoch; a log that was forgotten and begins anew has another epoch.
 */
import type { Message } from '../message.js';
import type { HistoryOptions } from './history-options.js';
import type { HistoryStorage } from './history-storage.js';

/** An epoch that another goes on from, and its last offset: both count on in one line. */
export interface FormerEpoch {
  readonly epoch: string;
  readonly end: number;
}

export interface HistoryEntry {
  readonly offset: number;
  /** As subscribers get it. */
  readonly message: Message;
  readonly publishedEpochMs: number;
  /** Grows with every message of any history: what several histories are merged by. */
  readonly order: number;
  /** For `replay:last-value`; null when the topic has one last value. */
  readonly key: string | null;
}

/** What a message costs beside its octets: the objects it is made of (measured, rounded up). */
const MESSAGE_BYTES = 512;
/** What a topic costs beside its messages. */
const LOG_BYTES = 1_024;
/** Spent places are cut off the front of the list in steps of at least this many. */
const COMPACT_AT = 256;

export class HistoryLog {
  readonly destination: string;
  readonly options: HistoryOptions;
  /** Null: it is kept in memory alone. */
  readonly storage: HistoryStorage | null;
  #epoch: string;
  /** Epochs that this one goes on from: positions in them are good up to their ends. Nodes of a cluster have some. */
  #former: readonly FormerEpoch[] = [];
  /** The last offset that was published; 0 before the first. */
  end = 0;
  /** The greatest offset that is not kept any more; 0 while everything is. */
  trimmedTo = 0;
  /** When the last message that is not kept any more was published. */
  trimmedEpochMs = 0;
  /** Set when the log gave way to others: whoever remembers it must ask for another. */
  isForgotten = false;
  #bytes = 0;
  /** Undefined before `#first`: what was let go must not stay alive here. */
  #entries: (HistoryEntry | undefined)[] = [];
  #first = 0;
  /** Of each key the last offset; null when the topic has one last value. */
  readonly #latest: Map<string, number> | null;

  constructor(destination: string, epoch: string, options: HistoryOptions, storage: HistoryStorage | null = null) {
    this.destination = destination;
    this.#epoch = epoch;
    this.options = options;
    this.storage = storage;
    this.#latest = options.keyHeader === '' ? null : new Map();
  }

  get epoch(): string {
    return this.#epoch;
  }

  get former(): readonly FormerEpoch[] {
    return this.#former;
  }

  get size(): number {
    return this.#entries.length - this.#first;
  }

  /** Octets of what is kept, as `maxBytes` counts them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Memory that the log takes, near enough. */
  get costBytes(): number {
    return LOG_BYTES + this.#bytes + this.size * MESSAGE_BYTES;
  }

  /**
   * @param offset greater than `end`; some may be left out, when nothing was published under them
   * @param order as in HistoryEntry; on a node of its own the numbers of messages will do
   */
  append(offset: number, message: Message, publishedEpochMs: number, order = message.id): void {
    const key = this.#keyOf(message);
    this.#entries.push({ offset, message, publishedEpochMs, order, key });
    this.#bytes += message.weightBytes;
    this.end = offset;
    if (key !== null) this.#latest?.set(key, offset);
  }

  /**
   * Takes back what stands right before the oldest entry.
   * @param older in their order, the last right behind which the oldest entry stands
   * @param trimmedTo what is in front of them is not here
   */
  prepend(older: readonly Omit<HistoryEntry, 'key'>[], trimmedTo: number, trimmedEpochMs: number): void {
    const entries = older.map((entry) => ({ ...entry, key: this.#keyOf(entry.message) }));
    for (const { message } of entries) this.#bytes += message.weightBytes;
    this.#entries = [...entries, ...this.#entries.slice(this.#first)];
    this.#first = 0;
    this.trimmedTo = trimmedTo;
    this.trimmedEpochMs = trimmedEpochMs;
    for (const { key, offset } of entries.toReversed()) {
      if (key !== null && this.#latest?.has(key) === false) this.#latest.set(key, offset);
    }
  }

  /** Lets go of everything, and goes on behind `offset`: what is before it is lost, or not here. */
  skipTo(offset: number, publishedEpochMs: number): void {
    this.clear();
    this.end = this.trimmedTo = offset;
    this.trimmedEpochMs = publishedEpochMs;
  }

  /** The epoch is another from here on, and the count goes on. */
  continueAs(epoch: string, former: readonly FormerEpoch[]): void {
    this.#epoch = epoch;
    this.#former = former;
  }

  /** Whether that was a place in this history. What is behind it may be gone. */
  hasReached(epoch: string, offset: number): boolean {
    if (epoch === this.#epoch) return offset <= this.end;
    return this.#former.some((former) => former.epoch === epoch && offset <= former.end);
  }

  #keyOf(message: Message): string | null {
    return this.#latest === null ? null : (message.headerMap().get(this.options.keyHeader) ?? '');
  }

  /** When the newest entry was published; 0 when there is none. */
  get newestEpochMs(): number {
    return this.#entries.at(-1)?.publishedEpochMs ?? 0;
  }

  /** The first entry at or behind an offset; undefined when there is none. */
  next(offset: number): HistoryEntry | undefined {
    const entries = this.#entries;
    const oldest = entries[this.#first];
    if (oldest === undefined) return undefined;
    if (offset <= oldest.offset) return oldest;
    // Where it stands unless offsets were left out.
    const expected = entries[this.#first + offset - oldest.offset];
    if (expected?.offset === offset) return expected;
    let low = this.#first;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((entries[middle] as HistoryEntry).offset < offset) low = middle + 1;
      else high = middle;
    }
    return entries[low];
  }

  /** The offset of the entry that has `count - 1` behind it; of the oldest when there are fewer. */
  offsetOfLast(count: number): number {
    return this.#entries[Math.max(this.#first, this.#entries.length - count)]?.offset ?? this.end + 1;
  }

  /** The offset of the first entry that was published then or later. */
  offsetSince(epochMs: number): number {
    for (let k = this.#first; k < this.#entries.length; k++) {
      const { publishedEpochMs, offset } = this.#entries[k] as HistoryEntry;
      if (publishedEpochMs >= epochMs) return offset;
    }
    return this.end + 1;
  }

  /** Of each key the last offset, in their order. */
  lastValues(): number[] {
    if (this.#latest === null) return this.size === 0 ? [] : [this.offsetOfLast(1)];
    return [...this.#latest.values()].sort((a, b) => a - b);
  }

  /** Lets go of what is beyond a bound. @returns whether there was any */
  trim(nowEpochMs: number): boolean {
    const { maxMessages, maxBytes, maxAgeMs } = this.options;
    const before = this.#first;
    for (let oldest = this.#entries[this.#first]; oldest !== undefined; oldest = this.#entries[this.#first]) {
      const isOld = maxAgeMs > 0 && oldest.publishedEpochMs <= nowEpochMs - maxAgeMs;
      if (!isOld && this.size <= maxMessages && this.#bytes <= maxBytes) break;
      this.#dropOldest(oldest);
    }
    if (this.#first === before) return false;
    this.#compact();
    return true;
  }

  /** Lets go of the oldest message, whatever the bounds. @returns false when there is none */
  giveWay(): boolean {
    const oldest = this.#entries[this.#first];
    if (oldest === undefined) return false;
    this.#dropOldest(oldest);
    this.#compact();
    return true;
  }

  /** Lets go of everything. Whoever is still reading finds that it is gone. */
  clear(): void {
    this.trimmedEpochMs = this.#entries.at(-1)?.publishedEpochMs ?? this.trimmedEpochMs;
    this.trimmedTo = this.end;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#latest?.clear();
  }

  #dropOldest({ offset, message, publishedEpochMs, key }: HistoryEntry): void {
    this.#entries[this.#first++] = undefined;
    this.#bytes -= message.weightBytes;
    this.trimmedTo = offset;
    this.trimmedEpochMs = publishedEpochMs;
    if (key !== null && this.#latest?.get(key) === offset) this.#latest.delete(key);
  }

  #compact(): void {
    if (this.#first === this.#entries.length) this.#entries = [];
    else if (this.#first >= COMPACT_AT && this.#first * 2 > this.#entries.length) this.#entries.splice(0, this.#first);
    else return;
    this.#first = 0;
  }
}
