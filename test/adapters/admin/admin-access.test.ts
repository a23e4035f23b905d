import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { createStompServer } from '../../../adapters/index.js';
import { startAdmin, TOKENS } from '../../helpers/admin.js';
import { startTestServer } from '../../helpers/server.js';
import { Signer, signWithSecret } from '../../helpers/tokens.js';

const SECRET = 'the secret of the admin API, long enough';

t.test('without a token nothing is there but live and ready', async (t) => {
  const { ask } = await startAdmin(t, { tokens: [] });
  for (const path of ['/health/live', '/health/ready']) t.equal((await ask('GET', path, { as: null })).status, 200);
  for (const path of [
    '/health',
    '/stats',
    '/sessions',
    '/log',
    '/asyncapi',
    '//docs',
    '//docs/json',
    '//docs/async',
    '//metrics',
  ]) {
    t.equal((await ask('GET', path)).status, 404, path);
  }
  t.equal((await ask('POST', '/drain', { body: {} })).status, 404);
});

t.test('the log says that nobody can come in', async (t) => {
  const lines: string[] = [];
  const { pino } = await import('pino');
  const logger = pino({}, { write: (line: string) => lines.push(line) });
  const server = createStompServer({ data: false, http: { port: 0 }, tcp: false, admin: { port: 0 } }, { logger });
  await server.start();
  t.teardown(() => server.stop(0));
  t.match(lines.join(''), /the admin API has no token/);
});

t.test('a JWT is as good as the role that its claim names', async (t) => {
  const { ask } = await startAdmin(t, {
    tokens: [],
    jwt: { secret: SECRET, audience: 'hoofbeat-admin', rolesClaim: 'x.roles' },
  });
  const claims = { sub: 'eve', aud: 'hoofbeat-admin', exp: Math.floor(Date.now() / 1000) + 600 };
  const sign = (over: object): Promise<string> => signWithSecret({ ...claims, ...over }, SECRET);
  const operator = await sign({ x: { roles: ['other', 'viewer', 'operator'] } });
  t.equal((await ask('GET', '/stats', { token: operator })).status, 200);
  t.equal(
    (await ask('POST', '/messages', { token: operator, body: { destination: '/topic/t', body: 'x' } })).status,
    202,
  );
  t.match((await ask('GET', '/audit', { token: operator })).body, { code: 'role-missing', status: 403 });
  const admin = await sign({ x: { roles: 'admin' } });
  t.match((await ask('GET', '/audit', { token: admin })).body, { items: [{ actor: 'eve', role: 'operator' }] });
  const refused: readonly (readonly [string, string])[] = [
    [await sign({ x: { roles: ['somebody'] } }), 'role-missing'],
    [await sign({ x: { roles: ['admin'] }, aud: 'shop' }), 'token-invalid'],
    [await sign({ x: { roles: ['admin'] }, exp: 1 }), 'token-expired'],
    [
      await signWithSecret({ ...claims, x: { roles: ['admin'] } }, 'another secret that is long enough, too'),
      'token-invalid',
    ],
    ['a.b.c', 'token-invalid'],
    ['plain', 'token-invalid'],
  ];
  for (const [token, code] of refused) t.match((await ask('GET', '/stats', { token })).body, { code }, token);
});

t.test('a JWT of another kind of key is refused, and one of a key file taken', async (t) => {
  const signer = await Signer.make('ES256');
  const keyFile = path.join(t.testdir(), 'keys.pem');
  writeFileSync(keyFile, signer.pem);
  const { ask } = await startAdmin(t, { jwt: { keyFile } });
  const token = await signer.sign({ sub: 'eve', roles: ['viewer'] });
  t.equal((await ask('GET', '/stats', { token })).status, 200);
  const forged = await signWithSecret({ sub: 'eve', roles: ['admin'] }, signer.pem);
  t.match((await ask('GET', '/stats', { token: forged })).body, { code: 'token-invalid' });
  t.equal((await ask('GET', '/stats')).status, 200, 'a token of the configuration is good beside it');
});

t.test('other schemes, and tokens in other places, are no token', async (t) => {
  const { ask } = await startAdmin(t);
  const { admin } = TOKENS;
  const headers = [
    { authorization: `Basic ${admin}` },
    { authorization: admin },
    { 'x-token': admin },
    { cookie: `token=${admin}` },
  ];
  for (const each of headers) {
    t.match((await ask('GET', '/stats', { as: null, headers: each })).body, { code: 'token-missing' });
  }
  t.equal((await ask('GET', `/stats?token=${admin}`, { as: null })).status, 401);
  t.equal((await ask('GET', '/stats', { as: null, headers: { authorization: `bearer  ${admin} ` } })).status, 200);
});

