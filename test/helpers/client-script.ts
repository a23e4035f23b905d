/**
 * Runs a client written in another language as a child process. A script prints one line a fact, `ok - …` or
 * `not ok - …`, and `1..N` when it is through: one that stops half way is found out.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';
import { inTime } from './inbox.js';

/** Scripts are no TypeScript and stay where their sources are. */
const SCRIPTS = path.resolve(import.meta.dirname, '../../../test/interop/clients');
/** Interpreters start slowly while the other core compiles. */
const SCRIPT_LIMIT_MS = 45_000;

/**
 * Hands every line of the script to `t` as an assertion.
 * @param command interpreter and its options, before the script's name
 */
export async function runClientScript(
  t: Test,
  command: readonly [string, ...string[]],
  script: string,
  args: readonly (string | number)[],
): Promise<void> {
  const [program, ...options] = command;
  const child = spawn(program, [...options, path.join(SCRIPTS, script), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const exitCode = await inTime(ended, `${script} to end`, SCRIPT_LIMIT_MS).catch((error: unknown) => {
    throw new Error(`${String(error)}; it printed ${JSON.stringify(output + complaints)}`);
  });
  const lines = output.split('\n').filter((line) => line !== '');
  const facts = lines.filter((line) => /^(not )?ok - /.test(line));
  for (const fact of facts) t.ok(fact.startsWith('ok'), fact.replace(/^(not )?ok - /, ''));
  t.equal(lines.at(-1), `1..${facts.length}`, `${script} came to its end ${complaints}`);
  t.equal(exitCode, 0, `${script} exits with 0 ${complaints}`);
}
