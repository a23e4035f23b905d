/**
 * A topic: every subscription that matches gets each message published while it is subscribed.
 * In the client ack modes a subscription whose window is full keeps what follows waiting, within its outbox's limits.
 */
import type { Message } from '../message.js';
import type { GivingWay } from '../overflow-policy.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { ReturnedMessage } from '../delivery.js';
import type { Route } from './route.js';
import type { SubscriptionIndex } from './subscription-index.js';

export class Topic implements Route {
  readonly kind = 'topic';
  readonly isDirect = true;
  readonly destination: string;
  isLive = true;
  readonly #patterns: SubscriptionIndex<Subscription>;
  readonly #source: TopicSource;
  readonly #subscriptions: Subscription[] = [];
  /** Pattern subscriptions that match, good for one version of the index. */
  #matched: readonly Subscription[] = [];
  #matchedVersion = -1;

  /** Null: messages wait, and who reads too slowly is cut. */
  readonly #givingWay: GivingWay | null;

  constructor(
    destination: string,
    patterns: SubscriptionIndex<Subscription>,
    source: TopicSource,
    givingWay: GivingWay | null = null,
  ) {
    this.#givingWay = givingWay;
    this.destination = destination;
    this.#patterns = patterns;
    this.#source = source;
  }

  get subscriberCount(): number {
    return this.#subscriptions.length;
  }

  get isIdle(): boolean {
    return this.#subscriptions.length === 0;
  }

  publish(message: Message): void {
    this.#offerTo(this.#subscriptions, message);
    if (this.#matchedVersion !== this.#patterns.version) {
      this.#matched = this.#patterns.match(this.destination);
      this.#matchedVersion = this.#patterns.version;
    }
    this.#offerTo(this.#matched, message);
  }

  #offerTo(subscriptions: readonly Subscription[], message: Message): void {
    const givingWay = this.#givingWay;
    if (givingWay === null) {
      for (const subscription of subscriptions) this.#source.offer(subscription, message);
      return;
    }
    for (const subscription of subscriptions) {
      // In the client ack modes the window decides: what is pending cannot give way.
      if (subscription.pending !== null) this.#source.offer(subscription, message);
      else subscription.outbox.enqueueReplaceable(subscription, message, givingWay, this.destination);
    }
  }

  add(subscription: Subscription): void {
    subscription.source = this.#source;
    subscription.routeIndex = this.#subscriptions.length;
    this.#subscriptions.push(subscription);
  }

  remove(subscription: Subscription): void {
    const last = this.#subscriptions.pop() as Subscription;
    if (last !== subscription) {
      this.#subscriptions[subscription.routeIndex] = last;
      last.routeIndex = subscription.routeIndex;
    }
    subscription.routeIndex = -1;
    this.#source.end(subscription);
  }
}

/** What a full window keeps back, oldest first. */
interface Waiting {
  readonly messages: Message[];
  bytes: number;
}

/** Delivery to topic subscriptions, exact or by pattern: one for all topics, as it keeps nothing of a topic. */
export class TopicSource implements MessageSource {
  /** Messages of subscriptions in client modes whose window is full; few, so kept apart from the subscriptions. */
  readonly #waiting = new Map<Subscription, Waiting>();
  readonly #maxWaitingBytes: number;
  readonly #onOverflow: (subscription: Subscription) => void;

  /** @param onOverflow the subscription's client acknowledges more slowly than messages arrive: it is to be ended */
  constructor(maxWaitingBytes: number, onOverflow: (subscription: Subscription) => void) {
    this.#maxWaitingBytes = maxWaitingBytes;
    this.#onOverflow = onOverflow;
  }

  offer(subscription: Subscription, message: Message): void {
    const { pending } = subscription;
    if (pending === null) subscription.outbox.enqueue(subscription, message);
    else if (pending.size < subscription.window && !this.#waiting.has(subscription)) subscription.deliver(message, 1);
    else this.#wait(subscription, message);
  }

  settled(subscription: Subscription): void {
    this.ready(subscription);
  }

  /** A topic has nobody else to give a refused message to: NACK settles it. */
  returned(subscription: Subscription, _deliveries: readonly ReturnedMessage[], cause: 'nack' | 'gone'): void {
    if (cause === 'nack') this.ready(subscription);
  }

  ready(subscription: Subscription): void {
    const waiting = this.#waiting.get(subscription);
    if (waiting === undefined) return;
    const room = subscription.window - (subscription.pending?.size ?? 0);
    for (const message of waiting.messages.splice(0, Math.max(room, 0))) {
      waiting.bytes -= message.weightBytes;
      subscription.deliver(message, 1);
    }
    if (waiting.messages.length === 0) this.#waiting.delete(subscription);
  }

  end(subscription: Subscription): void {
    this.#waiting.delete(subscription);
    subscription.source = null;
  }

  #wait(subscription: Subscription, message: Message): void {
    let waiting = this.#waiting.get(subscription);
    if (waiting === undefined) this.#waiting.set(subscription, (waiting = { messages: [], bytes: 0 }));
    waiting.messages.push(message.own());
    waiting.bytes += message.weightBytes;
    if (waiting.bytes > this.#maxWaitingBytes) this.#onOverflow(subscription);
  }
}
