/** Brings the pages of one queue, which are in the store alone, into memory, and tells those who wait for one. */
import type { Logger } from '../ports.js';
import type { Pager, QueuedMessage } from './queue-backlog.js';
import type { QueueStorage } from './queue-storage.js';

/** Whom pages are read for; implemented by WaitingMessages. */
export interface PageOwner {
  readonly destination: string;
  /** @param entries by message number; none: there is nothing more */
  onPage(priority: number, entries: readonly QueuedMessage[]): void;
  /** Asked for again at the next occasion: whoever publishes or consumes brings it. */
  onNoPage(priority: number): void;
}

/** Waits for the next page of one priority. */
interface PageWaiter {
  readonly priority: number;
  readonly resolve: (isLoaded: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export class PageReader implements Pager {
  readonly #owner: PageOwner;
  readonly #storage: QueueStorage;
  readonly #logger: Logger;
  /** Null while nobody does. */
  #waiters: PageWaiter[] | null = null;

  constructor(owner: PageOwner, storage: QueueStorage, logger: Logger) {
    this.#owner = owner;
    this.#storage = storage;
    this.#logger = logger;
  }

  load(priority: number, afterSequence: number): void {
    this.#storage.read(priority, afterSequence).then(
      (entries) => {
        this.#owner.onPage(priority, entries);
        this.#tellWaiters(priority, (waiter) => {
          waiter.resolve(true);
        });
      },
      (error: unknown) => {
        this.#owner.onNoPage(priority);
        this.failed(error);
        this.#tellWaiters(priority, (waiter) => {
          waiter.reject(error);
        });
      },
    );
  }

  /** Resolves once the page of this priority that is asked for is in memory. @throws BrokerError `store-failed` */
  loaded(priority: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      (this.#waiters ??= []).push({ priority, resolve, reject });
    });
  }

  failed(error: unknown): void {
    this.#logger.error({ queue: this.#owner.destination, err: error }, 'stored messages cannot be read');
  }

  #tellWaiters(priority: number, tell: (waiter: PageWaiter) => void): void {
    const waiters = this.#waiters;
    if (waiters === null) return;
    const others = waiters.filter((waiter) => waiter.priority !== priority);
    this.#waiters = others.length === 0 ? null : others;
    for (const waiter of waiters) if (waiter.priority === priority) tell(waiter);
  }
}
