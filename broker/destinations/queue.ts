/**
 * A queue: each message goes to one subscription, in turn among those that can take one, and is kept while none can
 * (DESIGN D2, D3). Bounded; in memory, and in the store what is to outlive the process (D5). What a client did not consume
 * returns to its old place, marked `redelivered`, or is given up after so many deliveries.
 */
import { BrokerError } from '../errors.js';
import { quoteInput } from '../../protocol/index.js';
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import type { Message } from '../message.js';
import type { Clock, Logger, StoredLane } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import { PLAIN_FRAME_UNITS, workload, WORTH_A_LOOK, type TurnBudget } from '../turn-budget.js';
import type { DeadLetterReason } from './dead-letter-reason.js';
import type { DeadLetters } from './dead-letters.js';
import type { KeptQueue } from './kept-queue.js';
import { DEFAULT_TERMS, queueTerms } from './message-terms.js';
import { QueueBacklog, QueuedMessage, type Pager } from './queue-backlog.js';
import { QueueBrowser } from './queue-browser.js';
import { QueueConsumers } from './queue-consumers.js';
import { QueueStorage } from './queue-storage.js';
import { WheelTimer } from '../wheel-timer.js';
import type { OperatedQueue } from '../operations/queue-operations.js';
import { backoffMs, type Refusal } from './redelivery.js';

/** What all queues share. */
export interface QueueParts {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
  readonly logger: Logger;
  readonly turns: TurnBudget;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly nextMessageId: () => number;
}

