/** A RedisStore for tests, of a node that need not be a member of anything. */
import { type RedisCommands, RedisKeys, RedisStore, type RedisStoreOptions } from '../../adapters/redis/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import type { Clock } from '../../broker/ports.js';
import { testRedisCommands, testRedisSignals } from './redis-relay.js';

export interface TestRedisStoreOptions extends Partial<RedisStoreOptions> {
  readonly keyPrefix?: string;
  readonly clock?: Pick<Clock, 'epochMs'>;
  readonly incarnation?: () => string;
}

export interface TestRedisStore {
  readonly store: RedisStore;
  readonly commands: RedisCommands;
  readonly keys: RedisKeys;
}

const MAX_PENDING_BYTES = 32 * 1024 * 1024;

/** Its commands are connected once the store is open. */
export function testRedisStore(
  url: string,
  {
    keyPrefix = 'test:',
    clock = new SystemClock(),
    incarnation = () => 'node/1',
    minReplicas = 0,
    replicaTimeoutMs = 1_000,
  }: TestRedisStoreOptions = {},
): TestRedisStore {
  const commands = testRedisCommands(url, { maxPendingBytes: MAX_PENDING_BYTES });
  const keys = new RedisKeys(keyPrefix);
  const signals = testRedisSignals(url, { keyPrefix });
  const store = new RedisStore({ minReplicas, replicaTimeoutMs }, { commands, signals, keys, clock, incarnation });
  return { store, commands, keys };
}
