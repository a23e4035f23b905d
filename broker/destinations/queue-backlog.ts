/**
 * Messages that wait in one queue: higher priority first, oldest first within one. What comes back takes its old place.
 * A message taken from the middle leaves a mark in its place, so that taking is O(1) whichever it is.
 */
import type { Message } from '../message.js';
import type { QueueTimer } from './queue-timer.js';
import { DEFAULT_PRIORITY, HIGHEST_PRIORITY } from './message-terms.js';

/** One message of a queue while it waits there. */
export class QueuedMessage {
  /** Waits in the backlog: false before it is put there and after it was taken. */
  isWaiting = false;
  /** Ends its time to live; null when that is for ever. */
  expiry: QueueTimer | null = null;

  constructor(
    readonly message: Message,
    /** How often it was delivered so far. */
    readonly deliveryCount: number,
  ) {}

  get priority(): number {
    return this.message.terms?.priority ?? DEFAULT_PRIORITY;
  }
}

const COMPACT_AT = 1024;

/** Messages of one priority, by message number, which is the order of publication. */
class Lane {
  #entries: (QueuedMessage | undefined)[] = [];
  #first = 0;
  /** Places behind the first that hold nothing that waits. */
  #spent = 0;

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
    else this.putBack([entry]);
  }

  /** @param returned oldest first */
  putBack(returned: readonly QueuedMessage[]): void {
    const newest = returned.at(-1);
    if (newest === undefined) return;
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
  readonly #lanes: (Lane | undefined)[] = [];
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The one that is next. */
  get head(): QueuedMessage | undefined {
    if (this.#size === 0) return undefined;
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) {
      const head = this.#lanes[priority]?.head;
      if (head !== undefined) return head;
    }
    return undefined;
  }

  /** The oldest of the lowest priority: what is missed least. */
  get leastWanted(): QueuedMessage | undefined {
    for (let priority = 0; priority <= HIGHEST_PRIORITY; priority++) {
      const head = this.#lanes[priority]?.head;
      if (head !== undefined) return head;
    }
    return undefined;
  }

  put(entry: QueuedMessage): void {
    this.#count(entry);
    this.#lane(entry.priority).put(entry);
  }

  /** Several at once, in any order: each to the place that publication gave it. */
  putBack(entries: readonly QueuedMessage[]): void {
    const byPriority = new Map<number, QueuedMessage[]>();
    for (const entry of entries) {
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

  /** In the order of delivery. `take` of the one at hand is allowed meanwhile. */
  *[Symbol.iterator](): Generator<QueuedMessage> {
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) yield* this.#lanes[priority] ?? [];
  }

  /** Of one priority, those newer than message `id`. */
  after(priority: number, id: number): Iterable<QueuedMessage> {
    return this.#lanes[priority]?.after(id) ?? [];
  }

  #count(entry: QueuedMessage): void {
    entry.isWaiting = true;
    this.#size++;
    this.#bytes += entry.message.weightBytes;
  }

  #lane(priority: number): Lane {
    return (this.#lanes[priority] ??= new Lane());
  }
}

/** Both by message number. */
function merge(a: readonly QueuedMessage[], b: readonly QueuedMessage[]): readonly QueuedMessage[] {
  return b.length === 0 ? a : [...a, ...b].sort((one, other) => one.message.id - other.message.id);
}
