/** The form of RelayOptions as a zod schema. */
import { z } from 'zod';
import { flag, text, wholeNumber } from './schema-parts.js';

/** The longest interval of a timer. */
const MAX_INTERVAL_MS = 2_147_483_647;
const MAX_PENDING_BYTES = 1024 * 1024 * 1024;
/** Shorter than that, a pause of the garbage collector would be an absence. */
const MIN_LEASE_MS = 500;
const MAX_LEASE_MS = 3_600_000;
const PREFIX = 'a list of prefixes, at least one, each with a slash in front';
const JITTER = 'a number from 0 to 1';
const TYPE = '"stomp" or "redis"';
const URL = 'redis://host:port or rediss://host:port';
const KEY_PREFIX = 'up to 64 printable characters without space or braces';
const ADDRESS = 'a destination or false';

const intervalMs = wholeNumber(MAX_INTERVAL_MS).optional();
const waitMs = wholeNumber(MAX_INTERVAL_MS, 1).optional();
const broadcast = z.union([z.literal(false), text], { error: ADDRESS }).optional();

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
    .string({ error: URL })
    .regex(/^rediss?:\/\/[^\s]+$/, URL)
    .optional(),
  tls: z.strictObject({ caFile: text.optional() }, { error: 'an object' }).optional(),
  keyPrefix: z
    .string({ error: KEY_PREFIX })
    .regex(/^[\x21-\x7a\x7c\x7e]{0,64}$/, KEY_PREFIX)
    .optional(),
  connectTimeoutMs: waitMs,
  pingIntervalMs: waitMs,
  reconnect,
  maxPendingBytes: wholeNumber(MAX_PENDING_BYTES, 1).optional(),
  leaseMs: wholeNumber(MAX_LEASE_MS, MIN_LEASE_MS).optional(),
});

const stomp = z.strictObject(
  {
    type: z.literal('stomp', { error: TYPE }),
    host: z
      .string({ error: 'a host name or IP address' })
      .regex(/^[^\s/]+$/, 'a host name or IP address')
      .optional(),
    port: wholeNumber(65_535, 1).optional(),
    tls: z
      .union([z.boolean(), z.strictObject({ caFile: text.optional() })], { error: 'true, false or an object' })
      .optional(),
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
