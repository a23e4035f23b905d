/**
 * What this node has claimed of a queue that nodes share, on its way to the consumers here: it waits for one that has room, and
 * of those in auto mode it is settled when it has left.
 */
import { GivenMessages } from '../destinations/given-messages.js';
import type { QueueConsumers } from '../destinations/queue-consumers.js';
import type { QueuePolicy } from '../destinations/queue-policy.js';
import type { Message } from '../message.js';
import type { BrokerStats } from '../stats.js';
import type { Subscription } from '../subscription.js';
import type { Claimed, HeldMessages } from './held-messages.js';
import type { SharedClaims } from './shared-claims.js';
import type { SharedGivingUp } from './shared-giving-up.js';

export interface SharedDeliveriesParts {
  readonly stats: BrokerStats;
  readonly policy: QueuePolicy;
  readonly consumers: QueueConsumers;
  readonly held: HeldMessages;
  readonly claims: SharedClaims;
  readonly givingUp: SharedGivingUp;
}

const NO_MESSAGES: ReadonlySet<Message> = new Set();

export class SharedDeliveries {
  readonly #parts: SharedDeliveriesParts;
  readonly #given = new GivenMessages();
  /** For consumers that had enough meanwhile. */
  #here: Claimed[] = [];
  #isDispatching = false;

  constructor(parts: SharedDeliveriesParts) {
    this.#parts = parts;
  }

  /** Those that wait for a consumer with room. */
  get waiting(): number {
    return this.#here.length;
  }

  /** One more, for whoever is next; `dispatch` is to follow. */
  push(entry: Claimed): void {
    this.#here.push(entry);
  }

  /** Until nothing is here, or nobody can take it. */
  dispatch(): void {
    // A delivery can end in `ready` of this very queue.
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    const { policy, consumers, claims, givingUp } = this.#parts;
    let given = 0;
    for (const entry of this.#here) {
      const subscription = consumers.nextFor(entry.message);
      if (subscription === null && !consumers.hasSelectors) break;
      given++;
      if (policy.isExpired(entry.message)) givingUp.giveUp(entry, 'expired', null);
      else if (subscription === null) claims.giveBack(entry, 0);
      else this.give(subscription, entry);
    }
    this.#here.splice(0, given);
    this.#isDispatching = false;
  }

  give(subscription: Subscription, { message, deliveryCount }: Claimed): void {
    if (deliveryCount > 0) this.#parts.stats.redelivered++;
    subscription.deliver(message, deliveryCount + 1);
    if (subscription.pending === null) this.#given.add(subscription, message);
  }

  /** The outbox has written something: what has left is settled. */
  settleSent(subscription: Subscription): void {
    for (const message of this.#given.takeSent(subscription)) this.#parts.held.settle(message);
  }

  /** The subscription ends; `unsent` never left, everything else given to it in auto mode did. */
  end(subscription: Subscription, unsent: ReadonlySet<Message>): void {
    for (const message of this.#given.end(subscription, unsent)) this.#parts.held.settle(message);
  }

  /** Nobody is left to take what waits. */
  giveBack(): void {
    for (const entry of this.#here.splice(0)) this.#parts.claims.giveBack(entry, 0);
  }

  /** Nothing of it is this node's any more: clients keep what they have been sent. */
  forfeit(): void {
    this.clear();
    for (const subscription of this.#parts.consumers.all) {
      subscription.outbox.takeUnsent(subscription);
      this.#given.end(subscription, NO_MESSAGES);
      const { pending } = subscription;
      pending?.restore(pending.takeAll().filter(({ wasSent }) => wasSent));
    }
  }

  clear(): void {
    this.#here = [];
  }
}
