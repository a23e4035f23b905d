import t from 'tap';
import type { Lane } from './lanes.js';
import { runLanes } from './run-lanes.js';
import type { EndedFile } from './test-process.js';

const LIMIT_MS = 60_000;
const sample = (name: string): string => `dist/test/runner/samples/${name}.js`;

function lane(processes: readonly (readonly string[])[], limitMs = LIMIT_MS): Lane {
  return { name: 'samples', jobs: 2, limitMs, processes: processes.map((names) => names.map(sample)) };
}

interface Outcome {
  /** File by file: passed, failed. */
  readonly counts: Record<string, readonly [passed: number, failed: number]>;
  readonly printed: string;
}

function outcome(ended: readonly EndedFile[]): Outcome {
  const lines: string[] = [];
  for (const { report, tookMs } of ended) report.print((line) => lines.push(line), tookMs);
  const counts = ended.map(({ file, report }): [string, [number, number]] => [
    file.replaceAll(/dist\/test\/runner\/samples\/|\.js/g, ''),
    [report.passed, report.failed],
  ]);
  return { counts: Object.fromEntries(counts), printed: lines.join('\n') };
}

async function run(lanes: readonly Lane[], limitMs = LIMIT_MS): Promise<Outcome & { notRun: readonly string[] }> {
  const ended: EndedFile[] = [];
  const notRun = await runLanes(lanes, limitMs, (file) => ended.push(file));
  return { ...outcome(ended), notRun };
}

t.test('a batch counts the same tests, file by file, as files that run alone', async (t) => {
  const names = ['passes', 'says-much', 'has-own-directory', 'fails'];
  const batch = await run([lane([names])]);
  const alone = await run([lane(names.map((name) => [name]))]);
  t.strictSame(batch.counts, { passes: [2, 0], 'says-much': [2, 0], 'has-own-directory': [1, 0], fails: [1, 1] });
  t.strictSame(alone.counts, batch.counts);
  t.match(
    batch.printed,
    /FAILED .*fails\.js: 1 passed, 1 failed \d+ ms\n *not ok 7 - what does not hold[^]*the numbers/,
  );
  t.strictSame(batch.notRun, []);
});

t.test('a file that ends its process is the one that has failed, and the files behind it are run', async (t) => {
  const { counts } = await run([lane([['passes', 'crashes', 'has-own-directory', 'exits', 'fails']])]);
  t.strictSame(counts, {
    passes: [2, 0],
    crashes: [1, 1],
    'has-own-directory': [1, 0],
    exits: [1, 1],
    fails: [1, 1],
  });
});

t.test('a file whose process does not end, though all of it has run, has passed', async (t) => {
  const { counts } = await run([lane([['stays-at-exit']])]);
  t.strictSame(counts, { 'stays-at-exit': [1, 0] });
});

t.test('a file that cannot be loaded fails with the reason, and its batch goes on', async (t) => {
  const { counts, printed } = await run([lane([['cannot-be-loaded', 'passes']])]);
  t.strictSame(counts, { 'cannot-be-loaded': [0, 1], passes: [2, 0] });
  t.match(printed, /no such weather/);
});

t.test('a file that hangs is ended by its limit, and the files behind it are run', async (t) => {
  const { counts, printed } = await run([lane([['has-own-directory', 'hangs', 'passes']], 2_000)]);
  t.strictSame(counts, { 'has-own-directory': [1, 0], hangs: [0, 1], passes: [2, 0] });
  t.match(printed, /not ok 2 - what never comes[^]*timeout!/);
});

t.test('what a batch leaves open is a failure, told with what it is', async (t) => {
  const { counts, printed } = await run([lane([['passes', 'leaves-open']], 2_000)]);
  t.match(counts, { passes: [2, 0], 'leaves-open': [1, 0], 'after passes, leaves-open': [0, 1] });
  t.match(printed, /FAILED after [^]*timeout![^]*type: Server/);
});

t.test('when the time of the run is over, the rest is named', async (t) => {
  const { counts, notRun } = await run([{ ...lane([['hangs'], ['passes', 'fails']]), jobs: 1 }], 2_000);
  t.strictSame(counts, { hangs: [0, 1] });
  t.strictSame(notRun, ['passes', 'fails'].map(sample));
});
