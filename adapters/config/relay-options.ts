/** The `relay` part of ServerOptions, its defaults, and the step between the two. Of `stomp`, the names are Spring's. */

export type RelayOptions = StompRelayFileOptions | RedisRelayFileOptions;

/** Other nodes, which share topics with this one over Redis. */
export interface RedisRelayFileOptions {
  readonly type: 'redis';
  /** `redis://user:password@host:port/database`, or `rediss://` with TLS. */
  readonly url?: string | undefined;
  /** Instead of `url`: Redis Sentinels, which know where the master is. */
  readonly sentinels?: readonly RedisAddressOptions[] | undefined;
  /** Of the master, at the Sentinels. */
  readonly sentinelName?: string | undefined;
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** Instead of `url`: some nodes of a Redis Cluster, by which the others are found. */
  readonly clusterNodes?: readonly RedisAddressOptions[] | undefined;
  /** At Redis itself, where the URL does not say it. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Not in a Redis Cluster, which has one alone. */
  readonly database?: number | undefined;
  /** For Redis and Sentinels alike; a `url` with `rediss://` has TLS already. True trusts the system's authorities. */
  readonly tls?: boolean | RelayTlsOptions | undefined;
  /** In front of every channel: the same on all nodes of a cluster, another one for each cluster. */
  readonly keyPrefix?: string | undefined;
  /** From dialling to the first answer. */
  readonly connectTimeoutMs?: number | undefined;
  /** Redis is asked for a sign of life that often; one interval without ends the connection. */
  readonly pingIntervalMs?: number | undefined;
  readonly reconnect?: RelayReconnectOptions | undefined;
  /** Octets on their way to Redis above which messages are for this node alone: dropped for the others, and counted. */
  readonly maxPendingBytes?: number | undefined;
  /** A node that Redis has not heard of for so long is given up by the others. The same on all nodes. */
  readonly leaseMs?: number | undefined;
  /** Replicas of Redis that have to have what is stored before its RECEIPT; 0: Redis alone. */
  readonly minReplicas?: number | undefined;
  /** How long they may take; a SEND that fewer have by then is answered `store-failed`, and may be there nevertheless. */
  readonly replicaTimeoutMs?: number | undefined;
}

/** Destinations that an external STOMP broker has: RabbitMQ, ActiveMQ, Artemis (Spring: `enableStompBrokerRelay`). */
export interface StompRelayFileOptions {
  readonly type: 'stomp';
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** True trusts the system's authorities. */
  readonly tls?: boolean | RelayTlsOptions | undefined;
  /** Bare prefixes of the destinations that are the external broker's. */
  readonly destinationPrefixes?: readonly string[] | undefined;
  /** For what clients send and subscribe to. */
  readonly clientLogin?: string | undefined;
  readonly clientPasscode?: string | undefined;
  /** For what the application sends, and for messages to users. */
  readonly systemLogin?: string | undefined;
  readonly systemPasscode?: string | undefined;
  /** `host` of CONNECT; false leaves it out. */
  readonly virtualHost?: string | false | undefined;
  /** Heart-beats of every connection to the external broker; 0 is never. */
  readonly systemHeartbeatSendIntervalMs?: number | undefined;
  readonly systemHeartbeatReceiveIntervalMs?: number | undefined;
  /** `shared`: many clients over few connections; `per-client`: one for each client, as Spring has it. */
  readonly connections?: 'shared' | 'per-client' | undefined;
  /** With `per-client`: login and passcode of the client's CONNECT are shown to the external broker, where it has any. */
  readonly forwardLogin?: boolean | undefined;
  /** With `shared`: pairs of connections, one for SEND and one for subscriptions. */
  readonly sharedConnections?: number | undefined;
  /** From dialling to CONNECTED. */
  readonly connectTimeoutMs?: number | undefined;
  readonly reconnect?: RelayReconnectOptions | undefined;
  /** Octets on their way to the external broker above which senders are not read from. */
  readonly maxPendingBytes?: number | undefined;
  /** Added to SEND and SUBSCRIBE of users' own queues, e.g. `{ x-expires: "60000" }` of RabbitMQ. */
  readonly userQueueHeaders?: Readonly<Record<string, string>> | undefined;
  /** Where nodes tell each other of messages for users they do not know; false: they do not. */
  readonly userDestinationBroadcast?: string | false | undefined;
  /** Where nodes tell each other who is connected; false: they do not. */
  readonly userRegistryBroadcast?: string | false | undefined;
}

export interface RedisAddressOptions {
  readonly host: string;
  readonly port: number;
}

export interface RelayTlsOptions {
  /** PEM of authorities to trust; in a configuration file, relative to its directory. Default: the system's. */
  readonly caFile?: string | undefined;
}

