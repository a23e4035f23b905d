/**
 * Runs the test suite: installs what tests need, hands the compiled test files to tap, reports. Arguments choose files
 * by a part of their path, e.g. `npm test -- conformance/framing`. With CI=true a skipped test counts as failed.
 * The last line is `N passed, N failed`, with `, N skipped` only when there are any.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { installPrograms, PROGRAM_NAMES } from './helpers/programs.js';
import { TapReport, type Totals } from './tap-report.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const TAP = path.join(ROOT, 'node_modules/.bin/tap');
/** The suite is to stay below ten minutes on two cores; a run that hangs must still end with a report. */
const RUN_LIMIT_MS = 570_000;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Sources decide what is run: a compiled file whose source is gone is left over from another time. */
function testSources(filters: readonly string[]): string[] {
  return readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`)
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .sort();
}

function installFor(sources: readonly string[]): void {
  const text = sources.map((source) => readFileSync(path.join(ROOT, source), 'utf8')).join('\n');
  installPrograms(
    PROGRAM_NAMES.filter((name) => text.includes(`'${name}'`)),
    print,
  );
}

/** Resolves to whether tap itself was content, and what it counted. */
async function runTap(sources: readonly string[]): Promise<{ ok: boolean; totals: Totals }> {
  const report = new TapReport(print);
  const files = sources.map((source) => `dist/${source.replace(/\.ts$/, '.js')}`);
  // A process group of its own, so that the limit ends the test processes as well.
  const tap = spawn(process.execPath, [TAP, '--reporter=tap', ...files], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  tap.stdout.setEncoding('utf8').on('data', (text: string) => report.push(text));
  const limit = setTimeout(() => {
    print(`the run is ended: it took longer than ${RUN_LIMIT_MS / 1000} s`);
    if (tap.pid !== undefined) process.kill(-tap.pid, 'SIGKILL');
  }, RUN_LIMIT_MS);
  const ok = await new Promise<boolean>((resolve, reject) => {
    tap.on('error', reject);
    tap.on('close', (code) => resolve(code === 0));
  });
  clearTimeout(limit);
  return { ok, totals: report.totals };
}

const sources = testSources(process.argv.slice(2));
if (sources.length === 0) {
  print('no test file has that in its path');
  print('0 passed, 1 failed');
  process.exit(1);
}
installFor(sources);
const { ok, totals } = await runTap(sources);
const skipsFail = process.env['CI'] === 'true';
// tap's own verdict counts too, should it differ from what the report understood.
const failed = totals.failed + (skipsFail ? totals.skipped : 0) || (ok ? 0 : 1);
if (skipsFail && totals.skipped > 0) print(`${totals.skipped} skipped, which is a failure in CI`);
print('');
print(`${totals.passed} passed, ${failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
