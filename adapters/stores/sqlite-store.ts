/** A Store in one SQLite file. The work is done by a worker thread (sqlite-worker.ts); this is the broker's end of it. */
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { BrokerError } from '../../broker/errors.js';
import type { Clock, Store, StoreContents, StoredMessage, StoreOperation } from '../../broker/ports.js';
import { packOperations, transferable, unpackMessages } from './packed.js';
import { fileOf, type SqliteAnswer, type SqliteRequest, type SqliteWorkerData } from './sqlite-requests.js';

export interface SqliteStoreOptions {
  /** Holds `hoofbeat.db`. Made when it is missing, for this user alone; the directory above it has to be there. */
  readonly directory: string;
  /** Octets that the file may grow to, SQLite's log (8 MB) not counted. Default 0: what the disk has. */
  readonly maxBytes?: number | undefined;
  /** When records expire. Default: the time of the system. */
  readonly clock?: Pick<Clock, 'epochMs'> | undefined;
}

interface Pending {
  readonly resolve: (answer: SqliteAnswer) => void;
  readonly reject: (error: BrokerError) => void;
}

const SYSTEM_TIME = { epochMs: () => Date.now() };

/**
 * One process at a time: the file is locked from `open` until `close` or the end of the process. What a commit resolved for
 * is synced to the disk. The process stays alive for what is on its way, not for the store alone.
 */
export class SqliteStore implements Store {
  readonly name = 'sqlite';
  readonly #workerData: SqliteWorkerData;
  readonly #clock: Pick<Clock, 'epochMs'>;
  #worker: Worker | null = null;
  /** Those who wait for an answer, in the order of asking. */
  readonly #pending: Pending[] = [];
  /** Why nothing can be asked any more, or not yet. */
  #over: string | null = 'is not open';
  #ended: Promise<void> = Promise.resolve();

  constructor({ directory, maxBytes = 0, clock = SYSTEM_TIME }: SqliteStoreOptions) {
    this.#workerData = { directory: path.resolve(directory), maxBytes };
    this.#clock = clock;
  }

  /**
   * @throws BrokerError `store-failed`, one line that names the file, when the file is damaged, not ours, of a newer version,
   * read-only, or in use; it is then left as it is
   */
  async open(): Promise<StoreContents> {
    this.#start();
    try {
      const answer = await this.#ask({ kind: 'open', nowEpochMs: this.#clock.epochMs() });
      return answer.kind === 'opened' ? answer.contents : { lanes: [], records: [] };
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    const packed = packOperations(operations);
    await this.#ask({ kind: 'commit', operations: packed, nowEpochMs: this.#clock.epochMs() }, transferable(packed));
  }

  /** The octets of all messages read at once share one memory. */
  async read(
    stream: string,
    priority: number,
    afterSequence: number,
    { maxMessages, maxBytes }: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]> {
    const answer = await this.#ask({ kind: 'read', stream, priority, afterSequence, maxMessages, maxBytes });
    return answer.kind === 'read' ? unpackMessages(answer.messages) : [];
  }

  async close(): Promise<void> {
    if (this.#over === null) {
      const closed = this.#ask({ kind: 'close' });
      this.#over = 'is closed';
      await closed.catch(() => undefined);
    }
    await this.#ended;
  }

  #start(): void {
    const worker = new Worker(new URL('./sqlite-worker.js', import.meta.url), {
      name: 'hoofbeat-store',
      workerData: this.#workerData,
      // What the process loads first (tracing, loaders of other languages) has no work here, and would slow the start.
      execArgv: [],
      env: {},
    });
    this.#worker = worker;
    this.#over = null;
    worker.on('message', (answer: SqliteAnswer) => {
      this.#settle(answer);
    });
    let cause: unknown;
    worker.on('error', (error) => (cause = error));
    this.#ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#end(cause instanceof Error ? cause.message : `exit code ${code}`, cause);
        resolve();
      });
    });
  }

  #ask(request: SqliteRequest, transfer: ArrayBuffer[] = []): Promise<SqliteAnswer> {
    if (this.#worker === null || this.#over !== null) return Promise.reject(this.#failed(this.#over ?? 'is closed'));
    if (this.#pending.length === 0) this.#worker.ref();
    this.#worker.postMessage(request, transfer);
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }));
  }

  #settle(answer: SqliteAnswer): void {
    const pending = this.#pending.shift();
    // Once it is to close, the process waits for its end, which frees the file.
    if (this.#pending.length === 0 && this.#over === null) this.#worker?.unref();
    if (answer.kind === 'failed') pending?.reject(new BrokerError(answer.code, answer.message));
    else pending?.resolve(answer);
  }

  /** The worker is gone. */
  #end(how: string, cause: unknown): void {
    this.#worker = null;
    this.#over ??= `the thread of the store has ended (${how.replaceAll('\n', ' ')}); restart the broker`;
    for (const { reject } of this.#pending.splice(0)) reject(this.#failed(this.#over, cause));
  }

  #failed(what: string, cause?: unknown): BrokerError {
    return new BrokerError('store-failed', `${fileOf(this.#workerData)}: ${what}`, {
      cause,
    });
  }
}
