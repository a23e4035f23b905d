/**
 * Who takes a queue's messages: subscriptions in turn, among those that can take one. While an exclusive one lives it is
 * the only one; the next exclusive one takes over, then everybody.
 */
import type { Subscription } from '../subscription.js';

export class QueueConsumers {
  readonly #subscriptions: Subscription[] = [];
  /** In the order they came; null until the first: few queues have one. */
  #exclusive: Subscription[] | null = null;
  #turn = 0;

  get size(): number {
    return this.#subscriptions.length;
  }

  add(subscription: Subscription): void {
    subscription.routeIndex = this.#subscriptions.length;
    this.#subscriptions.push(subscription);
    if (subscription.isExclusive) (this.#exclusive ??= []).push(subscription);
  }

  remove(subscription: Subscription): void {
    const index = this.#subscriptions.indexOf(subscription);
    if (index < 0) return;
    this.#subscriptions.splice(index, 1);
    if (index < this.#turn) this.#turn--;
    subscription.routeIndex = -1;
    if (!subscription.isExclusive || this.#exclusive === null) return;
    const left = this.#exclusive.filter((other) => other !== subscription);
    this.#exclusive = left.length === 0 ? null : left;
  }

  /** The next in turn that can take a message; those that are backed up ask to be told when they can. */
  next(): Subscription | null {
    const only = this.#exclusive?.[0];
    if (only !== undefined) return canTake(only) ? only : null;
    const count = this.#subscriptions.length;
    for (let k = 0; k < count; k++) {
      const index = (this.#turn + k) % count;
      const subscription = this.#subscriptions[index] as Subscription;
      if (!canTake(subscription)) continue;
      this.#turn = (index + 1) % count;
      return subscription;
    }
    return null;
  }
}

function canTake(subscription: Subscription): boolean {
  if (subscription.canTake) return true;
  if (!subscription.outbox.hasRoom) subscription.outbox.hold(subscription);
  return false;
}
