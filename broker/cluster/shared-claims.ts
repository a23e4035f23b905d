/**
 * What this node asks of a queue that nodes share: as much as its ready consumers can take, once more whenever something may
 * have come, and what a lost answer may have brought. What it is given goes to the queue.
 */
import { canTake, type QueueConsumers } from '../destinations/queue-consumers.js';
import type { QueuePolicy } from '../destinations/queue-policy.js';
import type { ClaimResult, Clock, SharedMessage } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';
import { WheelTimer } from '../wheel-timer.js';
import type { Claimed, HeldMessages } from './held-messages.js';
import { SharedSearch } from './shared-search.js';

/** For whom is claimed; implemented by SharedQueue. */
export interface ClaimsOwner {
  readonly stream: string;
  /** Claimed, for consumers that had enough meanwhile. */
  readonly spareCount: number;
  /** @param only who asked for them; null: whoever is next */
  onClaimed(messages: readonly SharedMessage[], only: Subscription | null): void;
  /** Nobody here consumes any more: what is here for consumers is to go back. */
  onLeft(): void;
}

export interface ClaimsParts {
  readonly journal: Journal;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly turns: TurnBudget;
  /** Counts how often this node was given up by the others: what was claimed before that is not its own. */
  readonly tenure: () => number;
}

/** What of the queue the claims are about. */
export interface ClaimedQueue {
  readonly policy: QueuePolicy;
  readonly consumers: QueueConsumers;
  readonly held: HeldMessages;
}

/** Claimed at a time: enough for a round trip, and no more than a node may hold for a consumer that is about to leave. */
const MAX_CLAIM = 256;
const MAX_CLAIM_BYTES = 1024 * 1024;
/** For one consumer in auto mode, which says only afterwards that it had enough. */
const AUTO_CLAIM = 64;

/** What a claim has brought that was answered when this node had been given up. */
const NOTHING_CLAIMED: ClaimResult = { messages: [], isMember: true, isMore: true, nextDueEpochMs: 0 };

