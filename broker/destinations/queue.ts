/**
 * A queue: each message goes to one subscription, in turn among those that can take one, and is kept while none can
 * (DESIGN D2, D3). In memory and bounded. What a client did not consume returns to its old place, marked `redelivered`,
 * or is given up after so many deliveries.
 */
import { BrokerError } from '../errors.js';
import { quoteInput } from '../../protocol/index.js';
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import type { Message } from '../message.js';
import type { Clock } from '../ports.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { DeadLetterReason } from './dead-letter-reason.js';
import type { DeadLetters } from './dead-letters.js';
import { DEFAULT_TERMS, readTerms } from './message-terms.js';
import { QueueBacklog, QueuedMessage } from './queue-backlog.js';
import { QueueConsumers } from './queue-consumers.js';
import { QueueTimer } from './queue-timer.js';
import { backoffMs, type Refusal } from './redelivery.js';
import type { Route } from './route.js';

/** What all queues share. */
export interface QueueParts {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
}

export class Queue implements Route, MessageSource {
  readonly kind = 'queue';
  readonly isDirect = true;
  readonly destination: string;
  isLive = true;
  readonly #options: QueueOptions;
  readonly #parts: QueueParts;
  readonly #consumers = new QueueConsumers();
  readonly #backlog = new QueueBacklog();
  /** Messages whose time has not come; they count towards the bounds. */
  #delayed = 0;
  #delayedBytes = 0;
  /** Delivered and not settled. */
  #unsettled = 0;
  #isDispatching = false;

  constructor(destination: string, options: QueueOptions, parts: QueueParts) {
    this.destination = destination;
    this.#options = options;
    this.#parts = parts;
  }

  get subscriberCount(): number {
    return this.#consumers.size;
  }

  /** Messages that wait, for a subscription or for their time. */
  get depth(): number {
    return this.#backlog.size + this.#delayed;
  }

