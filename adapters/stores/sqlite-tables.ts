/**
 * The work on the tables of an open data file, with prepared statements, call by call. Throws SQLite's own errors; runs
 * wherever it is called, which is the worker thread (sqlite-worker.ts).
 */
import type { Database, Statement } from 'better-sqlite3';
import type { StoreContents, StoredLane, StoredMessage, StoredRecord, StoreOperation } from '../../broker/ports.js';

type Row = readonly [
  sequence: number,
  octets: Uint8Array,
  weightBytes: number,
  publishedEpochMs: number,
  expiresEpochMs: number,
  notBeforeEpochMs: number,
  deliveryCount: number,
];

/** How many numbers of streams are kept at hand. */
const MAX_KNOWN_STREAMS = 10_000;
/** What one step of tidying deletes: 2 to 3 ms. */
const TIDY_ROWS = 500;
/** How long a commit that found no room may wait for it: 50 ms. */
const MAX_TIDY_STEPS = 20;

export class SqliteTables {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepare>;
  #streamIds = new Map<string, number>();

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  /** What is there; forgets streams without messages, and their marks, which nobody can have asked for again. */
  contents(nowEpochMs: number): StoreContents {
    // Read first: damage that shows here is met before anything was written.
    const lanes = this.#statements.lanes.all() as StoredLane[];
    const records = this.#statements.records.all(nowEpochMs) as StoredRecord[];
    this.#forgetEmptyStreams();
    return { lanes, records };
  }

  /** One transaction: all or nothing, on the disk when it returns. */
  commit(operations: readonly StoreOperation[], nowEpochMs: number): void {
    try {
      this.#commitOnce(operations, nowEpochMs);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#makeRoom(nowEpochMs);
      this.#commitOnce(operations, nowEpochMs);
    }
  }

  #commitOnce(operations: readonly StoreOperation[], nowEpochMs: number): void {
    this.#transact(() => {
      let expiring = 0;
      for (const operation of operations) {
        this.#apply(operation);
        if (operation.kind === 'put' && operation.expiresEpochMs > 0) expiring++;
      }
      // Twice as many go as come, so that there are never many more than those alive.
      if (expiring > 0) this.#statements.expire.run(nowEpochMs, 2 * expiring);
    });
  }

  read(
    stream: string,
    priority: number,
    afterSequence: number,
    { maxMessages, maxBytes }: { readonly maxMessages: number; readonly maxBytes: number },
  ): StoredMessage[] {
    const id = this.#streamId(stream);
    if (id === undefined) return [];
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const row of this.#statements.read.iterate(id, priority, afterSequence)) {
      const message = toMessage(priority, row as Row);
      bytes += message.weightBytes;
      if (messages.length > 0 && (messages.length >= maxMessages || bytes > maxBytes)) break;
      messages.push(message);
    }
    return messages;
  }

  /** Deletes some of what nobody can see any more. Returns whether there is more of it. */
  tidy(nowEpochMs: number): boolean {
    let done = 0;
    this.#transact(() => {
      done = this.#statements.expire.run(nowEpochMs, TIDY_ROWS).changes;
      const dropped = this.#statements.firstDropped.get();
      if (dropped === undefined) return;
      const deleted = this.#statements.deleteSome.run(dropped, dropped, TIDY_ROWS).changes;
      if (deleted < TIDY_ROWS) this.#statements.forgetDropped.run(dropped);
      done += TIDY_ROWS;
    });
    return done >= TIDY_ROWS;
  }

  close(): void {
    this.#database.close();
  }

  #forgetEmptyStreams(): void {
    try {
      this.#transact(() => {
        this.#statements.forgetEmpty.run();
        this.#statements.forgetMarks.run();
      });
    } catch (error) {
      // A full disk is no reason not to open: there is time for it later.
      if (!isFull(error)) throw error;
    }
  }

  /** Lets the log be written from its start again, and the room of what nobody can see be used again, as far as that goes. */
  #makeRoom(nowEpochMs: number): void {
    try {
      this.#database.pragma('wal_checkpoint(PASSIVE)');
      for (let step = 0; step < MAX_TIDY_STEPS && this.tidy(nowEpochMs); step++);
    } catch {
      // The second try tells what is still wrong.
    }
  }

  #transact(work: () => void): void {
    // Left open by a failure that could not be rolled back either.
    if (this.#database.inTransaction) this.#statements.rollback.run();
    this.#statements.begin.run();
    try {
      work();
      this.#statements.commit.run();
    } catch (error) {
      this.#streamIds.clear();
      this.#rollBack();
      throw error;
    }
  }

  /** Some failures have rolled back already. What cannot be rolled back now is, before the next commit. */
  #rollBack(): void {
    try {
      if (this.#database.inTransaction) this.#statements.rollback.run();
    } catch {
      // The first failure is the one to tell.
    }
  }

  #apply(operation: StoreOperation): void {
    const { kind } = operation;
    if (kind === 'append') return this.#append(this.#requireStreamId(operation.stream), operation.message);
    if (kind === 'mark') {
      this.#statements.mark.run(this.#requireStreamId(operation.stream), operation.priority, operation.sequence);
      return;
    }
    if (kind === 'put') {
      this.#statements.put.run(operation.key, operation.value, operation.expiresEpochMs);
      return;
    }
    if (kind === 'delete') {
      this.#statements.delete.run(operation.key);
      return;
    }
    const id = this.#streamId(operation.stream);
    if (id === undefined) return;
    if (kind === 'drop') return this.#drop(id, operation.stream);
    const { priority, sequence } = operation;
    if (kind === 'remove') this.#statements.remove.run(id, priority, sequence);
    else if (kind === 'trim') this.#statements.trim.run(id, priority, sequence);
    else this.#statements.update.run(operation.deliveryCount, operation.notBeforeEpochMs, id, priority, sequence);
  }

  #append(id: number, message: StoredMessage): void {
    this.#statements.append.run(
      id,
      message.priority,
      message.sequence,
      message.weightBytes,
      message.publishedEpochMs,
      message.expiresEpochMs,
      message.notBeforeEpochMs,
      message.deliveryCount,
      message.octets,
    );
  }

  /** Its messages are out of reach at once; tidying deletes them. */
  #drop(id: number, stream: string): void {
    this.#streamIds.delete(stream);
    this.#statements.dropStream.run(id);
    this.#statements.dropMarks.run(id);
    this.#statements.dropMessages.run(id);
  }

  #streamId(stream: string): number | undefined {
    const known = this.#streamIds.get(stream);
    if (known !== undefined) return known;
    const id = this.#statements.findStream.get(stream) as number | undefined;
    if (id !== undefined) this.#keepStreamId(stream, id);
    return id;
  }

  #requireStreamId(stream: string): number {
    const known = this.#streamId(stream);
    if (known !== undefined) return known;
    const id = Number(this.#statements.addStream.run(stream).lastInsertRowid);
    this.#keepStreamId(stream, id);
    return id;
  }

  #keepStreamId(stream: string, id: number): void {
    if (this.#streamIds.size >= MAX_KNOWN_STREAMS) this.#streamIds.clear();
    this.#streamIds.set(stream, id);
  }
}

