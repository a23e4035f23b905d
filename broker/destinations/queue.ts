/**
 * A queue: each message goes to one subscription, in turn among those that can take one, and is kept while none can
 * (DESIGN D2). In memory and bounded. What a client did not consume returns to its old place, marked `redelivered`.
 */
import { BrokerError } from '../errors.js';
import { quoteInput } from '../../protocol/index.js';
import type { Message } from '../message.js';
import type { Delivery, ReturnedMessage } from '../delivery.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { Route } from './route.js';

export interface QueueLimits {
  readonly maxQueueMessages: number;
  readonly maxQueueBytes: number;
}

const COMPACT_AT = 1024;

export class Queue implements Route, MessageSource {
  readonly kind = 'queue';
  readonly isDirect = true;
  readonly destination: string;
  isLive = true;
  readonly #limits: QueueLimits;
  readonly #subscriptions: Subscription[] = [];
  /** Oldest first from `#first`; by message number, which is the order of publication. */
  #messages: ReturnedMessage[] = [];
  #first = 0;
  #bytes = 0;
  /** Delivered and not settled. */
  #unsettled = 0;
  #turn = 0;
  #isDispatching = false;

  constructor(destination: string, limits: QueueLimits) {
    this.destination = destination;
    this.#limits = limits;
  }

  get subscriberCount(): number {
    return this.#subscriptions.length;
  }

  /** Messages that wait for a subscription. */
  get depth(): number {
    return this.#messages.length - this.#first;
  }

  get isIdle(): boolean {
    return this.#subscriptions.length === 0 && this.depth === 0 && this.#unsettled === 0;
  }

  publish(message: Message): void {
    if (this.depth === 0) {
      const subscription = this.#next();
      if (subscription !== null) {
        this.#give(subscription, message, 1);
        return;
      }
    }
    this.checkRoom(1, message.weightBytes);
    this.#messages.push({ message: message.own(), deliveryCount: 0 });
    this.#bytes += message.weightBytes;
  }

  /** @throws BrokerError `queue-full` when so much more could not be kept */
  checkRoom(messages: number, bytes: number): void {
    const { maxQueueMessages, maxQueueBytes } = this.#limits;
    if (this.depth + messages <= maxQueueMessages && this.#bytes + bytes <= maxQueueBytes) return;
    throw new BrokerError(
      'queue-full',
      `Queue ${quoteInput(this.destination, 120)} is full: ${this.depth} messages, ${this.#bytes} octets`,
    );
  }

  add(subscription: Subscription): void {
    subscription.source = this;
    subscription.routeIndex = this.#subscriptions.length;
    this.#subscriptions.push(subscription);
    this.#dispatch();
  }

  remove(subscription: Subscription): void {
    const index = this.#subscriptions.indexOf(subscription);
    if (index >= 0) this.#subscriptions.splice(index, 1);
    if (index < this.#turn) this.#turn--;
    subscription.routeIndex = -1;
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    const pending = subscription.pending?.takeAll() ?? [];
    this.#unsettled -= pending.length;
    this.#putBack([...pending, ...unsent]);
  }

  settled(_subscription: Subscription, deliveries: readonly Delivery[]): void {
    this.#unsettled -= deliveries.length;
    this.#dispatch();
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    this.#unsettled -= deliveries.length;
    this.#putBack(deliveries);
  }

  ready(): void {
    this.#dispatch();
  }

  #give(subscription: Subscription, message: Message, deliveryCount: number): void {
    if (subscription.pending !== null) this.#unsettled++;
    subscription.deliver(message, deliveryCount);
  }

  /** The next subscription in turn that can take a message. */
  #next(): Subscription | null {
    const count = this.#subscriptions.length;
    for (let k = 0; k < count; k++) {
      const index = (this.#turn + k) % count;
      const subscription = this.#subscriptions[index] as Subscription;
      if (subscription.canTake) {
        this.#turn = (index + 1) % count;
        return subscription;
      }
      if (!subscription.outbox.hasRoom) subscription.outbox.hold(subscription);
    }
    return null;
  }

  #dispatch(): void {
    // A delivery can end in `ready` of this very queue.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    for (let entry = this.#messages[this.#first]; entry !== undefined; entry = this.#messages[this.#first]) {
      const subscription = this.#next();
      if (subscription === null) break;
      this.#shift(entry);
      this.#give(subscription, entry.message, entry.deliveryCount + 1);
    }
    this.#isDispatching = false;
  }

  #shift(entry: ReturnedMessage): void {
    this.#bytes -= entry.message.weightBytes;
    this.#first++;
    if (this.#first === this.#messages.length) {
      this.#messages = [];
      this.#first = 0;
    } else if (this.#first >= COMPACT_AT && this.#first * 2 > this.#messages.length) {
      this.#messages.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** To the place that publication gave them: the head, unless others older than they came back before. */
  #putBack(returned: readonly ReturnedMessage[]): void {
    if (returned.length > 0) {
      for (const { message } of returned) this.#bytes += message.own().weightBytes;
      const waiting = this.#messages.slice(this.#first);
      this.#first = 0;
      const entries = returned.map(({ message, deliveryCount }) => ({ message, deliveryCount }));
      // Nearly sorted already, which is what the engine's sort is quick at.
      this.#messages = [...entries, ...waiting].sort(byAge);
    }
    this.#dispatch();
  }
}

function byAge(a: ReturnedMessage, b: ReturnedMessage): number {
  return a.message.id - b.message.id;
}