  get #bytes(): number {
    return this.#backlog.bytes + this.#delayedBytes;
  }

  get isIdle(): boolean {
    return this.#consumers.size === 0 && this.depth === 0 && this.#unsettled === 0;
  }

  /** @throws BrokerError `queue-full`, `header-invalid` */
  publish(message: Message): void {
    const entry = new QueuedMessage(message, 0);
    const delayMs = this.#setTerms(message);
    if (this.#isExpired(message)) {
      this.#giveUp(entry, 'expired');
      return;
    }
    // With selectors, what waits is what nobody who is ready wants: a new message passes nothing that was before it.
    if (delayMs === 0 && (this.#backlog.size === 0 || this.#consumers.hasSelectors)) {
      const subscription = this.#consumers.nextFor(message);
      if (subscription !== null) {
        this.#give(subscription, message, 1);
        return;
      }
    }
    this.#makeRoom(message.weightBytes);
    message.own();
    if (delayMs > 0) this.#delay(entry, delayMs);
    else this.#put(entry);
  }

  /** @throws BrokerError `queue-full` when so much more could not be kept */
  checkRoom(messages: number, bytes: number): void {
    const { maxMessages, maxBytes, onFull } = this.#options;
    // What waits for its time cannot give way: that was promised.
    const [messagesKept, bytesKept] =
      onFull === 'refuse' ? [this.depth, this.#bytes] : [this.#delayed, this.#delayedBytes];
    if (messagesKept + messages <= maxMessages && bytesKept + bytes <= maxBytes) return;
    this.#parts.stats.queueFull++;
    throw new BrokerError(
      'queue-full',
      `Queue ${quoteInput(this.destination, 120)} is full: ${this.depth} messages, ${this.#bytes} octets`,
    );
  }

  add(subscription: Subscription): void {
    subscription.source = this;
    this.#consumers.add(subscription);
    this.#dispatch();
  }

  remove(subscription: Subscription): void {
    this.#consumers.remove(subscription);
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    const pending = subscription.pending?.takeAll() ?? [];
    this.#unsettled -= pending.length;
    this.#takeBack([...pending, ...unsent], null);
  }

  settled(_subscription: Subscription, deliveries: readonly Delivery[]): void {
    this.#unsettled -= deliveries.length;
    this.#dispatch();
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    this.#unsettled -= deliveries.length;
    this.#takeBack(deliveries, null);
  }

  refused(_subscription: Subscription, deliveries: readonly Delivery[], refusal: Refusal): void {
    this.#unsettled -= deliveries.length;
    this.#takeBack(deliveries, refusal);
  }

  ready(): void {
    this.#dispatch();
  }

  /** Reads what the sender asks for. Returns how long the message is to wait, in ms. @throws BrokerError `header-invalid` */
  #setTerms(message: Message): number {
    const { ttlMs } = this.#options;
    if (message.decodedHeaders === null && ttlMs === 0) {
      message.terms = DEFAULT_TERMS;
      return 0;
    }
    const epochMs = this.#parts.clock.epochMs();
    const terms = readTerms(message.decodedHeaders, epochMs);
    const ownEnd = terms.expiresEpochMs === 0 ? Infinity : terms.expiresEpochMs;
    const end = ttlMs === 0 ? ownEnd : Math.min(ownEnd, epochMs + ttlMs);
    message.terms = { ...terms, expiresEpochMs: end === Infinity ? 0 : end };
    return Math.max(0, terms.notBeforeEpochMs - epochMs);
  }

  #isExpired({ terms }: Message): boolean {
    if (terms === null || terms.expiresEpochMs === 0) return false;
    return terms.expiresEpochMs <= this.#parts.clock.epochMs();
  }

  /** By the policy for a full queue. @throws BrokerError `queue-full` */
  #makeRoom(bytes: number): void {
    const { maxMessages, maxBytes } = this.#options;
    this.checkRoom(1, bytes);
    while (this.depth + 1 > maxMessages || this.#bytes + bytes > maxBytes) {
      const oldest = this.#backlog.leastWanted;
      if (oldest === undefined) return;
      this.#take(oldest);
      this.#giveUp(oldest, 'overflow');
    }
  }

  #give(subscription: Subscription, message: Message, deliveryCount: number): void {
    if (subscription.pending !== null) this.#unsettled++;
    if (deliveryCount > 1) this.#parts.stats.redelivered++;
    subscription.deliver(message, deliveryCount);
  }

  #dispatch(): void {
    // A delivery can end in `ready` of this very queue.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    if (this.#consumers.hasSelectors) this.#giveWhatIsWanted();
    else this.#giveInOrder();
    this.#isDispatching = false;
  }

  #giveInOrder(): void {
    for (let entry = this.#backlog.head; entry !== undefined; entry = this.#backlog.head) {
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
    while (this.#backlog.size > 0) {
      const subscription = this.#consumers.next(wants);
      const entry = subscription === null ? undefined : this.#wanted(subscription);
      if (subscription === null || entry === undefined) return;
      this.#take(entry);
      this.#give(subscription, entry.message, entry.deliveryCount + 1);
    }
  }

  #wanted(subscription: Subscription): QueuedMessage | undefined {
    for (;;) {
      const entry = this.#consumers.wanted(subscription, this.#backlog);
      if (entry === undefined || !this.#isExpired(entry.message)) return entry;
      this.#take(entry);
      this.#giveUp(entry, 'expired');
    }
  }

  #put(entry: QueuedMessage): void {
    this.#backlog.put(entry);
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
    entry.expiry = new QueueTimer(() => {
      if (!entry.isWaiting) return;
      this.#take(entry);
      this.#giveUp(entry, 'expired');
    });
    this.#schedule(entry.expiry, expiresEpochMs - this.#parts.clock.epochMs());
  }

  #delay(entry: QueuedMessage, delayMs: number): void {
    this.#delayed++;
    this.#delayedBytes += entry.message.weightBytes;
    const timer = new QueueTimer(() => {
      this.#delayed--;
      this.#delayedBytes -= entry.message.weightBytes;
      this.#backlog.putBack([entry]);
      this.#consumers.onPut(entry);
      this.#watchExpiry(entry);
      this.#dispatch();
    });
    this.#schedule(timer, delayMs);
  }

  #schedule(timer: QueueTimer, inMs: number): void {
    const { wheel, clock } = this.#parts;
    // Not the wheel's coarse clock, which may be behind: too early would be a broken promise.
    wheel.schedule(timer, clock.nowMs() + Math.max(inMs, 1));
  }

  /**
   * To the place that publication gave them: the head, unless others older than they came back before. Those that were
   * delivered too often, refused for good or whose time is over are given up.
   * @param refusal null when the client did not say that it does not want them
   */
  #takeBack(returned: readonly ReturnedMessage[], refusal: Refusal | null): void {
    const now: QueuedMessage[] = [];
    for (const delivery of returned) {
      const entry = new QueuedMessage(delivery.message.own(), countOf(delivery));
      const reason = this.#reasonToGiveUp(entry, refusal);
      const delayMs = refusal === null ? 0 : (refusal.delayMs ?? backoffMs(this.#options.backoff, entry.deliveryCount));
      if (reason !== null) this.#giveUp(entry, reason);
      else if (delayMs > 0) this.#delay(entry, delayMs);
      else now.push(entry);
    }
    this.#backlog.putBack(now);
    for (const entry of now) {
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

  #giveUp(entry: QueuedMessage, reason: DeadLetterReason): void {
    const { deadLetter, onExpiry, onFull } = this.#options;
    const isDropped =
      (reason === 'expired' && onExpiry === 'drop') || (reason === 'overflow' && onFull === 'drop-oldest');
    this.#parts.deadLetters.giveUp(
      entry,
      this.destination,
      reason,
      isDropped || deadLetter === false ? null : deadLetter,
    );
  }
}
