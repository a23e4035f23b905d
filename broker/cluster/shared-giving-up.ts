/**
 * How a node gives up what it has claimed of a queue that nodes share: the dead letter and the end of the message are one unit.
 * One whose dead letter finds no room is condemned: it waits in the store, where no consumer gets it, and is tried again.
 */
import { letterRetryMs, letterWaitMs } from '../destinations/condemned.js';
import type { DeadLetterReason } from '../destinations/dead-letter-reason.js';
import type { DeadLetters } from '../destinations/dead-letters.js';
import type { QueuePolicy } from '../destinations/queue-policy.js';
import { BrokerError } from '../errors.js';
import type { Clock } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Claimed, HeldMessages } from './held-messages.js';
import type { SharedClaims } from './shared-claims.js';

export interface SharedGivingUpParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly deadLetters: DeadLetters;
}

/** What of the queue it is about. */
export interface GivingUpQueue {
  readonly destination: string;
  readonly stream: string;
  readonly policy: QueuePolicy;
  readonly held: HeldMessages;
  readonly claims: SharedClaims;
}

/** How long a message waits that was to be given up while the store failed. */
const STORE_RETRY_MS = 1_000;

export class SharedGivingUp {
  readonly #parts: SharedGivingUpParts;
  readonly #queue: GivingUpQueue;

  constructor(parts: SharedGivingUpParts, queue: GivingUpQueue) {
    this.#parts = parts;
    this.#queue = queue;
  }

  /**
   * Now, or as soon as its dead-letter destination takes it; when the store fails it comes back.
   * @param given of who waits for it, if anybody does. A transaction is refused as a whole; else nobody is for a dead-letter
   * queue without room, which is not the client's doing
   * @throws BrokerError `queue-full`, in a transaction, when that is known at once
   */
  giveUp(entry: Claimed, reason: DeadLetterReason, given: WriteUnit | null): void {
    const { stream, held } = this.#queue;
    const unit = given?.holdsBack === true ? given : new WriteUnit(this.#parts.journal);
    if (!this.discard(entry, reason, unit)) {
      if (unit === given) throw new BrokerError('queue-full', 'The dead-letter queue takes no more');
      this.#condemn(entry, reason);
      return;
    }
    unit.add(
      // Or it would be with others and a dead letter too.
      { kind: 'queue-settle', stream, place: entry.message.id, isRequired: true },
      () => {
        held.letGo(entry.message);
      },
      (error) => {
        if (!unit.holdsBack) this.#keep(entry, reason, error);
      },
    );
    if (unit === given) return;
    const done = unit.submit()?.catch((error: unknown) => {
      if (!(error instanceof BrokerError && error.code === 'queue-full')) throw error;
    });
    if (done === undefined) return;
    if (given === null) done.catch(() => undefined);
    else given.confirmedBy(done);
  }

  /** Nobody else has it. @param error why it could not be given up */
  #keep(entry: Claimed, reason: DeadLetterReason, error: BrokerError | undefined): void {
    // What made room, and finds none itself, was for consumers and still is.
    if (error?.code === 'queue-full' && reason !== 'overflow') this.#condemn(entry, reason);
    else this.#queue.claims.giveBack(entry, this.#parts.clock.epochMs() + STORE_RETRY_MS);
  }

  #condemn(entry: Claimed, reason: DeadLetterReason): void {
    const retryMs = letterRetryMs(entry.condemned?.retryMs);
    const notBeforeEpochMs = this.#parts.clock.epochMs() + letterWaitMs(retryMs, entry.message);
    this.#queue.held.condemn(entry, notBeforeEpochMs, { reason, retryMs });
  }

  /** To its dead-letter destination, or nowhere. @returns false when it is not taken: nothing was done */
  discard(entry: Claimed, reason: DeadLetterReason, unit: WriteUnit): boolean {
    const { destination, policy } = this.#queue;
    return this.#parts.deadLetters.giveUp(entry, destination, reason, policy.targetOf(reason), unit);
  }
}
