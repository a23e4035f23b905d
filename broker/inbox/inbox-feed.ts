/** What one subscription is to get of its user's inbox, and what was published to it meanwhile. Its course is InboxSource's. */
import type { Message } from '../message.js';
import type { Subscription } from '../subscription.js';
import type { EntryHolder, InboxEntry } from './inbox-entry.js';

/** An entry given in auto mode that may not have left yet. */
export interface GivenEntry {
  readonly entry: InboxEntry;
  /** What the outbox has to be past. */
  readonly place: number;
}

export class InboxFeed implements EntryHolder {
  readonly subscription: Subscription;
  /** In auto mode: with the outbox, oldest first. */
  readonly given: GivenEntry[] = [];
  isPumping = false;
  /** Whether there is more of the inbox is not known yet: what is published waits. */
  isHeld = false;
  readonly #onArrival: (feed: InboxFeed) => void;
  /** Reserved and not delivered, oldest first; those before `#next` are done. */
  #entries: InboxEntry[] = [];
  #next = 0;
  #live: Message[] = [];
  #liveBytes = 0;

  constructor(subscription: Subscription, onArrival: (feed: InboxFeed) => void) {
    this.subscription = subscription;
    this.#onArrival = onArrival;
  }

  /** Everything of the inbox is on its way: what is published now need not wait. */
  get isThrough(): boolean {
    return !this.isHeld && this.#next === this.#entries.length && this.#live.length === 0;
  }

  onArrival(): void {
    this.#onArrival(this);
  }

  /** Puts an entry in its place. */
  reserve(entry: InboxEntry): void {
    entry.holder = this;
    let at = this.#entries.length;
    while (at > this.#next && (this.#entries[at - 1] as InboxEntry).number > entry.number) at--;
    this.#entries.splice(at, 0, entry);
  }

  /** The next entry; stays until `shift`. Those that are gone are passed over. */
  peek(): InboxEntry | undefined {
    while (this.#entries[this.#next]?.state === 'gone') this.#next++;
    const entry = this.#entries[this.#next];
    if (entry === undefined) {
      this.#entries = [];
      this.#next = 0;
    }
    return entry;
  }

  shift(): void {
    const entry = this.#entries[this.#next++];
    if (entry !== undefined) entry.holder = null;
  }

  /** Holds a message back behind the inbox. @returns octets held back */
  hold(message: Message): number {
    this.#live.push(message.own());
    this.#liveBytes += message.weightBytes;
    return this.#liveBytes;
  }

  /** What was held back, oldest first. */
  takeLive(): readonly Message[] {
    const live = this.#live;
    this.#live = [];
    this.#liveBytes = 0;
    return live;
  }

  /** Ends the reservations; oldest first. */
  takeReserved(): readonly InboxEntry[] {
    const left = this.#entries.slice(this.#next).filter(({ state }) => state !== 'gone');
    for (const entry of left) entry.holder = null;
    this.#entries = [];
    this.#next = 0;
    return left;
  }
}
