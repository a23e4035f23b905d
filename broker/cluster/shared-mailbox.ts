/**
 * The inbox of one user, as one node has it: what this node has claimed for the user's subscriptions here. Claimed is
 * everything that waits and that one of them takes; what nobody here takes any more goes back to the store.
 */
import { isWider } from '../inbox/interest.js';
import { DEFAULT_INBOX_BOUNDS } from '../inbox/inbox-options.js';
import { InboxEntry } from '../inbox/inbox-entry.js';
import type { Message } from '../message.js';
import type { Clock, InboxClaimResult, InboxOperation, KeptMessage, Logger } from '../ports.js';
import { WheelTimer } from '../wheel-timer.js';
import type { BrokerStats } from '../stats.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';

/** The subscriptions of this node; InboxSource and the destinations of users. */
export interface InboxReaders {
  /** A subscription of the user's that takes the message; null: there is none. */
  find(user: string, rest: string, message: Message): Subscription | null;
  /** It goes to one that `find` finds. @returns false: there is none */
  take(entry: InboxEntry): boolean;
  /** What is published to it waits from now on, until `letGo`. */
  hold(subscription: Subscription): void;
  letGo(subscription: Subscription): void;
  /** What it was to be given and has not been sent is another node's by now. */
  forfeit(subscription: Subscription): void;
  /** Whether a subscription is there for it that does not wait for `letGo`. */
  isReady(user: string, rest: string): boolean;
  /** To all subscriptions that are there for it. @returns false: there is none */
  deliver(user: string, rest: string, message: Message): boolean;
}

export interface SharedMailboxParts {
  readonly journal: Journal;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stats: BrokerStats;
  readonly readers: InboxReaders;
  /** Counts how often this node was given up by the others: what was claimed before that is not its own. */
  readonly tenure: () => number;
  /** `claim` is to be called with the next commit. */
  readonly onWanting: (mailbox: SharedMailbox) => void;
  /** As `onWanting`, later: the store failed. */
  readonly onFailed: (mailbox: SharedMailbox) => void;
  /** Nothing is here any more. */
  readonly onIdle: (mailbox: SharedMailbox) => void;
}

/** Claimed at a time. */
const LIMITS = { maxMessages: 256, maxBytes: 1024 * 1024 } as const;

