/** What the READMEs of the five systems promise, row by row, has a test of that name or a line that says how it differs. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

const ROOT = path.resolve(import.meta.dirname, '../../..');
/** The last id of each: rows do not get lost. */
const LAST = { auction: 'A14', 'job-status': 'J15', 'user-proxy': 'U12', 'market-chat': 'M14', 'project-rooms': 'P15' };
const ID = '[A-Z]\\d+';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const numberOf = (id: string): number => Number(id.slice(1));

/** `A4 to A6, A9` → A4, A5, A6, A9. */
function idsOf(list: string): string[] {
  return list.split(', ').flatMap((part) => {
    const [from = '', to = from] = part.split(' to ');
    const count = numberOf(to) - numberOf(from) + 1;
    return Array.from({ length: count }, (_each, k) => `${from.slice(0, 1)}${numberOf(from) + k}`);
  });
}

/** What stands before the colon of each title, or line. */
function idsBefore(text: string, opening: string): string[] {
  const list = `(${ID}(?: to ${ID})?(?:, ${ID}(?: to ${ID})?)*)`;
  return [...text.matchAll(new RegExp(`${opening}${list}: `, 'g'))].flatMap(([, ids = '']) => idsOf(ids));
}

t.test('lists of ids are understood', async (t) => {
  t.strictSame(idsOf('A4 to A6, A9'), ['A4', 'A5', 'A6', 'A9']);
  const code = "t.test('A1, A3: one', …); t.test(\n  'A5: two',\n…; t.test('none', …); t.equal(x, 'A7: no title')";
  t.strictSame(idsBefore(code, "t\\.test\\(\\s*'"), ['A1', 'A3', 'A5']);
});

for (const [name, last] of Object.entries(LAST)) {
  t.test(`${name}: every row has a test, or a line under Differences`, async (t) => {
    const readme = read(`examples/${name}/README.md`);
    const [, differences = ''] = readme.split('\n## Differences\n');
    const rows = [...readme.matchAll(new RegExp(`^\\| (${ID}) +\\| \\S`, 'gm'))].map(([, id = '']) => id);
    t.strictSame(rows, idsOf(`${last.slice(0, 1)}1 to ${last}`));
    const titles = idsBefore(read(`test/examples/${name}.test.ts`), "t\\.test\\(\\s*'");
    const told = idsBefore(differences, '\\n- ');
    t.ok(titles.length > 0);
    t.strictSame(
      rows.filter((id) => !titles.includes(id) && !told.includes(id)),
      [],
      'neither tested nor told',
    );
    t.strictSame(
      [...titles, ...told].filter((id) => !rows.includes(id)),
      [],
      'no row of the table',
    );
  });
}
