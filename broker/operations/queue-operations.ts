/**
 * What an operator does with one queue: looks into it, empties it, moves what is in it elsewhere. In steps with turns of
 * the event loop in between, so that a million messages hold up nobody; each step is one unit of the store.
 */
import { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import { HIGHEST_PRIORITY } from '../destinations/message-terms.js';
import type { QueuedMessage } from '../destinations/queue-backlog.js';
import type { BrowsedQueue } from '../destinations/queue-browser.js';
import type { Clock } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { BrowsedMessage, QueueDetails } from './details.js';
import { browsed, revived, targetOf } from './moved-message.js';

/** What an operator does with a queue, of this node alone or of all nodes. */
export interface QueueOperations {
  /** Of a queue that all nodes share: as read last. */
  readonly details: QueueDetails;
  /** As they are now. @throws BrokerError `store-failed` */
  readDetails(): Promise<QueueDetails>;
  /**
   * What waits, in the order of delivery, without taking anything; what waits for its time is not shown.
   * @param after null: from the first one on
   * @returns `next`: where to go on; null: that was all
   * @throws BrokerError `store-failed`
   */
  browse(after: BrowsePlace | null, limit: number): Promise<BrowsedPage>;
  /**
   * Drops everything that waits, for a consumer or for its time; what consumers have and what is published meanwhile stays.
   * @returns how many messages. @throws BrokerError `store-failed`: on a single node what was not dropped is back in its
   * place; of a queue that nodes share it is all or nothing, and which of them may not be known
   */
  purge(): Promise<number>;
  /**
   * Drops some: of those in memory, or of all where nodes share the queue. @returns how many of them were there.
   * @throws BrokerError `store-failed`
   */
  remove(numbers: ReadonlySet<number>): Promise<number>;
  /**
   * Sends what waits to another destination, or dead letters back to where they come from, without the words of their
   * death. Each is a new message with a new number, there once the old one is gone.
   * @throws BrokerError `destination-invalid` for the queue itself, `store-failed`
   */
  move(options: MoveOptions): Promise<MoveResult>;
}

export interface BrowsedPage {
  readonly messages: readonly BrowsedMessage[];
  readonly next: BrowsePlace | null;
}

/** What waits in a queue, as it is worked on from outside; implemented by WaitingMessages. */
export interface OperatedMessages extends BrowsedQueue {
  /** Those whose time has not come. */
  delayedEntries(): Iterable<QueuedMessage>;
  /** Takes out one that waits, for its turn or for its time; it comes back when the unit cannot be stored. */
  withdraw(entry: QueuedMessage, unit: WriteUnit): void;
  /** Has the next page of one priority read into memory. @returns false when there is none. @throws BrokerError `store-failed` */
  loadPage(priority: number): Promise<boolean>;
}

/** Implemented by Queue. */
export interface OperatedQueue extends QueueDetails {
  readonly waiting: OperatedMessages;
}

export interface QueueOperationsParts {
  readonly clock: Clock;
  readonly journal: Journal | null;
  readonly messageIdPrefix: string;
  readonly nextMessageId: () => number;
  /** @throws BrokerError when it cannot be taken on */
  readonly publish: (destination: string, message: Message, unit: WriteUnit) => void;
}

/** Behind which message browsing goes on. */
export interface BrowsePlace {
  readonly priority: number;
  readonly number: number;
}

export interface MoveOptions {
  /** Null: of each message what its `original-destination` says; messages without one stay. */
  readonly target: string | null;
  /** Only these, of those in memory; null: all. */
  readonly numbers: ReadonlySet<number> | null;
  /** Most that are moved. */
  readonly limit: number;
}

export interface MoveResult {
  readonly moved: number;
  /** Left where they are, as nothing says where they belong. */
  readonly skipped: number;
  /** Why it ended early: a target refused a message. */
  readonly stoppedBy: BrokerError | null;
}

/** In one unit of the store: a few milliseconds. */
const STEP = 500;

export class LocalQueueOperations implements QueueOperations {
  readonly #queue: OperatedQueue;
  readonly #parts: QueueOperationsParts;

  constructor(queue: OperatedQueue, parts: QueueOperationsParts) {
    this.#queue = queue;
    this.#parts = parts;
  }

  get details(): QueueDetails {
    return this.#queue;
  }

  readDetails(): Promise<QueueDetails> {
    return Promise.resolve(this.#queue);
  }

  async browse(after: BrowsePlace | null, limit: number): Promise<BrowsedPage> {
    const messages: BrowsedMessage[] = [];
    let place = after ?? { priority: HIGHEST_PRIORITY, number: 0 };
    while (place.priority >= 0) {
      const entries = await this.#next(place, limit - messages.length);
      for (const entry of entries) {
        messages.push(this.#browsed(entry));
        place = { priority: place.priority, number: entry.message.id };
      }
      if (messages.length >= limit) return { messages, next: place };
      place = { priority: place.priority - 1, number: 0 };
    }
    return { messages, next: null };
  }

  /** Of one priority, by number: from memory, and from the store what is there alone. */
  async #next({ priority, number }: BrowsePlace, limit: number): Promise<readonly QueuedMessage[]> {
    const queue = this.#queue.waiting;
    const found = new Map<number, QueuedMessage>();
    const pagedBehind = queue.pagedBehind(priority);
    for (const entry of queue.waitingAfter(priority, number)) {
      if (queue.isShown(entry)) found.set(entry.message.id, entry);
      if (found.size >= limit) break;
    }
    if (pagedBehind < Infinity) {
      const page = await queue.readPage(priority, Math.max(number, pagedBehind));
      for (const entry of page.filter((each) => queue.isShown(each))) found.set(entry.message.id, entry);
    }
    return [...found.values()].sort((a, b) => a.message.id - b.message.id).slice(0, limit);
  }

  #browsed({ message, deliveryCount, priority }: QueuedMessage): BrowsedMessage {
    return browsed(message, {
      messageId: this.#parts.messageIdPrefix + message.idDigits,
      priority,
      deliveryCount,
      isStored: message.isStored,
      expiresEpochMs: message.terms?.expiresEpochMs ?? 0,
    });
  }

  async purge(): Promise<number> {
    let purged = 0;
    const drop = async (entries: readonly QueuedMessage[]): Promise<boolean> => {
      await this.#withUnit((unit) => {
        for (const entry of entries) this.#queue.waiting.withdraw(entry, unit);
      });
      purged += entries.length;
      return true;
    };
    const end = this.#parts.nextMessageId();
    const delayed = [...this.#queue.waiting.delayedEntries()].filter(({ message }) => message.id < end);
    await this.#eachStep(end, drop);
    if (delayed.length > 0) await drop(delayed.filter((entry) => this.#isDelayed(entry)));
    return purged;
  }

  #isDelayed(wanted: QueuedMessage): boolean {
    for (const entry of this.#queue.waiting.delayedEntries()) if (entry === wanted) return true;
    return false;
  }

  async remove(numbers: ReadonlySet<number>): Promise<number> {
    const entries = this.#inMemory(numbers);
    await this.#withUnit((unit) => {
      for (const entry of entries) this.#queue.waiting.withdraw(entry, unit);
    });
    return entries.length;
  }

  async move({ target, numbers, limit }: MoveOptions): Promise<MoveResult> {
    if (target === this.#queue.destination) {
      throw new BrokerError('destination-invalid', `${target} cannot be moved into itself`);
    }
    const result = { moved: 0, skipped: 0, stoppedBy: null as BrokerError | null };
    const step = async (entries: readonly QueuedMessage[]): Promise<boolean> => {
      await this.#withUnit((unit) => {
        this.#moveSome(entries, { target, limit }, unit, result);
      });
      return result.stoppedBy === null && result.moved < limit;
    };
    if (numbers === null) await this.#eachStep(this.#parts.nextMessageId(), step);
    else await step(this.#inMemory(numbers));
    return result;
  }

  #moveSome(
    entries: readonly QueuedMessage[],
    { target, limit }: Pick<MoveOptions, 'target' | 'limit'>,
    unit: WriteUnit,
    result: { moved: number; skipped: number; stoppedBy: BrokerError | null },
  ): void {
    for (const entry of entries) {
      if (result.moved >= limit) return;
      const to = targetOf(entry.message, target);
      if (to === undefined || to === this.#queue.destination) {
        result.skipped++;
        continue;
      }
      try {
        this.#parts.publish(to, revived(entry.message, to, this.#parts.nextMessageId()), unit);
      } catch (error) {
        if (!(error instanceof BrokerError)) throw error;
        result.stoppedBy = error;
        return;
      }
      this.#queue.waiting.withdraw(entry, unit);
      result.moved++;
    }
  }

  #inMemory(numbers: ReadonlySet<number>): readonly QueuedMessage[] {
    const entries = [...this.#queue.waiting.delayedEntries()].filter(({ message }) => numbers.has(message.id));
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) {
      // Each where it would stand: nobody walks a million for a hand of numbers.
      for (const number of numbers) {
        for (const entry of this.#queue.waiting.waitingAfter(priority, number - 1)) {
          if (entry.message.id === number) entries.push(entry);
          break;
        }
      }
    }
    return entries;
  }

  /**
   * Everything that waits with a number below `end`, in steps, until `work` returns false. Later ones are left out:
   * publishers cannot make it endless.
   */
  async #eachStep(end: number, work: (entries: readonly QueuedMessage[]) => Promise<boolean>): Promise<void> {
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) {
      let last = 0;
      for (;;) {
        const entries: QueuedMessage[] = [];
        for (const entry of this.#queue.waiting.waitingAfter(priority, last)) {
          if (entry.message.id >= end || entries.length === STEP) break;
          entries.push(entry);
        }
        if (entries.length === 0) {
          const isOver = this.#queue.waiting.pagedBehind(priority) >= end;
          if (isOver || !(await this.#queue.waiting.loadPage(priority))) break;
          continue;
        }
        last = (entries.at(-1) as QueuedMessage).message.id;
        if (!(await work(entries))) return;
        await this.#turn();
      }
    }
  }

  #withUnit(fill: (unit: WriteUnit) => void): Promise<void> {
    const unit = new WriteUnit(this.#parts.journal);
    void unit.fill(() => {
      fill(unit);
    });
    return unit.submit() ?? Promise.resolve();
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.clock.soon(resolve);
    });
  }
}
