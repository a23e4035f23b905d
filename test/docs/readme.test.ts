/** What the README claims about codes, options and files is what the code says. */
import { DEFAULT_DATA } from '../../adapters/cli/serve-defaults.js';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import {
  DEFAULT_JSON_ENDPOINT_OPTIONS,
  DEFAULT_REDIS_RELAY_OPTIONS,
  DEFAULT_RELAY_OPTIONS,
  parseConfig,
  resolveServerOptions,
} from '../../adapters/config/index.js';
import { DEFAULT_SOCKJS_OPTIONS } from '../../adapters/transports/index.js';
import { BROKER_ERROR_CODES } from '../../broker/errors.js';
import { DEFAULT_BROKER_OPTIONS } from '../../broker/options.js';
import { PROTOCOL_ERROR_CODES } from '../../protocol/protocol-error.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

/** Rows of the table behind `introduction`: what stands in code marks in the first cell → the second cell. */
function tableAfter(introduction: string): Record<string, string> {
  const start = README.indexOf(introduction);
  if (start < 0) throw new Error(`no "${introduction}" in the README`);
  const rows: Record<string, string> = {};
  for (const line of README.slice(start + introduction.length)
    .trimStart()
    .split('\n')) {
    if (!line.startsWith('|')) break;
    const [, code, meaning] = /^\| `([^`]+)` +\| (.*?) +\|$/.exec(line) ?? [];
    if (code !== undefined && meaning !== undefined) rows[code] = meaning;
  }
  return rows;
}

t.test('the table of protocol errors is the table of the code', async (t) => {
  t.strictSame(tableAfter('as `code`:'), { ...PROTOCOL_ERROR_CODES });
});

t.test('the table of broker errors is the table of the code', async (t) => {
  t.strictSame(tableAfter('What the broker refuses:'), { ...BROKER_ERROR_CODES });
});

t.test('the configuration shows every option with its default', async (t) => {
  const yaml = /Every option with its default:\s+```yaml\n([^]*?)```/.exec(README)?.[1] ?? '';
  const shown = parse(yaml) as Record<string, unknown>;
  t.strictSame(shown['broker'], DEFAULT_BROKER_OPTIONS);
  const { http: shownHttp, ...shownRest } = resolveServerOptions(parseConfig(yaml, 'README.md'));
  const { http: standardHttp, ...standardRest } = resolveServerOptions({ data: DEFAULT_DATA });
  t.strictSame(shownRest, standardRest);
  if (shownHttp === false || standardHttp === false) return t.fail('no http');
  const [{ sockjs: shownSockJs, ...shownEndpoint } = { sockjs: false }] = shownHttp.endpoints;
  const [{ sockjs: standardSockJs, ...standardEndpoint } = { sockjs: false }] = standardHttp.endpoints;
  t.strictSame({ ...shownHttp, endpoints: [] }, { ...standardHttp, endpoints: [] });
  t.strictSame(shownEndpoint, standardEndpoint);
  t.equal(standardSockJs, true);
  t.strictSame(shownSockJs, {
    websocket: DEFAULT_SOCKJS_OPTIONS.websocket,
    heartbeatDelayMs: DEFAULT_SOCKJS_OPTIONS.heartBeatDelayMs,
    disconnectDelayMs: DEFAULT_SOCKJS_OPTIONS.disconnectDelayMs,
    responseLimitBytes: DEFAULT_SOCKJS_OPTIONS.responseLimitBytes,
    jsessionid: DEFAULT_SOCKJS_OPTIONS.sessionCookie,
    clientLibraryUrl: DEFAULT_SOCKJS_OPTIONS.clientUrl,
  });
});

t.test('the options of the connection log are shown with their defaults', async (t) => {
  const [, yaml = ''] =
    /## The connection log[^]*?Its options with their defaults:\s+```yaml\n([^]*?)```/.exec(README) ?? [];
  const { connectionLog: shown } = resolveServerOptions({ data: DEFAULT_DATA, ...parseConfig(yaml, 'README.md') });
  const { connectionLog: standard } = resolveServerOptions({ data: DEFAULT_DATA, connectionLog: true });
  t.strictSame(shown, standard);
  for (const key of Object.keys(standard)) t.match(yaml, new RegExp(`^  (# )?${key}:`, 'm'), key);
  const commented = yaml.replace(/^ {2}# /gm, '  ');
  t.match(resolveServerOptions(parseConfig(commented, 'README.md')).connectionLog, {
    file: 'log/connections.db',
    userIdHeader: 'X-User-ID',
    addressHeader: 'X-Forwarded-For',
  });
});

