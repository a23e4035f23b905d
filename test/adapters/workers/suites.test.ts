/** Suites that speak to a server over sockets, once more with worker processes between: the same facts hold. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import t from 'tap';
import { inTime } from '../../helpers/inbox.js';

const TESTS = path.resolve(import.meta.dirname, '../..');
/**
 * Those that start few servers, as each start is two processes more, and whose facts do not rest on the order of what two
 * connections do, which workers do not keep.
 */
const SUITES = ['conformance/framing.test.js', 'conformance/receipts.test.js', 'interop/traps.test.js'];
const SUITE_LIMIT_MS = 90_000;

for (const suite of SUITES) {
  t.test(`${suite} with two workers`, { timeout: SUITE_LIMIT_MS }, async (t) => {
    const env = { ...process.env, HOOFBEAT_TEST_WORKERS: '2', TAP_TIMEOUT: String(SUITE_LIMIT_MS / 1000) };
    const child = spawn(process.execPath, [path.join(TESTS, suite)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    const exitCode = await inTime(new Promise((resolve) => child.on('close', resolve)), suite, SUITE_LIMIT_MS);
    const failed = output.split('\n').filter((line) => /^\s*not ok/.test(line));
    t.strictSame(failed, []);
    t.equal(exitCode, 0);
    t.ok((output.match(/^ok/gm) ?? []).length > 5, 'it was run');
  });
}
