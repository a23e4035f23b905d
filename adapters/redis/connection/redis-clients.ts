/** Makes every client of Redis that a node has: where Redis is, as whom the node comes, and whom it trusts. */
import type { Redis } from 'ioredis';
import type { Clock } from '../../../broker/ports.js';
import { ClusterTopology, type ClusterView, type RedisAddress } from './cluster-topology.js';
import { slotOf } from './hash-slot.js';
import {
  type ClientOptions,
  muffle,
  ONE_LIFE,
  RedisConnection,
  type RedisConnectionEvents,
  type RedisReconnectOptions,
} from './redis-connection.js';
import { RedisKeys } from './redis-keys.js';
import { whyUnusable } from './server-state.js';
import { SentinelWatch } from './sentinel-watch.js';

/** One of three: a server by `url`, the master that Sentinels know, or a Redis Cluster. */
export interface RedisAccess {
  /** `redis://user:password@host:port/database`, or `rediss://` with TLS. Counts where the other two are empty. */
  readonly url: string;
  readonly sentinels: readonly RedisAddress[];
  /** Of the master, at the Sentinels. */
  readonly sentinelName: string;
  /** Empty: none. As the next four. */
  readonly sentinelUsername: string;
  readonly sentinelPassword: string;
  /** Some nodes of a Redis Cluster: the others are found by them. */
  readonly clusterNodes: readonly RedisAddress[];
  readonly username: string;
  readonly password: string;
  readonly database: number;
  /** For Redis and Sentinels alike; null: by `url`. Authorities as PEM; undefined: the system's. */
  readonly tls: { readonly ca: Buffer | undefined } | null;
  /** In front of every key: its hash tag says where the state is in a Redis Cluster. */
  readonly keyPrefix: string;
}

export interface RedisClientsOptions extends RedisAccess {
  /** From dialling to the first answer. */
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly reconnect: RedisReconnectOptions;
}

type ClientClass = typeof Redis;

/** One Sentinel or node of a cluster that stands still must not use up the time that all of them have. */
const MAX_ASK_MS = 2_000;

export class RedisClients {
  readonly #options: RedisClientsOptions;
  readonly #clock: Clock;
  /** Null: no Redis Cluster. */
  readonly topology: ClusterTopology | null;
  #Client: ClientClass | null = null;
  /** Null: no Sentinels. */
  readonly #watch: SentinelWatch | null;
  #turn = 0;
  /** Connections that ask the same Sentinel as the one before: it has told them to. */
  #led = 0;