t.test('the options of the relay are shown with their defaults', async (t) => {
  const [, yaml = ''] =
    /## In front of another STOMP broker[^]*?Its options with their defaults:\s+```yaml\n([^]*?)```/.exec(README) ?? [];
  const { relay: shown } = resolveServerOptions(parseConfig(yaml, 'README.md'));
  t.strictSame(shown, DEFAULT_RELAY_OPTIONS);
  for (const key of Object.keys(DEFAULT_RELAY_OPTIONS)) t.match(yaml, new RegExp(`^  ${key}:`, 'm'), key);
});

t.test('the options of the relay between nodes are shown with their defaults', async (t) => {
  const [, yaml = ''] =
    /## Several nodes[^]*?Its options with their defaults:\s+```yaml\n([^]*?)```/.exec(README) ?? [];
  t.strictSame(resolveServerOptions(parseConfig(yaml, 'README.md')).relay, DEFAULT_REDIS_RELAY_OPTIONS);
  for (const key of Object.keys(DEFAULT_REDIS_RELAY_OPTIONS)) t.match(yaml, new RegExp(`^  (# )?${key}:`, 'm'), key);
});

t.test('the options of an endpoint for JSON are shown with their defaults', async (t) => {
  const [, yaml = ''] =
    /### Clients that speak JSON of their own[^]*?with their defaults:\s+```yaml\n([^]*?)```/.exec(README) ?? [];
  const shown = resolveServerOptions(parseConfig(yaml, 'README.md')).http;
  const standard = resolveServerOptions({ http: { jsonEndpoints: [{ path: '/json' }] } }).http;
  t.strictSame(shown, standard);
  for (const key of Object.keys(DEFAULT_JSON_ENDPOINT_OPTIONS)) t.match(yaml, new RegExp(`^ {6}${key}:`, 'm'), key);
});

t.test('every top-level option, endpoint option included, has a line', async (t) => {
  const keys = (value: unknown): string[] =>
    typeof value !== 'object' || value === null
      ? []
      : Object.entries(value).flatMap(([key, inner]) => [...(/^\d+$/.test(key) ? [] : [key]), ...keys(inner)]);
  for (const key of keys(resolveServerOptions())) t.match(README, new RegExp(`^[ #-]*${key}:`, 'm'), key);
});

t.test('the tour names every source file, and no other', async (t) => {
  const tour = readFileSync(path.join(ROOT, 'TOUR.md'), 'utf8');
  const named = [...tour.matchAll(/^- `([^`]+)`: \S/gm)].map(([, file]) => file ?? '');
  const sources = ['protocol', 'broker', 'adapters'].flatMap((top) =>
    readdirSync(path.join(ROOT, top), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && path.basename(name) !== 'index.ts')
      .map((name) => `${top}/${name}`),
  );
  t.ok(sources.length > 250);
  t.strictSame(named, sources.sort());
});

t.test('no document has marks of a merge left in it', async (t) => {
  // Where tests beside this one make and remove folders is not looked.
  const folders = ['protocol', 'broker', 'adapters', 'examples', 'bench', 'test'];
  const documents = [
    ...readdirSync(ROOT),
    ...folders.flatMap((folder) =>
      readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => `${folder}/${name}`),
    ),
  ].filter((name) => name.endsWith('.md') && !name.includes('/.'));
  t.ok(documents.length > 15);
  const marked = documents.filter((name) =>
    /^(?:<{7}|={7}$|(?:> ?){7})/m.test(readFileSync(path.join(ROOT, name), 'utf8')),
  );
  t.strictSame(marked, []);
});
