/**
 * Messages that wait in one queue: higher priority first, oldest first within one. What comes back takes its old place.
 * A message taken from the middle leaves a mark in its place, so that taking is O(1) whichever it is.
 * Of stored messages only the next ones are held in memory; those behind them are pages in the store, read when needed.
 */
import type { Message } from '../message.js';
import type { WheelTimer } from '../wheel-timer.js';
import { DEFAULT_PRIORITY, HIGHEST_PRIORITY } from './message-terms.js';

/** One message of a queue while it waits there. */
export class QueuedMessage {
  /** Waits in the backlog: false before it is put there and after it was taken. */
  isWaiting = false;
  /** Ends its time to live; null when that is for ever. */
  expiry: WheelTimer | null = null;
  /** Time of day before which nobody is to get it, in ms since the epoch; 0 is at once. */
  notBeforeEpochMs: number;

  constructor(
    readonly message: Message,
    /** How often it was delivered so far. */
    readonly deliveryCount: number,
  ) {
    this.notBeforeEpochMs = message.terms?.notBeforeEpochMs ?? 0;
  }

  get priority(): number {
    return this.message.terms?.priority ?? DEFAULT_PRIORITY;
  }
}

const COMPACT_AT = 1024;
/** How much of a queue's stored messages is held in memory. */
export interface Residence {
  /** Waiting messages above which stored ones go to pages. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Messages of one priority in memory below which its next page is read. */
  readonly readAheadAt: number;
}

const RESIDENCE: Residence = { maxMessages: 8_192, maxBytes: 8 * 1024 * 1024, readAheadAt: 4_096 };

/** Reads pages; implemented by PageReader. */
export interface Pager {
  /** Wants the next stored messages of one priority; to be answered by `QueueBacklog.loaded`. */
  load(priority: number, afterSequence: number): void;
}

/** What waits in the store alone: the newest of one priority, without those that are in memory for another reason. */
interface Paged {
  messages: number;
  bytes: number;
  /** All of them are newer. */
  afterSequence: number;
  isLoading: boolean;
  /** Newer than `afterSequence` and in memory already: delayed ones. */
  readonly known: Set<number>;
}

/** Messages of one priority, by message number, which is the order of publication. */
class Lane {
  #entries: (QueuedMessage | undefined)[] = [];
  #first = 0;
  /** Places behind the first that hold nothing that waits. */
  #spent = 0;
  /** Null: everything is here. */
  paged: Paged | null = null;
  /** The newest stored message that came by, wherever it is now. */
  newestStored = 0;

  /** Messages here, those that do not wait any more included. */
  get length(): number {
    return this.#entries.length - this.#first;
  }

  /** The oldest. */
  get head(): QueuedMessage | undefined {
    for (let entry = this.#entries[this.#first]; entry !== undefined; entry = this.#entries[this.#first]) {
      if (entry.isWaiting) return entry;
      this.#spent--;
      this.#drop();
    }
    return undefined;
  }

  put(entry: QueuedMessage): void {
    const last = this.#entries.at(-1);
    if (last === undefined || last.message.id < entry.message.id) this.#entries.push(entry);
    else this.#insert(entry);
  }

  /** Mostly near one of the two ends: a late one among the newest, one that comes back among the oldest. */
  #insert(entry: QueuedMessage): void {
    const place = this.#placeOf(entry.message.id);
    if (place === this.#first && place > 0) this.#entries[--this.#first] = entry;
    else this.#entries.splice(place, 0, entry);
  }