/** What precedes the destination in the name of a queue's stream. */
export const QUEUE_STREAM = 'queue:';
/** Waits for the next page of one priority. */
interface PageWaiter {
  readonly priority: number;
  readonly resolve: (isLoaded: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Given to consumers, or given up, without a look at the clock. */
const GIVEN_AT_ONCE = 64;
/** Taken back without one. */
const TAKEN_BACK_AT_ONCE = 512;
/** How long a message waits that was to be given up while the store failed. */
const STORE_RETRY_MS = 1_000;
/** How long one waits whose dead letter nobody took, each time twice as long; up to a second more, so that not all come at once. */
const LETTER_RETRY_MS = 1_000;
const MAX_LETTER_RETRY_MS = 60_000;

/** Why a message is to be given up whose dead letter nobody took yet. */
interface Condemned {
  readonly reason: DeadLetterReason;
  readonly retryMs: number;
}

/** Few ever are, so not with the message. */
const condemned = new WeakMap<QueuedMessage, Condemned>();

export class Queue implements KeptQueue, Pager, OperatedQueue {
  readonly kind = 'queue';
  /** What has to be stored has to be waited for. */
  readonly isDirect: boolean;
  readonly destination: string;
  isLive = true;
  readonly #options: QueueOptions;
  readonly #parts: QueueParts;
  readonly #consumers = new QueueConsumers();
  /** Null until the first: few queues are ever looked into. */
  #browsers: Map<Subscription, QueueBrowser> | null = null;
  #backlog: QueueBacklog;
  /** Null: nothing is stored. */
  readonly #storage: QueueStorage | null;
  /** Accepted, and not here until they are stored. */
  #arriving = 0;
  #arrivingBytes = 0;
  /** Messages whose time has not come; they count towards the bounds. */
  #delayed = 0;
  #delayedBytes = 0;
  /** Delivered and not settled. */
  #unsettled = 0;
  #isDispatching = false;
  /** What is to be given, or taken back, goes on in a later turn; until then new messages wait behind it. */
  #isPutOff = false;
  /** NACKs of many that are under way; meanwhile nothing is given. */
  #refusing = 0;
  /** What subscriptions left that have ended, and there was no time for yet. */
  #returning: ReturnedMessage[] = [];
  #isClosed = false;
  /** Of messages whose time has not come. */
  readonly #timers = new Map<QueuedMessage, WheelTimer>();
  /** Who waits for a page to be read; null while nobody does. */
  #pageWaiters: PageWaiter[] | null = null;

  /** @param stream its name in the store */
  constructor(destination: string, options: QueueOptions, parts: QueueParts, stream = QUEUE_STREAM + destination) {
    const { journal, clock, logger } = parts;
    this.destination = destination;
    this.isDirect = !options.durable || journal === null;
    this.#options = options;
    this.#parts = parts;
    this.#storage = journal === null ? null : new QueueStorage(stream, { journal, clock, logger });
    this.#backlog = new QueueBacklog(this.#storage === null ? null : this);
  }

  /** What the store held of it when it was opened; once, before anything else. */
  restore(lanes: readonly StoredLane[]): void {
    for (const { priority, messages, bytes, markedSequence } of lanes) {
      this.#storage?.restoreMark(priority, markedSequence);
      this.#backlog.restore(priority, messages, bytes);
    }
  }

  /** Those that take messages, in the order they came. */
  get subscriptions(): Subscription[] {
    return this.#consumers.all;
  }

  get subscriberCount(): number {
    return this.#consumers.size;
  }

  /** Messages that wait, for a subscription or for their time. */
  get depth(): number {
    return this.#backlog.size + this.#delayed;
  }

  /** Of these, near enough. */
  get bytes(): number {
    return this.#backlog.bytes + this.#delayedBytes;
  }

  /** Of `bytes`, what is not in the store alone. */
  get memoryBytes(): number {
    return this.#backlog.memoryBytes + this.#delayedBytes;
  }

  get delayed(): number {
    return this.#delayed;
  }

  get unsettled(): number {
    return this.#unsettled;
  }

  get deadLetter(): string | false {
    return this.#options.deadLetter;
  }

  get isDurable(): boolean {
    return this.#options.durable && this.#storage !== null;
  }

  get isIdle(): boolean {
    if (this.#browsers !== null || this.#isTakingBack) return false;
    return this.#consumers.size === 0 && this.depth === 0 && this.#unsettled === 0 && this.#arriving === 0;
  }

  /** @throws BrokerError `queue-full`, `header-invalid` */
  publish(message: Message, unit: WriteUnit | null): void {
    this.#setTerms(message);
    this.take(message, unit);
  }

  /** As `publish`, of a message whose terms are set. @throws BrokerError `queue-full` */
  take(message: Message, unit: WriteUnit | null): void {
    const storage = this.#options.durable || message.isPersistent ? this.#storage : null;
    if (unit !== null && (storage !== null || unit.holdsBack)) this.#announce(message, unit, storage);
    else this.#arrive(message, true);
  }

  /** Takes the message's place; it arrives when the unit is stored. */
  #announce(message: Message, unit: WriteUnit, storage: QueueStorage | null): void {
    const { weightBytes } = message.own();
    this.checkRoom(1, weightBytes);
    this.#arriving++;
    this.#arrivingBytes += weightBytes;
    const release = (): void => {
      this.#arriving--;
      this.#arrivingBytes -= weightBytes;
    };
    const arrive = (): void => {
      release();
      this.#arrive(message, false);
    };
    if (storage === null) unit.then(arrive, release);
    else storage.append(message, unit, arrive, release);
  }

  /**
   * @param isRefusable false when it has been accepted already
   * @throws BrokerError `queue-full`
   */
  #arrive(message: Message, isRefusable: boolean): void {
    if (this.#isClosed) return;
    const entry = new QueuedMessage(message, 0);
    if (this.#isExpired(message)) {
      if (isRefusable) this.checkRoom(1, message.weightBytes);
      this.#giveUp(entry, 'expired');
      return;
    }
    const delayMs = this.#delayOf(entry);
    // With selectors, what waits is what nobody who is ready wants: a new message passes nothing that was before it.
    const passesNone =
      !this.#isPutOff &&
      !this.#isTakingBack &&
      (this.#backlog.size === 0 || (this.#consumers.hasSelectors && !this.#backlog.isPaged(entry.priority)));
    if (delayMs === 0 && passesNone) {
      const subscription = this.#consumers.nextFor(message);
      if (subscription !== null) {
        if (message.isStored) this.#backlog.passed(entry);
        this.#give(subscription, message, 1);
        return;
      }
    }
    if (isRefusable) this.checkRoom(1, message.weightBytes);
    this.#makeRoom(message.weightBytes);
    message.own();
    if (delayMs > 0) this.#delay(entry, delayMs);
    else this.#put(entry);
  }

  /** @throws BrokerError `queue-full` when so much more could not be kept */
  checkRoom(messages: number, bytes: number): void {
    if (this.hasRoom(messages, bytes)) return;
    this.#parts.stats.queueFull++;
    throw new BrokerError(
      'queue-full',
      `Queue ${quoteInput(this.destination, 120)} is full: ${this.depth} messages, ${this.bytes} octets`,
    );
  }

  hasRoom(messages: number, bytes: number): boolean {
    const { maxMessages, maxBytes, onFull, deadLetter } = this.#options;
    const over = (kept: number, keptBytes: number): boolean =>
      kept + this.#arriving + messages > maxMessages || keptBytes + this.#arrivingBytes + bytes > maxBytes;
    if (!over(this.depth, this.bytes)) return true;
    // What waits for its time cannot give way: that was promised.
    if (onFull === 'refuse' || over(this.#delayed, this.#delayedBytes)) return false;
    if (onFull === 'drop-oldest' || deadLetter === false || deadLetter === this.destination) return true;
    return this.#parts.deadLetters.hasRoom(deadLetter, this.destination, messages, bytes);
  }

  /** Nobody wants it any more: what it holds is forgotten, and what is still asked of it comes to nothing. */
  close(): void {
    this.#isClosed = true;
    this.#returning = [];
    for (const timer of this.#timers.values()) this.#parts.wheel.cancel(timer);
    this.#timers.clear();
    for (const { expiry } of this.#backlog) if (expiry !== null) this.#parts.wheel.cancel(expiry);
    this.#backlog = new QueueBacklog();
  }

  add(subscription: Subscription): void {
    if (subscription.isBrowser) {
      const { nextMessageId, turns } = this.#parts;
      const browser = new QueueBrowser(subscription, this, nextMessageId(), turns);
      (this.#browsers ??= new Map()).set(subscription, browser);
      browser.start();
      return;
    }
    subscription.source = this;
    this.#consumers.add(subscription);
    this.#dispatch();
  }

  remove(subscription: Subscription): void {
    if (subscription.isBrowser) {
      this.#browsers?.get(subscription)?.end();
      if (this.#browsers?.delete(subscription) === true && this.#browsers.size === 0) this.#browsers = null;
      return;
    }
    this.#consumers.remove(subscription);
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    this.#storage?.end(subscription, new Set(unsent.map(({ message }) => message)));
    const pending = subscription.pending?.takeAll() ?? [];
    this.#unsettled -= pending.length;
    this.#giveBack([...pending, ...unsent]);
  }

  settled(_subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const { message } of deliveries) this.#storage?.remove(message, unit);
    unit.show(() => {
      this.#unsettled -= deliveries.length;
      this.#dispatch();
    });
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    this.#unsettled -= deliveries.length;
    this.#giveBack(deliveries);
  }

  refused(
    _subscription: Subscription,
    deliveries: readonly Delivery[],
    refusal: Refusal,
    unit: WriteUnit,
  ): void | Promise<void> {
    // What is told the store is told now; what others can see may have to wait for it.
    if (unit.holdsBack) {
      this.#recordRefusal(deliveries, refusal, unit);
      return;
    }
    this.#unsettled -= deliveries.length;
    if (deliveries.length <= GIVEN_AT_ONCE) this.#takeBack(deliveries, refusal, unit);
    else return this.#takeManyBack(deliveries, refusal, unit);
  }

  /** A dead letter for each of 10,000 takes 150 ms. What comes back does so together, in front of what waits. */
  #takeManyBack(deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): Promise<void> | undefined {
    const now: QueuedMessage[] = [];
    let next = 0;
    this.#refusing++;
    const rest = this.#parts.turns.run(() => {
      for (const delivery of deliveries.slice(next, (next += GIVEN_AT_ONCE))) {
        const entry = new QueuedMessage(delivery.message.own(), countOf(delivery));
        if (this.#settleRefused(entry, refusal, unit)) now.push(entry);
      }
      workload.units += WORTH_A_LOOK;
      return next < deliveries.length;
    });
    const finish = (): void => {
      this.#refusing--;
      this.#putBackInTime(now);
    };
    if (rest === undefined) finish();
    return rest?.finally(finish);
  }

  ready(subscription: Subscription): void {
    this.#storage?.settleSent(subscription);
    this.#dispatch();
  }

  waitingAfter(priority: number, id: number): Iterable<QueuedMessage> {
    return this.#backlog.after(priority, id);
  }

  pagedBehind(priority: number): number {
    return this.#backlog.pagedBehind(priority);
  }

  readPage(priority: number, afterSequence: number): Promise<readonly QueuedMessage[]> {
    return this.#storage?.read(priority, afterSequence) ?? Promise.resolve([]);
  }

  isShown(entry: QueuedMessage): boolean {
    return !this.#isExpired(entry.message) && this.#delayOf(entry) === 0;
  }

  browsingFailed(error: unknown): void {
    this.#parts.logger.error({ queue: this.destination, err: error }, 'stored messages cannot be read');
  }

  /** A page of the backlog is wanted. */
  load(priority: number, afterSequence: number): void {
    const { logger } = this.#parts;
    this.#storage?.read(priority, afterSequence).then(
      (entries) => {
        this.#putBackInTime(this.#backlog.loaded(priority, entries));
        this.#tellPageWaiters(priority, (waiter) => {
          waiter.resolve(true);
        });
      },
      (error: unknown) => {
        // Asked for again at the next occasion: whoever publishes or consumes brings it.
        this.#backlog.loadFailed(priority);
        logger.error({ queue: this.destination, err: error }, 'stored messages cannot be read');
        this.#tellPageWaiters(priority, (waiter) => {
          waiter.reject(error);
        });
      },
    );
  }

  loadPage(priority: number): Promise<boolean> {
    if (!this.#backlog.wantsMore(priority)) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      (this.#pageWaiters ??= []).push({ priority, resolve, reject });
    });
  }

