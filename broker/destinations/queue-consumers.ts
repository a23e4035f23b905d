/**
 * Who takes a queue's messages: subscriptions in turn, among those that can take one. While an exclusive one lives it is
 * the only one; the next exclusive one takes over, then everybody.
 */
import type { Message } from '../message.js';
import type { Subscription } from '../subscription.js';
import { BacklogCursor } from './backlog-cursor.js';
import type { QueueBacklog, QueuedMessage } from './queue-backlog.js';

export class QueueConsumers {
  /** In the order they came; null in the place of one that left: closing the gap each time would be quadratic. */
  #subscriptions: (Subscription | null)[] = [];
  #size = 0;
  /** In the order they came; null until the first: few queues have one. */
  #exclusive: Subscription[] | null = null;
  /** Of those with a selector; null until the first. */
  #cursors: Map<Subscription, BacklogCursor> | null = null;
  #turn = 0;

  get size(): number {
    return this.#size;
  }

  /** In the order they came. */
  get all(): Subscription[] {
    return this.#subscriptions.filter((subscription) => subscription !== null);
  }

  /** Messages may wait although somebody can take one. */
  get hasSelectors(): boolean {
    return this.#cursors !== null;
  }

  get hasExclusive(): boolean {
    return this.#exclusive !== null;
  }

  /** Whether an exclusive one does not keep everything from it. */
  mayTake(subscription: Subscription): boolean {
    return this.#exclusive === null || this.#exclusive[0] === subscription;
  }

  /** Those without a selector that may take something when they can. */
  *unselective(): Iterable<Subscription> {
    for (const subscription of this.#exclusive?.slice(0, 1) ?? this.#subscriptions) {
      if (subscription !== null && subscription.selector === null) yield subscription;
    }
  }

  add(subscription: Subscription): void {
    subscription.routeIndex = this.#subscriptions.length;
    this.#subscriptions.push(subscription);
    this.#size++;
    if (subscription.isExclusive) (this.#exclusive ??= []).push(subscription);
    if (subscription.selector !== null) {
      (this.#cursors ??= new Map()).set(subscription, new BacklogCursor(subscription));
    }
  }

  remove(subscription: Subscription): void {
    if (this.#subscriptions[subscription.routeIndex] !== subscription) return;
    this.#subscriptions[subscription.routeIndex] = null;
    subscription.routeIndex = -1;
    if (--this.#size * 2 < this.#subscriptions.length) this.#closeGaps();
    if (this.#cursors?.delete(subscription) === true && this.#cursors.size === 0) this.#cursors = null;
    if (!subscription.isExclusive || this.#exclusive === null) return;
    const left = this.#exclusive.filter((other) => other !== subscription);
    this.#exclusive = left.length === 0 ? null : left;
  }

  /** The next in turn that can take this very message. */
  nextFor(message: Message): Subscription | null {
    return this.hasSelectors ? this.next((subscription) => subscription.accepts(message)) : this.next();
  }

  /**
   * The next in turn that can take a message; those that are backed up ask to be told when they can.
   * @param wants asked about those that can
   */
  next(wants: ((subscription: Subscription) => boolean) | null = null): Subscription | null {
    const only = this.#exclusive?.[0];
    if (only !== undefined) return canTake(only) && (wants === null || wants(only)) ? only : null;
    const count = this.#subscriptions.length;
    for (let k = 0; k < count; k++) {
      const index = (this.#turn + k) % count;
      const subscription = this.#subscriptions[index] ?? null;
      if (subscription === null || !canTake(subscription) || (wants !== null && !wants(subscription))) continue;
      // Behind the last: whoever comes next is next.
      this.#turn = index + 1;
      return subscription;
    }
    return null;
  }

  #closeGaps(): void {
    const left: Subscription[] = [];
    let turn = 0;
    for (const [index, subscription] of this.#subscriptions.entries()) {
      if (subscription === null) continue;
      if (index < this.#turn) turn++;
      subscription.routeIndex = left.length;
      left.push(subscription);
    }
    this.#subscriptions = left;
    this.#turn = turn;
  }

  /**
   * The message that the subscription is to get next, when one waits that it wants.
   * @param isEnough asked behind each that it does not want: whether the rest is to be looked at later
   */
  wanted(subscription: Subscription, backlog: QueueBacklog, isEnough: () => boolean): QueuedMessage | undefined {
    const cursor = this.#cursors?.get(subscription);
    return cursor === undefined ? backlog.head : cursor.next(backlog, isEnough);
  }

  /** A message was put into the backlog. */
  onPut(entry: QueuedMessage): void {
    if (this.#cursors === null) return;
    for (const cursor of this.#cursors.values()) cursor.onPut(entry);
  }
}

/** Those that are backed up ask to be told when they can. */
export function canTake(subscription: Subscription): boolean {
  if (subscription.canTake) return true;
  if (!subscription.outbox.hasRoom) subscription.outbox.hold(subscription);
  return false;
}
