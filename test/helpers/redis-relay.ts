/** A RedisRelay for tests: back soon after a loss, its log kept. */
import { RedisRelay, type RedisRelayOptions } from '../../adapters/redis/index.js';
import { SystemClock } from '../../adapters/system-clock.js';
import { recordingLogger, type LogLine } from '../../adapters/testing/recorded-log.js';

export function testRedisRelay(url: string, more: Partial<RedisRelayOptions> = {}, log: LogLine[] = []): RedisRelay {
  return new RedisRelay(
    {
      url,
      ca: undefined,
      keyPrefix: 'test:',
      separator: '/',
      connectTimeoutMs: 5_000,
      pingIntervalMs: 5_000,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100, jitter: 0.5 },
      maxPendingBytes: 1024 * 1024,
      ...more,
    },
    { clock: new SystemClock(), logger: recordingLogger(log, 'info') },
  );
}
