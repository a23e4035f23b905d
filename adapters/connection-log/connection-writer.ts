/**
 * Brings changes to the sink in batches, beside everything else. While the sink fails, changes wait up to a bound and are
 * then dropped and counted; one warning says that it fails, one line that it works again.
 */
import type { Logger } from '../../broker/ports.js';
import type { ConnectionChange } from './connection-record.js';
import type { ConnectionSink } from './connection-sink.js';
import { PendingChanges } from './pending-changes.js';

/** Of one write: enough to share a transaction's cost, and half a millisecond to hand over to a thread. */
const BATCH_ROWS = 1_000;

export class ConnectionWriter {
  readonly #sink: ConnectionSink;
  readonly #logger: Logger;
  readonly #pending: PendingChanges;
  #flushing: Promise<void> | null = null;
  /** Changes dropped before the sink began to fail; null while it works. */
  #outage: { readonly droppedBefore: number } | null = null;

  constructor(sink: ConnectionSink, logger: Logger, maxPendingRows: number) {
    this.#sink = sink;
    this.#logger = logger;
    this.#pending = new PendingChanges(maxPendingRows);
  }

  get pending(): number {
    return this.#pending.size;
  }

  get dropped(): number {
    return this.#pending.dropped;
  }

  /** Takes a change; a full batch is written at once, unless writing fails: then only `flush` tries again. */
  add(change: ConnectionChange): void {
    if (!this.#pending.add(change)) this.fail(new Error('it takes them too slowly'), this.#pending.dropped - 1);
    if (this.#outage === null && this.#pending.size >= BATCH_ROWS) void this.flush();
  }

  /** Writes everything that waits, as far as the sink takes it. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  /** Tells of a fault of the sink, unless it is known to fail. */
  fail(error: unknown, droppedBefore = this.#pending.dropped): void {
    if (this.#outage !== null) return;
    this.#outage = { droppedBefore };
    const reason = error instanceof Error ? error.message : String(error);
    this.#logger.warn({ sink: this.#sink.name, reason }, 'the connection log cannot be written; rows wait');
  }

  async #flushAll(): Promise<void> {
    if (this.#pending.size === 0) return;
    while (this.#pending.size > 0) {
      const batch = this.#pending.take(BATCH_ROWS);
      try {
        await this.#sink.write(batch);
      } catch (error) {
        this.#pending.putBack(batch);
        this.fail(error);
        return;
      }
    }
    this.#recover();
  }

  #recover(): void {
    if (this.#outage === null) return;
    const dropped = this.#pending.dropped - this.#outage.droppedBefore;
    this.#outage = null;
    this.#logger.info({ sink: this.#sink.name, dropped }, 'the connection log is written again');
  }
}
