/** What nodes have of Redis, for tests: back soon after a loss, its log kept. */
import {
  RedisClients,
  type RedisClientsOptions,
  RedisCommands,
  type RedisCommandsOptions,
  RedisKeys,
  RedisRelay,
  type RedisRelayOptions,
  RedisSignals,
} from '../../adapters/redis/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import { recordingLogger, type LogLine } from '../../adapters/testing/recorded-log.js';

export type TestRelayOptions = Partial<RedisRelayOptions & RedisClientsOptions>;

const clock = new SystemClock();

export function testRedisClients(url: string, more: Partial<RedisClientsOptions> = {}): RedisClients {
  return new RedisClients(
    {
      url,
      sentinels: [],
      sentinelName: 'mymaster',
      sentinelUsername: '',
      sentinelPassword: '',
      clusterNodes: [],
      username: '',
      password: '',
      database: 0,
      tls: null,
      keyPrefix: 'test:',
      connectTimeoutMs: 5_000,
      pingIntervalMs: 5_000,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100, jitter: 0.5 },
      ...more,
    },
    clock,
  );
}

export function testRedisRelay(url: string, more: TestRelayOptions = {}, log: LogLine[] = []): RedisRelay {
  const options = { keyPrefix: 'test:', separator: '/', maxPendingBytes: 1024 * 1024, pingIntervalMs: 5_000, ...more };
  const logger = recordingLogger(log, 'info');
  const keys = new RedisKeys(options.keyPrefix);
  // What those say in the log is not the relay's.
  const shared = { clients: testRedisClients(url, more), clock, logger: recordingLogger([], 'info'), keys };
  const commands = new RedisCommands(options, shared);
  return new RedisRelay(options, { ...shared, logger, commands, signals: new RedisSignals(shared) });
}

export function testRedisCommands(
  url: string,
  more: Partial<RedisCommandsOptions & RedisClientsOptions> = {},
  log: LogLine[] = [],
): RedisCommands {
  return new RedisCommands(
    { maxPendingBytes: 1024 * 1024, ...more },
    { clients: testRedisClients(url, more), clock, logger: recordingLogger(log, 'info') },
  );
}

export function testRedisSignals(
  url: string,
  more: Partial<RedisClientsOptions> & { readonly keyPrefix?: string } = {},
  log: LogLine[] = [],
): RedisSignals {
  const { keyPrefix = 'test:' } = more;
  return new RedisSignals({
    clients: testRedisClients(url, more),
    keys: new RedisKeys(keyPrefix),
    clock,
    logger: recordingLogger(log, 'info'),
  });
}
