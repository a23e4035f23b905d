/**
 * How a node gives up what it has claimed of a queue that nodes share: the dead letter and the end of the message are one unit.
 */
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
   * Comes back when it cannot be: the store fails, or its dead-letter queue has no room.
   * @param given of who waits for it, if anybody does. A transaction is refused as a whole; else nobody is for a dead-letter
   * queue without room, which is not the client's doing
   */
  giveUp(entry: Claimed, reason: DeadLetterReason, given: WriteUnit | null): void {
    const { stream, held, claims } = this.#queue;
    const unit = given?.holdsBack === true ? given : new WriteUnit(this.#parts.journal);
    unit.add(
      // Or it would be with others and a dead letter too.
      { kind: 'queue-settle', stream, place: entry.message.id, isRequired: true },
      () => {
        held.letGo(entry.message);
      },
      () => {
        if (!unit.holdsBack) claims.giveBack(entry, this.#parts.clock.epochMs() + STORE_RETRY_MS);
      },
    );
    this.discard(entry, reason, unit);
    if (unit === given) return;
    const done = unit.submit()?.catch((error: unknown) => {
      if (!(error instanceof BrokerError && error.code === 'queue-full')) throw error;
    });
    if (done === undefined) return;
    if (given === null) done.catch(() => undefined);
    else given.confirmedBy(done);
  }

  /** To its dead-letter destination, or nowhere. */
  discard(entry: Claimed, reason: DeadLetterReason, unit: WriteUnit): void {
    const { destination, policy } = this.#queue;
    this.#parts.deadLetters.giveUp(entry, destination, reason, policy.targetOf(reason), unit);
  }
}
