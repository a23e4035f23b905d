/**
 * Runs the test suite: installs what tests need, runs the compiled test files, reports. Arguments choose files
 * by a part of their path, e.g. `npm test -- conformance/framing`. With CI=true a skipped test counts as failed.
 * The last line is `N passed, N failed`, with `, N skipped` only when there are any.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { installPrograms, PROGRAM_NAMES } from './helpers/programs.js';
import { FileReport, type Totals } from './tap-report.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** Files at a time. */
const JOBS = 2;
const FILE_LIMIT_MS = 120_000;
/** The suite is to stay below ten minutes on two cores; a run that hangs must still end with a report. */
const RUN_LIMIT_MS = 590_000;
/** Each ends the file that is run. */
const running = new Set<() => void>();

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

/**
 * One file in a process of its own. Plain node, as tap's runner loads its plugins anew for each of hundreds of files, which
 * costs more than most of them take.
 */
async function runFile(source: string): Promise<FileReport> {
  const file = `dist/${source.replace(/\.ts$/, '.js')}`;
  const report = new FileReport(file);
  const startedAtMs = performance.now();
  // A process group of its own, so that the limits end what the test has started as well.
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(FILE_LIMIT_MS / 1_000) },
  });
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nobody of it is left.
    }
  };
  // tap ends a file that hangs with a report of what hung; this is for one that cannot.
  const limit = setTimeout(end, FILE_LIMIT_MS + 10_000);
  running.add(end);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    report.push(text);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearTimeout(limit);
  running.delete(end);
  end();
  report.end(code === 0);
  report.print(print, performance.now() - startedAtMs);
  return report;
}

async function runFiles(sources: readonly string[]): Promise<Totals> {
  const waiting = [...sources];
  const totals = { passed: 0, failed: 0, skipped: 0 };
  let isOver = false;
  const limit = setTimeout(() => {
    isOver = true;
    print(`the run is ended: it took longer than ${RUN_LIMIT_MS / 1000} s; ${waiting.length} files were not run`);
    totals.failed += Math.max(1, waiting.length);
    for (const end of running) end();
  }, RUN_LIMIT_MS);
  const work = async (): Promise<void> => {
    for (let source = waiting.shift(); source !== undefined && !isOver; source = waiting.shift()) {
      const { passed, failed, skipped } = await runFile(source);
      totals.passed += passed;
      totals.failed += failed;
      totals.skipped += skipped;
    }
  };
  await Promise.all(Array.from({ length: JOBS }, work));
  clearTimeout(limit);
  return totals;
}

const sources = testSources(process.argv.slice(2));
if (sources.length === 0) {
  print('no test file has that in its path');
  print('0 passed, 1 failed');
  process.exit(1);
}
installFor(sources);
const totals = await runFiles(sources);
const skipsFail = process.env['CI'] === 'true';
const failed = totals.failed + (skipsFail ? totals.skipped : 0);
if (skipsFail && totals.skipped > 0) print(`${totals.skipped} skipped, which is a failure in CI`);
print('');
print(`${totals.passed} passed, ${failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
