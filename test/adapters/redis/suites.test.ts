/** Suites that speak to one server, once more with what it keeps in Redis: the same facts hold. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { runSuite, SUITE_LIMIT_MS } from '../../helpers/suite-process.js';

const SUITES = ['conformance/history.test.js', 'resume/resume.test.js'];
/** Of runs that can be of any length. */
const SHORT = { HOOFBEAT_RESUME_SUBSCRIBERS: '40', HOOFBEAT_RESUME_MESSAGES: '600' };

for (const suite of SUITES) {
  t.test(`${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, async (t) => {
    if (!requireProgram(t, 'redis-server')) return;
    const { url } = await RedisProcess.start(t);
    await runSuite(t, suite, { ...SHORT, HOOFBEAT_TEST_REDIS: url }, 3);
  });
}
