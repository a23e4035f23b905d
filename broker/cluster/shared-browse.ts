/** What a browser sees of a queue that nodes share: pages from the store, claimed by nobody. */
import type { BrowsedQueue } from '../destinations/queue-browser.js';
import { QueuedMessage } from '../destinations/queue-backlog.js';
import { HIGHEST_PRIORITY } from '../destinations/message-terms.js';
import type { Message } from '../message.js';
import type { ScanResult } from '../ports.js';
import { decodeForeign } from '../storage/message-codec.js';
import type { Journal } from '../storage/journal.js';
import { WriteUnit } from '../storage/write-unit.js';

const PAGE = Object.freeze({ maxMessages: 256, maxBytes: 1024 * 1024 });

export class SharedBrowse implements BrowsedQueue {
  readonly destination: string;
  readonly #stream: string;
  readonly #journal: Journal;
  readonly #isExpired: (message: Message) => boolean;
  /** What was published later is not shown: publishers cannot make it endless. */
  #newest: number | null = null;

  constructor(stream: string, destination: string, journal: Journal, isExpired: (message: Message) => boolean) {
    this.#stream = stream;
    this.destination = destination;
    this.#journal = journal;
    this.#isExpired = isExpired;
  }

  /** None is in memory. */
  waitingAfter(): readonly QueuedMessage[] {
    return [];
  }

  pagedBehind(): number {
    return 0;
  }

  isShown({ message }: QueuedMessage): boolean {
    return !this.#isExpired(message);
  }

  browsingFailed(): void {
    // The journal has told; it is tried again.
  }

  /** @throws BrokerError `store-failed` */
  async readPage(priority: number, afterPlace: number): Promise<readonly QueuedMessage[]> {
    const after = Array.from({ length: HIGHEST_PRIORITY + 1 }, (_, each) =>
      each === priority ? afterPlace : Number.MAX_SAFE_INTEGER,
    );
    const { messages, newest } = await this.#scan(after);
    const end = (this.#newest ??= newest);
    return messages
      .filter(({ age }) => age <= end)
      .map((shared) => {
        const message = decodeForeign(shared.place, shared.octets);
        message.terms = { priority, expiresEpochMs: shared.expiresEpochMs, notBeforeEpochMs: 0 };
        return new QueuedMessage(message, shared.deliveryCount);
      });
  }

  #scan(after: readonly number[]): Promise<ScanResult> {
    return new Promise((resolve, reject) => {
      const unit = new WriteUnit(this.#journal);
      unit.ask({ kind: 'queue-scan', stream: this.#stream, after, ...PAGE, waits: false }, (result) => {
        resolve(result as ScanResult);
      });
      unit.submit()?.catch(reject);
    });
  }
}