  #tellPageWaiters(priority: number, tell: (waiter: PageWaiter) => void): void {
    const waiters = this.#pageWaiters;
    if (waiters === null) return;
    const others = waiters.filter((waiter) => waiter.priority !== priority);
    this.#pageWaiters = others.length === 0 ? null : others;
    for (const waiter of waiters) if (waiter.priority === priority) tell(waiter);
  }

  delayedEntries(): Iterable<QueuedMessage> {
    return this.#timers.keys();
  }

  withdraw(entry: QueuedMessage, unit: WriteUnit): void {
    const timer = this.#timers.get(entry);
    if (timer === undefined) this.#take(entry);
    else {
      this.#parts.wheel.cancel(timer);
      this.#timers.delete(entry);
      this.#delayed--;
      this.#delayedBytes -= entry.message.weightBytes;
    }
    const undo = (): void => {
      this.#putBackInTime([entry]);
    };
    if (entry.message.isStored && this.#storage !== null) this.#storage.remove(entry.message, unit, undo);
    else unit.then(null, undo);
  }

  /** Reads what the sender asks for. @throws BrokerError `header-invalid` */
  #setTerms(message: Message): void {
    const { ttlMs } = this.#options;
    // Without a look at the clock, where there is nothing to look for.
    const isPlain = message.decodedHeaders === null && ttlMs === 0;
    message.terms = isPlain ? DEFAULT_TERMS : queueTerms(message.decodedHeaders, ttlMs, this.#parts.clock.epochMs());
  }

  /** How long the message is to wait, in ms. */
  #delayOf({ notBeforeEpochMs }: QueuedMessage): number {
    return notBeforeEpochMs === 0 ? 0 : Math.max(0, notBeforeEpochMs - this.#parts.clock.epochMs());
  }

  #isExpired({ terms }: Message): boolean {
    if (terms === null || terms.expiresEpochMs === 0) return false;
    return terms.expiresEpochMs <= this.#parts.clock.epochMs();
  }

  /** By the policy for a full queue, when it has one. */
  #makeRoom(bytes: number): void {
    const { maxMessages, maxBytes, onFull } = this.#options;
    if (onFull === 'refuse') return;
    while (this.depth + 1 > maxMessages || this.bytes + bytes > maxBytes) {
      const oldest = this.#backlog.leastWanted;
      if (oldest === undefined) return;
      this.#take(oldest);
      if (this.#tryGiveUp(oldest, 'overflow', null)) continue;
      // It was accepted, and so is the new one: better too many for a while than one that is lost.
      this.#backlog.putBack([oldest]);
      this.#watchExpiry(oldest);
      return;
    }
  }

  #give(subscription: Subscription, message: Message, deliveryCount: number): void {
    if (subscription.pending !== null) this.#unsettled++;
    if (deliveryCount > 1) this.#parts.stats.redelivered++;
    subscription.deliver(message, deliveryCount);
    this.#storage?.given(subscription, message);
  }

  get #isTakingBack(): boolean {
    return this.#refusing > 0 || this.#returning.length > 0;
  }

  #dispatch(): void {
    // A delivery can end in `ready` of this very queue; and what comes back stands in front of what waits.
    if (this.#isDispatching || this.#isTakingBack) return;
    this.#isDispatching = true;
    if (this.#consumers.hasSelectors) this.#giveWhatIsWanted();
    else this.#giveInOrder();
    this.#isDispatching = false;
  }

  /** Whether others have waited long enough: then the rest is done in a later turn. */
  #putsOff(): boolean {
    if (!this.#parts.turns.isSpent()) return false;
    if (this.#isPutOff) return true;
    this.#isPutOff = true;
    this.#parts.turns.wait(() => {
      this.#isPutOff = false;
      this.#giveBackRest();
      this.#dispatch();
    });
    return true;
  }

  #giveInOrder(): void {
    let given = 0;
    for (let entry = this.#backlog.head; entry !== undefined; entry = this.#backlog.head) {
      if (++given % GIVEN_AT_ONCE === 0) {
        if (given === GIVEN_AT_ONCE) this.#parts.turns.enter();
        workload.units += WORTH_A_LOOK;
        if (this.#putsOff()) return;
      }
      if (this.#isExpired(entry.message)) {
        this.#take(entry);
        this.#giveUp(entry, 'expired');
        continue;
      }
      const subscription = this.#consumers.next();
      if (subscription === null) break;
      this.#take(entry);
      this.#give(subscription, entry.message, entry.deliveryCount + 1);
    }
  }

  /** In turn, each its own next message, until nobody who is ready wants what waits. */
  #giveWhatIsWanted(): void {
    const wants = (subscription: Subscription): boolean => this.#wanted(subscription) !== undefined;
    this.#parts.turns.enter();
    while (this.#backlog.size > 0 && !this.#putsOff()) {
      workload.units += WORTH_A_LOOK / GIVEN_AT_ONCE;
      const subscription = this.#consumers.next(wants);
      const entry = subscription === null ? undefined : this.#wanted(subscription);
      if (subscription === null || entry === undefined) return;
      this.#take(entry);
      this.#give(subscription, entry.message, entry.deliveryCount + 1);
    }
  }

  #wanted(subscription: Subscription): QueuedMessage | undefined {
    for (;;) {
      const entry = this.#consumers.wanted(subscription, this.#backlog, this.#hasLookedEnough);
      if (entry === undefined || !this.#isExpired(entry.message)) return entry;
      this.#take(entry);
      this.#giveUp(entry, 'expired');
    }
  }

  readonly #hasLookedEnough = (): boolean => this.#putsOff();

  #put(entry: QueuedMessage): void {
    if (!this.#backlog.put(entry)) return;
    this.#consumers.onPut(entry);
    this.#watchExpiry(entry);
  }

  #take(entry: QueuedMessage): void {
    this.#backlog.take(entry);
    if (entry.expiry === null) return;
    this.#parts.wheel.cancel(entry.expiry);
    entry.expiry = null;
  }

  #watchExpiry(entry: QueuedMessage): void {
    const expiresEpochMs = entry.message.terms?.expiresEpochMs ?? 0;
    if (expiresEpochMs === 0) return;
    entry.expiry = new WheelTimer(() => {
      if (!entry.isWaiting) return;
      this.#take(entry);
      this.#giveUp(entry, 'expired');
    });
    this.#schedule(entry.expiry, expiresEpochMs - this.#parts.clock.epochMs());
  }

  #delay(entry: QueuedMessage, delayMs: number): void {
    if (entry.message.isStored) this.#backlog.keepsApart(entry);
    this.#delayed++;
    this.#delayedBytes += entry.message.weightBytes;
    const timer = new WheelTimer(() => {
      this.#timers.delete(entry);
      this.#delayed--;
      this.#delayedBytes -= entry.message.weightBytes;
      const { reason } = condemned.get(entry) ?? {};
      if (reason !== undefined) {
        this.#giveUp(entry, reason);
        return;
      }
      this.#backlog.putBack([entry]);
      this.#consumers.onPut(entry);
      this.#watchExpiry(entry);
      this.#dispatch();
    });
    this.#timers.set(entry, timer);
    this.#schedule(timer, delayMs);
  }

  #schedule(timer: WheelTimer, inMs: number): void {
    const { wheel, clock } = this.#parts;
    // Not the wheel's coarse clock, which may be behind: too early would be a broken promise.
    wheel.schedule(timer, clock.nowMs() + Math.max(inMs, 1));
  }

  /** In a transaction: the store is told now, the rest happens once it is stored. */
  #recordRefusal(deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): void {
    const now: QueuedMessage[] = [];
    for (const delivery of deliveries) {
      const entry = new QueuedMessage(delivery.message, countOf(delivery));
      if (this.#settleRefused(entry, refusal, unit)) now.push(entry);
    }
    unit.then(() => {
      this.#unsettled -= deliveries.length;
      this.#putBackInTime(now);
    });
  }

  /** As `#takeBack`, of what nobody refused: now, or when there is time. */
  #giveBack(returned: readonly ReturnedMessage[]): void {
    if (returned.length === 0) {
      this.#dispatch();
      return;
    }
    this.#parts.turns.enter();
    for (const each of returned) this.#returning.push(each);
    if (!this.#isPutOff) this.#giveBackRest();
  }

  #giveBackRest(): void {
    while (this.#returning.length > 0 && !this.#putsOff()) {
      const some = this.#returning.splice(0, TAKEN_BACK_AT_ONCE);
      workload.units += some.length * PLAIN_FRAME_UNITS;
      this.#takeBack(some, null, null);
    }
  }

  /**
   * To the place that publication gave them: the head, unless others older than they came back before. Those that were
   * delivered too often, refused for good or whose time is over are given up.
   * @param refusal null when the client did not say that it does not want them
   * @param unit null: nobody waits until it is stored
   */
  #takeBack(returned: readonly ReturnedMessage[], refusal: Refusal | null, unit: WriteUnit | null): void {
    const now: QueuedMessage[] = [];
    for (const delivery of returned) {
      const entry = new QueuedMessage(delivery.message.own(), countOf(delivery));
      if (this.#settleRefused(entry, refusal, unit)) now.push(entry);
    }
    this.#putBackInTime(now);
  }

  /** Gives the message up when it is time, or notes how often it was delivered. @returns whether it stays */
  #settleRefused(entry: QueuedMessage, refusal: Refusal | null, unit: WriteUnit | null): boolean {
    const reason = this.#reasonToGiveUp(entry, refusal);
    if (reason !== null && this.#tryGiveUp(entry, reason, unit)) return false;
    const { clock } = this.#parts;
    let delayMs = refusal === null ? 0 : (refusal.delayMs ?? backoffMs(this.#options.backoff, entry.deliveryCount));
    if (reason !== null) delayMs = condemn(entry, reason);
    entry.notBeforeEpochMs = delayMs > 0 ? clock.epochMs() + delayMs : 0;
    this.#storage?.count(entry, unit);
    return true;
  }

  /** Now, or when their time has come. */
  #putBackInTime(entries: readonly QueuedMessage[]): void {
    if (this.#isClosed) return;
    const now: QueuedMessage[] = [];
    for (const entry of entries) {
      const delayMs = this.#delayOf(entry);
      if (delayMs > 0) this.#delay(entry, delayMs);
      else now.push(entry);
    }
    this.#backlog.putBack(now);
    for (const entry of now) {
      if (!entry.isWaiting) continue;
      this.#consumers.onPut(entry);
      this.#watchExpiry(entry);
    }
    this.#dispatch();
  }

  #reasonToGiveUp({ message, deliveryCount }: QueuedMessage, refusal: Refusal | null): DeadLetterReason | null {
    const { maxDeliveries, deadLetter } = this.#options;
    if (refusal?.requeue === false) return 'rejected';
    if (this.#isExpired(message)) return 'expired';
    // A dead letter has nowhere further to go: it stays until somebody takes it or rejects it.
    if (maxDeliveries === 0 || deliveryCount < maxDeliveries || deadLetter === this.destination) return null;
    return 'max-deliveries';
  }

  /** Now, or as soon as its dead-letter destination takes it: until then it stays here, and nobody gets it. */
  #giveUp(entry: QueuedMessage, reason: DeadLetterReason): void {
    if (!this.#tryGiveUp(entry, reason, null)) this.#delay(entry, condemn(entry, reason));
  }

  /**
   * @param given null: nobody waits until it is stored, and a store that fails brings the message back
   * @returns false when its dead-letter destination does not take it: nothing was done
   */
  #tryGiveUp(entry: QueuedMessage, reason: DeadLetterReason, given: WriteUnit | null): boolean {
    const { deadLetter, onExpiry, onFull } = this.#options;
    const isDropped =
      (reason === 'expired' && onExpiry === 'drop') || (reason === 'overflow' && onFull === 'drop-oldest');
    const unit = given ?? new WriteUnit(this.#parts.journal);
    const target = isDropped || deadLetter === false ? null : deadLetter;
    if (!this.#parts.deadLetters.giveUp(entry, this.destination, reason, target, unit)) return false;
    condemned.delete(entry);
    const undo = (): void => {
      // In a transaction it is pending again; elsewhere nobody else has it.
      if (!unit.holdsBack && !this.#isClosed) this.#delay(entry, STORE_RETRY_MS);
    };
    // Its letter may be stored where the message was not.
    if (entry.message.isStored && this.#storage !== null) this.#storage.remove(entry.message, unit, undo);
    else unit.then(null, undo);
    if (given === null) unit.submit()?.catch(() => undefined);
    return true;
  }
}

/** @returns how long it waits until it is tried again, in ms */
function condemn(entry: QueuedMessage, reason: DeadLetterReason): number {
  const before = condemned.get(entry)?.retryMs;
  const retryMs = before === undefined ? LETTER_RETRY_MS : Math.min(before * 2, MAX_LETTER_RETRY_MS);
  condemned.set(entry, { reason, retryMs });
  return retryMs + (entry.message.id % LETTER_RETRY_MS);
}
