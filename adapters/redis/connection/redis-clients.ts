/** Makes every client of Redis that a node has: where Redis is, as whom the node comes, and whom it trusts. */
import type { Redis } from 'ioredis';
import type { Clock } from '../../../broker/ports.js';
import {
  type ClientOptions,
  RedisConnection,
  type RedisConnectionEvents,
  type RedisReconnectOptions,
} from './redis-connection.js';

export interface RedisAccess {
  /** `redis://user:passcode@host:port`, or `rediss://` with TLS. */
  readonly url: string;
  /** PEM of authorities to trust, with `rediss://`; undefined: the system's. */
  readonly ca: Buffer | undefined;
}

export interface RedisClientsOptions extends RedisAccess {
  /** From dialling to the first answer. */
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly reconnect: RedisReconnectOptions;
}

export class RedisClients {
  readonly #options: RedisClientsOptions;
  readonly #clock: Clock;
  #create: ((options: ClientOptions) => Redis) | null = null;

  constructor(options: RedisClientsOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Whether state and channels are spread over several masters. */
  get isCluster(): boolean {
    return false;
  }

  /** To be awaited before the first connection: a node on its own never loads the package. */
  async load(): Promise<void> {
    if (this.#create !== null) return;
    const { Redis: Client } = await import('ioredis');
    const { url, ca } = this.#options;
    const tls = url.startsWith('rediss:') ? { tls: ca === undefined ? {} : { ca } } : {};
    this.#create = (options) => new Client(url, { ...options, ...tls });
  }

  /** Not connecting yet. @param name what Redis' own list of clients calls it, e.g. `hoofbeat-publish` */
  connection(name: string, events: RedisConnectionEvents): RedisConnection {
    const create = this.#create;
    if (create === null) throw new Error('clients of Redis are made after load()');
    const { connectTimeoutMs, pingIntervalMs, reconnect } = this.#options;
    const ports = { create, clock: this.#clock, reconnect, pingIntervalMs, connectTimeoutMs };
    return new RedisConnection({ connectionName: name }, events, ports);
  }
}
