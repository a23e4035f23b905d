/** Conformance suites of queues, once more with Redis behind each server: the same facts hold. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { runSuite, SUITE_LIMIT_MS } from '../../helpers/suite-process.js';

const SUITES = ['queues', 'acknowledge', 'transactions', 'durable', 'selectors', 'temporary-queues'];

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  // Side by side: they mostly wait.
  t.jobs = 3;
  for (const suite of SUITES) {
    void t.test(`conformance/${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) =>
      runSuite(t, `conformance/${suite}.test.js`, { HOOFBEAT_TEST_REDIS: url }, 4),
    );
  }
}
