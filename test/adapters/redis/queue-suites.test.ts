/**
 * Conformance suites of queues and of what outlives a process, and a broker that is killed under load, once more with Redis
 * behind each server: the same facts hold.
 */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { runSuite, SUITE_LIMIT_MS } from '../../helpers/suite-process.js';

const SUITES = ['queues', 'acknowledge', 'transactions', 'durable', 'selectors', 'temporary-queues', 'persistence'];
const KILLS = '3';

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  // Side by side: they mostly wait.
  t.jobs = 3;
  for (const suite of SUITES) {
    void t.test(`conformance/${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) =>
      runSuite(t, `conformance/${suite}.test.js`, { HOOFBEAT_TEST_REDIS: url }, 4),
    );
  }
  void t.test(`crash/crash with Redis`, { timeout: SUITE_LIMIT_MS }, (t) =>
    runSuite(t, 'crash/crash.test.js', { HOOFBEAT_TEST_REDIS: url, HOOFBEAT_CRASH_KILLS: KILLS }, 3),
  );
}
