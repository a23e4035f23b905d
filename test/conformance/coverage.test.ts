/**
 * Holds the conformance list and the tests equal: each id either begins the title of a test or is named in not-yet.ts
 * with the reason why it has none, never both.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { CONFORMANCE_IDS } from './ids.js';
import { COMPLETE_GROUPS, WITHOUT_TEST } from './not-yet.js';

const TESTS = path.resolve(import.meta.dirname, '../../../test');
/** `t.test('F-07 …'`, also with the title on the next line, a template, or a wrapper such as `forEachVersion(t, 'F-07 …'`. */
const TITLE = /\b(?:test|[a-z]\w*)\(\s*(?:\w+,\s*)?['"`]([A-Z]-\d{2})\b/g;

const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter(
  (name) => name.endsWith('.test.ts') && name !== 'conformance/coverage.test.ts',
);
const tested = new Map<string, string>();
for (const file of files) {
  for (const [, id = ''] of readFileSync(path.join(TESTS, file), 'utf8').matchAll(TITLE)) tested.set(id, file);
}
/** One line, so that a failure stays readable. */
function list(ids: readonly string[]): string {
  return ids.join(' ');
}
const known = new Set(CONFORMANCE_IDS);

t.test('the list has 296 ids, each once', async (t) => {
  t.equal(CONFORMANCE_IDS.length, 296);
  t.equal(known.size, 296);
});

t.test('every id has a test or a line in not-yet.ts', async (t) => {
  t.equal(list(CONFORMANCE_IDS.filter((id) => !tested.has(id) && !WITHOUT_TEST.has(id))), '');
});

t.test('no id in not-yet.ts has a test', async (t) => {
  t.equal(
    list(
      [...WITHOUT_TEST.keys()]
        .filter((id) => tested.has(id))
        .map((id) => `${id} is tested in ${String(tested.get(id))}`),
    ),
    '',
  );
});

t.test('tests and not-yet.ts name no id outside the list', async (t) => {
  t.equal(list([...tested.keys(), ...WITHOUT_TEST.keys()].filter((id) => !known.has(id))), '');
});

t.test('groups declared complete have no line in not-yet.ts', async (t) => {
  const groups: readonly string[] = COMPLETE_GROUPS;
  t.equal(list([...WITHOUT_TEST.keys()].filter((id) => groups.includes(id.slice(0, 1)))), '');
});

t.test('every reason is a sentence of its own that says more than that it is not built', async (t) => {
  const reasons = [...WITHOUT_TEST.values()];
  t.equal(new Set(reasons).size, reasons.length, 'no two are the same');
  for (const [id, reason] of WITHOUT_TEST) {
    t.match(reason, /^[A-Z].{50,}\.$/, id);
    t.notMatch(reason, /planned|later|not yet|todo|future/i, id);
  }
});

t.test('each group is tested, with reasons or without exception', async (t) => {
  for (const group of new Set(CONFORMANCE_IDS.map((id) => id.slice(0, 1)))) {
    const ids = CONFORMANCE_IDS.filter((id) => id.startsWith(group));
    const excepted = ids.filter((id) => WITHOUT_TEST.has(id));
    t.ok(excepted.length * 4 < ids.length, `${group}: ${list(excepted)}`);
  }
});
