/**
 * A connection log in a SQLite file of its own. The file is used in a thread: a batch of a thousand rows, or a disk that is
 * slow, would stop the event loop for tens of milliseconds.
 */
import { Worker } from 'node:worker_threads';
import type { ConnectionChange, ConnectionRecord, ConnectionStatistics } from './connection-record.js';
import {
  type ConnectionSink,
  type PruneLimits,
  type ResolvedConnectionQuery,
  UnusableSinkError,
} from './connection-sink.js';
// Types alone: the module itself runs in the thread.
import type { TableAnswer, TableCall, TableMethod } from './sqlite-connection-worker.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class SqliteConnectionSink implements ConnectionSink {
  readonly name = 'sqlite';
  readonly #file: string;
  /** Null until the first call, and after a thread has died: the next call starts another. */
  #worker: Worker | null = null;
  readonly #calls = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  /**
   * @param file is made when it is missing, and its directory, for this user alone; what is above has to be there. One
   * process at a time may record into it
   */
  constructor(file: string) {
    this.#file = file;
  }

  async open(): Promise<void> {
    await this.#call('open');
  }

  async write(changes: readonly ConnectionChange[]): Promise<void> {
    await this.#call('write', changes);
  }

  async stale(
    beforeEpochMs: number,
    afterId: number,
    limit: number,
  ): Promise<readonly { readonly id: number; readonly connectionId: string }[]> {
    const rows = await this.#call('stale', beforeEpochMs, afterId, limit);
    return rows as readonly { readonly id: number; readonly connectionId: string }[];
  }

  async prune(limits: PruneLimits): Promise<boolean> {
    return (await this.#call('prune', limits)) as boolean;
  }

  async list(query: ResolvedConnectionQuery): Promise<readonly ConnectionRecord[]> {
    return (await this.#call('list', query)) as readonly ConnectionRecord[];
  }

  async statistics(maxUsers: number): Promise<ConnectionStatistics> {
    return (await this.#call('statistics', maxUsers)) as ConnectionStatistics;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    const closed = worker === null ? null : this.#call('close');
    this.#isClosed = true;
    await closed;
    await worker?.terminate();
  }

  #call(method: TableMethod, ...args: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(new Error(`the connection log ${this.#file} is closed`));
    const worker = (this.#worker ??= this.#start());
    const call: TableCall = { id: ++this.#lastId, method, args };
    // A thread that waits for work is no reason to keep the process; one that works is.
    if (this.#calls.size === 0) worker.ref();
    return new Promise((resolve, reject) => {
      this.#calls.set(call.id, { resolve, reject });
      worker.postMessage(call);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sqlite-connection-worker.js', import.meta.url), {
      name: 'hoofbeat-connection-log',
      workerData: { file: this.#file },
      // What the process loads first (tracing, loaders of other languages) has no work here, and would slow the start.
      execArgv: [],
      env: {},
    });
    let cause: unknown;
    worker.on('message', (answer: TableAnswer) => {
      this.#onAnswer(worker, answer);
    });
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', () => {
      this.#onExit(cause);
    });
    return worker;
  }

  #onAnswer(worker: Worker, answer: TableAnswer): void {
    const waiting = this.#calls.get(answer.id);
    this.#calls.delete(answer.id);
    if (this.#calls.size === 0) worker.unref();
    if (!('fault' in answer)) waiting?.resolve(answer.value);
    else waiting?.reject(answer.isUnusable ? new UnusableSinkError(answer.fault) : new Error(answer.fault));
  }

  #onExit(cause: unknown): void {
    this.#worker = null;
    const error = new Error(`the thread of the connection log ${this.#file} has ended`, { cause });
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}
