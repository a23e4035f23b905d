/** LIMITS.md says of every limit what the options, the codes and the metrics say. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { resolveServerOptions } from '../../adapters/config/index.js';
import { CLOSE_CODES } from '../../broker/close-reason.js';
import { BROKER_ERROR_CODES } from '../../broker/errors.js';
import { PROTOCOL_ERROR_CODES } from '../../protocol/protocol-error.js';
import { startAdmin } from '../helpers/admin.js';

const TEXT = readFileSync(path.resolve(import.meta.dirname, '../../../LIMITS.md'), 'utf8');
/** Cells of the table: what, option, default, when it is met, metric. */
const ROWS = TEXT.split('\n')
  .filter((line) => line.startsWith('| ') && !/^\| (What +\||-)/.test(line))
  .map((line) => line.slice(1, -1).split('|'));
/** Names that limits have. */
const IS_LIMIT = /^max|Bytes$|PerSecond$|Burst$|TimeoutMs$|At$|^tolerance$/;
/** Named so, and no limits: how slowly a server goes, and how slowly a message comes back. */
const NO_LIMITS = /^broker\.(shutdown\.|queueDefaults\.backoff\.)/;

function marked(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? '');
}

function leaves(value: unknown, at: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[at, value]];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, at === '' ? key : `${at}.${key}`));
}

t.test('every option in it has that default', async (t) => {
  const options = new Map(leaves(resolveServerOptions(), ''));
  t.ok(ROWS.length > 40);
  for (const [what = '', option, standard] of ROWS) {
    const expected = marked(option).map((name) => JSON.stringify(options.get(name)));
    t.strictSame(marked(standard), expected, what.trim());
  }
});

t.test('every option that is a limit is in it', async (t) => {
  const named = new Set(ROWS.flatMap(([, option]) => marked(option)));
  const limits = leaves(resolveServerOptions().broker, 'broker')
    .filter(([name, value]) => typeof value === 'number' && IS_LIMIT.test(name.split('.').at(-1) ?? ''))
    .map(([name]) => name)
    .filter((name) => !NO_LIMITS.test(name));
  t.ok(limits.length > 50);
  t.strictSame(
    limits.filter((name) => !named.has(name)),
    [],
  );
});

t.test('every code and every metric in it is one', async (t) => {
  const codes: ReadonlySet<string> = new Set([
    ...Object.keys({ ...BROKER_ERROR_CODES, ...PROTOCOL_ERROR_CODES }),
    ...CLOSE_CODES,
  ]);
  const { ask } = await startAdmin(t);
  const metrics = (await ask('GET', '//metrics')).text;
  for (const [what = '', , , when, metric] of ROWS) {
    const names = marked(metric);
    t.ok(names.length > 0 || metric?.trim() === '—', `${what.trim()} has a metric, or nothing to count`);
    for (const name of names) t.match(metrics, `\n${name}`, name);
    for (const name of names) {
      const [, code] = /code="([^"]+)"/.exec(name) ?? [];
      if (code !== undefined) t.ok(codes.has(code), code);
    }
    for (const code of marked(when).filter((name) => /^[a-z]+(-[a-z]+)+$/.test(name) && name !== 'retry-after')) {
      t.ok(codes.has(code), code);
    }
  }
});
