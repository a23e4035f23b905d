/** A test file once more, as a process of its own in another environment: the same facts hold there. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';
import { inTime } from './inbox.js';

const TESTS = path.resolve(import.meta.dirname, '..');

export const SUITE_LIMIT_MS = 90_000;

/**
 * Fails with what fails there.
 * @param file below `test/`, e.g. `conformance/queues.test.js`
 * @param atLeast so many of its tests were run
 */
export async function runSuite(t: Test, file: string, environment: NodeJS.ProcessEnv, atLeast: number): Promise<void> {
  const env = { ...process.env, ...environment, TAP_TIMEOUT: String(SUITE_LIMIT_MS / 1_000) };
  const child = spawn(process.execPath, [path.join(TESTS, file)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const exitCode = await inTime(new Promise((resolve) => child.on('close', resolve)), file, SUITE_LIMIT_MS);
  const failed = output.split('\n').filter((line) => /^\s*not ok/.test(line));
  t.strictSame(failed, []);
  t.equal(exitCode, 0);
  t.ok((output.match(/^ *ok/gm) ?? []).length >= atLeast, 'it was run');
}
