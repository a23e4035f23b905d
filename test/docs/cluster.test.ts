import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const CLUSTER = readFileSync(path.join(ROOT, 'CLUSTER.md'), 'utf8');

const TESTS = readdirSync(path.join(ROOT, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /(\.test|-contract)\.ts$/.test(name))
  .map((name) => readFileSync(path.join(ROOT, 'test', name), 'utf8'))
  .join('\n');

t.test('each row of the failure tables names a test that there is', async (t) => {
  const tables = [...CLUSTER.matchAll(/\| What happens[^]*?\n((?:\|.*\n)+)/g)].map(([, table]) => table ?? '');
  t.ok(tables.length >= 4, `${tables.length} tables`);
  const rows = tables.flatMap((table) => table.split('\n').filter((line) => /^\| [^-]/.test(line)));
  t.ok(rows.length > 25, `${rows.length} rows`);
  for (const row of rows) {
    const named = row.split('|').at(-2) ?? '';
    const titles = [...named.matchAll(/`([^`]+)`/g)].map(([, title]) => title ?? '');
    t.ok(titles.length > 0, row);
    for (const title of titles) t.ok(title.startsWith('npm run') || TESTS.includes(title), title);
  }
});

t.test('files that it names are there', async (t) => {
  const links = [...CLUSTER.matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link ?? '');
  t.ok(links.length > 3);
  for (const link of links) t.ok(existsSync(path.join(ROOT, link)), link);
});
