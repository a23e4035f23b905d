/**
 * Where messages go that a queue gives up: to the destination its options name, as a new message with the reason, or
 * nowhere. Counted either way. A dead-letter queue never dead-letters into itself, nor do two into one another.
 */
import { Headers } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { BrokerStats } from '../stats.js';
import type { DeadLetterReason } from './dead-letter-reason.js';
import { TIMING_HEADERS } from './message-terms.js';

/** What a message is given up with. */
export interface GivenUp {
  readonly message: Message;
  readonly deliveryCount: number;
}

export interface DeadLetterParts {
  readonly stats: BrokerStats;
  readonly nextMessageId: () => number;
  /** @throws BrokerError when it cannot be taken on */
  readonly publish: (destination: string, message: Message, unit: WriteUnit) => void;
}

/** The server's own words on a dead letter: those of an earlier life are left out. */
const OWN: ReadonlySet<string> = new Set([
  ...TIMING_HEADERS,
  'destination',
  'original-destination',
  'dead-letter-reason',
  'dead-letter-deliveries',
]);

export class DeadLetters {
  readonly #parts: DeadLetterParts;
  /** Destinations that are being published to: full queues that dead-letter into one another would never end. */
  readonly #open = new Set<string>();

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /**
   * Gives a message up. A destination that refuses it is no error here.
   * @param target null: it is dropped
   * @param unit what has to be stored for the letter goes there
   */
  giveUp(
    { message, deliveryCount }: GivenUp,
    origin: string,
    reason: DeadLetterReason,
    target: string | null,
    unit: WriteUnit,
  ): void {
    const { stats } = this.#parts;
    stats.givenUp[reason]++;
    if (target === null || target === origin || this.#open.has(target)) return;
    this.#open.add(origin);
    try {
      this.#parts.publish(target, this.#letter(message, target, origin, reason, deliveryCount), unit);
      stats.deadLettered++;
    } catch (error) {
      // Nobody is there who could be told: a dead-letter queue that is full shows in the difference of the two counters.
      if (!(error instanceof BrokerError)) throw error;
    } finally {
      this.#open.delete(origin);
    }
  }

  #letter(message: Message, target: string, origin: string, reason: DeadLetterReason, deliveries: number): Message {
    const { headers, body } = message.decode();
    const relayed = new Headers([
      ['destination', target],
      ['original-destination', origin],
      ['dead-letter-reason', reason],
      ['dead-letter-deliveries', String(deliveries)],
    ]);
    // A queue stores by rule what does not ask for it: as a letter it must not be less safe than it was.
    if (message.isStored) relayed.append('persistent', 'true');
    for (const [name, value] of headers) {
      if (!OWN.has(name) && !(message.isStored && name === 'persistent')) relayed.append(name, value);
    }
    return Message.fromHeaders(this.#parts.nextMessageId(), relayed, body);
  }
}
