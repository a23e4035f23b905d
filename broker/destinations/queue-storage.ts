/**
 * The stored side of one queue: which of its messages the store keeps, and what it is told about them. A stored message
 * stays in the store until it is settled; in auto mode that is when it has left for the client.
 */
import { decodeMessage, encodeMessage } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Message } from '../message.js';
import type { Clock, Logger, StoredMessage } from '../ports.js';
import type { Subscription } from '../subscription.js';
import { DEFAULT_PRIORITY, DEFAULT_TERMS } from './message-terms.js';
import { GivenMessages } from './given-messages.js';
import { QueuedMessage } from './queue-backlog.js';

export interface QueueStorageParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Read at a time from the store. */
const PAGE = Object.freeze({ maxMessages: 2_048, maxBytes: 2 * 1024 * 1024 });

export class QueueStorage {
  readonly stream: string;
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #given = new GivenMessages();
  /** By priority: what the store knew to be delivered when it was opened; null: nothing. */
  #marks: Map<number, number> | null = null;

  constructor(stream: string, { journal, clock, logger }: QueueStorageParts) {
    this.stream = stream;
    this.#journal = journal;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** What the store said of one priority: everything up to `sequence` may have been delivered. */
  restoreMark(priority: number, sequence: number): void {
    if (sequence > 0) (this.#marks ??= new Map<number, number>()).set(priority, sequence);
  }

  append(message: Message, unit: WriteUnit, apply: () => void, undo: () => void): void {
    message.isStored = true;
    const stored = this.#encode(message);
    unit.add({ kind: 'append', stream: this.stream, message: stored }, apply, undo);
  }

  /** @param unit null: nobody waits for it */
  remove(message: Message, unit: WriteUnit | null, undo: (() => void) | null = null): void {
    if (!message.isStored) return;
    const operation = {
      kind: 'remove',
      stream: this.stream,
      priority: priorityOf(message),
      sequence: message.id,
    } as const;
    if (unit === null) this.#journal.owe(operation);
    else unit.add(operation, null, undo);
  }

  /** How often it was delivered, for the case that the next delivery is after a crash. */
  count({ message, deliveryCount, notBeforeEpochMs }: QueuedMessage, unit: WriteUnit | null): void {
    if (!message.isStored) return;
    const { stream } = this;
    const priority = priorityOf(message);
    const operation = {
      kind: 'update',
      stream,
      priority,
      sequence: message.id,
      deliveryCount,
      notBeforeEpochMs,
    } as const;
    if (unit === null) this.#journal.owe(operation);
    else unit.add(operation);
  }

  /** A message is on its way to a client. */
  given(subscription: Subscription, message: Message): void {
    if (!message.isStored) return;
    this.#journal.mark(this.stream, priorityOf(message), message.id);
    if (subscription.pending === null) this.#given.add(subscription, message);
  }

  /** The outbox has written something: what has left is settled. */
  settleSent(subscription: Subscription): void {
    for (const message of this.#given.takeSent(subscription)) this.remove(message, null);
  }

  /** The subscription ends; `unsent` never left, everything else given to it did. */
  end(subscription: Subscription, unsent: ReadonlySet<Message>): void {
    for (const message of this.#given.end(subscription, unsent)) this.remove(message, null);
  }

  /**
   * The next messages of one priority, ready to be put into the backlog. One that cannot be read is logged and passed over: it
   * stays stored, and holds up none behind it. @throws BrokerError `store-failed`
   */
  async read(priority: number, afterSequence: number): Promise<QueuedMessage[]> {
    for (let after = afterSequence; ;) {
      const stored = await this.#journal.read(this.stream, priority, after, PAGE);
      const last = stored.at(-1);
      const entries = stored.flatMap((entry) => this.#readable(entry));
      if (entries.length > 0 || last === undefined) return entries;
      after = last.sequence;
    }
  }

  #readable(stored: StoredMessage): QueuedMessage[] {
    try {
      return [this.#decode(stored)];
    } catch (error) {
      const { stream } = this;
      const { sequence, priority } = stored;
      this.#logger.error(
        { stream, priority, sequence, err: error },
        'a stored message cannot be read: it stays stored',
      );
      return [];
    }
  }

  #encode(message: Message): StoredMessage {
    const terms = message.terms ?? DEFAULT_TERMS;
    return {
      sequence: message.id,
      priority: terms.priority,
      octets: encodeMessage(message),
      weightBytes: message.weightBytes,
      publishedEpochMs: this.#clock.epochMs(),
      expiresEpochMs: terms.expiresEpochMs,
      notBeforeEpochMs: terms.notBeforeEpochMs,
      deliveryCount: 0,
    };
  }

  #decode(stored: StoredMessage): QueuedMessage {
    const { priority, expiresEpochMs, notBeforeEpochMs, sequence, deliveryCount } = stored;
    const message = decodeMessage(stored.octets);
    if (message.id !== sequence) throw new RangeError(`a stored message of number ${message.id}, kept as ${sequence}`);
    message.isStored = true;
    const isPlain = priority === DEFAULT_PRIORITY && expiresEpochMs === 0 && notBeforeEpochMs === 0;
    message.terms = isPlain ? DEFAULT_TERMS : { priority, expiresEpochMs, notBeforeEpochMs };
    const wasDelivered = sequence <= (this.#marks?.get(priority) ?? 0);
    return new QueuedMessage(message, wasDelivered ? Math.max(1, deliveryCount) : deliveryCount);
  }
}

function priorityOf({ terms }: Message): number {
  return terms?.priority ?? DEFAULT_PRIORITY;
}
