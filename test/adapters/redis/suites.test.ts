/** Suites that speak to one server, once more with what it keeps in Redis: the same facts hold. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { inTime } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';

const TESTS = path.resolve(import.meta.dirname, '../..');
const SUITES = ['conformance/history.test.js', 'resume/resume.test.js'];
/** Of runs that can be of any length. */
const SHORT = { HOOFBEAT_RESUME_SUBSCRIBERS: '40', HOOFBEAT_RESUME_MESSAGES: '600' };
const SUITE_LIMIT_MS = 90_000;

for (const suite of SUITES) {
  t.test(`${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, async (t) => {
    if (!requireProgram(t, 'redis-server')) return;
    const redis = await RedisProcess.start(t);
    const limit = String(SUITE_LIMIT_MS / 1000);
    const env = { ...process.env, ...SHORT, HOOFBEAT_TEST_REDIS: redis.url, TAP_TIMEOUT: limit };
    const child = spawn(process.execPath, [path.join(TESTS, suite)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const exitCode = await inTime(new Promise((resolve) => child.on('close', resolve)), suite, SUITE_LIMIT_MS);
    const failed = output.split('\n').filter((line) => /^\s*not ok/.test(line));
    t.strictSame(failed, []);
    t.equal(exitCode, 0);
    t.ok((output.match(/^ok/gm) ?? []).length > 2, 'it was run');
  });
}
