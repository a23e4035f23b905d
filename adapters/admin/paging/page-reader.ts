/**
 * One page of what may be a hundred thousand: walks the live collection in slices of a few milliseconds, with turns of the
 * event loop in between, and holds no more than two pages of it. Nothing is sorted as a whole, nothing is kept between
 * requests: the cursor is the rank of the last item.
 */
import type { Clock } from '../../../broker/ports.js';
import { Problem } from '../problem.js';

/** Where an item stands: compared part by part, the last one unique. Parts of one place are of one type. */
export type Rank = readonly (string | number)[];

export interface Listing<T> {
  items(): Iterable<T>;
  /** Undefined: all are wanted. */
  readonly isWanted?: ((item: T) => boolean) | undefined;
  rankOf(item: T): Rank;
  readonly descending: boolean;
  /** `items` come in this order already: the walk may end when the page is full. */
  readonly isOrdered: boolean;
}

export interface PageRequest {
  readonly limit: number;
  /** Null: the first page. */
  readonly after: Rank | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Rank of the last item; null: there is nothing behind it. */
  readonly next: Rank | null;
}

/** Between two turns: short enough that no message notices. */
const SLICE_MS = 2;
/** The clock is looked at after so many items. */
const LOOK_EVERY = 64;
/** Walks that wait for their turn; they go one after the other, so that many requests do not become one long stall. */
const MAX_WAITING = 64;

interface Ranked<T> {
  readonly item: T;
  readonly rank: Rank;
}

export class PageReader {
  readonly #clock: Pick<Clock, 'nowMs' | 'soon'>;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(clock: Pick<Clock, 'nowMs' | 'soon'>) {
    this.#clock = clock;
  }

  /** @throws Problem `too-busy` */
  read<T>(listing: Listing<T>, request: PageRequest): Promise<Page<T>> {
    return this.#inTurn(() => this.#readPage(listing, request));
  }

  /** Looks at every item, in its turn and in slices. @throws Problem `too-busy` */
  each<T>(items: () => Iterable<T>, look: (item: T) => void): Promise<void> {
    return this.#inTurn(() =>
      this.#walk(items(), (item) => {
        look(item);
        return true;
      }),
    );
  }

  #inTurn<R>(work: () => Promise<R>): Promise<R> {
    if (this.#waiting >= MAX_WAITING) return Promise.reject(new Problem('too-busy'));
    this.#waiting++;
    const done = this.#last.then(work);
    this.#last = done
      .catch(() => undefined)
      .then(() => {
        this.#waiting--;
      });
    return done;
  }

  /** @param look says whether to go on */
  async #walk<T>(items: Iterable<T>, look: (item: T) => boolean): Promise<void> {
    let sliceEndsMs = this.#clock.nowMs() + SLICE_MS;
    let looked = 0;
    for (const item of items) {
      if (++looked % LOOK_EVERY === 0 && this.#clock.nowMs() > sliceEndsMs) {
        await new Promise<void>((resolve) => {
          this.#clock.soon(resolve);
        });
        sliceEndsMs = this.#clock.nowMs() + SLICE_MS;
      }
      if (!look(item)) return;
    }
  }

  async #readPage<T>(listing: Listing<T>, { limit, after }: PageRequest): Promise<Page<T>> {
    const { descending, isOrdered, isWanted } = listing;
    const sign = descending ? -1 : 1;
    const compare = (a: Rank, b: Rank): number => sign * compareRanks(a, b);
    const kept = new Best<T>(limit + 1, (a, b) => compare(a.rank, b.rank));
    await this.#walk(listing.items(), (item) => {
      if (isWanted?.(item) === false) return true;
      const rank = listing.rankOf(item);
      if (after !== null && compare(rank, after) <= 0) return true;
      kept.add({ item, rank });
      return !(isOrdered && kept.isFull);
    });
    const found = kept.sorted();
    const items = found.slice(0, limit);
    const next = found.length > limit ? (items.at(-1)?.rank ?? null) : null;
    return { items: items.map(({ item }) => item), next };
  }
}

/** The first few of many, by an order: gathers twice as many, then drops the worse half. */
class Best<T> {
  readonly #size: number;
  readonly #compare: (a: Ranked<T>, b: Ranked<T>) => number;
  #kept: Ranked<T>[] = [];
  /** Whoever is not before this one is out. */
  #bar: Ranked<T> | null = null;

  constructor(size: number, compare: (a: Ranked<T>, b: Ranked<T>) => number) {
    this.#size = size;
    this.#compare = compare;
  }

  get isFull(): boolean {
    return this.#kept.length >= this.#size;
  }

  add(ranked: Ranked<T>): void {
    if (this.#bar !== null && this.#compare(ranked, this.#bar) >= 0) return;
    this.#kept.push(ranked);
    if (this.#kept.length >= this.#size * 2) this.#cut();
  }

  sorted(): readonly Ranked<T>[] {
    this.#cut();
    return this.#kept;
  }

  #cut(): void {
    // What left and came again during the walk is met twice.
    const sorted = this.#kept.sort(this.#compare);
    this.#kept = sorted
      .filter((each, k) => k === 0 || this.#compare(sorted[k - 1] as Ranked<T>, each) !== 0)
      .slice(0, this.#size);
    if (this.#kept.length === this.#size) this.#bar = this.#kept.at(-1) ?? null;
  }
}

/** Texts by code units: an order that is the same on every machine. */
export function compareRanks(a: Rank, b: Rank): number {
  for (const [k, part] of a.entries()) {
    const other = b[k];
    if (other === undefined) return 1;
    if (part < other) return -1;
    if (part > other) return 1;
  }
  return a.length - b.length;
}
