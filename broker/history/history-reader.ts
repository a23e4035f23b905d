/**
 * A subscription that reads from histories until it has caught up: what is published meanwhile waits in the log, so that
 * there is neither gap nor duplicate between replay and live. Reads no faster than its outbox and its window take, and a
 * page at a time. What is gone before it was read is told with the next message.
 */
import type { Delivery, ReturnedMessage } from '../delivery.js';
import type { Refusal } from '../destinations/redelivery.js';
import type { BrokerStats } from '../stats.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { MessageSource, Subscription } from '../subscription.js';
import type { TurnBudget } from '../turn-budget.js';
import { CursorHeap } from './cursor-heap.js';
import { HistoryCursor } from './history-cursor.js';
import type { HistoryLog } from './history-log.js';

export interface ReaderParts {
  /** Where the subscription's messages come from once it has caught up, and what it refuses goes to. */
  readonly live: MessageSource;
  readonly stats: BrokerStats;
  readonly turns: TurnBudget;
}

/** Looked at in one turn of the event loop, messages that a selector passes by included: a millisecond or two. */
const PAGE_MESSAGES = 1_024;
const PAGE_BYTES = 512 * 1024;

export class HistoryReader implements MessageSource {
  readonly #subscription: Subscription;
  readonly #parts: ReaderParts;
  readonly #cursors = new Map<HistoryLog, HistoryCursor>();
  /** Those with something to read. */
  readonly #heap = new CursorHeap();
  #isReading = false;
  #isScheduled = false;
  /** The next message will say that something before it is gone. */
  #tellsLoss = false;

  constructor(subscription: Subscription, cursors: Iterable<HistoryCursor>, parts: ReaderParts) {
    this.#subscription = subscription;
    this.#parts = parts;
    for (const cursor of cursors) {
      this.#cursors.set(cursor.log, cursor);
      this.#queue(cursor);
    }
  }

  /** Takes the subscription over until it has caught up. */
  start(): void {
    this.#subscription.source = this;
    this.#read();
  }

  /** A message was published to a topic that the subscription covers. */
  onPublished(log: HistoryLog): void {
    let cursor = this.#cursors.get(log);
    if (cursor === undefined) this.#cursors.set(log, (cursor = new HistoryCursor(log, { picks: [], next: log.end })));
    if (!cursor.isQueued) this.#queue(cursor);
    this.#read();
  }

  settled(subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    this.#parts.live.settled(subscription, deliveries, unit);
    unit.show(() => {
      this.#read();
    });
  }

  returned(subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    this.#parts.live.returned(subscription, deliveries);
  }

  refused(
    subscription: Subscription,
    deliveries: readonly Delivery[],
    refusal: Refusal,
    unit: WriteUnit,
  ): void | Promise<void> {
    const rest = this.#parts.live.refused(subscription, deliveries, refusal, unit);
    unit.show(() => {
      this.#read();
    });
    return rest;
  }

  ready(subscription: Subscription): void {
    this.#parts.live.ready(subscription);
    this.#read();
  }

  /** In the order of publication, as far as the client takes it. */
  #read(): void {
    const subscription = this.#subscription;
    // A delivery can end in `ready` of this very reader; and the subscription may have ended.
    if (this.#isReading || this.#isScheduled || subscription.source !== this) return;
    this.#isReading = true;
    const { turns } = this.#parts;
    turns.enter();
    let messages = 0;
    let bytes = 0;
    for (let cursor = this.#next(); cursor !== undefined; cursor = this.#next()) {
      if (!subscription.canTake) {
        if (!subscription.outbox.hasRoom) subscription.outbox.hold(subscription);
        break;
      }
      // A selector may take long for each.
      if (messages >= PAGE_MESSAGES || bytes >= PAGE_BYTES || (messages > 0 && turns.isSpent())) {
        this.#readOnSoon();
        break;
      }
      bytes += this.#readOne(cursor);
      messages++;
    }
    this.#isReading = false;
    if (this.#heap.first === undefined) subscription.source = this.#parts.live;
  }

  #readOnSoon(): void {
    this.#isScheduled = true;
    this.#parts.turns.later(() => {
      this.#isScheduled = false;
      this.#read();
    });
  }

  /** @returns the octets that were delivered */
  #readOne(cursor: HistoryCursor): number {
    const entry = cursor.peek();
    if (entry === undefined) return 0;
    const { message } = entry;
    cursor.advance(entry);
    const isWanted = this.#subscription.accepts(message);
    if (!isWanted) return 0;
    this.#tellsLoss = false;
    this.#subscription.deliver(message, 1);
    return message.weightBytes;
  }

  /** The cursor with the oldest message; undefined when all is read. */
  #next(): HistoryCursor | undefined {
    for (;;) {
      const cursor = this.#heap.first;
      if (cursor === undefined) return undefined;
      const order = cursor.peek()?.order;
      this.#tellLoss(cursor);
      if (order === undefined) {
        this.#heap.pop();
        cursor.isQueued = false;
      } else if (order === cursor.order) return cursor;
      else {
        // It was read, or what was to be read next is gone.
        cursor.order = order;
        this.#heap.sink();
      }
    }
  }

  #queue(cursor: HistoryCursor): void {
    const entry = cursor.peek();
    this.#tellLoss(cursor);
    if (entry === undefined) return;
    cursor.order = entry.order;
    cursor.isQueued = true;
    this.#heap.push(cursor);
  }

  #tellLoss(cursor: HistoryCursor): void {
    if (!cursor.takeLoss() || this.#tellsLoss) return;
    this.#tellsLoss = true;
    this.#parts.stats.historyGaps++;
    this.#subscription.outbox.noteNext(this.#subscription, false);
  }
}