export class SharedClaims {
  readonly #owner: ClaimsOwner;
  readonly #parts: ClaimsParts;
  readonly #consumers: QueueConsumers;
  readonly #held: HeldMessages;
  readonly #search: SharedSearch;
  /** A claim is on its way. */
  #isClaiming = false;
  /** The store will say when there is something: nothing was left at the last claim. */
  #isWaiting = false;
  /** Something came while a claim was on its way, perhaps behind it. */
  #isWoken = false;
  /** Something was given back while a claim was on its way: what that brings may stand behind it. */
  #hasGivenBack = false;
  /** An answer was lost: the store may have given this node what it does not know of. */
  #isUnsure = false;
  /** What the store believes. */
  #wasExclusive = false;
  #isClosed = false;
  readonly #due = new WheelTimer(() => {
    this.wake();
  });

  constructor(owner: ClaimsOwner, parts: ClaimsParts, { policy, consumers, held }: ClaimedQueue) {
    this.#owner = owner;
    this.#parts = parts;
    this.#consumers = consumers;
    this.#held = held;
    this.#search = new SharedSearch(owner.stream, parts, {
      tenure: parts.tenure,
      isExpired: (message) => policy.isExpired(message),
      onTaken: (subscription, { messages }) => {
        owner.onClaimed(messages, subscription);
        // Others may have been faster, and what it wants may stand on the next page.
        this.want();
      },
      onDue: (epochMs) => {
        this.watchDue(epochMs);
      },
      onUnsure: () => {
        this.doubt();
      },
    });
  }

  get isClaiming(): boolean {
    return this.#isClaiming;
  }

  close(): void {
    this.#isClosed = true;
    this.#parts.wheel.cancel(this.#due);
  }

  /** A consumer has come. */
  add(subscription: Subscription): void {
    if (subscription.selector !== null) this.#search.add(subscription);
  }

  /** A consumer has left. */
  remove(subscription: Subscription): void {
    this.#search.remove(subscription);
  }

  /** Something may wait in the store. */
  wake(): void {
    this.#askAgain();
    if (this.#consumers.size === 0) this.leave();
    else if (!this.want() && !this.#consumers.hasExclusive) this.#pass();
  }

  /** This node is about to publish something there. */
  onAppend(): void {
    this.#isWaiting = false;
    this.#isWoken = this.#isClaiming;
    this.want();
  }

  /** A notice may have been lost: who could take something asks again. */
  look(): void {
    if (this.#demand() === 0 && !this.#search.hasRoom && !this.#isUnsure) return;
    this.#askAgain();
    this.want();
  }

  /** What expired while nobody took it: claimed here, to be given up. */
  expire(): void {
    const unit = new WriteUnit(this.#parts.journal);
    const tenure = this.#parts.tenure();
    unit.ask(
      { kind: 'queue-expire', stream: this.#owner.stream, maxMessages: MAX_CLAIM },
      (result) => {
        if (tenure !== this.#parts.tenure()) {
          this.doubt();
          return;
        }
        const { messages } = result as ClaimResult;
        this.#owner.onClaimed(messages, null);
        if (messages.length === MAX_CLAIM) this.expire();
      },
      () => {
        this.doubt();
      },
    );
    unit.submit()?.catch(() => undefined);
  }

  /** This node was given up by the others: what it asked for before means nothing any more. */
  forfeit(): void {
    this.#isWaiting = this.#isUnsure = this.#wasExclusive = false;
  }

  /** An answer was lost, or is not this node's any more: asked for again once the store can be reached. */
  doubt(): void {
    this.#isUnsure = true;
    if (this.#consumers.size === 0) this.#putBackUnknown();
  }

  giveBack(entry: Claimed, notBeforeEpochMs: number): void {
    this.#held.giveBack(entry, notBeforeEpochMs);
    this.watchDue(notBeforeEpochMs);
  }

  /** Consumers gave some back, which may stand before what is being claimed. */
  onGivenBack(): void {
    this.#hasGivenBack = this.#isClaiming;
    this.want();
  }

  /** Nobody here consumes any more. */
  leave(): void {
    this.#owner.onLeft();
    this.#wasExclusive = false;
    this.#putBackUnknown();
    this.#pass();
    this.#parts.wheel.cancel(this.#due);
  }

  /** What was said of the store before need not be so any more. */
  #askAgain(): void {
    this.#isWaiting = false;
    this.#isWoken = this.#isClaiming;
    this.#search.wake();
  }

  /** Asks for what consumers could take, with the next commit. @returns whether more is wanted than is here */
  want(): boolean {
    const isMore = this.#demand() > 0 || this.#search.isWanting(this.#consumers);
    const isTold = this.#consumers.hasExclusive === this.#wasExclusive;
    const isSettled = isTold && !this.#isUnsure;
    if (this.#isClosed || (isSettled && !isMore)) return isMore;
    if (!this.#isClaiming && (!this.#isWaiting || !isSettled || this.#search.isWanting(this.#consumers))) {
      this.#isClaiming = true;
      this.#parts.journal.beforeNext(() => {
        this.#claim();
      });
    }
    return isMore;
  }

  /** Messages that consumers without selectors could take beside those that are here. */
  #demand(): number {
    let demand = -this.#owner.spareCount;
    // What a transaction has taken out of what is pending keeps its place in the window.
    let room = this.#consumers.hasSelectors ? Infinity : -this.#held.size;
    for (const subscription of this.#consumers.unselective()) {
      const { pending, window } = subscription;
      room += pending === null ? Infinity : window;
      if (canTake(subscription)) demand += pending === null ? AUTO_CLAIM : window - pending.size;
    }
    return Math.max(0, Math.min(demand, room, MAX_CLAIM));
  }

  #claim(): void {
    this.#isClaiming = this.#isWoken = this.#hasGivenBack = false;
    const maxMessages = this.#demand();
    const isExclusive = this.#consumers.hasExclusive;
    this.#search.look(this.#consumers);
    // What is being taken is not known yet, and would be put back.
    const known = this.#isUnsure && !this.#search.isTaking ? this.#held.places : null;
    if ((maxMessages === 0 || this.#isWaiting) && isExclusive === this.#wasExclusive && known === null) return;
    this.#isClaiming = true;
    this.#wasExclusive = isExclusive;
    const unit = new WriteUnit(this.#parts.journal);
    const tenure = this.#parts.tenure();
    const wish = { maxMessages, maxBytes: MAX_CLAIM_BYTES, waits: maxMessages > 0, isExclusive, known };
    unit.ask(
      { kind: 'queue-claim', stream: this.#owner.stream, ...wish },
      (result) => {
        this.#isClaiming = false;
        const isOwn = tenure === this.#parts.tenure();
        // It may have been done after this node was among the others again: then it has what it does not know of.
        this.#isUnsure = !isOwn || (this.#isUnsure && known === null);
        this.#onAnswer(isOwn ? (result as ClaimResult) : NOTHING_CLAIMED, maxMessages);
      },
      () => {
        // Whether it was done is not known; asked for again once the store can be reached.
        this.#isClaiming = false;
        this.doubt();
      },
    );
    unit.submit()?.catch(() => undefined);
  }

  /** Nobody here asks for more, so nothing else tells the store what of it this node does not know it has. */
  #putBackUnknown(): void {
    if (!this.#isUnsure || this.#isClaiming || this.#search.isTaking) return;
    this.#isUnsure = false;
    const wish = { maxMessages: 0, maxBytes: 0, waits: false, isExclusive: false, known: this.#held.places };
    this.#parts.journal.owe({ kind: 'queue-claim', stream: this.#owner.stream, ...wish });
  }

  #onAnswer({ messages, isMember, isMore, nextDueEpochMs }: ClaimResult, asked: number): void {
    // One that is given up has nothing until it is among the others again, which it is told.
    this.#isWaiting = asked > 0 && (!isMember || !isMore) && !this.#isWoken;
    this.#isWoken = false;
    if (!isMember) this.#wasExclusive = false;
    this.watchDue(nextDueEpochMs);
    // Older ones wait by now: everything is claimed again, in order.
    if (this.#hasGivenBack) for (const shared of messages) this.giveBack(this.#held.take(shared), 0);
    else this.#owner.onClaimed(messages, null);
    if (this.#hasGivenBack) this.#isWaiting = false;
    this.#hasGivenBack = false;
    if (this.#consumers.size === 0) this.leave();
    else this.want();
  }

  /** Something waits there until a time of day; 0: nothing does. */
  watchDue(epochMs: number): void {
    if (epochMs === 0) return;
    const { wheel, clock } = this.#parts;
    const dueMs = clock.nowMs() + Math.max(1, epochMs - clock.epochMs());
    if (this.#due.wheelSlot < 0 || dueMs < this.#due.dueMs) wheel.schedule(this.#due, dueMs);
  }

  /** Nobody here waits any more, or can take anything: whoever else waits is told instead. */
  #pass(): void {
    this.#isWaiting = false;
    this.#parts.journal.owe({ kind: 'queue-leave', stream: this.#owner.stream });
  }
}
