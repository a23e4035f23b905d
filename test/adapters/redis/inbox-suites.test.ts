/** What holds of inboxes in memory and in SQLite, once more with Redis behind each server, and killed brokers. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { SUITE_LIMIT_MS, SuiteProcess } from '../../helpers/suite-process.js';

const SUITES = [
  ['adapters/inboxes', 1],
  ['crash/inbox-crash', 1],
] as const;

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  const environment = { HOOFBEAT_TEST_REDIS: url };
  const names = SUITES.map(([suite]) => suite);
  const suites = new SuiteProcess(t, names, environment);
  for (const [suite, atLeast] of SUITES) {
    t.test(`${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) => suites.passes(t, suite, atLeast));
  }
}
