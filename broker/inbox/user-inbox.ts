/** The messages kept for one user, oldest first, and how much of each rule's bounds they take. Decides nothing. */
import type { EntryState, InboxEntry } from './inbox-entry.js';
import type { InboxBounds } from './inbox-options.js';

interface Tally {
  messages: number;
  bytes: number;
}

/** How much there is under one rule. */
export interface RuleTally {
  readonly all: Readonly<Tally>;
  /** Accepted and not here yet. */
  readonly arriving: Readonly<Tally>;
  /** What may give way: nobody has it. */
  readonly waiting: Readonly<Tally>;
}

export class UserInbox {
  /** By number; numbers grow, so the order of insertion is theirs. */
  #entries = new Map<number, InboxEntry>();
  readonly #tallies = new Map<InboxBounds, Record<keyof RuleTally, Tally>>();
  /** Entries by destination. */
  readonly #perRest = new Map<string, number>();

  get size(): number {
    return this.#entries.size;
  }

  /** Oldest first. Entries may be removed on the way. */
  [Symbol.iterator](): Iterator<InboxEntry> {
    return this.#entries.values();
  }

  /** Puts what was restored behind newer entries in its place: the application may send before that is done. */
  sort(): void {
    this.#entries = new Map([...this.#entries].sort(([a], [b]) => a - b));
  }

  /** @param entry of a number above all that are here; else `sort` is to follow */
  add(entry: InboxEntry): void {
    this.#entries.set(entry.number, entry);
    this.#perRest.set(entry.rest, (this.#perRest.get(entry.rest) ?? 0) + 1);
    this.#count(entry, 1);
  }

  /** Every change of state comes through here, or `delete`. */
  setState(entry: InboxEntry, state: EntryState): void {
    this.#count(entry, -1);
    entry.state = state;
    this.#count(entry, 1);
  }

  /** @returns whether it was the last of its destination */
  delete(entry: InboxEntry): boolean {
    this.#entries.delete(entry.number);
    this.#count(entry, -1);
    entry.state = 'gone';
    const left = (this.#perRest.get(entry.rest) ?? 0) - 1;
    if (left > 0) this.#perRest.set(entry.rest, left);
    else this.#perRest.delete(entry.rest);
    return left <= 0;
  }

  /** How much there is under one rule. */
  under(bounds: InboxBounds): RuleTally {
    return this.#tallyOf(bounds);
  }

  /** The oldest under the same rule that may give way to `entry`. */
  oldestBeside(entry: InboxEntry): InboxEntry | undefined {
    for (const other of this.#entries.values()) {
      if (other.state === 'waiting' && other.bounds === entry.bounds && other !== entry) return other;
    }
    return undefined;
  }

  #tallyOf(bounds: InboxBounds): Record<keyof RuleTally, Tally> {
    let tally = this.#tallies.get(bounds);
    if (tally === undefined) {
      const none = (): Tally => ({ messages: 0, bytes: 0 });
      this.#tallies.set(bounds, (tally = { all: none(), arriving: none(), waiting: none() }));
    }
    return tally;
  }

  #count(entry: InboxEntry, by: 1 | -1): void {
    const { all, arriving, waiting } = this.#tallyOf(entry.bounds);
    const ofState = entry.state === 'arriving' ? arriving : entry.state === 'waiting' ? waiting : null;
    for (const tally of ofState === null ? [all] : [all, ofState]) {
      tally.messages += by;
      tally.bytes += by * entry.bytes;
    }
  }
}
