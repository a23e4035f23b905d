/** A RedisStore for tests, of a node that need not be a member of anything. */
import {
  RedisClients,
  RedisCommands,
  RedisKeys,
  RedisStore,
  type RedisStoreOptions,
} from '../../adapters/redis/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import { recordingLogger, type LogLine } from '../../adapters/testing/recorded-log.js';
import type { Clock } from '../../broker/ports.js';

export interface TestRedisStoreOptions extends Partial<RedisStoreOptions> {
  readonly keyPrefix?: string;
  readonly clock?: Pick<Clock, 'epochMs'>;
  readonly incarnation?: () => string;
  readonly log?: LogLine[];
}

export interface TestRedisStore {
  readonly store: RedisStore;
  readonly commands: RedisCommands;
  readonly keys: RedisKeys;
}

/** Its commands are connected once the store is open. */
export function testRedisStore(
  url: string,
  {
    keyPrefix = 'test:',
    clock = new SystemClock(),
    incarnation = () => 'node/1',
    log = [],
    ...options
  }: TestRedisStoreOptions = {},
): TestRedisStore {
  const logger = recordingLogger(log, 'info');
  const time = new SystemClock();
  const clients = new RedisClients(
    {
      url,
      ca: undefined,
      connectTimeoutMs: 5_000,
      pingIntervalMs: 5_000,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100, jitter: 0.5 },
    },
    time,
  );
  const commands = new RedisCommands({ maxPendingBytes: 32 * 1024 * 1024 }, { clients, clock: time, logger });
  const keys = new RedisKeys(keyPrefix);
  const ports = { commands, clients, keys, clock, logger, incarnation };
  return { store: new RedisStore({ minReplicas: 0, replicaTimeoutMs: 1_000, ...options }, ports), commands, keys };
}
