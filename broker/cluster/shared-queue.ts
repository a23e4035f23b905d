/**
 * A queue of all nodes of a cluster, as one node has it: what is published goes to the shared store, and of what waits there
 * this node claims what its own consumers can take. Their acks, refusals and ends are told the store by place; who else
 * consumes is not known here, nor is it asked.
 */
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { AppendResult, ClaimResult, Clock, QueueSizes, SharedMessage } from '../ports.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import { decodeForeign, encodeMessage } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';
import type { DeadLetterReason } from '../destinations/dead-letter-reason.js';
import type { DeadLetters } from '../destinations/dead-letters.js';
import { GivenMessages } from '../destinations/given-messages.js';
import type { KeptQueue } from '../destinations/kept-queue.js';
import { DEFAULT_TERMS, queueTerms } from '../destinations/message-terms.js';
import { QueueBrowser } from '../destinations/queue-browser.js';
import { canTake, QueueConsumers } from '../destinations/queue-consumers.js';
import { WheelTimer } from '../wheel-timer.js';
import type { InspectedQueue } from '../operations/shared-queue-operations.js';
import { backoffMs, type Refusal } from '../destinations/redelivery.js';
import { SharedBrowse } from './shared-browse.js';
import { SharedSearch } from './shared-search.js';

export interface SharedQueueParts {
  readonly journal: Journal;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
  readonly turns: TurnBudget;
  readonly nextMessageId: () => number;
  /** It has consumers here, or none any more. */
  readonly onConsumed: (queue: SharedQueue, isConsumed: boolean) => void;
  /** Counts how often this node was given up by the others: what was claimed before that is not its own. */
  readonly tenure: () => number;
  /** Something that waits expires then, in ms since the epoch. */
  readonly onExpiring: (epochMs: number) => void;
}

/** Claimed at a time: enough for a round trip, and no more than a node may hold for a consumer that is about to leave. */
const MAX_CLAIM = 256;
const MAX_CLAIM_BYTES = 1024 * 1024;
/** For one consumer in auto mode, which says only afterwards that it had enough. */
const AUTO_CLAIM = 64;
/** How long a message waits that was to be given up while the store failed. */
const STORE_RETRY_MS = 1_000;

/** What a claim has brought that was answered when this node had been given up. */
const NOTHING_CLAIMED: ClaimResult = { messages: [], isMember: true, isMore: true, nextDueEpochMs: 0 };
const NO_MESSAGES: ReadonlySet<Message> = new Set();
const NO_SIZES: QueueSizes = { depth: 0, bytes: 0, delayed: 0, claimed: 0 };

/** A message that this node has claimed. */
interface Claimed {
  readonly message: Message;
  readonly deliveryCount: number;
}

