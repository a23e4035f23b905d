/** A connection log in memory, for tests and for servers without a disk; lost at exit. */
import {
  CONNECTION_STATUSES,
  type ConnectionChange,
  type ConnectionEntry,
  type ConnectionRecord,
  type ConnectionStatistics,
  type ConnectionStatus,
  type UserConnections,
} from './connection-record.js';
import type { ConnectionSink, PruneLimits, ResolvedConnectionQuery } from './connection-sink.js';

export class MemoryConnectionSink implements ConnectionSink {
  readonly name = 'memory';
  /** In order of id. */
  readonly #rows = new Map<string, ConnectionRecord>();
  #lastId = 0;

  open(): Promise<void> {
    return Promise.resolve();
  }

  write(changes: readonly ConnectionChange[]): Promise<void> {
    for (const change of changes) {
      if (change.kind === 'insert') this.#insert(change.connection);
      else this.#update(change);
    }
    return Promise.resolve();
  }

  stale(
    beforeEpochMs: number,
    afterId: number,
    limit: number,
  ): Promise<readonly { readonly id: number; readonly connectionId: string }[]> {
    const found = this.#select(
      (row) => row.id > afterId && row.status === 'CONNECTED' && row.lastActiveEpochMs < beforeEpochMs,
      limit,
    );
    return Promise.resolve(found.map(({ id, connectionId }) => ({ id, connectionId })));
  }

  prune({ endedBeforeEpochMs, maxRows, atOnce }: PruneLimits): Promise<boolean> {
    const isPast = (row: ConnectionRecord): boolean => (row.disconnectedEpochMs ?? Infinity) < endedBeforeEpochMs;
    const past = this.#delete(isPast, atOnce);
    const excess = Math.min(this.#rows.size - maxRows, atOnce - past);
    const tooMany = this.#delete((row) => row.status !== 'CONNECTED', excess);
    return Promise.resolve(past + tooMany === atOnce);
  }

  list({ status, userId, limit, offset }: ResolvedConnectionQuery): Promise<readonly ConnectionRecord[]> {
    const rows = [...this.#rows.values()].filter(
      (row) => (status === undefined || row.status === status) && (userId === undefined || row.userId === userId),
    );
    return Promise.resolve(rows.reverse().slice(offset, offset + limit));
  }

  statistics(maxUsers: number): Promise<ConnectionStatistics> {
    const byStatus = Object.fromEntries(CONNECTION_STATUSES.map((status) => [status, 0])) as Record<
      ConnectionStatus,
      number
    >;
    const users = new Map<string, UserConnections>();
    for (const { status, userId } of this.#rows.values()) {
      byStatus[status]++;
      if (userId === null) continue;
      const { connections, connected } = users.get(userId) ?? { connections: 0, connected: 0 };
      const isConnected = status === 'CONNECTED' ? 1 : 0;
      users.set(userId, { userId, connections: connections + 1, connected: connected + isConnected });
    }
    const most = [...users.values()].sort((a, b) => b.connections - a.connections).slice(0, maxUsers);
    return Promise.resolve({ total: this.#rows.size, byStatus, users: most });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #insert(entry: ConnectionEntry): void {
    const { connectionId, status, disconnectedEpochMs, lastActiveEpochMs } = entry;
    const old = this.#rows.get(connectionId);
    const row =
      old === undefined ? { id: ++this.#lastId, ...entry } : { ...old, status, disconnectedEpochMs, lastActiveEpochMs };
    this.#rows.set(connectionId, row);
  }

  #update({ connectionId, lastActiveEpochMs, end }: Extract<ConnectionChange, { kind: 'update' }>): void {
    const old = this.#rows.get(connectionId);
    if (old?.status !== 'CONNECTED') return;
    this.#rows.set(connectionId, {
      ...old,
      lastActiveEpochMs: lastActiveEpochMs ?? old.lastActiveEpochMs,
      ...(end === null ? {} : { status: end.status, disconnectedEpochMs: end.epochMs }),
    });
  }

  #select(isWanted: (row: ConnectionRecord) => boolean, limit: number): ConnectionRecord[] {
    const found: ConnectionRecord[] = [];
    for (const row of this.#rows.values()) {
      if (found.length >= limit) break;
      if (isWanted(row)) found.push(row);
    }
    return found;
  }

  #delete(isWanted: (row: ConnectionRecord) => boolean, limit: number): number {
    const found = this.#select(isWanted, limit);
    for (const { connectionId } of found) this.#rows.delete(connectionId);
    return found.length;
  }
}
