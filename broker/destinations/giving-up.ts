/**
 * How a queue gives messages up: to their dead-letter destination, or to nobody. One that the destination does not take is
 * condemned: it stays in its queue, where nobody gets it, and is tried again.
 */
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import { letterRetryMs, letterWaitMs } from './condemned.js';
import type { DeadLetterReason } from './dead-letter-reason.js';
import type { DeadLetters } from './dead-letters.js';
import type { QueuedMessage } from './queue-backlog.js';
import type { QueuePolicy } from './queue-policy.js';
import type { QueueStorage } from './queue-storage.js';
import type { WaitingMessages } from './waiting-messages.js';

export interface GivingUpParts {
  readonly deadLetters: DeadLetters;
  readonly policy: QueuePolicy;
  readonly waiting: WaitingMessages;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly storage: QueueStorage | null;
}

/** How long a message waits that was to be given up while the store failed. */
const STORE_RETRY_MS = 1_000;

/** Why a message is to be given up whose dead letter nobody took yet. */
interface Condemned {
  readonly reason: DeadLetterReason;
  readonly retryMs: number;
}

/** Few ever are, so not with the message. */
const condemned = new WeakMap<QueuedMessage, Condemned>();

export class GivingUp {
  readonly #deadLetters: DeadLetters;
  readonly #policy: QueuePolicy;
  readonly #waiting: WaitingMessages;
  readonly #journal: Journal | null;
  readonly #storage: QueueStorage | null;

  constructor({ deadLetters, policy, waiting, journal, storage }: GivingUpParts) {
    this.#deadLetters = deadLetters;
    this.#policy = policy;
    this.#waiting = waiting;
    this.#journal = journal;
    this.#storage = storage;
  }

  /** Now, or as soon as its dead-letter destination takes it: until then it stays here, and nobody gets it. */
  giveUp(entry: QueuedMessage, reason: DeadLetterReason): void {
    if (!this.tryGiveUp(entry, reason, null)) this.#waiting.delay(entry, condemn(entry, reason));
  }

  /**
   * @param given null: nobody waits until it is stored, and a store that fails brings the message back
   * @returns false when its dead-letter destination does not take it: nothing was done
   */
  tryGiveUp(entry: QueuedMessage, reason: DeadLetterReason, given: WriteUnit | null): boolean {
    const unit = given ?? new WriteUnit(this.#journal);
    const target = this.#policy.targetOf(reason);
    if (!this.#deadLetters.giveUp(entry, this.#waiting.destination, reason, target, unit)) return false;
    condemned.delete(entry);
    const undo = (): void => {
      // In a transaction it is pending again; elsewhere nobody else has it.
      if (!unit.holdsBack) this.#waiting.delay(entry, STORE_RETRY_MS);
    };
    // Its letter may be stored where the message was not.
    if (entry.message.isStored && this.#storage !== null) this.#storage.remove(entry.message, unit, undo);
    else unit.then(null, undo);
    if (given === null) unit.submit()?.catch(() => undefined);
    return true;
  }
}

/** @returns how long it waits until it is tried again, in ms */
export function condemn(entry: QueuedMessage, reason: DeadLetterReason): number {
  const retryMs = letterRetryMs(condemned.get(entry)?.retryMs);
  condemned.set(entry, { reason, retryMs });
  return letterWaitMs(retryMs, entry.message);
}

/** What for; undefined: it is not. */
export function condemnedFor(entry: QueuedMessage): DeadLetterReason | undefined {
  return condemned.get(entry)?.reason;
}
