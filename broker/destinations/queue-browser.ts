/**
 * Copies of what waits in a queue, for a subscription that consumes nothing (conformance X-21): in the order of delivery, as
 * fast as its client reads; then a message without body and with `browser:end`, and nothing more.
 */
import { Message } from '../message.js';
import type { MessageSource, Subscription } from '../subscription.js';
import { HIGHEST_PRIORITY } from './message-terms.js';
import type { QueuedMessage } from './queue-backlog.js';
import { workload, WORTH_A_LOOK, type TurnBudget } from '../turn-budget.js';

/** What a browser sees of its queue; implemented by WaitingMessages and SharedBrowse. */
export interface BrowsedQueue {
  readonly destination: string;
  /** Of one priority, those in memory that are newer than message `id`. */
  waitingAfter(priority: number, id: number): Iterable<QueuedMessage>;
  /** The number behind which stored messages of one priority are in the store alone; Infinity: none is. */
  pagedBehind(priority: number): number;
  /** The next ones from the store, oldest first. @throws BrokerError `store-failed` */
  readPage(priority: number, afterSequence: number): Promise<readonly QueuedMessage[]>;
  /** Whether its time has come and is not over. */
  isShown(entry: QueuedMessage): boolean;
  browsingFailed(error: unknown): void;
}

/** Shown without a look at the clock. */
const SHOWN_AT_ONCE = 64;
const NO_BODY = Buffer.alloc(0);

export class QueueBrowser implements MessageSource {
  readonly #subscription: Subscription;
  readonly #queue: BrowsedQueue;
  readonly #turns: TurnBudget;
  /** Of the last message, and newer than all that are shown: publishers cannot make it endless. */
  readonly #endId: number;
  #priority = HIGHEST_PRIORITY;
  /** Of those in memory, the last one looked at. */
  #lastWaiting = 0;
  /**
   * Of those in the store, the last one looked at; at first, where the pages began. What is read from a page for consumers
   * meanwhile is not looked at in memory too.
   */
  #lastPaged: number;
  #pagedFrom: number;
  #page: readonly QueuedMessage[] = [];
  #isReading = false;
  #isOver = false;
  /** The rest is shown in a later turn. */
  #isPutOff = false;

  constructor(subscription: Subscription, queue: BrowsedQueue, endId: number, turns: TurnBudget) {
    this.#subscription = subscription;
    this.#queue = queue;
    this.#turns = turns;
    this.#endId = endId;
    this.#lastPaged = this.#pagedFrom = queue.pagedBehind(HIGHEST_PRIORITY);
  }

  start(): void {
    this.#subscription.source = this;
    this.ready();
  }

  /** What is not written yet stays so. */
  end(): void {
    const { outbox } = this.#subscription;
    this.#isOver = true;
    this.#subscription.source = null;
    outbox.forget(this.#subscription);
    outbox.takeUnsent(this.#subscription);
  }

  /** The outbox has room. */
  ready(): void {
    this.#turns.enter();
    while (!this.#isPutOff && !this.#isReading && !this.#isOver) {
      if (this.#priority < 0) this.#finish();
      else if (!this.#showWaiting() || !this.#showPage()) return;
    }
  }

  settled(): void {
    // Nothing can be pending: whoever browses does not acknowledge.
  }

  returned(): void {
    // They never left the queue.
  }

  refused(): void {
    // As settled.
  }

  /** @returns false when the outbox has no room for the rest */
  #showWaiting(): boolean {
    for (const entry of this.#queue.waitingAfter(this.#priority, this.#lastWaiting)) {
      const { id, isStored } = entry.message;
      if (id > this.#endId) break;
      if (!(isStored && id > this.#pagedFrom) && !this.#show(entry)) return false;
      this.#lastWaiting = id;
    }
    return true;
  }

  /** @returns as `#showWaiting` */
  #showPage(): boolean {
    for (const [k, entry] of this.#page.entries()) {
      if (entry.message.id < this.#endId && !this.#show(entry)) {
        this.#page = this.#page.slice(k);
        return false;
      }
      this.#lastPaged = entry.message.id;
    }
    this.#page = [];
    if (this.#lastPaged < this.#endId) this.#readPage();
    else this.#nextPriority();
    return true;
  }

  #nextPriority(): void {
    this.#priority--;
    this.#lastWaiting = 0;
    this.#lastPaged = this.#pagedFrom = this.#queue.pagedBehind(this.#priority);
  }

  #readPage(): void {
    this.#isReading = true;
    const goOn = (): void => {
      this.#isReading = false;
      this.ready();
    };
    this.#queue.readPage(this.#priority, this.#lastPaged).then(
      (page) => {
        this.#page = page;
        if (page.length === 0) this.#nextPriority();
        goOn();
      },
      (error: unknown) => {
        this.#queue.browsingFailed(error);
        this.#isReading = false;
        // Tried again once something else has left for the client, a heart-beat at the latest.
        if (!this.#isOver) this.#subscription.outbox.hold(this.#subscription);
      },
    );
  }

  /** As its next consumer would see it. @returns false when the outbox has no room, or the turn no time */
  #show(entry: QueuedMessage): boolean {
    const { outbox } = this.#subscription;
    if (this.#turns.isSpent()) {
      this.#isPutOff = true;
      this.#turns.wait(() => {
        this.#isPutOff = false;
        this.ready();
      });
      return false;
    }
    workload.units += WORTH_A_LOOK / SHOWN_AT_ONCE;
    if (!outbox.hasRoom) {
      outbox.hold(this.#subscription);
      return false;
    }
    if (this.#queue.isShown(entry) && this.#subscription.accepts(entry.message)) {
      this.#subscription.deliver(entry.message, entry.deliveryCount + 1);
    }
    return true;
  }

  #finish(): void {
    this.#isOver = true;
    const headers = Object.entries({ destination: this.#queue.destination, browser: 'end' });
    this.#subscription.outbox.enqueue(this.#subscription, Message.fromHeaders(this.#endId, headers, NO_BODY));
  }
}
