/**
 * How a queue takes messages back: what a client refused, and what it had when its subscription ended. Each goes to its old
 * place, now or when its time has come, or is given up. Of many, the rest is done when there is time.
 */
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import type { Clock } from '../ports.js';
import type { WriteUnit } from '../storage/write-unit.js';
import { PLAIN_FRAME_UNITS, workload, WORTH_A_LOOK, type TurnBudget } from '../turn-budget.js';
import { condemn, type GivingUp } from './giving-up.js';
import { DONE_AT_ONCE, type PutOffWork } from './put-off-work.js';
import { QueuedMessage } from './queue-backlog.js';
import type { QueuePolicy } from './queue-policy.js';
import type { QueueStorage } from './queue-storage.js';
import type { Refusal } from './redelivery.js';
import type { WaitingMessages } from './waiting-messages.js';

export interface TakingBackParts {
  readonly clock: Clock;
  readonly turns: TurnBudget;
  readonly later: PutOffWork;
  readonly policy: QueuePolicy;
  readonly givingUp: GivingUp;
  readonly waiting: WaitingMessages;
  /** Null: nothing is stored. */
  readonly storage: QueueStorage | null;
}

/** Taken back without a look at the clock. */
const TAKEN_BACK_AT_ONCE = 512;

export class TakingBack {
  readonly #clock: Clock;
  readonly #turns: TurnBudget;
  readonly #later: PutOffWork;
  readonly #policy: QueuePolicy;
  readonly #givingUp: GivingUp;
  readonly #waiting: WaitingMessages;
  readonly #storage: QueueStorage | null;
  /** NACKs of many that are under way. */
  #refusing = 0;
  /** What subscriptions left that have ended, and there was no time for yet. */
  #returning: ReturnedMessage[] = [];

  constructor({ clock, turns, later, policy, givingUp, waiting, storage }: TakingBackParts) {
    this.#clock = clock;
    this.#turns = turns;
    this.#later = later;
    this.#policy = policy;
    this.#givingUp = givingUp;
    this.#waiting = waiting;
    this.#storage = storage;
  }

  /** Something is still to come back: meanwhile nothing is to be given, as it stands in front of what waits. */
  get isUnderWay(): boolean {
    return this.#refusing > 0 || this.#returning.length > 0;
  }

  /** What is still to come back is forgotten. */
  close(): void {
    this.#returning = [];
  }

  /** What nobody refused: now, or when there is time. */
  takeReturned(returned: readonly ReturnedMessage[]): void {
    this.#turns.enter();
    for (const each of returned) this.#returning.push(each);
    if (!this.#later.isPutOff) this.goOn();
  }

  /** A later turn has come. */
  goOn(): void {
    while (this.#returning.length > 0 && !this.#later.putsOff()) {
      const some = this.#returning.splice(0, TAKEN_BACK_AT_ONCE);
      workload.units += some.length * PLAIN_FRAME_UNITS;
      this.#waiting.putBackInTime(this.#settle(some, null, null));
    }
  }

  /** What a client refused. @returns of many, what resolves once all that has to be stored is in `unit` */
  takeRefused(deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): void | Promise<void> {
    if (deliveries.length > DONE_AT_ONCE) return this.#takeMany(deliveries, refusal, unit);
    this.#waiting.putBackInTime(this.#settle(deliveries, refusal, unit));
  }

  /** As `takeRefused`, in a transaction: the store is told now. @returns what is to be put back once it is stored */
  record(deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): readonly QueuedMessage[] {
    const staying: QueuedMessage[] = [];
    for (const delivery of deliveries) {
      const entry = new QueuedMessage(delivery.message, countOf(delivery));
      if (this.#settleOne(entry, refusal, unit)) staying.push(entry);
    }
    return staying;
  }

  /** A dead letter for each of 10,000 takes 150 ms. What comes back does so together, in front of what waits. */
  #takeMany(deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): Promise<void> | undefined {
    const staying: QueuedMessage[] = [];
    let next = 0;
    this.#refusing++;
    const rest = this.#turns.run(() => {
      staying.push(...this.#settle(deliveries.slice(next, (next += DONE_AT_ONCE)), refusal, unit));
      workload.units += WORTH_A_LOOK;
      return next < deliveries.length;
    });
    const finish = (): void => {
      this.#refusing--;
      this.#waiting.putBackInTime(staying);
    };
    if (rest === undefined) finish();
    return rest?.finally(finish);
  }

  /**
   * Gives up what was delivered too often, is refused for good or whose time is over.
   * @param refusal null when the client did not say that it does not want them
   * @param unit null: nobody waits until it is stored
   * @returns the others, to be put back
   */
  #settle(returned: readonly ReturnedMessage[], refusal: Refusal | null, unit: WriteUnit | null): QueuedMessage[] {
    const staying: QueuedMessage[] = [];
    for (const delivery of returned) {
      const entry = new QueuedMessage(delivery.message.own(), countOf(delivery));
      if (this.#settleOne(entry, refusal, unit)) staying.push(entry);
    }
    return staying;
  }

  /** Gives the message up when it is time, or notes how often it was delivered. @returns whether it stays */
  #settleOne(entry: QueuedMessage, refusal: Refusal | null, unit: WriteUnit | null): boolean {
    const reason = this.#policy.reasonToGiveUp(entry, refusal);
    if (reason !== null && this.#givingUp.tryGiveUp(entry, reason, unit)) return false;
    let delayMs = refusal === null ? 0 : this.#policy.refusedForMs(refusal, entry.deliveryCount);
    if (reason !== null) delayMs = condemn(entry, reason);
    entry.notBeforeEpochMs = delayMs > 0 ? this.#clock.epochMs() + delayMs : 0;
    this.#storage?.count(entry, unit);
    return true;
  }
}
