import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { recordedSources, recordedSeconds } from './file-seconds.js';
import { needsProcess, toLanes, type Lane } from './lanes.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const ONE_TEST = "t.test('a fact', async (t) => {\n  t.ok(true);\n});\n";

function plan(seconds: Readonly<Record<string, number>>, texts: Readonly<Record<string, string>> = {}) {
  const lanes = toLanes(Object.keys(seconds).sort(), {
    textOf: (source) => texts[source] ?? ONE_TEST,
    secondsOf: (source) => seconds[source],
  });
  return Object.fromEntries(lanes.map(({ name, processes }) => [name, processes]));
}

t.test('short neighbours share a process up to a bound, long files have their own, the longest begins', async (t) => {
  const short = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`test/broker/${i}.test.ts`, 4]));
  const { busy = [] } = plan({ ...short, 'test/a.test.ts': 9, 'test/z.test.ts': 40 });
  const names = (...numbers: readonly number[]) => numbers.map((number) => `test/broker/${number}.test.ts`);
  t.strictSame(busy, [['test/z.test.ts'], names(0, 1, 2), names(3, 4, 5), names(6, 7, 8), ['test/a.test.ts']]);
});

t.test('a file of test/soak begins at once, in a lane of its own', async (t) => {
  const { soak, busy } = plan({ 'test/soak/day.test.ts': 180, 'test/soap.test.ts': 1 });
  t.strictSame(soak, [['test/soak/day.test.ts']]);
  t.strictSame(busy, [['test/soap.test.ts']]);
});

t.test('what a test does to the whole process, or to the root test, keeps it out of batches', async (t) => {
  for (const text of [
    "process.on('SIGTERM', onSignal);",
    'const { rss } = process.memoryUsage();',
    "  process.env['TZ'] = 'UTC';",
    '  Date.now = () => 0;',
    't.beforeEach(() => undefined);',
    'await t.plan(3);',
  ]) {
    t.ok(needsProcess(`${ONE_TEST}${text}\n`), text);
    const { busy } = plan({ 'test/a.test.ts': 1, 'test/b.test.ts': 1 }, { 'test/b.test.ts': `${ONE_TEST}${text}\n` });
    t.equal(busy?.length, 2);
  }
  for (const text of [
    "const seed = process.env['SEED'] ?? '1';",
    "if (process.env['CI'] === 'true') return;",
    't.before(start);',
    't.teardown(() => server.close());',
    "void t.test('another', async () => undefined);",
    '  t.beforeEach(() => undefined);',
  ]) {
    t.notOk(needsProcess(`${ONE_TEST}${text}\n`), text);
  }
});

t.test('every test file of the repository is planned once, and the record names no file that is gone', async (t) => {
  const sources = readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `test/${name}`)
    .sort();
  const textOf = (source: string) => readFileSync(path.join(ROOT, source), 'utf8');
  const lanes = toLanes(sources, { textOf, secondsOf: recordedSeconds() });
  const planned = lanes.flatMap(({ processes }: Lane) => processes.flat());
  t.strictSame(planned.sort(), sources);
  t.strictSame(
    recordedSources().filter((source) => !existsSync(path.join(ROOT, source))),
    [],
  );
});
