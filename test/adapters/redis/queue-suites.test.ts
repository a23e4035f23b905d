/**
 * Conformance suites of queues and of what outlives a process, and a broker that is killed under load, once more with Redis
 * behind each server: the same facts hold.
 */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { SUITE_LIMIT_MS, SuiteProcess } from '../../helpers/suite-process.js';

const SUITES = ['queues', 'acknowledge', 'transactions', 'durable', 'selectors', 'temporary-queues', 'persistence'];
const KILLS = '3';

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  const environment = { HOOFBEAT_TEST_REDIS: url, HOOFBEAT_CRASH_KILLS: KILLS };
  const files = SUITES.map((suite) => `conformance/${suite}`);
  // Side by side: they mostly wait.
  const queues = new SuiteProcess(t, files, environment);
  const crash = new SuiteProcess(t, ['crash/crash'], environment);
  for (const file of files) {
    t.test(`${file} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) => queues.passes(t, file, 4));
  }
  t.test(`crash/crash with Redis`, { timeout: SUITE_LIMIT_MS }, (t) => crash.passes(t, 'crash/crash', 1));
}
