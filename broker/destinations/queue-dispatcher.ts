/** Gives what waits in a queue to its consumers, in turn among those that can take something, as far as a turn has time. */
import type { Message } from '../message.js';
import type { BrokerStats } from '../stats.js';
import type { Subscription } from '../subscription.js';
import { workload, WORTH_A_LOOK, type TurnBudget } from '../turn-budget.js';
import type { GivingUp } from './giving-up.js';
import { DONE_AT_ONCE, type PutOffWork } from './put-off-work.js';
import type { QueuedMessage } from './queue-backlog.js';
import type { QueueConsumers } from './queue-consumers.js';
import type { QueuePolicy } from './queue-policy.js';
import type { QueueStorage } from './queue-storage.js';
import type { TakingBack } from './taking-back.js';
import type { WaitingMessages } from './waiting-messages.js';

export interface QueueDispatcherParts {
  readonly stats: BrokerStats;
  readonly turns: TurnBudget;
  readonly later: PutOffWork;
  readonly policy: QueuePolicy;
  readonly consumers: QueueConsumers;
  readonly waiting: WaitingMessages;
  readonly givingUp: GivingUp;
  readonly takingBack: TakingBack;
  /** Null: nothing is stored. */
  readonly storage: QueueStorage | null;
}

export class QueueDispatcher {
  /** Delivered and not settled. */
  unsettled = 0;
  readonly #stats: BrokerStats;
  readonly #turns: TurnBudget;
  readonly #later: PutOffWork;
  readonly #policy: QueuePolicy;
  readonly #consumers: QueueConsumers;
  readonly #waiting: WaitingMessages;
  readonly #givingUp: GivingUp;
  readonly #takingBack: TakingBack;
  readonly #storage: QueueStorage | null;
  #isDispatching = false;

  constructor(parts: QueueDispatcherParts) {
    this.#stats = parts.stats;
    this.#turns = parts.turns;
    this.#later = parts.later;
    this.#policy = parts.policy;
    this.#consumers = parts.consumers;
    this.#waiting = parts.waiting;
    this.#givingUp = parts.givingUp;
    this.#takingBack = parts.takingBack;
    this.#storage = parts.storage;
  }

  give(subscription: Subscription, message: Message, deliveryCount: number): void {
    if (subscription.pending !== null) this.unsettled++;
    if (deliveryCount > 1) this.#stats.redelivered++;
    subscription.deliver(message, deliveryCount);
    this.#storage?.given(subscription, message);
  }

  /** Until nothing waits, or nobody can take anything that does. */
  dispatch(): void {
    // A delivery can end in `ready` of this very queue; and what comes back stands in front of what waits.
    if (this.#isDispatching || this.#takingBack.isUnderWay) return;
    this.#isDispatching = true;
    if (this.#consumers.hasSelectors) this.#giveWhatIsWanted();
    else this.#giveInOrder();
    this.#isDispatching = false;
  }

  #giveInOrder(): void {
    const { backlog } = this.#waiting;
    let given = 0;
    for (let entry = backlog.head; entry !== undefined; entry = backlog.head) {
      if (++given % DONE_AT_ONCE === 0) {
        if (given === DONE_AT_ONCE) this.#turns.enter();
        workload.units += WORTH_A_LOOK;
        if (this.#later.putsOff()) return;
      }
      if (this.#policy.isExpired(entry.message)) {
        this.#expire(entry);
        continue;
      }
      const subscription = this.#consumers.next();
      if (subscription === null) break;
      this.#waiting.take(entry);
      this.give(subscription, entry.message, entry.deliveryCount + 1);
    }
  }

  /** In turn, each its own next message, until nobody who is ready wants what waits. */
  #giveWhatIsWanted(): void {
    const wants = (subscription: Subscription): boolean => this.#wanted(subscription) !== undefined;
    this.#turns.enter();
    while (this.#waiting.backlog.size > 0 && !this.#later.putsOff()) {
      workload.units += WORTH_A_LOOK / DONE_AT_ONCE;
      const subscription = this.#consumers.next(wants);
      const entry = subscription === null ? undefined : this.#wanted(subscription);
      if (subscription === null || entry === undefined) return;
      this.#waiting.take(entry);
      this.give(subscription, entry.message, entry.deliveryCount + 1);
    }
  }

  #wanted(subscription: Subscription): QueuedMessage | undefined {
    for (;;) {
      const entry = this.#consumers.wanted(subscription, this.#waiting.backlog, this.#hasLookedEnough);
      if (entry === undefined || !this.#policy.isExpired(entry.message)) return entry;
      this.#expire(entry);
    }
  }

  readonly #hasLookedEnough = (): boolean => this.#later.putsOff();

  #expire(entry: QueuedMessage): void {
    this.#waiting.take(entry);
    this.#givingUp.giveUp(entry, 'expired');
  }
}