export class SharedQueue implements KeptQueue, InspectedQueue {
  readonly kind = 'queue';
  readonly isDirect = false;
  readonly destination: string;
  isLive = true;
  readonly stream: string;
  /** As they were when somebody asked the store last. */
  sizes = NO_SIZES;
  readonly #options: QueueOptions;
  readonly #parts: SharedQueueParts;
  readonly #consumers = new QueueConsumers();
  readonly #given = new GivenMessages();
  readonly #search: SharedSearch;
  #browsers: Map<Subscription, QueueBrowser> | null = null;
  /** What is claimed and not settled, by place. */
  readonly #held = new Map<number, Message>();
  /** Claimed, for consumers that had enough meanwhile. */
  #here: Claimed[] = [];
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
  #isDispatching = false;
  #isClosed = false;
  readonly #due = new WheelTimer(() => {
    this.wake();
  });

  constructor(destination: string, stream: string, options: QueueOptions, parts: SharedQueueParts) {
    this.destination = destination;
    this.stream = stream;
    this.#options = options;
    this.#parts = parts;
    this.#search = new SharedSearch(stream, parts, {
      tenure: parts.tenure,
      isExpired: (message) => this.#isExpired(message),
      onTaken: (subscription, result) => {
        this.#take(result, subscription);
        // Others may have been faster, and what it wants may stand on the next page.
        this.#want();
      },
      onDue: (epochMs) => {
        this.#watchDue(epochMs);
      },
      onUnsure: () => {
        this.#doubt();
      },
    });
  }

  get subscriptions(): readonly Subscription[] {
    return this.#consumers.all;
  }

  get subscriberCount(): number {
    return this.#consumers.size;
  }

  get depth(): number {
    return this.sizes.depth;
  }

  get bytes(): number {
    return this.sizes.bytes;
  }

  get delayed(): number {
    return this.sizes.delayed;
  }

  get unsettled(): number {
    return this.sizes.claimed;
  }

  get deadLetter(): string | false {
    return this.#options.deadLetter;
  }

  /** Everything goes through the store, whatever it asks for. */
  get isDurable(): boolean {
    return true;
  }

  get isIdle(): boolean {
    return this.#browsers === null && this.#consumers.size === 0 && this.#held.size === 0 && !this.#isClaiming;
  }

  /** @throws BrokerError `header-invalid` */
  publish(message: Message, unit: WriteUnit | null): void {
    this.#setTerms(message);
    this.take(message, unit);
  }

  take(message: Message, unit: WriteUnit | null): void {
    this.#append(message, unit);
  }

  /** The store knows, and refuses the whole unit. */
  checkRoom(): void {
    // See above.
  }

  /** The binding is gone; what it held is dropped by whoever ended it. */
  close(): void {
    this.#isClosed = true;
    this.#here = [];
    this.#held.clear();
    this.#parts.wheel.cancel(this.#due);
    this.#parts.onConsumed(this, false);
  }

  add(subscription: Subscription): void {
    if (subscription.isBrowser) {
      this.#browse(subscription);
      return;
    }
    subscription.source = this;
    this.#consumers.add(subscription);
    if (subscription.selector !== null) this.#search.add(subscription);
    this.#parts.onConsumed(this, true);
    this.#want();
  }

  remove(subscription: Subscription): void {
    if (subscription.isBrowser) {
      this.#browsers?.get(subscription)?.end();
      if (this.#browsers?.delete(subscription) === true && this.#browsers.size === 0) this.#browsers = null;
      return;
    }
    this.#consumers.remove(subscription);
    this.#search.remove(subscription);
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    const settled = this.#given.end(subscription, new Set(unsent.map(({ message }) => message)));
    for (const message of settled) this.#settle(message);
    this.returned(subscription, [...(subscription.pending?.takeAll() ?? []), ...unsent]);
    if (this.#consumers.size === 0) this.#leave();
    else this.#want();
  }

  /** @throws BrokerError `message-gone`, in a transaction: what else is in it would take effect, and this would not */
  settled(_subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const { message } of deliveries) {
      if (!this.#isStillHere(message, unit)) continue;
      unit.add({ kind: 'queue-settle', stream: this.stream, place: message.id, isRequired: unit.holdsBack });
    }
    unit.show(() => {
      for (const { message } of deliveries) this.#letGo(message);
      this.#want();
    });
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    for (const delivery of deliveries) {
      const entry = { message: delivery.message, deliveryCount: countOf(delivery) };
      if (!this.#isHeld(entry.message)) continue;
      const reason = this.#reasonToGiveUp(entry, null);
      if (reason === null) this.#giveBack(entry, 0);
      else this.#giveUp(entry, reason, null);
    }
    if (deliveries.length === 0) return;
    this.#hasGivenBack = this.#isClaiming;
    this.#want();
  }

  /** @throws BrokerError as `settled` */
  refused(_subscription: Subscription, deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): void {
    for (const delivery of deliveries) {
      const entry = { message: delivery.message.own(), deliveryCount: countOf(delivery) };
      if (!this.#isStillHere(entry.message, unit)) continue;
      const reason = this.#reasonToGiveUp(entry, refusal);
      if (reason === null) this.#refuse(entry, refusal, unit);
      else this.#giveUp(entry, reason, unit);
    }
    unit.show(() => {
      this.#want();
    });
  }

  ready(subscription: Subscription): void {
    for (const message of this.#given.takeSent(subscription)) this.#settle(message);
    this.#dispatch();
    this.#want();
  }

  /** Something may wait in the store. */
  wake(): void {
    this.#askAgain();
    if (this.#consumers.size === 0) this.#leave();
    else if (!this.#want() && !this.#consumers.hasExclusive) this.#pass();
  }

  /** What expired while nobody took it: claimed here, to be given up. */
  expire(): void {
    const unit = new WriteUnit(this.#parts.journal);
    const tenure = this.#parts.tenure();
    unit.ask(
      { kind: 'queue-expire', stream: this.stream, maxMessages: MAX_CLAIM },
      (result) => {
        if (tenure !== this.#parts.tenure()) {
          this.#doubt();
          return;
        }
        const { messages } = result as ClaimResult;
        this.#take(result as ClaimResult, null);
        if (messages.length === MAX_CLAIM) this.expire();
      },
      () => {
        this.#doubt();
      },
    );
    this.#submit(unit);
  }

  /** A notice may have been lost: who could take something asks again. */
  look(): void {
    if (this.#demand() === 0 && !this.#search.hasRoom && !this.#isUnsure) return;
    this.#askAgain();
    this.#want();
  }

  /**
   * This node was given up by the others: what it had claimed is theirs. What clients have not been sent is taken back from
   * them; what they say of the rest changes nothing any more.
   */
  forfeit(): void {
    this.#held.clear();
    this.#here = [];
    this.#isWaiting = this.#isUnsure = this.#wasExclusive = false;
    for (const subscription of this.#consumers.all) {
      subscription.outbox.takeUnsent(subscription);
      this.#given.end(subscription, NO_MESSAGES);
      const { pending } = subscription;
      pending?.restore(pending.takeAll().filter(({ wasSent }) => wasSent));
    }
  }

  /** Claimed by this node, and not given up with it since. */
  #isHeld(message: Message): boolean {
    return this.#held.get(message.id) === message;
  }

  /** What a client settles may be others' by now: by itself that is late, in a transaction it is everything that is refused. */
  #isStillHere(message: Message, { holdsBack }: WriteUnit): boolean {
    const isHeld = this.#isHeld(message);
    if (!isHeld && holdsBack) throw new BrokerError('message-gone', 'What the transaction settles is with others now');
    return isHeld;
  }

  #letGo(message: Message): void {
    if (this.#isHeld(message)) this.#held.delete(message.id);
  }

  #append(message: Message, unit: WriteUnit | null): void {
    if (this.#isClosed) return;
    if (unit === null && this.#parts.journal.isFull) {
      // Of a topic, to which somebody is durably subscribed: its publishers are held up before, unless it is the application.
      this.#parts.stats.messagesDropped++;
      return;
    }
    const own = unit ?? new WriteUnit(this.#parts.journal);
    const terms = message.terms ?? DEFAULT_TERMS;
    if (this.#isExpired(message)) {
      this.#discard({ message, deliveryCount: 0 }, 'expired', own);
    } else {
      const { priority, expiresEpochMs, notBeforeEpochMs } = terms;
      const { weightBytes } = message.own();
      const octets = encodeMessage(message);
      const publishedEpochMs = this.#parts.clock.epochMs();
      const times = { publishedEpochMs, expiresEpochMs, notBeforeEpochMs };
      const title = `Queue ${quoteInput(this.destination, 120)}`;
      const stored = { priority, octets, weightBytes, deliveryCount: 0, ...times };
      own.ask(
        { kind: 'queue-append', stream: this.stream, message: stored, bounds: this.#options, title },
        (result) => {
          this.#appended(result as AppendResult, expiresEpochMs);
        },
        (error) => {
          if (error?.code === 'queue-full') this.#parts.stats.queueFull++;
          // What it displaced was to become a dead letter by this node.
          else if (error !== undefined && this.#options.onFull === 'dead-letter') this.#doubt();
        },
      );
      this.#isWaiting = false;
      this.#isWoken = this.#isClaiming;
      this.#want();
    }
    if (unit === null) this.#submit(own);
  }

  #appended({ dropped, displaced }: AppendResult, expiresEpochMs: number): void {
    const { stats, onExpiring } = this.#parts;
    stats.givenUp.overflow += dropped;
    for (const entry of displaced) this.#giveUp(this.#claimed(entry), 'overflow', null);
    if (expiresEpochMs > 0) onExpiring(expiresEpochMs);
  }

  #browse(subscription: Subscription): void {
    const browse = new SharedBrowse(this.stream, this.destination, this.#parts.journal, (message) =>
      this.#isExpired(message),
    );
    const browser = new QueueBrowser(subscription, browse, Number.MAX_SAFE_INTEGER, this.#parts.turns);
    (this.#browsers ??= new Map()).set(subscription, browser);
    browser.start();
  }

  /** Reads what the sender asks for. @throws BrokerError `header-invalid` */
  #setTerms(message: Message): void {
    message.terms = queueTerms(message.decodedHeaders, this.#options.ttlMs, this.#parts.clock.epochMs());
  }

  #isExpired({ terms }: Message): boolean {
    if (terms === null || terms.expiresEpochMs === 0) return false;
    return terms.expiresEpochMs <= this.#parts.clock.epochMs();
  }

  // ——— Claims ———

  /** What was said of the store before need not be so any more. */
  #askAgain(): void {
    this.#isWaiting = false;
    this.#isWoken = this.#isClaiming;
    this.#search.wake();
  }

  /** @returns whether more is wanted than is here */
  #want(): boolean {
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
    let demand = -this.#here.length;
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
    const known = this.#isUnsure && !this.#search.isTaking ? [...this.#held.keys()] : null;
    if ((maxMessages === 0 || this.#isWaiting) && isExclusive === this.#wasExclusive && known === null) return;
    this.#isClaiming = true;
    this.#wasExclusive = isExclusive;
    const unit = new WriteUnit(this.#parts.journal);
    const tenure = this.#parts.tenure();
    const wish = { maxMessages, maxBytes: MAX_CLAIM_BYTES, waits: maxMessages > 0, isExclusive, known };
    unit.ask(
      { kind: 'queue-claim', stream: this.stream, ...wish },
      (result) => {
        this.#isClaiming = false;
        const isOwn = tenure === this.#parts.tenure();
        // It may have been done after this node was among the others again: then it has what it does not know of.
        this.#isUnsure = !isOwn || (this.#isUnsure && known === null);
        this.#onClaimed(isOwn ? (result as ClaimResult) : NOTHING_CLAIMED, maxMessages);
      },
      () => {
        // Whether it was done is not known; asked for again once the store can be reached.
        this.#isClaiming = false;
        this.#doubt();
      },
    );
    this.#submit(unit);
  }

  /** An answer was lost, or is not this node's any more: asked for again once the store can be reached. */
  #doubt(): void {
    this.#isUnsure = true;
    if (this.#consumers.size === 0) this.#putBackUnknown();
  }

  /** Nobody here asks for more, so nothing else tells the store what of it this node does not know it has. */
  #putBackUnknown(): void {
    if (!this.#isUnsure || this.#isClaiming || this.#search.isTaking) return;
    this.#isUnsure = false;
    const wish = { maxMessages: 0, maxBytes: 0, waits: false, isExclusive: false, known: [...this.#held.keys()] };
    this.#parts.journal.owe({ kind: 'queue-claim', stream: this.stream, ...wish });
  }

  #onClaimed(result: ClaimResult, asked: number): void {
    const { isMember, isMore, nextDueEpochMs } = result;
    // One that is given up has nothing until it is among the others again, which it is told.
    this.#isWaiting = asked > 0 && (!isMember || !isMore) && !this.#isWoken;
    this.#isWoken = false;
    if (!isMember) this.#wasExclusive = false;
    this.#watchDue(nextDueEpochMs);
    // Older ones wait by now: everything is claimed again, in order.
    if (this.#hasGivenBack) for (const shared of result.messages) this.#giveBack(this.#claimed(shared), 0);
    else this.#take(result, null);
    if (this.#hasGivenBack) this.#isWaiting = false;
    this.#hasGivenBack = false;
    if (this.#consumers.size === 0) this.#leave();
    else this.#want();
  }

  /** @param only who asked for them; null: whoever is next */
  #take({ messages }: ClaimResult, only: Subscription | null): void {
    for (const shared of messages) {
      const entry = this.#claimed(shared);
      const reason = this.#reasonToGiveUp(entry, null);
      if (reason !== null) this.#giveUp(entry, reason, null);
      else if (this.#isClosed) this.#letGo(entry.message);
      else if (only === null) this.#here.push(entry);
      else if (only.source === this && only.canTake) this.#give(only, entry);
      else this.#giveBack(entry, 0);
    }
    this.#dispatch();
  }

  #claimed({ place, priority, octets, expiresEpochMs, deliveryCount }: SharedMessage): Claimed {
    const message = decodeForeign(place, octets);
    this.#held.set(place, message);
    message.terms = { priority, expiresEpochMs, notBeforeEpochMs: 0 };
    return { message, deliveryCount };
  }

  #watchDue(epochMs: number): void {
    if (epochMs === 0) return;
    const { wheel, clock } = this.#parts;
    const dueMs = clock.nowMs() + Math.max(1, epochMs - clock.epochMs());
    if (this.#due.wheelSlot < 0 || dueMs < this.#due.dueMs) wheel.schedule(this.#due, dueMs);
  }

  /** Nobody here waits any more, or can take anything: whoever else waits is told instead. */
  #pass(): void {
    this.#isWaiting = false;
    this.#parts.journal.owe({ kind: 'queue-leave', stream: this.stream });
  }

  #leave(): void {
    for (const entry of this.#here.splice(0)) this.#giveBack(entry, 0);
    this.#wasExclusive = false;
    this.#putBackUnknown();
    this.#pass();
    this.#parts.wheel.cancel(this.#due);
    this.#parts.onConsumed(this, false);
  }

  // ——— Deliveries ———

  #dispatch(): void {
    // A delivery can end in `ready` of this very queue.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    let given = 0;
    for (const entry of this.#here) {
      const subscription = this.#consumers.nextFor(entry.message);
      if (subscription === null && !this.#consumers.hasSelectors) break;
      given++;
      if (this.#isExpired(entry.message)) this.#giveUp(entry, 'expired', null);
      else if (subscription === null) this.#giveBack(entry, 0);
      else this.#give(subscription, entry);
    }
    this.#here.splice(0, given);
    this.#isDispatching = false;
  }

  #give(subscription: Subscription, { message, deliveryCount }: Claimed): void {
    if (deliveryCount > 0) this.#parts.stats.redelivered++;
    subscription.deliver(message, deliveryCount + 1);
    if (subscription.pending === null) this.#given.add(subscription, message);
  }

  #settle(message: Message): void {
    if (!this.#isHeld(message)) return;
    this.#held.delete(message.id);
    this.#parts.journal.owe({ kind: 'queue-settle', stream: this.stream, place: message.id });
  }

  #giveBack({ message, deliveryCount }: Claimed, notBeforeEpochMs: number): void {
    const { stream } = this;
    this.#letGo(message);
    this.#parts.journal.owe({
      kind: 'queue-return',
      stream,
      place: message.id,
      deliveryCount,
      notBeforeEpochMs,
    });
    if (notBeforeEpochMs > 0) this.#watchDue(notBeforeEpochMs);
  }

  #refuse(entry: Claimed, { delayMs }: Refusal, unit: WriteUnit): void {
    const { message, deliveryCount } = entry;
    const { clock } = this.#parts;
    const waitMs = delayMs ?? backoffMs(this.#options.backoff, deliveryCount);
    const notBeforeEpochMs = waitMs > 0 ? clock.epochMs() + waitMs : 0;
    unit.add(
      {
        kind: 'queue-return',
        stream: this.stream,
        place: message.id,
        deliveryCount,
        notBeforeEpochMs,
        isRequired: unit.holdsBack,
      },
      () => {
        this.#letGo(message);
        this.#watchDue(notBeforeEpochMs);
      },
      () => {
        // In a transaction it is pending again; elsewhere nobody else has it.
        if (!unit.holdsBack) this.#giveBack(entry, notBeforeEpochMs);
      },
    );
  }

  #reasonToGiveUp({ message, deliveryCount }: Claimed, refusal: Refusal | null): DeadLetterReason | null {
    const { maxDeliveries, deadLetter } = this.#options;
    if (refusal?.requeue === false) return 'rejected';
    if (this.#isExpired(message)) return 'expired';
    // A dead letter has nowhere further to go: it stays until somebody takes it or rejects it.
    if (maxDeliveries === 0 || deliveryCount < maxDeliveries || deadLetter === this.destination) return null;
    return 'max-deliveries';
  }

  /**
   * Comes back when it cannot be: the store fails, or its dead-letter queue has no room.
   * @param given of who waits for it, if anybody does. A transaction is refused as a whole; else nobody is for a dead-letter
   * queue without room, which is not the client's doing
   */
  #giveUp(entry: Claimed, reason: DeadLetterReason, given: WriteUnit | null): void {
    const unit = given?.holdsBack === true ? given : new WriteUnit(this.#parts.journal);
    const { id } = entry.message;
    unit.add(
      // Or it would be with others and a dead letter too.
      { kind: 'queue-settle', stream: this.stream, place: id, isRequired: true },
      () => {
        this.#letGo(entry.message);
      },
      () => {
        if (!unit.holdsBack) this.#giveBack(entry, this.#parts.clock.epochMs() + STORE_RETRY_MS);
      },
    );
    this.#discard(entry, reason, unit);
    if (unit === given) return;
    const done = unit.submit()?.catch((error: unknown) => {
      if (!(error instanceof BrokerError && error.code === 'queue-full')) throw error;
    });
    if (done === undefined) return;
    if (given === null) done.catch(() => undefined);
    else given.confirmedBy(done);
  }

  /** To its dead-letter destination, or nowhere. */
  #discard(entry: Claimed, reason: DeadLetterReason, unit: WriteUnit): void {
    const { deadLetter, onExpiry, onFull } = this.#options;
    const isDropped =
      (reason === 'expired' && onExpiry === 'drop') || (reason === 'overflow' && onFull === 'drop-oldest');
    const target = isDropped || deadLetter === false ? null : deadLetter;
    this.#parts.deadLetters.giveUp(entry, this.destination, reason, target, unit);
  }

  /** What becomes of it is told to its steps. */
  #submit(unit: WriteUnit): void {
    unit.submit()?.catch(() => undefined);
  }
}
