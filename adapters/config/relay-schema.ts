/** The form of RelayOptions as a zod schema. */
import { z } from 'zod';
import type { RedisRelayFileOptions, RelayOptions } from './relay-options.js';
import { flag, text, wholeNumber } from './schema-parts.js';

/** The longest interval of a timer. */
const MAX_INTERVAL_MS = 2_147_483_647;
const MAX_REPLICAS = 100;
const MAX_PENDING_BYTES = 1024 * 1024 * 1024;
/** Shorter than that, a pause of the garbage collector would be an absence. */
const MIN_LEASE_MS = 500;
const MAX_LEASE_MS = 3_600_000;
const PREFIX = 'a list of prefixes, at least one, each with a slash in front';
const JITTER = 'a number from 0 to 1';
const TYPE = '"stomp" or "redis"';
const WHERE = 'redis://host:port or rediss://host:port';
const KEY_PREFIX = 'up to 64 printable characters without space or braces';
const ADDRESS = 'a destination or false';
const HOST = 'a host name or IP address';
const NODE = 'an object with host and port';
/** The number of the last database that Redis can be told to have. */
const MAX_DATABASE = 2_147_483_647;

const intervalMs = wholeNumber(MAX_INTERVAL_MS).optional();
const waitMs = wholeNumber(MAX_INTERVAL_MS, 1).optional();
const broadcast = z.union([z.literal(false), text], { error: ADDRESS }).optional();

const host = z.string({ error: HOST }).regex(/^[^\s/]+$/, HOST);
const nodes = z
  .array(z.strictObject({ host, port: wholeNumber(65_535, 1) }, { error: NODE }), { error: 'a list of nodes' })
  .min(1, 'at least one node')
  .optional();
const tls = z
  .union([z.boolean(), z.strictObject({ caFile: text.optional() })], { error: 'true, false or an object' })
  .optional();
const name = z.string({ error: 'text' }).optional();

const reconnect = z
  .strictObject(
    {
      initialDelayMs: waitMs,
      maxDelayMs: waitMs,
      jitter: z.number({ error: JITTER }).min(0, JITTER).max(1, JITTER).optional(),
    },
    { error: 'an object' },
  )
  .optional();

const redis = z.strictObject({
  type: z.literal('redis', { error: TYPE }),
  url: z
    .string({ error: WHERE })
    .regex(/^rediss?:\/\/[^\s]+$/, WHERE)
    .optional(),
  sentinels: nodes,
  sentinelName: text.optional(),
  sentinelUsername: name,
  sentinelPassword: name,
  clusterNodes: nodes,
  username: name,
  password: name,
  database: wholeNumber(MAX_DATABASE).optional(),
  tls,
  keyPrefix: z
    .string({ error: KEY_PREFIX })
    .regex(/^[\x21-\x7a\x7c\x7e]{0,64}$/, KEY_PREFIX)
    .optional(),
  connectTimeoutMs: waitMs,
  pingIntervalMs: waitMs,
  reconnect,
  maxPendingBytes: wholeNumber(MAX_PENDING_BYTES, 1).optional(),
  leaseMs: wholeNumber(MAX_LEASE_MS, MIN_LEASE_MS).optional(),
  minReplicas: wholeNumber(MAX_REPLICAS).optional(),
  replicaTimeoutMs: waitMs,
});

const stomp = z.strictObject(
  {
    type: z.literal('stomp', { error: TYPE }),
    host: host.optional(),
    port: wholeNumber(65_535, 1).optional(),
    tls,
    destinationPrefixes: z
      .array(z.string({ error: PREFIX }).regex(/^\/./, PREFIX), { error: PREFIX })
      .min(1, PREFIX)
      .optional(),
    clientLogin: text.optional(),
    clientPasscode: text.optional(),
    systemLogin: text.optional(),
    systemPasscode: text.optional(),
    virtualHost: z.union([z.literal(false), text], { error: 'a name or false' }).optional(),
    systemHeartbeatSendIntervalMs: intervalMs,
    systemHeartbeatReceiveIntervalMs: intervalMs,
    connections: z.enum(['shared', 'per-client'], { error: '"shared" or "per-client"' }).optional(),
    forwardLogin: flag.optional(),
    sharedConnections: wholeNumber(64, 1).optional(),
    connectTimeoutMs: waitMs,
    reconnect,
    maxPendingBytes: wholeNumber(MAX_PENDING_BYTES).optional(),
    userQueueHeaders: z.record(text, z.string({ error: 'text' }), { error: 'an object of texts' }).optional(),
    userDestinationBroadcast: broadcast,
    userRegistryBroadcast: broadcast,
  },
  { error: 'false or an object' },
);

const options = z.discriminatedUnion('type', [stomp, redis], { error: TYPE });

export const relay = z.union([z.literal(false), options], { error: 'false or an object' });

/** What each option is right by itself and wrong beside another: one line each. */
export function checkRelay(given: RelayOptions | false | undefined): string[] {
  return given === undefined || given === false || given.type !== 'redis' ? [] : checkRedis(given);
}

function checkRedis(given: RedisRelayFileOptions): string[] {
  const { url, sentinels, clusterNodes, username = '', password = '', database, tls } = given;
  const faults: string[] = [];
  const refuse = (option: string, got: string, wants: string): void => {
    faults.push(`relay.${option}: got ${got}, wants ${wants}`);
  };
  const other = sentinels === undefined ? 'clusterNodes' : 'sentinels';
  if (sentinels !== undefined && clusterNodes !== undefined) {
    refuse('clusterNodes', 'a list', 'nothing beside relay.sentinels');
  }
  if (sentinels !== undefined || clusterNodes !== undefined) {
    if (url !== undefined) refuse('url', HIDDEN, `nothing beside relay.${other}`);
  } else if (url !== undefined) for (const fault of checkUrl(url, given)) refuse(...fault);
  if (sentinels === undefined) {
    for (const option of ['sentinelName', 'sentinelUsername', 'sentinelPassword'] as const) {
      if ((given[option] ?? '') !== '') refuse(option, HIDDEN, 'nothing without relay.sentinels');
    }
  }
  if (clusterNodes !== undefined && (database ?? 0) !== 0) {
    refuse('database', String(database), '0 with relay.clusterNodes: a Redis Cluster has no other');
  }
  if (username !== '' && password === '') refuse('password', 'nothing', 'a password for relay.username');
  if (
    tls !== undefined &&
    tls !== false &&
    url === undefined &&
    sentinels === undefined &&
    clusterNodes === undefined
  ) {
    refuse('tls', 'TLS', 'a relay.url with rediss://, relay.sentinels or relay.clusterNodes');
  }
  return faults;
}

const HIDDEN = 'a value that is not shown';

function* checkUrl(url: string, given: RedisRelayFileOptions): Iterable<[option: string, got: string, wants: string]> {
  const { username = '', password = '', database = 0, tls = false } = given;
  if (!URL.canParse(url)) {
    yield ['url', HIDDEN, WHERE];
    return;
  }
  const parsed = new URL(url);
  if (tls !== false && parsed.protocol === 'redis:') yield ['tls', 'TLS', 'a relay.url with rediss://'];
  if ((username !== '' || password !== '') && (parsed.username !== '' || parsed.password !== '')) {
    yield ['password', HIDDEN, 'none, as relay.url has one'];
  }
  if (database !== 0 && /^\/./.test(parsed.pathname)) yield ['database', String(database), '0, as relay.url has one'];
}
