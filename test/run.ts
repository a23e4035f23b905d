/**
 * Runs the test suite: installs what tests need, runs the compiled test files, reports. Arguments choose files
 * by a part of their path, e.g. `npm test -- conformance/framing`. With CI=true a skipped test counts as failed.
 * With `--record` it writes down how long each file took, for the order of later runs (runner/seconds.json).
 * The last line is `N passed, N failed`, with `, N skipped` only when there are any.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { installPrograms, PROGRAM_NAMES } from './helpers/programs.js';
import { recordedSeconds, recordSeconds } from './runner/file-seconds.js';
import { toLanes, type Lane } from './runner/lanes.js';
import { runLanes } from './runner/run-lanes.js';
import type { EndedFile } from './runner/test-process.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** The suite is to stay below ten minutes on two cores; a run that hangs must still end with a report. */
const RUN_LIMIT_MS = 590_000;
const RECORD = '--record';
/** What a change is judged by must not depend on what was drawn; the long scripts draw anew (helpers/seed.ts). */
process.env['HOOFBEAT_SEED'] ??= '1';

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const textOf = (source: string): string => readFileSync(path.join(ROOT, source), 'utf8');

/** Sources decide what is run: a compiled file whose source is gone is left over from another time. */
function testSources(filters: readonly string[]): string[] {
  return readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`)
    .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
    .sort();
}

function installFor(sources: readonly string[]): void {
  const text = sources.map(textOf).join('\n');
  installPrograms(
    PROGRAM_NAMES.filter((name) => text.includes(`'${name}'`)),
    print,
  );
}

/** Lanes of sources, with each source as the file that the compiler made of it. */
function compiled(lanes: readonly Lane[]): Lane[] {
  const toFile = (source: string): string => `dist/${source.replace(/\.ts$/, '.js')}`;
  return lanes.map((lane) => ({ ...lane, processes: lane.processes.map((sources) => sources.map(toFile)) }));
}

const args = process.argv.slice(2);
const sources = testSources(args.filter((argument) => argument !== RECORD));
if (sources.length === 0) {
  print('no test file has that in its path');
  print('0 passed, 1 failed');
  process.exit(1);
}
installFor(sources);
const totals = { passed: 0, failed: 0, skipped: 0 };
const ended: EndedFile[] = [];
const lanes = compiled(toLanes(sources, { textOf, secondsOf: recordedSeconds() }));
const notRun = await runLanes(lanes, RUN_LIMIT_MS, (file) => {
  ended.push(file);
  file.report.print(print, file.tookMs);
  for (const count of ['passed', 'failed', 'skipped'] as const) totals[count] += file.report[count];
});
if (notRun.length > 0) {
  print(`the run is ended: it took longer than ${RUN_LIMIT_MS / 1000} s; ${notRun.length} files were not run`);
  totals.failed += notRun.length;
}
if (args.includes(RECORD)) recordSeconds(ended);
const skipsFail = process.env['CI'] === 'true';
const failed = totals.failed + (skipsFail ? totals.skipped : 0);
if (skipsFail && totals.skipped > 0) print(`${totals.skipped} skipped, which is a failure in CI`);
print('');
print(`${totals.passed} passed, ${failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