  /** @param returned oldest first */
  putBack(returned: readonly QueuedMessage[]): void {
    const [newest, second] = [returned.at(-1), returned.at(-2)];
    if (newest === undefined) return;
    if (second === undefined) {
      this.put(newest);
      return;
    }
    // Mostly nothing that waits is older than what comes back.
    const end = this.#placeOf(newest.message.id);
    const merged = merge(returned, this.#entries.slice(this.#first, end) as QueuedMessage[]);
    this.#first = end - merged.length;
    if (this.#first < 0) {
      this.#entries = [...merged, ...this.#entries.slice(end)];
      this.#first = 0;
    } else for (const [k, entry] of merged.entries()) this.#entries[this.#first + k] = entry;
  }

  /** Tells that `entry` does not wait any more. */
  taken(entry: QueuedMessage): void {
    if (this.#entries[this.#first] === entry) this.#drop();
    else this.#spent++;
    if (this.#spent < COMPACT_AT || this.#spent * 2 < this.#entries.length - this.#first) return;
    this.#entries = this.#entries.slice(this.#first).filter((kept) => kept?.isWaiting === true);
    this.#first = this.#spent = 0;
  }

  [Symbol.iterator](): Generator<QueuedMessage> {
    return this.#from(this.#first);
  }

  /** Those newer than message `id`. */
  after(id: number): Generator<QueuedMessage> {
    return this.#from(this.#placeOf(id + 1));
  }

  *#from(place: number): Generator<QueuedMessage> {
    const entries = this.#entries;
    for (let k = place; k < entries.length; k++) {
      const entry = entries[k];
      if (entry?.isWaiting === true) yield entry;
    }
  }

  #drop(): void {
    this.#entries[this.#first++] = undefined;
    if (this.#first === this.#entries.length) {
      this.#entries = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_AT && this.#first * 2 > this.#entries.length) {
      // A new list, as somebody may be walking the old one.
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
  }

  /** Where the first entry stands that is newer than message `id`. */
  #placeOf(id: number): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as QueuedMessage).message.id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class QueueBacklog {
  /** By priority; made at first need. */
  #lanes: (Lane | undefined)[] = [];
  #size = 0;
  #bytes = 0;
  /** Of these, the ones in the store alone. */
  #pagedMessages = 0;
  #pagedBytes = 0;
  readonly #pager: Pager | null;
  readonly #residence: Residence;

  /** @param pager null when nothing is stored */
  constructor(pager: Pager | null = null, residence: Residence = RESIDENCE) {
    this.#pager = pager;
    this.#residence = residence;
  }

  get size(): number {
    return this.#size;
  }

  /** Of `bytes`, what is not in the store alone. */
  get memoryBytes(): number {
    return this.#bytes - this.#pagedBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The one that is next; undefined also while it is being read. */
  get head(): QueuedMessage | undefined {
    if (this.#size === 0) return undefined;
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) {
      const lane = this.#lanes[priority];
      if (lane === undefined) continue;
      const { head } = lane;
      if (lane.paged !== null && lane.length < this.#residence.readAheadAt) this.#load(priority, lane.paged);
      if (head !== undefined) return head;
      if (lane.paged !== null) return undefined;
    }
    return undefined;
  }

  /** The oldest of the lowest priority, of those in memory: what is missed least. */
  get leastWanted(): QueuedMessage | undefined {
    for (let priority = 0; priority <= HIGHEST_PRIORITY; priority++) {
      const head = this.#lanes[priority]?.head;
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** @returns false when the message went to the store's pages: nothing of it is held here */
  put(entry: QueuedMessage): boolean {
    if (entry.message.isStored) {
      this.#beginPages(entry);
      this.passed(entry);
      if (this.#page(entry)) return false;
    }
    this.#count(entry);
    this.#lane(entry.priority).put(entry);
    return true;
  }

  /** A stored message was published that is not put here, or not yet. */
  passed({ message, priority }: QueuedMessage): void {
    const lane = this.#lane(priority);
    lane.newestStored = Math.max(lane.newestStored, message.id);
  }

  /** Whether stored messages of this priority that are published now are paged. */
  isPaged(priority: number): boolean {
    return this.#pagedOf(priority) !== null;
  }

  /** What the store holds of one priority when the queue begins. */
  restore(priority: number, messages: number, bytes: number): void {
    this.#lane(priority).paged = { messages: 0, bytes: 0, afterSequence: 0, isLoading: false, known: new Set() };
    this.#countPaged(this.#lane(priority).paged as Paged, messages, bytes);
  }

  /** A stored message that waits for its time: it is not to be taken from a page as well. */
  keepsApart(entry: QueuedMessage): void {
    const { message, priority } = entry;
    this.passed(entry);
    const paged = this.#pagedOf(priority);
    if (paged !== null && message.id > paged.afterSequence) paged.known.add(message.id);
  }

  /**
   * A page was read.
   * @param entries by message number; none: there is nothing more
   * @returns those that are new here, to be put back
   */
  loaded(priority: number, entries: readonly QueuedMessage[]): QueuedMessage[] {
    const paged = this.#pagedOf(priority);
    if (paged === null) return [];
    paged.isLoading = false;
    const found = entries.filter(({ message }) => !paged.known.has(message.id));
    paged.afterSequence = entries.at(-1)?.message.id ?? Infinity;
    for (const id of paged.known) if (id <= paged.afterSequence) paged.known.delete(id);
    const isLast = entries.length === 0;
    const bytes = found.reduce((sum, { message }) => sum + message.weightBytes, 0);
    this.#countPaged(paged, isLast ? -paged.messages : -found.length, isLast ? -paged.bytes : -bytes);
    if (paged.messages <= 0) this.#lane(priority).paged = null;
    return found;
  }

  /** The page could not be read; it is asked for again when it is needed. */
  loadFailed(priority: number): void {
    const paged = this.#pagedOf(priority);
    if (paged !== null) paged.isLoading = false;
  }

  /** Whoever looks for more than is in memory wants the next page. @returns whether there is one */
  wantsMore(priority: number): boolean {
    const paged = this.#pagedOf(priority);
    if (paged === null) return false;
    this.#load(priority, paged);
    return true;
  }

  /** Several at once, in any order: each to the place that publication gave it. */
  putBack(entries: readonly QueuedMessage[]): void {
    const byPriority = new Map<number, QueuedMessage[]>();
    for (const entry of entries) {
      if (this.#page(entry)) continue;
      this.#count(entry);
      const same = byPriority.get(entry.priority);
      if (same === undefined) byPriority.set(entry.priority, [entry]);
      else same.push(entry);
    }
    for (const [priority, same] of byPriority) {
      this.#lane(priority).putBack(same.sort((a, b) => a.message.id - b.message.id));
    }
  }

  /** Takes one out, wherever it stands. */
  take(entry: QueuedMessage): void {
    entry.isWaiting = false;
    this.#size--;
    this.#bytes -= entry.message.weightBytes;
    this.#lane(entry.priority).taken(entry);
  }

  /** Everything is forgotten. */
  clear(): void {
    // A new list, as somebody may be walking the old one.
    this.#lanes = [];
    this.#size = this.#bytes = this.#pagedMessages = this.#pagedBytes = 0;
  }

  /** In the order of delivery. `take` of the one at hand is allowed meanwhile. */
  *[Symbol.iterator](): Generator<QueuedMessage> {
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) yield* this.#lanes[priority] ?? [];
  }

  /** Of one priority, those newer than message `id`. */
  after(priority: number, id: number): Iterable<QueuedMessage> {
    return this.#lanes[priority]?.after(id) ?? [];
  }

  /** The message number behind which stored ones of this priority are in the store alone; Infinity: none is. */
  pagedBehind(priority: number): number {
    return this.#pagedOf(priority)?.afterSequence ?? Infinity;
  }

  /**
   * From a new message on, when enough is in memory. Not from an older one: what is newer than it may be in a client's
   * hands, and would be found in a page again.
   */
  #beginPages({ message, priority }: QueuedMessage): void {
    const lane = this.#lane(priority);
    if (this.#pager === null || lane.paged !== null || message.id <= lane.newestStored) return;
    const { maxMessages, maxBytes } = this.#residence;
    if (this.#size - this.#pagedMessages < maxMessages && this.#bytes - this.#pagedBytes < maxBytes) return;
    lane.paged = { messages: 0, bytes: 0, afterSequence: message.id - 1, isLoading: false, known: new Set() };
  }

  /** Behind the first page everything stored belongs to the pages, or it would be found twice. */
  #page({ message, priority }: QueuedMessage): boolean {
    const paged = message.isStored ? this.#pagedOf(priority) : null;
    if (paged === null || message.id <= paged.afterSequence) return false;
    paged.known.delete(message.id);
    this.#countPaged(paged, 1, message.weightBytes);
    return true;
  }

  #countPaged(paged: Paged, messages: number, bytes: number): void {
    paged.messages += messages;
    paged.bytes += bytes;
    this.#pagedMessages += messages;
    this.#pagedBytes += bytes;
    this.#size += messages;
    this.#bytes += bytes;
  }

  #load(priority: number, paged: Paged): void {
    if (paged.isLoading || this.#pager === null) return;
    paged.isLoading = true;
    this.#pager.load(priority, paged.afterSequence);
  }

  #count(entry: QueuedMessage): void {
    entry.isWaiting = true;
    this.#size++;
    this.#bytes += entry.message.weightBytes;
  }

  #pagedOf(priority: number): Paged | null {
    return this.#lanes[priority]?.paged ?? null;
  }

  #lane(priority: number): Lane {
    return (this.#lanes[priority] ??= new Lane());
  }
}

/** Both by message number. */
function merge(a: readonly QueuedMessage[], b: readonly QueuedMessage[]): readonly QueuedMessage[] {
  return b.length === 0 ? a : [...a, ...b].sort((one, other) => one.message.id - other.message.id);
}
