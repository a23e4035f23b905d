// The admin API without a token, with a weaker one, and by ways round its routes.
import t from 'tap';
import { ask, TOKENS, type TestRole } from '../helpers/admin.js';
import { http } from '../helpers/sockjs-http.js';
import { Arena, type Started } from './arena.js';
import { countOf } from './outcomes.js';

const arena = Arena.open(t);
const group = 'admin';
const tokens = Object.entries(TOKENS).map(([role, token]) => ({ name: role, role: role as TestRole, token }));
const originOf = ({ adminPort }: Started): string => `http://127.0.0.1:${adminPort}`;

interface Operation {
  readonly method: string;
  readonly path: string;
}

/** Every route of the API, from its own description; parameters filled with something. */
async function operationsOf(target: Started): Promise<Operation[]> {
  const { body } = await ask(originOf(target), 'GET', '//docs/json');
  const { paths } = body as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> };
  return Object.entries(paths).flatMap(([route, methods]) =>
    Object.keys(methods).map((method) => ({
      method: method.toUpperCase(),
      path: `/${route.replace(/\{[^}]+\}/g, 'x')}`,
    })),
  );
}

/** What is open to everybody, as load balancers ask it. */
const OPEN = /\/health\//;

t.test('every route without a token, with a made up one, and with a weaker one', async (t) => {
  const options = { admin: { port: 0, tokens, rateLimit: false as const } };
  const target = await arena.serve(t, options);
  const operations = (await operationsOf(target)).filter(({ path }) => !OPEN.test(path));
  t.ok(operations.length > 20, `${operations.length} routes`);
  const shown: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['nothing', {}],
    ['an empty one', { authorization: 'Bearer ' }],
    ['a made up one', { authorization: 'Bearer made-up-0123456789' }],
    ['another scheme', { authorization: `Basic ${TOKENS.admin}` }],
    ['a JWT with alg none', { authorization: 'Bearer eyJhbGciOiJub25lIn0.eyJyb2xlcyI6WyJhZG1pbiJdfQ.' }],
    ['in a cookie', { cookie: `token=${TOKENS.admin}; authorization=Bearer ${TOKENS.admin}` }],
  ];
  const attack = { group, name: 'every route without the right token', defence: 'admin/admin-access.ts' };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    const answers: string[] = [];
    for (const { method, path } of operations) {
      for (const [what, headers] of shown) {
        const { status } = await ask(originOf(target), method, path, { as: null, headers, ...bodyOf(method) });
        t.equal(status, 401, `${method} ${path} with ${what}`);
        answers.push(String(status));
      }
    }
    return countOf(answers);
  });
  t.equal(outcome, `401 × ${operations.length * shown.length}`);

  const weaker = { group, name: 'acts with the token of a viewer', defence: 'admin/admin-access.ts' };
  // A stream of events never ends by itself.
  const acts = operations.filter(({ method }) => method !== 'GET');
  const { outcome: refused } = await arena.attack(t, target, weaker, async () => {
    const answers: string[] = [];
    for (const { method, path } of acts) {
      const { status } = await ask(originOf(target), method, path, { as: 'viewer', ...bodyOf(method) });
      t.equal(status, 403, `${method} ${path}`);
      answers.push(String(status));
    }
    return countOf(answers);
  });
  t.equal(refused, `403 × ${acts.length}`);
  for (const { method, path } of acts.slice(0, 5)) {
    const { status } = await ask(originOf(target), method, path, { as: 'admin', ...bodyOf(method) });
    t.notOk(status === 401 || status === 403, `${method} ${path} with the right token: ${status}`);
  }
});

function bodyOf(method: string): { body?: object } {
  return method === 'GET' ? {} : { body: {} };
}

t.test('ways round the routes', async (t) => {
  const target = await arena.serve(t, { admin: { port: 0, tokens, rateLimit: false } });
  const paths = [
    '/api/v1/../v1/sessions',
    '//api/v1/sessions',
    '/api/v1//sessions',
    '/api/v1/health/../sessions',
    '/api/v1/health/%2e%2e/sessions',
    '/API/V1/SESSIONS',
    '/api/v1/sessions/',
    '/api/v1/sessions;a=b',
    '/api/v1/sessions%00',
    `/api/v1/sessions?token=${TOKENS.admin}`,
    `/api/v1/sessions?access_token=${TOKENS.admin}`,
    '/console/../api/v1/sessions',
    '/console/%2e%2e/%2e%2e/package.json',
    '/docs/../../package.json',
  ];
  const attack = {
    group,
    name: 'path tricks and tokens in the URL',
    defence: 'admin/admin-plugin.ts: authentication by route',
  };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    for (const path of paths) {
      const { status, text } = await http('GET', originOf(target) + path);
      t.match(String(status), /^(400|401|404)$/, path);
      t.notMatch(text, /"sessions"|better-sqlite3/);
    }
    const overridden = await http('POST', `${originOf(target)}/api/v1/sessions`, {
      headers: {
        'X-HTTP-Method-Override': 'GET',
        'X-Forwarded-For': '127.0.0.1',
        'X-Original-URL': '/api/v1/health/live',
      },
    });
    t.match(String(overridden.status), /^(401|404|405)$/);
    return 'none leads in';
  });
  t.equal(outcome, 'none leads in');
});

t.test('tokens that are guessed', async (t) => {
  const run = async (target: Started): Promise<string> => {
    const answers: string[] = [];
    for (let k = 0; k < 40; k++) {
      const token = `guess-number-${String(k).padStart(8, '0')}`;
      answers.push(String((await ask(originOf(target), 'GET', '/sessions', { token })).status));
    }
    return countOf(answers);
  };
  const limited = { port: 0, tokens, rateLimit: { max: 25, windowMs: 60_000 } };
  const guarded = await arena.serve(t, { admin: limited });
  const without = await run(await arena.serve(t, { admin: { ...limited, rateLimit: false } }));
  const attack = { group, name: 'guessing tokens', defence: 'admin.rateLimit' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, '401 × 25, 429 × 15');
  t.equal(without, '401 × 40');
});