function isFull(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'SQLITE_FULL';
}

function toMessage(priority: number, row: Row): StoredMessage {
  const [sequence, octets, weightBytes, publishedEpochMs, expiresEpochMs, notBeforeEpochMs, deliveryCount] = row;
  return {
    sequence,
    priority,
    octets,
    weightBytes,
    publishedEpochMs,
    expiresEpochMs,
    notBeforeEpochMs,
    deliveryCount,
  };
}

function prepare(database: Database) {
  const of = (sql: string): Statement => database.prepare(sql);
  return {
    begin: of('BEGIN IMMEDIATE'),
    commit: of('COMMIT'),
    rollback: of('ROLLBACK'),
    findStream: of('SELECT id FROM streams WHERE name = ?').pluck(),
    addStream: of('INSERT INTO streams (name) VALUES (?)'),
    append: of('INSERT OR REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    remove: of('DELETE FROM messages WHERE stream_id = ? AND priority = ? AND sequence = ?'),
    trim: of('DELETE FROM messages WHERE stream_id = ? AND priority = ? AND sequence <= ?'),
    update: of(
      `UPDATE messages SET delivery_count = ?, not_before_epoch_ms = ?
       WHERE stream_id = ? AND priority = ? AND sequence = ?`,
    ),
    mark: of(
      `INSERT INTO marks VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET sequence = excluded.sequence WHERE excluded.sequence > sequence`,
    ),
    dropStream: of('DELETE FROM streams WHERE id = ?'),
    dropMarks: of('DELETE FROM marks WHERE stream_id = ?'),
    dropMessages: of('INSERT INTO dropped_streams VALUES (?)'),
    put: of('INSERT OR REPLACE INTO records VALUES (?, ?, ?)'),
    delete: of('DELETE FROM records WHERE key = ?'),
    read: of(
      `SELECT sequence, octets, weight_bytes, published_epoch_ms, expires_epoch_ms, not_before_epoch_ms, delivery_count
       FROM messages WHERE stream_id = ? AND priority = ? AND sequence > ? ORDER BY sequence`,
    ).raw(),
    expire: of(
      `DELETE FROM records WHERE key IN
       (SELECT key FROM records WHERE expires_epoch_ms > 0 AND expires_epoch_ms <= ? ORDER BY expires_epoch_ms LIMIT ?)`,
    ),
    firstDropped: of('SELECT id FROM dropped_streams LIMIT 1').pluck(),
    forgetDropped: of('DELETE FROM dropped_streams WHERE id = ?'),
    deleteSome: of(
      `DELETE FROM messages WHERE stream_id = ? AND (priority, sequence) IN
       (SELECT priority, sequence FROM messages WHERE stream_id = ? LIMIT ?)`,
    ),
    forgetEmpty: of('DELETE FROM streams WHERE NOT EXISTS (SELECT 1 FROM messages WHERE stream_id = streams.id)'),
    forgetMarks: of('DELETE FROM marks WHERE NOT EXISTS (SELECT 1 FROM streams WHERE id = marks.stream_id)'),
    lanes: of(
      `SELECT name AS stream, lane.priority, messages, bytes, coalesce(marks.sequence, 0) AS markedSequence
       FROM (SELECT stream_id, priority, count(*) AS messages, sum(weight_bytes) AS bytes
             FROM messages GROUP BY stream_id, priority) AS lane
       JOIN streams ON streams.id = lane.stream_id
       LEFT JOIN marks ON marks.stream_id = lane.stream_id AND marks.priority = lane.priority`,
    ),
    records: of(
      `SELECT key, value, expires_epoch_ms AS expiresEpochMs FROM records
       WHERE expires_epoch_ms = 0 OR expires_epoch_ms > ?`,
    ),
  };
}
