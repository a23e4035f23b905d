/**
 * Hears from the Sentinels that another server is the master now, and has connections leave the old one at once: it may live
 * on, take what is written to it, and lose it when it becomes a replica some seconds later.
 */
import { isIP } from 'node:net';
import type { RedisConnection, RedisConnectionEvents } from './redis-connection.js';

const SWITCH = '+switch-master';

export interface SentinelWatchParts {
  /** Of the master. */
  readonly name: string;
  /** A connection to each Sentinel, not connecting yet. */
  readonly connections: (events: RedisConnectionEvents) => readonly RedisConnection[];
  /** Before connections are dropped. @param sentinel by place: the one that knows @param count how many will ask for it */
  readonly onSwitched: (sentinel: number, count: number) => void;
}

export class SentinelWatch {
  readonly #parts: SentinelWatchParts;
  /** To the master. */
  readonly #watched = new Set<RedisConnection>();
  #sentinels: readonly RedisConnection[] = [];
  /** As it was told last; each Sentinel tells, and a connection may have been led there before. */
  #master = '';

  constructor(parts: SentinelWatchParts) {
    this.#parts = parts;
  }

  /** A connection to the master has begun. Harmless for one that is watched already. */
  add(connection: RedisConnection): void {
    this.#watched.add(connection);
    if (this.#sentinels.length > 0) return;
    this.#sentinels = this.#parts.connections({
      onUp: (client) => {
        client.on('message', (channel: string, text: string) => {
          if (channel === SWITCH) this.#switched(client, text);
        });
        // Refused or lost: what other Sentinels tell is heard, and without any the next error or sign of life that is missing.
        client.subscribe(SWITCH).catch(() => undefined);
      },
      onDown: () => undefined,
    });
    for (const sentinel of this.#sentinels) sentinel.connect();
  }

  /** It has ended for good. */
  delete(connection: RedisConnection): void {
    if (!this.#watched.delete(connection) || this.#watched.size > 0) return;
    for (const sentinel of this.#sentinels) sentinel.stop();
    this.#sentinels = [];
    this.#master = '';
  }

  #switched(teller: unknown, text: string): void {
    const [name, , , host = '', port = ''] = text.split(' ');
    const master = `${host}:${port}`;
    if (name !== this.#parts.name) return;
    const isTold = master === this.#master;
    this.#master = master;
    // Where a connection leads is known by address: under a host name it is left once.
    if (isTold && isIP(host) === 0) return;
    const stale = [...this.#watched].filter(({ remote }) => remote !== master);
    this.#parts.onSwitched(
      this.#sentinels.findIndex(({ client }) => client === teller),
      stale.length,
    );
    for (const connection of stale) connection.drop(new Error(`the Sentinels chose another master, ${master}`));
  }
}
