/** What waits for all clients together: counted when somebody looks, at most once a second, in slices as a page is read. */
import type { BrokerOperations } from '../../broker/index.js';
import type { Clock } from '../../broker/ports.js';
import type { PageReader } from './paging/page-reader.js';

export interface OutboxTotals {
  /** With the broker. */
  readonly queuedBytes: number;
  /** With transports, not sent yet. */
  readonly transportBytes: number;
  /** Of the session with the most of both. */
  readonly largestBytes: number;
}

const GOOD_FOR_MS = 1_000;

export class OutboxWatch {
  readonly #operations: Pick<BrokerOperations, 'sessions'>;
  readonly #pages: PageReader;
  readonly #clock: Pick<Clock, 'nowMs'>;
  #totals: Promise<OutboxTotals> | null = null;
  #countedMs = 0;

  constructor(operations: Pick<BrokerOperations, 'sessions'>, pages: PageReader, clock: Pick<Clock, 'nowMs'>) {
    this.#operations = operations;
    this.#pages = pages;
    this.#clock = clock;
  }

  /** @throws Problem `too-busy` */
  totals(): Promise<OutboxTotals> {
    const nowMs = this.#clock.nowMs();
    if (this.#totals === null || nowMs - this.#countedMs >= GOOD_FOR_MS) {
      this.#countedMs = nowMs;
      this.#totals = this.#count();
    }
    return this.#totals;
  }

  async #count(): Promise<OutboxTotals> {
    const totals = { queuedBytes: 0, transportBytes: 0, largestBytes: 0 };
    await this.#pages.each(
      () => this.#operations.sessions(),
      ({ queuedBytes, transportBytes }) => {
        totals.queuedBytes += queuedBytes;
        totals.transportBytes += transportBytes;
        totals.largestBytes = Math.max(totals.largestBytes, queuedBytes + transportBytes);
      },
    );
    return totals;
  }
}