export class SharedMailbox {
  readonly user: string;
  readonly #parts: SharedMailboxParts;
  /** What each is interested in. */
  readonly #subscriptions = new Map<Subscription, string>();
  /** Claimed and not settled, by place. */
  readonly #held = new Map<number, InboxEntry>();
  /** What is published to them waits until it is known what the store has. */
  readonly #holding = new Set<Subscription>();
  /** What came meanwhile for those alone, in order. */
  #deferred: (() => void)[] = [];
  #isClaiming = false;
  /** More may wait than a claim that is on its way finds. */
  #isWoken = false;
  /** An answer was lost: the store may have given this node what it does not know of. */
  #isUnsure = false;
  readonly #due = new WheelTimer(() => {
    this.wake();
  });

  constructor(user: string, parts: SharedMailboxParts) {
    this.user = user;
    this.#parts = parts;
  }

  get isIdle(): boolean {
    if (this.#subscriptions.size > 0 || this.#held.size > 0 || this.#deferred.length > 0) return false;
    // What the store gave it without its knowing is this one's to give back.
    return !this.#isClaiming && !this.#isUnsure;
  }

  /** Subscriptions wait until it is known what the store has. */
  get isHolding(): boolean {
    return this.#holding.size > 0;
  }

  /** Does it once they do not wait any more. */
  defer(step: () => void): void {
    this.#deferred.push(step);
  }

  add(subscription: Subscription, interest: string): void {
    this.#subscriptions.set(subscription, interest);
    this.#holding.add(subscription);
    this.#parts.readers.hold(subscription);
    this.wake();
  }

  /** @returns what it was interested in */
  remove(subscription: Subscription): string | undefined {
    const interest = this.#subscriptions.get(subscription);
    this.#subscriptions.delete(subscription);
    this.#holding.delete(subscription);
    if (this.#holding.size === 0) this.#letGo();
    if (this.#subscriptions.size === 0) this.#parts.wheel.cancel(this.#due);
    this.#look();
    return interest;
  }

  /** Something may wait in the store. */
  wake(): void {
    if (this.#isClaiming) this.#isWoken = true;
    else if (this.#subscriptions.size > 0 || this.#isUnsure) this.#parts.onWanting(this);
  }

  /** Asks the store for what waits. */
  claim(): void {
    if (this.#isClaiming || (this.#subscriptions.size === 0 && !this.#isUnsure)) return;
    this.#isClaiming = true;
    this.#isWoken = false;
    this.#claimMore();
  }

  /**
   * This node was given up by the others: what it had claimed is theirs. What clients have not been sent is taken back from
   * them; what they say of the rest changes nothing any more.
   */
  forfeit(): void {
    for (const entry of this.#held.values()) if (entry.state !== 'lent') entry.state = 'gone';
    this.#held.clear();
    this.#isUnsure = false;
    for (const subscription of this.#subscriptions.keys()) this.#parts.readers.forfeit(subscription);
    this.#look();
  }

  settle(entry: InboxEntry, unit: WriteUnit | null): void {
    const finish = (): void => {
      if (this.#has(entry)) this.#parts.stats.inbox.delivered++;
      this.#drop(entry);
    };
    if (unit === null) {
      this.#owe(this.#settlement(entry), entry);
      finish();
    } else {
      if (this.#has(entry)) unit.add(this.#settlement(entry));
      unit.show(finish);
    }
  }

  expire(entry: InboxEntry): void {
    this.#parts.stats.inbox.expired++;
    this.#owe(this.#settlement(entry), entry);
    this.#drop(entry);
  }

  giveUp(entry: InboxEntry, deliveryCount: number, unit: WriteUnit): void {
    if (this.#has(entry)) unit.add(this.#settlement(entry));
    unit.then(
      () => {
        this.#drop(entry);
      },
      () => {
        // In a transaction it is pending again.
        if (!unit.holdsBack) this.giveBack(entry, deliveryCount);
      },
    );
  }

  refuse(entry: InboxEntry, deliveryCount: number, notBeforeEpochMs: number, unit: WriteUnit): void {
    const back = this.#return(entry, deliveryCount, notBeforeEpochMs);
    if (this.#has(entry)) {
      unit.add(back, null, () => {
        // Nobody has it any more, unless it is pending again.
        if (!unit.holdsBack) this.#parts.journal.owe(back);
      });
    }
    unit.show(() => {
      this.#drop(entry);
    });
  }

  giveBack(entry: InboxEntry, deliveryCount: number): void {
    if (!this.#has(entry)) return;
    entry.deliveryCount = deliveryCount;
    entry.state = 'waiting';
    if (isExpired(entry, this.#parts.clock)) this.expire(entry);
    else if (!this.#parts.readers.take(entry)) {
      this.#owe(this.#return(entry, deliveryCount, 0), entry);
      this.#drop(entry);
    }
  }

  // ——— Claims ———

  #claimMore(): void {
    const interests = this.#interests(false);
    if (interests.length === 0 && !this.#isUnsure) {
      this.#scan(0);
      return;
    }
    const known = this.#isUnsure ? [...this.#held.keys()] : null;
    this.#ask({ kind: 'inbox-claim', user: this.user, interests, ...LIMITS, known }, (result) => {
      this.#isUnsure = false;
      this.#watchDue(result);
      for (const message of result.messages) this.#accept(message);
      if (result.isMore) this.#claimMore();
      else this.#scan(0);
    });
  }

  /** For subscriptions that say only here what they want: looks at everything behind a place, and takes that. */
  #scan(after: number): void {
    const interests = this.#interests(true);
    if (interests.length === 0) {
      this.#finish();
      return;
    }
    this.#ask({ kind: 'inbox-scan', user: this.user, interests, after, ...LIMITS }, (result) => {
      this.#watchDue(result);
      const { messages, isMore } = result;
      const last = messages.at(-1)?.place;
      const next = isMore && last !== undefined ? last : null;
      const places = messages.filter((message) => this.#isWanted(message)).map(({ place }) => place);
      if (places.length > 0) this.#take(places, next);
      else this.#scanOn(next);
    });
  }

  #take(places: readonly number[], next: number | null): void {
    this.#ask({ kind: 'inbox-take', user: this.user, places }, ({ messages }) => {
      for (const message of messages) this.#accept(message);
      this.#scanOn(next);
    });
  }

  #scanOn(next: number | null): void {
    if (next === null) this.#finish();
    else this.#scan(next);
  }

  #finish(): void {
    this.#isClaiming = false;
    if (this.#isWoken) this.wake();
    else this.#letGo();
    this.#look();
  }

  #letGo(): void {
    const held = [...this.#holding];
    this.#holding.clear();
    for (const subscription of held) this.#parts.readers.letGo(subscription);
    for (const step of this.#deferred.splice(0)) step();
  }

  #ask(operation: InboxOperation, then: (result: InboxClaimResult) => void): void {
    const unit = new WriteUnit(this.#parts.journal);
    const tenure = this.#parts.tenure();
    unit.ask(
      operation,
      (result) => {
        const isOwn = tenure === this.#parts.tenure() && (result as InboxClaimResult).isMember;
        // One that is given up gets nothing until it is among the others again, which it is told.
        if (isOwn) then(result as InboxClaimResult);
        else {
          // The store may have been asked when this node was back already: what it gave then is not known here.
          if (tenure !== this.#parts.tenure()) this.#isUnsure = this.#isWoken = true;
          this.#finish();
        }
      },
      () => {
        this.#isClaiming = false;
        this.#isUnsure = true;
        this.#letGo();
        this.#parts.onFailed(this);
        this.#look();
      },
    );
    unit.submit()?.catch(() => undefined);
  }

  /** @param isPicky of those whose wishes are not in it */
  #interests(isPicky: boolean): string[] {
    const wanted = [...this.#subscriptions].filter(
      ([{ selector }, interest]) => (selector !== null || isWider(interest)) === isPicky,
    );
    return [...new Set(wanted.map(([, interest]) => interest))];
  }

  #isWanted(kept: KeptMessage): boolean {
    const message = this.#decode(kept);
    return message !== null && this.#parts.readers.find(this.user, kept.rest, message) !== null;
  }

  #accept(kept: KeptMessage): void {
    const { place, rest, expiresEpochMs, deliveryCount } = kept;
    const message = this.#decode(kept);
    if (message === null || this.#held.has(place)) return;
    const entry = new InboxEntry({ user: this.user, rest }, message.own(), DEFAULT_INBOX_BOUNDS, expiresEpochMs);
    this.#held.set(place, entry);
    this.giveBack(entry, deliveryCount);
  }

  /** Null: it cannot be read, and stays where it is. */
  #decode({ place, rest, octets }: KeptMessage): Message | null {
    try {
      return decodeForeign(place, octets);
    } catch (error) {
      const fields = { user: this.user, rest, place, err: error };
      this.#parts.logger.error(fields, 'a stored message of an inbox cannot be read: it stays stored');
      return null;
    }
  }

  #watchDue({ nextDueEpochMs }: InboxClaimResult): void {
    if (nextDueEpochMs === 0) return;
    const { wheel, clock } = this.#parts;
    const dueMs = clock.nowMs() + Math.max(1, nextDueEpochMs - clock.epochMs());
    if (this.#due.wheelSlot < 0 || dueMs < this.#due.dueMs) wheel.schedule(this.#due, dueMs);
  }

  // ——— What is held ———

  /** False: it is another node's by now. */
  #has(entry: InboxEntry): boolean {
    return this.#held.get(entry.number) === entry;
  }

  #owe(operation: InboxOperation, entry: InboxEntry): void {
    if (this.#has(entry)) this.#parts.journal.owe(operation);
  }

  #drop(entry: InboxEntry): void {
    entry.state = 'gone';
    if (this.#has(entry)) this.#held.delete(entry.number);
    this.#look();
  }

  #settlement({ number: place }: InboxEntry): InboxOperation {
    return { kind: 'inbox-settle', user: this.user, place };
  }

  #return({ number: place }: InboxEntry, deliveryCount: number, notBeforeEpochMs: number): InboxOperation {
    return { kind: 'inbox-return', user: this.user, place, deliveryCount, notBeforeEpochMs };
  }

  #look(): void {
    if (this.isIdle) this.#parts.onIdle(this);
  }
}

export function isExpired({ expiresEpochMs }: InboxEntry, clock: Pick<Clock, 'epochMs'>): boolean {
  return expiresEpochMs > 0 && expiresEpochMs <= clock.epochMs();
}