/** Time between attempts: `initialDelayMs`, twice as long each time. */
export interface RelayReconnectOptions {
  readonly initialDelayMs?: number | undefined;
  readonly maxDelayMs?: number | undefined;
  /** Part of each delay, 0 to 1, that may be left out by chance. */
  readonly jitter?: number | undefined;
}

export type ResolvedRelayOptions = ResolvedStompRelayOptions | ResolvedRedisRelayOptions;

export interface ResolvedRedisRelayOptions {
  readonly type: 'redis';
  readonly url: string;
  readonly sentinels: readonly RedisAddressOptions[];
  readonly sentinelName: string;
  readonly sentinelUsername: string;
  readonly sentinelPassword: string;
  readonly clusterNodes: readonly RedisAddressOptions[];
  readonly username: string;
  readonly password: string;
  readonly database: number;
  readonly tls: boolean | RelayTlsOptions;
  readonly keyPrefix: string;
  readonly connectTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly reconnect: { readonly initialDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
  readonly maxPendingBytes: number;
  readonly leaseMs: number;
  readonly minReplicas: number;
  readonly replicaTimeoutMs: number;
}

/** A failover of Redis takes seconds: nodes look often, and are back soon after it. */
export const DEFAULT_REDIS_RELAY_OPTIONS: ResolvedRedisRelayOptions = Object.freeze({
  type: 'redis',
  url: 'redis://127.0.0.1:6379',
  sentinels: Object.freeze([]),
  sentinelName: 'mymaster',
  sentinelUsername: '',
  sentinelPassword: '',
  clusterNodes: Object.freeze([]),
  username: '',
  password: '',
  database: 0,
  tls: false,
  keyPrefix: 'hoofbeat:',
  connectTimeoutMs: 10_000,
  pingIntervalMs: 5_000,
  reconnect: Object.freeze({ initialDelayMs: 100, maxDelayMs: 5_000, jitter: 0.5 }),
  maxPendingBytes: 32 * 1024 * 1024,
  leaseMs: 6_000,
  minReplicas: 0,
  replicaTimeoutMs: 1_000,
} as const);

export interface ResolvedStompRelayOptions {
  readonly type: 'stomp';
  readonly host: string;
  readonly port: number;
  readonly tls: boolean | RelayTlsOptions;
  readonly destinationPrefixes: readonly string[];
  readonly clientLogin: string;
  readonly clientPasscode: string;
  readonly systemLogin: string;
  readonly systemPasscode: string;
  readonly virtualHost: string | false;
  readonly systemHeartbeatSendIntervalMs: number;
  readonly systemHeartbeatReceiveIntervalMs: number;
  readonly connections: 'shared' | 'per-client';
  readonly forwardLogin: boolean;
  readonly sharedConnections: number;
  readonly connectTimeoutMs: number;
  readonly reconnect: { readonly initialDelayMs: number; readonly maxDelayMs: number; readonly jitter: number };
  readonly maxPendingBytes: number;
  readonly userQueueHeaders: Readonly<Record<string, string>>;
  readonly userDestinationBroadcast: string | false;
  readonly userRegistryBroadcast: string | false;
}

/** Where Spring has a default it is this one (S11.1, S11.2, S11.10); Spring tries again every 5 s for ever (S11.11). */
export const DEFAULT_RELAY_OPTIONS: ResolvedStompRelayOptions = Object.freeze({
  type: 'stomp',
  host: '127.0.0.1',
  port: 61613,
  tls: false,
  destinationPrefixes: Object.freeze(['/topic', '/queue']),
  clientLogin: 'guest',
  clientPasscode: 'guest',
  systemLogin: 'guest',
  systemPasscode: 'guest',
  virtualHost: false,
  systemHeartbeatSendIntervalMs: 10_000,
  systemHeartbeatReceiveIntervalMs: 10_000,
  connections: 'shared',
  forwardLogin: true,
  sharedConnections: 2,
  connectTimeoutMs: 60_000,
  reconnect: Object.freeze({ initialDelayMs: 1_000, maxDelayMs: 30_000, jitter: 0.5 }),
  maxPendingBytes: 8 * 1024 * 1024,
  userQueueHeaders: Object.freeze({}),
  userDestinationBroadcast: false,
  userRegistryBroadcast: false,
} as const);

export function resolveRelay(given: RelayOptions | false | undefined): ResolvedRelayOptions | false {
  if (given === undefined || given === false) return false;
  return given.type === 'redis'
    ? fill(DEFAULT_REDIS_RELAY_OPTIONS, given, given.reconnect)
    : fill(DEFAULT_RELAY_OPTIONS, given, given.reconnect);
}

function fill<T extends ResolvedRelayOptions>(
  standard: T,
  given: RelayOptions,
  reconnect: RelayReconnectOptions = {},
): T {
  return { ...standard, ...said(given), reconnect: { ...standard.reconnect, ...said(reconnect) } };
}

function said(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