  constructor(options: RedisClientsOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    const { clusterNodes } = options;
    this.#watch = options.sentinels.length === 0 || clusterNodes.length > 0 ? null : this.#watchSentinels();
    this.topology = clusterNodes.length === 0 ? null : new ClusterTopology(clusterNodes, (node) => this.#askNode(node));
  }

  /** Whether channels are spread over several masters. */
  get isCluster(): boolean {
    return this.topology !== null;
  }

  /** To be awaited before the first connection: a node on its own never loads the package. */
  async load(): Promise<void> {
    this.#Client ??= (await import('ioredis')).Redis;
  }

  /**
   * Not connecting yet.
   * @param name what Redis' own list of clients calls it, e.g. `hoofbeat-publish`
   * @param where in a Redis Cluster, asked at each attempt; default: the master of what nodes keep there
   */
  connection(name: string, events: RedisConnectionEvents, where = () => this.#masterOfState()): RedisConnection {
    const { connectTimeoutMs, pingIntervalMs, reconnect } = this.#options;
    const create = async (options: ClientOptions): Promise<Redis> => this.#create(options, where);
    const watch = this.#watch ?? undefined;
    // A master that a failover has just made a replica is not taken; without Sentinels it may be so on purpose.
    const refuse = (info: string): string | null => whyUnusable(info, this.#watch !== null);
    const ports = { create, clock: this.#clock, reconnect, pingIntervalMs, connectTimeoutMs, watch, refuse };
    return new RedisConnection({ connectionName: name }, events, ports);
  }

  #watchSentinels(): SentinelWatch {
    const { sentinels, sentinelName, connectTimeoutMs, pingIntervalMs, reconnect } = this.#options;
    return new SentinelWatch({
      name: sentinelName,
      connections: (events) =>
        sentinels.map((address) => {
          const create = (options: ClientOptions): Promise<Redis> =>
            Promise.resolve(new this.#Class({ ...options, ...this.#sentinelAccess(address) }));
          const ports = { create, clock: this.#clock, reconnect, pingIntervalMs, connectTimeoutMs };
          return new RedisConnection({ connectionName: 'hoofbeat-sentinels' }, events, ports);
        }),
      onSwitched: (sentinel, count) => {
        this.#turn = Math.max(0, sentinel);
        this.#led = count;
      },
    });
  }

  #sentinelAccess(address: RedisAddress): ClientOptions {
    const { sentinelUsername, sentinelPassword, tls } = this.#options;
    return {
      ...address,
      ...(sentinelUsername === '' ? {} : { username: sentinelUsername }),
      ...(sentinelPassword === '' ? {} : { password: sentinelPassword }),
      ...(tls === null ? {} : { tls: tls.ca === undefined ? {} : { ca: tls.ca } }),
    };
  }

  get #Class(): ClientClass {
    if (this.#Client === null) throw new Error('clients of Redis are made after load()');
    return this.#Client;
  }

  async #create(options: ClientOptions, where: () => Promise<RedisAddress>): Promise<Redis> {
    const { url, sentinels } = this.#options;
    const own = { ...options, ...this.#credentials() };
    if (this.topology !== null) return new this.#Class({ ...own, ...(await where()) });
    if (sentinels.length > 0) return new this.#Class({ ...own, ...this.#bySentinels(options) });
    return new this.#Class(url, own);
  }

  #credentials(): ClientOptions {
    const { username, password, database, url, tls } = this.#options;
    const isTls = tls !== null || (this.topology === null && url.startsWith('rediss:'));
    return {
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(database === 0 ? {} : { db: database }),
      ...(isTls ? { tls: tls?.ca === undefined ? {} : { ca: tls.ca } } : {}),
    };
  }

  #bySentinels({ connectTimeout = MAX_ASK_MS }: ClientOptions): ClientOptions {
    const { sentinels, sentinelName, sentinelUsername, sentinelPassword, tls } = this.#options;
    // Another one first each time: one that stands still is not asked first for ever. But others may not know of a new
    // master yet that one of them has told.
    const first = this.#turn % sentinels.length;
    if (this.#led > 0) this.#led--;
    else this.#turn++;
    const timeoutMs = Math.min(connectTimeout, MAX_ASK_MS);
    return {
      sentinels: [...sentinels.slice(first), ...sentinels.slice(0, first)],
      name: sentinelName,
      role: 'master',
      connectTimeout: timeoutMs,
      sentinelCommandTimeout: timeoutMs,
      sentinelRetryStrategy: () => null,
      updateSentinels: false,
      ...(sentinelUsername === '' ? {} : { sentinelUsername }),
      ...(sentinelPassword === '' ? {} : { sentinelPassword }),
      ...(tls === null
        ? {}
        : { enableTLSForSentinelMode: true, sentinelTLS: tls.ca === undefined ? {} : { ca: tls.ca } }),
    };
  }

  async #masterOfState(): Promise<RedisAddress> {
    const { topology } = this;
    if (topology === null) throw new Error('no Redis Cluster');
    await topology.refresh();
    const slot = slotOf(new RedisKeys(this.#options.keyPrefix).of('x'));
    const master = topology.masters.get(topology.ownerOf(slot) ?? '');
    if (master === undefined) throw new Error(`no master of the cluster has slot ${slot}`);
    return master;
  }

  async #askNode(node: RedisAddress): Promise<ClusterView> {
    const timeoutMs = Math.min(this.#options.connectTimeoutMs, MAX_ASK_MS);
    const limits = { connectTimeout: timeoutMs, commandTimeout: timeoutMs };
    const client = new this.#Class({ ...ONE_LIFE, ...this.#credentials(), ...node, ...limits });
    const problems: Error[] = [];
    client.on('error', (error) => {
      muffle(client);
      problems.push(error);
    });
    try {
      await client.connect();
      const [info, slots] = await Promise.all([client.call('CLUSTER', 'INFO'), client.call('CLUSTER', 'SLOTS')]);
      return { info: String(info), slots };
    } catch (error) {
      throw problems[0] ?? error;
    } finally {
      muffle(client);
      client.disconnect();
    }
  }
}
