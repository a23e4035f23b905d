/** Conformance suites of queues, once more with Redis behind each server: the same facts hold. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { inTime } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';

const TESTS = path.resolve(import.meta.dirname, '../..');
const SUITES = ['queues', 'acknowledge', 'transactions', 'durable', 'selectors', 'temporary-queues'];
const SUITE_LIMIT_MS = 90_000;

if (requireProgram(t, 'redis-server')) {
  const { url } = await RedisProcess.start(t);
  // Side by side: they mostly wait.
  t.jobs = 3;
  for (const suite of SUITES) {
    void t.test(`conformance/${suite} with Redis`, { timeout: SUITE_LIMIT_MS }, async (t) => {
      const env = { ...process.env, HOOFBEAT_TEST_REDIS: url, TAP_TIMEOUT: String(SUITE_LIMIT_MS / 1000) };
      const file = path.join(TESTS, `conformance/${suite}.test.js`);
      const child = spawn(process.execPath, [file], { env, stdio: ['ignore', 'pipe', 'inherit'] });
      t.teardown(() => child.kill('SIGKILL'));
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      const exitCode = await inTime(new Promise((resolve) => child.on('close', resolve)), suite, SUITE_LIMIT_MS);
      const failed = output.split('\n').filter((line) => /^\s*not ok/.test(line));
      t.strictSame(failed, []);
      t.equal(exitCode, 0);
      t.ok((output.match(/^ok/gm) ?? []).length > 3, 'it was run');
    });
  }
}
