/** Suites that speak to one server, once more with what it keeps in Redis: the same facts hold. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { SUITE_LIMIT_MS, SuiteProcess } from '../../helpers/suite-process.js';

const SUITES = ['conformance/history', 'resume/resume'];
/** Of runs that can be of any length. */
const SHORT = { HOOFBEAT_RESUME_SUBSCRIBERS: '40', HOOFBEAT_RESUME_MESSAGES: '600' };

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  const suites = new SuiteProcess(t, SUITES, { ...SHORT, HOOFBEAT_TEST_REDIS: url });
  for (const suite of SUITES) {
    t.test(`${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, (t) => suites.passes(t, suite, 3));
  }
}
