/** How much a queue takes: its bounds, what is promised a place and not here yet, and what gives way when it is full. */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { DeadLetters } from './dead-letters.js';
import type { GivingUp } from './giving-up.js';
import type { WaitingMessages } from './waiting-messages.js';

export interface QueueRoomParts {
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
  readonly waiting: WaitingMessages;
  readonly givingUp: GivingUp;
}

export class QueueRoom {
  readonly #options: QueueOptions;
  readonly #stats: BrokerStats;
  readonly #deadLetters: DeadLetters;
  readonly #waiting: WaitingMessages;
  readonly #givingUp: GivingUp;
  /** Accepted, and not here until they are stored. */
  #arriving = 0;
  #arrivingBytes = 0;

  constructor(options: QueueOptions, { stats, deadLetters, waiting, givingUp }: QueueRoomParts) {
    this.#options = options;
    this.#stats = stats;
    this.#deadLetters = deadLetters;
    this.#waiting = waiting;
    this.#givingUp = givingUp;
  }

  /** Messages are on their way that were promised a place. */
  get isPromised(): boolean {
    return this.#arriving > 0;
  }

  /** Keeps a place for one message. @throws BrokerError `queue-full` */
  promise(bytes: number): void {
    this.check(1, bytes);
    this.#arriving++;
    this.#arrivingBytes += bytes;
  }

  /** It is here, or does not come. */
  release(bytes: number): void {
    this.#arriving--;
    this.#arrivingBytes -= bytes;
  }

  /** @throws BrokerError `queue-full` when so much more could not be kept */
  check(messages: number, bytes: number): void {
    if (this.has(messages, bytes)) return;
    const { destination, depth, bytes: keptBytes } = this.#waiting;
    this.#stats.queueFull++;
    throw new BrokerError(
      'queue-full',
      `Queue ${quoteInput(destination, 120)} is full: ${depth} messages, ${keptBytes} octets`,
    );
  }

  has(messages: number, bytes: number): boolean {
    const { onFull, deadLetter } = this.#options;
    const waiting = this.#waiting;
    if (!this.#isOver(waiting.depth + messages, waiting.bytes + bytes)) return true;
    // What waits for its time cannot give way: that was promised.
    if (onFull === 'refuse' || this.#isOver(waiting.delayed + messages, waiting.delayedBytes + bytes)) return false;
    if (onFull === 'drop-oldest' || deadLetter === false || deadLetter === waiting.destination) return true;
    return this.#deadLetters.hasRoom(deadLetter, waiting.destination, messages, bytes);
  }

  #isOver(messages: number, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.#options;
    return messages + this.#arriving > maxMessages || bytes + this.#arrivingBytes > maxBytes;
  }

  /** For one message, by the policy for a full queue, when it has one. */
  make(bytes: number): void {
    const { maxMessages, maxBytes, onFull } = this.#options;
    if (onFull === 'refuse') return;
    const waiting = this.#waiting;
    while (waiting.depth + 1 > maxMessages || waiting.bytes + bytes > maxBytes) {
      const oldest = waiting.backlog.leastWanted;
      if (oldest === undefined) return;
      waiting.take(oldest);
      if (this.#givingUp.tryGiveUp(oldest, 'overflow', null)) continue;
      // It was accepted, and so is the new one: better too many for a while than one that is lost.
      waiting.putBack([oldest]);
      return;
    }
  }
}
