/**
 * Consumers with selectors at a queue that nodes share: each looks through what waits, page by page, and takes what it wants
 * by place. What it did not want once it is not shown again, unless something came back to an old place.
 */
import { HIGHEST_PRIORITY } from '../destinations/message-terms.js';
import { canTake, type QueueConsumers } from '../destinations/queue-consumers.js';
import type { Message } from '../message.js';
import type { ClaimResult, ScanResult, SharedMessage } from '../ports.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TurnBudget } from '../turn-budget.js';

export interface SharedSearchEvents {
  /** As of SharedQueueParts. */
  readonly tenure: () => number;
  readonly isExpired: (message: Message) => boolean;
  /** Claimed for this subscription. */
  readonly onTaken: (subscription: Subscription, result: ClaimResult) => void;
  readonly onDue: (epochMs: number) => void;
  /** An answer was lost: messages may have been claimed. */
  readonly onUnsure: () => void;
}

/** Looked at in one round trip, and taken at most. */
const PAGE = Object.freeze({ maxMessages: 128, maxBytes: 512 * 1024 });

interface Search {
  /** By priority: what was looked at. */
  after: number[];
  /** As of the store, when that was. */
  returns: number;
  /** Nothing more waits; the store says when something comes. */
  isAtEnd: boolean;
  /** A question is on its way. */
  isAsking: boolean;
  /** Something came meanwhile. */
  isWoken: boolean;
}

export class SharedSearch {
  readonly #stream: string;
  readonly #journal: Journal;
  readonly #turns: TurnBudget;
  readonly #events: SharedSearchEvents;
  readonly #searches = new Map<Subscription, Search>();
  #taking = 0;

  constructor(
    stream: string,
    { journal, turns }: { readonly journal: Journal; readonly turns: TurnBudget },
    events: SharedSearchEvents,
  ) {
    this.#stream = stream;
    this.#journal = journal;
    this.#turns = turns;
    this.#events = events;
  }

  add(subscription: Subscription): void {
    const after = fromStart();
    this.#searches.set(subscription, { after, returns: 0, isAtEnd: false, isAsking: false, isWoken: false });
  }

  remove(subscription: Subscription): void {
    this.#searches.delete(subscription);
  }

  /** Something has come, or come back. */
  wake(): void {
    for (const search of this.#searches.values()) {
      search.isAtEnd = false;
      search.isWoken = search.isAsking;
    }
  }

  /** What is claimed this way is on its way. */
  get isTaking(): boolean {
    return this.#taking > 0;
  }

  /** Whether somebody could take something. */
  get hasRoom(): boolean {
    return [...this.#searches.keys()].some((subscription) => subscription.canTake);
  }

  /** Whether somebody could take something and has not looked at everything. */
  isWanting(consumers: QueueConsumers): boolean {
    for (const [subscription, { isAtEnd, isAsking }] of this.#searches) {
      if (!isAtEnd && !isAsking && canTake(subscription) && consumers.mayTake(subscription)) return true;
    }
    return false;
  }

  /** Looks on, for each that can take something. */
  look(consumers: QueueConsumers): void {
    for (const [subscription, search] of this.#searches) {
      if (search.isAtEnd || search.isAsking || !canTake(subscription) || !consumers.mayTake(subscription)) continue;
      this.#scan(subscription, search);
    }
  }

  #scan(subscription: Subscription, search: Search): void {
    const { after } = search;
    this.#ask(search, { kind: 'queue-scan', stream: this.#stream, after, ...PAGE, waits: true }, (result) => {
      this.#onPage(subscription, search, result as ScanResult);
    });
  }

  #onPage(subscription: Subscription, search: Search, { messages, returns, nextDueEpochMs }: ScanResult): void {
    this.#events.onDue(nextDueEpochMs);
    if (!this.#searches.has(subscription)) return;
    if (returns !== search.returns) {
      const hasLooked = search.after.some((place) => place > 0);
      search.returns = returns;
      if (hasLooked) {
        // What came back may stand before what was looked at.
        search.after = fromStart();
        this.#scan(subscription, search);
        return;
      }
    }
    // A word may overtake the answer to the question before it.
    const isMore = messages.length > 0 || search.isWoken;
    search.isAtEnd = !isMore;
    search.isWoken = false;
    const places = this.#wanted(subscription, search, messages);
    if (places.length > 0) this.#take(subscription, search, places);
    else if (isMore) this.#scan(subscription, search);
  }

  /** As many as the window has room for, or the turn time; where it ends is where the next look begins. */
  #wanted(subscription: Subscription, search: Search, messages: readonly SharedMessage[]): number[] {
    const { pending, window } = subscription;
    const room = pending === null ? PAGE.maxMessages : window - pending.size;
    const places: number[] = [];
    let looked = 0;
    this.#turns.enter();
    for (const { place, priority, octets, expiresEpochMs } of messages) {
      if (places.length >= room || (looked++ > 0 && this.#turns.isSpent())) break;
      search.after[priority] = place;
      const message = decodeForeign(place, octets);
      message.terms = { priority, expiresEpochMs, notBeforeEpochMs: 0 };
      if (!this.#events.isExpired(message) && subscription.accepts(message)) places.push(place);
    }
    return places;
  }

  #take(subscription: Subscription, search: Search, places: readonly number[]): void {
    const tenure = this.#events.tenure();
    this.#ask(search, { kind: 'queue-take', stream: this.#stream, places }, (result) => {
      if (tenure === this.#events.tenure()) this.#events.onTaken(subscription, result as ClaimResult);
      else this.#events.onUnsure();
    });
  }

  #ask(search: Search, operation: Parameters<WriteUnit['ask']>[0], apply: (result: unknown) => void): void {
    search.isAsking = true;
    const isTake = operation.kind === 'queue-take';
    if (isTake) this.#taking++;
    const unit = new WriteUnit(this.#journal);
    unit.ask(
      operation,
      (result) => {
        search.isAsking = false;
        if (isTake) this.#taking--;
        apply(result);
      },
      () => {
        search.isAsking = false;
        search.after = fromStart();
        if (!isTake) return;
        this.#taking--;
        this.#events.onUnsure();
      },
    );
    unit.submit()?.catch(() => undefined);
  }
}

function fromStart(): number[] {
  return Array.from({ length: HIGHEST_PRIORITY + 1 }, () => 0);
}
