/** What is to be written, one change for each connection: what happens to it before it is written becomes one row. */
import type { ConnectionChange } from './connection-record.js';

export class PendingChanges {
  readonly #max: number;
  /** By connection id; in order of arrival. */
  readonly #changes = new Map<string, ConnectionChange>();
  #dropped = 0;

  /** @param max connections that may wait; changes of further ones are dropped and counted */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#changes.size;
  }

  /** Changes lost since start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** @returns false when it was dropped */
  add(change: ConnectionChange): boolean {
    const id = idOf(change);
    const older = this.#changes.get(id);
    return this.#put(id, older === undefined ? change : merge(older, change));
  }

  /** Removes and returns those that have waited longest. */
  take(limit: number): ConnectionChange[] {
    const taken: ConnectionChange[] = [];
    for (const [id, change] of this.#changes) {
      if (taken.length === limit) break;
      taken.push(change);
      this.#changes.delete(id);
    }
    return taken;
  }

  /** Takes back what could not be written; newer changes of the same connections may have come meanwhile. */
  putBack(changes: readonly ConnectionChange[]): void {
    for (const change of changes) {
      const id = idOf(change);
      const newer = this.#changes.get(id);
      this.#put(id, newer === undefined ? change : merge(change, newer));
    }
  }

  #put(id: string, change: ConnectionChange): boolean {
    if (this.#changes.size >= this.#max && !this.#changes.has(id)) {
      this.#dropped++;
      return false;
    }
    this.#changes.set(id, change);
    return true;
  }
}

function idOf(change: ConnectionChange): string {
  return change.kind === 'insert' ? change.connection.connectionId : change.connectionId;
}

/** One change that does what the two do in turn. */
function merge(older: ConnectionChange, newer: ConnectionChange): ConnectionChange {
  if (older.kind === 'insert' && newer.kind === 'insert') {
    const { status, disconnectedEpochMs, lastActiveEpochMs } = newer.connection;
    return { kind: 'insert', connection: { ...older.connection, status, disconnectedEpochMs, lastActiveEpochMs } };
  }
  // What an insertion leaves of an older change, its row says anew.
  if (newer.kind === 'insert') return newer;
  const { lastActiveEpochMs, end } = newer;
  if (older.kind === 'update') {
    return { ...older, lastActiveEpochMs: lastActiveEpochMs ?? older.lastActiveEpochMs, end: older.end ?? end };
  }
  const { connection } = older;
  return {
    kind: 'insert',
    connection: {
      ...connection,
      lastActiveEpochMs: lastActiveEpochMs ?? connection.lastActiveEpochMs,
      ...(end === null || connection.status !== 'CONNECTED'
        ? {}
        : { status: end.status, disconnectedEpochMs: end.epochMs }),
    },
  };
}
