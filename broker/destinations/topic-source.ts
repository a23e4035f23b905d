/**
 * Delivery to topic subscriptions, exact or by pattern: one for all topics, as it keeps nothing of a topic.
 * In the client ack modes a subscription whose window is full keeps what follows waiting, within its outbox's limits.
 * What it refuses comes to it again, as a topic has nobody else to give it to.
 */
import type { Delivery, ReturnedMessage } from '../delivery.js';
import type { Message } from '../message.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { Clock } from '../ports.js';
import { WheelTimer } from '../wheel-timer.js';
import { backoffMs, reasonToDrop, type Refusal } from './redelivery.js';

export interface TopicSourceParts {
  /** Octets that may wait for one subscription's window. */
  readonly maxWaitingBytes: number;
  /** The subscription's client acknowledges more slowly than messages arrive: it is to be ended. */
  readonly onOverflow: (subscription: Subscription) => void;
  /** As of queues: for what is refused. */
  readonly redelivery: Pick<QueueOptions, 'maxDeliveries' | 'backoff'>;
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
}

/** What a subscription is still to get, oldest first. */
interface Waiting {
  messages: ReturnedMessage[];
  bytes: number;
  /** Refused messages whose delay is not over. */
  readonly delayed: Set<WheelTimer>;
}

/** What topics hand their messages to: TopicSource, or InboxSource where users have an inbox. */
export interface LiveSource extends MessageSource {
  /** Passes by whoever does not want the message. */
  offer(subscription: Subscription, message: Message): void;
  /** The subscription is over. */
  end(subscription: Subscription): void;
}

export class TopicSource implements LiveSource {
  /** Of subscriptions in client modes that cannot get everything at once; few, so kept apart from the subscriptions. */
  readonly #waiting = new Map<Subscription, Waiting>();
  readonly #parts: TopicSourceParts;

  constructor(parts: TopicSourceParts) {
    this.#parts = parts;
  }

  offer(subscription: Subscription, message: Message): void {
    if (!subscription.accepts(message)) return;
    const { pending } = subscription;
    if (pending === null) subscription.outbox.enqueue(subscription, message);
    else if (pending.size < subscription.window && this.#isServed(subscription)) subscription.deliver(message, 1);
    else {
      const waiting = this.#waitingOf(subscription);
      waiting.messages.push({ message: message.own(), deliveryCount: 0 });
      this.#count(subscription, waiting, message);
    }
  }

  settled(subscription: Subscription, _deliveries: readonly Delivery[], unit: WriteUnit): void {
    unit.show(() => {
      this.ready(subscription);
    });
  }

  /** The subscription is gone, and with it the only one who was to get them. */
  returned(): void {
    // Nothing is kept of a topic.
  }

  refused(subscription: Subscription, deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): void {
    unit.show(() => {
      this.#takeBack(subscription, deliveries, refusal);
    });
  }

  #takeBack(subscription: Subscription, deliveries: readonly Delivery[], refusal: Refusal): void {
    const { stats, redelivery } = this.#parts;
    // Its subscription may have ended before COMMIT.
    if (subscription.source === null) return;
    const again: ReturnedMessage[] = [];
    for (const delivery of deliveries) {
      const { deliveryCount } = delivery;
      const reason = reasonToDrop(refusal, deliveryCount, redelivery.maxDeliveries);
      if (reason !== null) stats.givenUp[reason]++;
      else {
        const waitMs = refusal.delayMs ?? backoffMs(redelivery.backoff, deliveryCount);
        if (waitMs > 0) this.#delay(subscription, delivery, waitMs);
        else again.push(delivery);
      }
    }
    if (again.length > 0) this.#putBack(subscription, again);
    this.ready(subscription);
  }

  ready(subscription: Subscription): void {
    const waiting = this.#waiting.get(subscription);
    if (waiting === undefined) return;
    const room = subscription.window - (subscription.pending?.size ?? 0);
    for (const { message, deliveryCount } of waiting.messages.splice(0, Math.max(room, 0))) {
      waiting.bytes -= message.weightBytes;
      if (deliveryCount > 0) this.#parts.stats.redelivered++;
      subscription.deliver(message, deliveryCount + 1);
    }
    if (waiting.messages.length === 0 && waiting.delayed.size === 0) this.#waiting.delete(subscription);
  }

  end(subscription: Subscription): void {
    for (const timer of this.#waiting.get(subscription)?.delayed ?? []) this.#parts.wheel.cancel(timer);
    this.#waiting.delete(subscription);
    subscription.source = null;
  }

  /** Adds to each session's octets what waits for its windows. */
  addWaiting(bytesOf: Map<string, number>): void {
    for (const [{ sessionId }, { bytes }] of this.#waiting) {
      bytesOf.set(sessionId, (bytesOf.get(sessionId) ?? 0) + bytes);
    }
  }

  /** Nothing waits in front. */
  #isServed(subscription: Subscription): boolean {
    const waiting = this.#waiting.get(subscription);
    return waiting === undefined || waiting.messages.length === 0;
  }

  #waitingOf(subscription: Subscription): Waiting {
    let waiting = this.#waiting.get(subscription);
    if (waiting === undefined) {
      this.#waiting.set(subscription, (waiting = { messages: [], bytes: 0, delayed: new Set() }));
    }
    return waiting;
  }

  #putBack(subscription: Subscription, again: readonly ReturnedMessage[]): void {
    const waiting = this.#waitingOf(subscription);
    waiting.messages = [...again, ...waiting.messages].sort((a, b) => a.message.id - b.message.id);
    for (const { message } of again) this.#count(subscription, waiting, message);
  }

  #delay(subscription: Subscription, { message, deliveryCount }: Delivery, delayMs: number): void {
    const { wheel, clock } = this.#parts;
    const { delayed } = this.#waitingOf(subscription);
    const timer = new WheelTimer(() => {
      delayed.delete(timer);
      this.#putBack(subscription, [{ message, deliveryCount }]);
      this.ready(subscription);
    });
    delayed.add(timer);
    wheel.schedule(timer, clock.nowMs() + delayMs);
  }

  #count(subscription: Subscription, waiting: Waiting, message: Message): void {
    waiting.bytes += message.weightBytes;
    if (waiting.bytes > this.#parts.maxWaitingBytes) this.#parts.onOverflow(subscription);
  }
}
