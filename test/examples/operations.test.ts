/** The files for Prometheus and Grafana, by promtool and against what a server really exports. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { startAdmin } from '../helpers/admin.js';
import { requireProgram } from '../helpers/programs.js';

const FOLDER = path.resolve(import.meta.dirname, '../../../examples/operations');
const run = promisify(execFile);
const read = (name: string): string => readFileSync(path.join(FOLDER, name), 'utf8');

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

/** Names of series in an expression. */
function seriesIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:hoofbeat|nodejs|process)_\w+/g)].map(([name]) => name);
}

async function exported(test: Test): Promise<Set<string>> {
  const { ask, server } = await startAdmin(test);
  await server.broker.convertAndSend('/topic/t', 'x');
  const { text } = await ask('GET', '//metrics', { as: 'viewer' });
  // Some have no series before there is what they are of: workers.
  return new Set([...text.matchAll(/^(?:# HELP )?(\w+)[{ ]/gm)].map(([, name]) => name ?? ''));
}

t.test('promtool takes configuration and rules, and the rules do as they say', async (t) => {
  if (!requireProgram(t, 'promtool')) return;
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'alerts.test.yml'],
  ]) {
    const { stdout } = await run('promtool', args, { cwd: FOLDER });
    t.match(stdout, /SUCCESS/, args.join(' '));
  }
});

t.test('rules and dashboard ask for nothing that the server does not export', async (t) => {
  const names = await exported(t);
  // Of scrapes themselves.
  const { groups } = parse(read('alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
  const expressions = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const { panels } = JSON.parse(read('grafana-dashboard.json')) as { panels: Panel[] };
  expressions.push(...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)));
  t.ok(expressions.length > 30);
  for (const name of new Set(expressions.flatMap(seriesIn))) t.ok(names.has(name), name);
});

t.test('the panels of the dashboard do not lie upon each other', async (t) => {
  const { panels } = JSON.parse(read('grafana-dashboard.json')) as { panels: Panel[] };
  t.strictSame(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { gridPos, title } of panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const cell = `${String(x)},${String(y)}`;
        if (taken.has(cell) || x > 23) t.fail(`${title} at ${cell}`);
        taken.add(cell);
      }
    }
  }
});

t.test('its expressions can be read', async (t) => {
  if (!requireProgram(t, 'promtool')) return;
  const { panels } = JSON.parse(read('grafana-dashboard.json')) as { panels: Panel[] };
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const rules = expressions.map((expr, k) => ({
    record: `panel:${String(k)}`,
    expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
  }));
  const directory = t.testdir({ 'rules.yml': JSON.stringify({ groups: [{ name: 'dashboard', rules }] }) });
  const { stdout } = await run('promtool', ['check', 'rules', path.join(directory, 'rules.yml')]);
  t.match(stdout, new RegExp(`${String(expressions.length)} rules found`));
});
