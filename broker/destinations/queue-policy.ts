/**
 * What a queue's options and the time of day say of one message: its terms, whether its time has come or is over, and what
 * is to become of it when it comes back. The same for a queue of this node alone and for one of all nodes.
 */
import type { Message } from '../message.js';
import type { Clock } from '../ports.js';
import type { QueueOptions } from '../queue-options.js';
import type { DeadLetterReason } from './dead-letter-reason.js';
import type { GivenUp } from './dead-letters.js';
import { DEFAULT_TERMS, queueTerms } from './message-terms.js';
import { backoffMs, type Refusal } from './redelivery.js';

export class QueuePolicy {
  readonly #destination: string;
  readonly #options: QueueOptions;
  readonly #clock: Clock;

  constructor(destination: string, options: QueueOptions, clock: Clock) {
    this.#destination = destination;
    this.#options = options;
    this.#clock = clock;
  }

  /** Reads what the sender asks for. @throws BrokerError `header-invalid` */
  setTerms(message: Message): void {
    const { ttlMs } = this.#options;
    // Without a look at the clock, where there is nothing to look for.
    const isPlain = message.decodedHeaders === null && ttlMs === 0;
    message.terms = isPlain ? DEFAULT_TERMS : queueTerms(message.decodedHeaders, ttlMs, this.#clock.epochMs());
  }

  isExpired({ terms }: Message): boolean {
    if (terms === null || terms.expiresEpochMs === 0) return false;
    return terms.expiresEpochMs <= this.#clock.epochMs();
  }

  /** How long is left until a time of day, in ms; 0 when it was, or is none. */
  msUntil(epochMs: number): number {
    return epochMs === 0 ? 0 : Math.max(0, epochMs - this.#clock.epochMs());
  }

  /** Why a message that came back is to be given up. @returns null: it stays */
  reasonToGiveUp({ message, deliveryCount }: GivenUp, refusal: Refusal | null): DeadLetterReason | null {
    const { maxDeliveries, deadLetter } = this.#options;
    if (refusal?.requeue === false) return 'rejected';
    if (this.isExpired(message)) return 'expired';
    // A dead letter has nowhere further to go: it stays until somebody takes it or rejects it.
    if (maxDeliveries === 0 || deliveryCount < maxDeliveries || deadLetter === this.#destination) return null;
    return 'max-deliveries';
  }

  /** How long a message waits that was refused. */
  refusedForMs({ delayMs }: Refusal, deliveryCount: number): number {
    return delayMs ?? backoffMs(this.#options.backoff, deliveryCount);
  }

  /** Where a message goes that is given up for this; null: nowhere. */
  targetOf(reason: DeadLetterReason): string | null {
    const { deadLetter, onExpiry, onFull } = this.#options;
    const isDropped =
      (reason === 'expired' && onExpiry === 'drop') || (reason === 'overflow' && onFull === 'drop-oldest');
    return isDropped || deadLetter === false ? null : deadLetter;
  }
}
