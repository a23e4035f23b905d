/**
 * Where messages go that a queue gives up: to the destination its options name, as a new message with the reason, or
 * nowhere. Counted either way. A destination that has no room loses nothing: whoever has the message keeps it. A
 * dead-letter queue never dead-letters into itself, nor do two into one another.
 */
import { Headers } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { Message } from '../message.js';
import type { Logger } from '../ports.js';
import type { Undo, WriteUnit } from '../storage/write-unit.js';
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
  readonly logger: Logger;
  /** @throws BrokerError when it cannot be taken on */
  readonly publish: (destination: string, message: Message, unit: WriteUnit) => void;
  /** Whether so much would be taken on, as far as this node knows. */
  readonly hasRoom: (destination: string, messages: number, bytes: number) => boolean;
}

/** What a letter weighs more than its message: the headers that say where it comes from. */
const LETTER_BYTES = 256;

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
  /** Destinations that took none the last time: each is told of once. */
  readonly #full = new Set<string>();

  constructor(parts: DeadLetterParts) {
    this.#parts = parts;
  }

  /** Whether letters of so many messages would be taken on. */
  hasRoom(target: string, origin: string, messages: number, bytes: number): boolean {
    if (this.#open.has(target)) return false;
    this.#open.add(origin);
    try {
      return this.#parts.hasRoom(target, messages, bytes + messages * LETTER_BYTES);
    } finally {
      this.#open.delete(origin);
    }
  }

  /**
   * Gives a message up.
   * @param target null: it is dropped
   * @param unit what has to be stored for the letter goes there
   * @returns false when its destination does not take it: then nothing was done, and the message is to be kept
   */
  giveUp(
    { message, deliveryCount }: GivenUp,
    origin: string,
    reason: DeadLetterReason,
    target: string | null,
    unit: WriteUnit,
  ): boolean {
    const { stats, publish } = this.#parts;
    if (target === null || target === origin) {
      stats.givenUp[reason]++;
      return true;
    }
    // Before the letter is made, as it may be asked for again and again.
    if (!this.hasRoom(target, origin, 1, message.weightBytes)) return this.#refused(target, origin);
    this.#open.add(origin);
    try {
      publish(target, this.#letter(message, target, origin, reason, deliveryCount), unit);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      return this.#refused(target, origin, error);
    } finally {
      this.#open.delete(origin);
    }
    stats.givenUp[reason]++;
    stats.deadLettered++;
    const undo: Undo = (error) => {
      stats.givenUp[reason]--;
      stats.deadLettered--;
      if (error?.code === 'queue-full') this.#refused(target, origin, error);
    };
    unit.then(() => {
      this.#taken(target);
    }, undo);
    return true;
  }

  #taken(target: string): void {
    if (this.#full.delete(target)) this.#parts.logger.info({ queue: target }, 'the dead-letter queue has room again');
  }

  #refused(target: string, origin: string, error?: BrokerError): false {
    const { stats, logger } = this.#parts;
    stats.deadLettersRefused++;
    if (!this.#full.has(target)) {
      this.#full.add(target);
      logger.warn(
        { queue: target, origin, err: error },
        'the dead-letter queue takes no more: messages stay in their queues',
      );
    }
    return false;
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
