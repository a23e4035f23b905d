/**
 * Holds the list of Spring's behaviours, the tests and the differences table equal: each id begins the title of a test,
 * or has a row in COMING-FROM-SPRING.md, or is named in not-yet.ts with the feature that brings it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { SECTIONS, SPRING_IDS } from './ids.js';
import { NOT_YET } from './not-yet.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const TESTS = path.join(ROOT, 'test');
/** `t.test('S6.17 …'`, also with the title on the next line or several ids in front: `'S5.2 S5.3 …'`. */
const TITLE = /\btest\(\s*['"`]((?:S\d+\.\d+a?[,:]?\s)+)/g;
const ROW = /^\| (S\d+\.\d+a?) +\| (.+?) +\| (.+?) +\| (.+?) +\|$/;

const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'));
const tested = new Map<string, string>();
for (const file of files) {
  for (const [, ids = ''] of readFileSync(path.join(TESTS, file), 'utf8').matchAll(TITLE)) {
    for (const [id] of ids.matchAll(/S\d+\.\d+a?/g)) tested.set(id, file);
  }
}
const rows = readFileSync(path.join(ROOT, 'COMING-FROM-SPRING.md'), 'utf8')
  .split('\n')
  .flatMap((line) => {
    const [, id] = ROW.exec(line) ?? [];
    return id === undefined ? [] : [id];
  });
const known = new Set(SPRING_IDS);

/** One line, so that a failure stays readable. */
function list(ids: readonly string[]): string {
  return ids.join(' ');
}

t.test('the list has 119 ids, each once', async (t) => {
  t.equal(SPRING_IDS.length, 119);
  t.equal(known.size, 119);
});

t.test('every id has a test, a row in the differences table, or a line in not-yet.ts', async (t) => {
  const different = new Set(rows);
  t.equal(list(SPRING_IDS.filter((id) => !tested.has(id) && !different.has(id) && !NOT_YET.has(id))), '');
});

t.test('no id in not-yet.ts has a test or a row', async (t) => {
  t.equal(list([...NOT_YET.keys()].filter((id) => tested.has(id) || rows.includes(id))), '');
  t.equal(list([...NOT_YET.keys()].filter((id) => !known.has(id))), '');
});

t.test('the differences table has each id once, in order, of sections that exist', async (t) => {
  const place = (id: string): number => {
    const [section = '', number = ''] = id.split('.');
    return Number(section.slice(1)) * 1_000 + Number.parseInt(number, 10);
  };
  t.ok(rows.length > 30);
  t.equal(list(rows), list([...new Set(rows)].sort((a, b) => place(a) - place(b))));
  t.equal(list(rows.filter((id) => SECTIONS[id.split('.')[0] ?? ''] === undefined)), '');
});