t.test('a token can be in a file, which has to be good', async (t) => {
  const directory = t.testdir({ good: 'a token in a file'.replaceAll(' ', '-') + '\n', short: 'short\n' });
  const token = (name: string) => [{ name: 'file', role: 'viewer' as const, tokenFile: path.join(directory, name) }];
  const { ask } = await startAdmin(t, { tokens: token('good') });
  t.equal((await ask('GET', '/stats', { token: 'a-token-in-a-file' })).status, 200);
  const options = { data: false as const, tcp: false as const };
  t.throws(() => createStompServer({ ...options, admin: { tokens: token('short') } }), {
    message: 'admin.tokens.0.tokenFile: wants a file with at least 16 characters without blanks',
  });
  t.throws(() => createStompServer({ ...options, admin: { tokens: token('none') } }), {
    message: /admin\.tokens\.0\.tokenFile: got ".*none", wants a readable file \(ENOENT\)/,
  });
});

t.test('guessing is slowed down, health is not', async (t) => {
  const { ask } = await startAdmin(t, { rateLimit: { max: 3, windowMs: 60_000 } });
  for (let k = 0; k < 3; k++) t.equal((await ask('GET', '/stats', { token: `wrong-token-${String(k)}` })).status, 401);
  const answer = await ask('GET', '/stats');
  t.equal(answer.status, 429);
  t.match(answer.body, { code: 'rate-limited', detail: /1 minute/ });
  t.ok(Number(answer.headers.get('retry-after')) > 0);
  t.equal((await ask('GET', '/health/live', { as: null })).status, 200);
});

t.test('pages of other origins may ask where they are named', async (t) => {
  const closed = await startAdmin(t);
  const origin = 'https://console.example';
  t.equal(
    (await closed.ask('GET', '/stats', { headers: { origin } })).headers.get('access-control-allow-origin'),
    null,
  );
  const { ask } = await startAdmin(t, { allowedOrigins: [origin] });
  t.equal((await ask('GET', '/stats', { headers: { origin } })).headers.get('access-control-allow-origin'), origin);
  const stranger = await ask('GET', '/stats', { headers: { origin: 'https://evil.example' } });
  t.equal(stranger.headers.get('access-control-allow-origin'), null);
  const preflight = await ask('OPTIONS', '/sessions/x', {
    as: null,
    headers: { origin, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' },
  });
  t.equal(preflight.status, 204);
  t.match(preflight.headers.get('access-control-allow-methods'), /DELETE/);
});

t.test('answers cannot be framed, sniffed or kept', async (t) => {
  const { ask } = await startAdmin(t);
  const { headers } = await ask('GET', '/stats');
  t.equal(headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
  t.equal(headers.get('x-content-type-options'), 'nosniff');
  t.equal(headers.get('cache-control'), 'no-store');
  t.equal(headers.get('strict-transport-security'), null, 'other ports of the host are not its concern');
});

t.test('the API shares the port of the endpoints where it is told to', async (t) => {
  const { ask, httpPort, origin, server } = await startAdmin(t, { port: 'http' });
  t.equal(origin, `http://127.0.0.1:${String(httpPort)}`);
  t.notOk(server.addresses.some(({ isAdmin }) => isAdmin === true));
  t.equal((await ask('GET', '/stats')).status, 200);
  t.match((await ask('GET', '/nothing')).body, { code: 'not-found' });
  t.match((await ask('GET', '//')).text, /a STOMP message broker/);
  t.equal((await ask('GET', '//ws/info', { as: null })).status, 200, 'endpoints stay what they are');
  const name = `/queue/${'x'.repeat(300)}`;
  await server.broker.convertAndSend(name, 'x');
  t.match((await ask('GET', `/queues/${encodeURIComponent(name)}`)).body, { depth: 1 });
});

t.test('a port that cannot be had stops the start', async (t) => {
  const { server } = await startAdmin(t);
  const taken = server.addresses.find(({ isAdmin }) => isAdmin === true)?.port ?? 0;
  await t.rejects(startTestServer({ workers: 1, admin: { port: taken } }), {
    message: `port ${String(taken)} on 127.0.0.1 is in use`,
  });
});

t.test('stop frees the port', async (t) => {
  const { server, ask } = await startAdmin(t);
  await ask('GET', '/stats');
  await server.stop(0);
  await t.rejects(ask('GET', '/stats'));
});
