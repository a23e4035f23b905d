/**
 * The thread in which SQLite works, so that a sync of the disk never holds up the event loop of the broker. Takes requests
 * one after the other; tidies up while there are none.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { BrokerError } from '../../broker/errors.js';
import { packMessages, transferable, unpackOperations } from './packed.js';
import { describe, openFile } from './sqlite-file.js';
import { fileOf, type SqliteAnswer, type SqliteRequest, type SqliteWorkerData } from './sqlite-requests.js';
import { SqliteRoom } from './sqlite-room.js';
import { SqliteTables } from './sqlite-tables.js';

/** After tidying failed, which is told to nobody, as nobody waits for it. */
const TIDY_AGAIN_MS = 10_000;

class SqliteWorker {
  readonly #options: SqliteWorkerData;
  #tables: SqliteTables | null = null;
  #room: SqliteRoom | null = null;
  #nowEpochMs = 0;
  #isTidying = false;

  constructor(options: SqliteWorkerData) {
    this.#options = options;
  }

  handle(request: SqliteRequest): SqliteAnswer {
    try {
      return this.#answer(request);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #answer(request: SqliteRequest): SqliteAnswer {
    if (request.kind === 'open') return this.#open(request.nowEpochMs);
    const tables = this.#tables;
    if (tables === null) throw new BrokerError('store-failed', `${fileOf(this.#options)}: is not open`);
    switch (request.kind) {
      case 'commit': {
        const operations = unpackOperations(request.operations);
        const octets = request.operations.octets.byteLength;
        if (octets > 0) this.#room?.require(octets);
        this.#nowEpochMs = request.nowEpochMs;
        tables.commit(operations, request.nowEpochMs);
        if (operations.some(({ kind }) => kind === 'drop')) this.#tidySoon();
        return { kind: 'done' };
      }
      case 'read': {
        const { stream, priority, afterSequence } = request;
        return { kind: 'read', messages: packMessages(tables.read(stream, priority, afterSequence, request)) };
      }
      case 'close':
        this.#tables = null;
        tables.close();
        return { kind: 'done' };
    }
  }

  #open(nowEpochMs: number): SqliteAnswer {
    const database = openFile(this.#options);
    const tables = new SqliteTables(database);
    try {
      const contents = tables.contents(nowEpochMs);
      this.#tables = tables;
      this.#room = new SqliteRoom(database);
      this.#nowEpochMs = nowEpochMs;
      this.#tidySoon();
      return { kind: 'opened', contents };
    } catch (error) {
      tables.close();
      throw error;
    }
  }

  /** A step at a time, and requests that have come in go first. */
  #tidySoon(): void {
    if (this.#isTidying) return;
    this.#isTidying = true;
    setImmediate(() => {
      this.#tidy();
    });
  }

  #tidy(): void {
    this.#isTidying = false;
    try {
      if (this.#tables?.tidy(this.#nowEpochMs) === true) this.#tidySoon();
    } catch {
      setTimeout(() => {
        this.#tidySoon();
      }, TIDY_AGAIN_MS).unref();
    }
  }

  #failed(error: unknown): SqliteAnswer {
    const { code } = error as { readonly code?: string };
    const isFull = code === 'store-full' || code === 'SQLITE_FULL';
    return {
      kind: 'failed',
      code: isFull ? 'store-full' : 'store-failed',
      message: error instanceof BrokerError ? error.message : `${fileOf(this.#options)}: ${describe(error)}`,
    };
  }
}

if (isMainThread || parentPort === null) throw new Error('sqlite-worker is started by SqliteStore');
const port = parentPort;
const worker = new SqliteWorker(workerData as SqliteWorkerData);
port.on('message', (request: SqliteRequest) => {
  const answer = worker.handle(request);
  port.postMessage(answer, answer.kind === 'read' ? transferable(answer.messages) : []);
  if (request.kind === 'close') port.close();
});
