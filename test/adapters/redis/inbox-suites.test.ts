/** What holds of inboxes in memory and in SQLite, once more with Redis behind each server, and killed brokers. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { runSuite, SUITE_LIMIT_MS } from '../../helpers/suite-process.js';

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  t.jobs = 2;
  for (const [suite, atLeast] of [
    ['adapters/inboxes.test.js', 15],
    ['crash/inbox-crash.test.js', 1],
  ] as const) {
    void t.test(`${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) =>
      runSuite(t, suite, { HOOFBEAT_TEST_REDIS: url }, atLeast),
    );
  }
}
