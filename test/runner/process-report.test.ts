import t from 'tap';
import { endOf, ProcessReport } from './process-report.js';

const A = 'dist/test/a.test.js';
const B = 'dist/test/b.test.js';

const PASSED = ['# Subtest: it holds', '    ok 1 - yes', '    1..1', 'ok 1 - it holds # time=2ms', ''];
const FAILED = [
  '# Subtest: it breaks',
  '    not ok 1 - no',
  '    1..1',
  'not ok 2 - it breaks # time=2ms',
  '  ---',
  '  ...',
];
const SKIPPED = ['ok 3 - elsewhere # SKIP needs the sea', ''];

interface Seen {
  readonly files: readonly (readonly [file: string, passed: number, failed: number, skipped: number])[];
  readonly printed: readonly string[];
  readonly left: readonly string[];
}

function read(files: readonly string[], pieces: readonly string[], isContent: boolean): Seen {
  const seen: [string, number, number, number][] = [];
  const printed: string[] = [];
  const report = new ProcessReport(files, (ofFile, file) => {
    seen.push([file, ofFile.passed, ofFile.failed, ofFile.skipped]);
    ofFile.print((line) => printed.push(line), 7);
  });
  for (const piece of pieces) report.push(piece);
  return { left: report.end(isContent), files: seen, printed };
}

const textOf = (...lines: readonly string[]): string =>
  ['TAP version 14', ...lines].map((line) => `${line}\n`).join('');

t.test('a batch is told apart wherever its output is cut', async (t) => {
  const text = textOf(...PASSED, endOf(A), ...FAILED, ...SKIPPED, endOf(B), '1..3', '# time=10ms');
  for (const size of [1, 7, text.length]) {
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
      text.slice(i * size, (i + 1) * size),
    );
    const { files, left, printed } = read([A, B], pieces, false);
    t.strictSame(files, [
      [A, 1, 0, 0],
      [B, 0, 1, 1],
    ]);
    t.strictSame(left, []);
    t.match(
      printed.join('\n'),
      /^ok {5}dist.test.a\.test\.js: 1 passed 7 ms\nFAILED dist.test.b[^]*not ok 1 - no[^]*skipped: elsewhere/,
    );
  }
});

t.test('a process of one file is that file, whatever it prints', async (t) => {
  t.strictSame(read([A], [textOf(...PASSED, endOf(B), ...SKIPPED)], true).files, [[A, 1, 0, 1]]);
});

t.test('a batch that ends in a file has failed in it, however it ended', async (t) => {
  for (const isContent of [true, false]) {
    const { files, left } = read([A, B], [textOf(...PASSED)], isContent);
    t.strictSame(files, [[A, 1, 1, 0]]);
    t.strictSame(left, [B]);
  }
});

t.test('a file of a batch without a test is a failure', async (t) => {
  const { files } = read([A, B], [textOf(endOf(A), ...PASSED, endOf(B))], true);
  t.strictSame(files, [
    [A, 0, 1, 0],
    [B, 1, 0, 0],
  ]);
});

t.test('a failure after the last file, told or not, is reported once', async (t) => {
  const whole = textOf(...PASSED, endOf(A), ...PASSED, endOf(B));
  const after = [`after ${A}, ${B}`, 0, 1, 0];
  t.strictSame(read([A, B], [whole, 'not ok 3 - timeout!\n  ---\n  type: Server\n  ...\n'], false).files[2], after);
  t.strictSame(read([A, B], [whole], false).files[2], after);
  t.equal(read([A, B], [whole], true).files.length, 2);
  t.equal(read([A, B], [textOf(...FAILED, endOf(A), ...PASSED, endOf(B))], false).files.length, 2);
});
