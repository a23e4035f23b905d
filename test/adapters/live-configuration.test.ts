import path from 'node:path';
import t from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { startAdmin } from '../helpers/admin.js';
import { RawClient } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const BASE = { workers: 1, data: false, auth: { users: [{ login: 'ann', passcode: 'old' }] } } as const;

/** A server whose options are what `options.now` holds at a reload. */
async function start(given: ServerOptions) {
  const options: { now: ServerOptions } = { now: given };
  const port = { http: { port: 0 }, tcp: { port: 0 }, log: { level: 'silent' as const } };
  const started = await startTestServer(given, {
    readOptions: () => Promise.resolve({ ...port, ...options.now }),
  });
  return { ...started, options };
}

t.test('a new list of users holds for whoever connects next', async (t) => {
  const { server, tcpPort, options, stop } = await start(BASE);
  t.teardown(stop);
  const before = await RawClient.openFor(t, tcpPort);
  await before.connect('1.2', { login: 'ann', passcode: 'old' });
  options.now = { ...BASE, auth: { users: [{ login: 'ann', passcode: 'new' }] } };
  const dry = await server.reload(true);
  t.match(dry, { isDryRun: true, needsRestart: [], applied: [{ path: 'auth.users' }] });
  t.strictSame(dry.applied[0]?.to, [{ login: 'ann', passcode: '***', roles: [] }]);
  const unchanged = await RawClient.openFor(t, tcpPort);
  await unchanged.connect('1.2', { login: 'ann', passcode: 'old' });
  t.match(await server.reload(), { isDryRun: false, applied: [{ path: 'auth.users' }] });
  const refused = await RawClient.openFor(t, tcpPort);
  refused.sendFrame('CONNECT', { 'accept-version': '1.2', host: 'h', login: 'ann', passcode: 'old' });
  await refused.expectError('authentication-failed');
  const after = await RawClient.openFor(t, tcpPort);
  await after.connect('1.2', { login: 'ann', passcode: 'new' });
  await before.fence();
  t.match(await server.reload(), { applied: [], needsRestart: [] }, 'what was taken on is no change any more');
});

t.test('other rules hold at once, also for sessions that are open', async (t) => {
  const rules = (topic: string) => [
    { action: 'connect' as const, allow: true },
    { destination: topic, allow: true },
  ];
  const { server, tcpPort, options, stop } = await start({
    ...BASE,
    auth: { anonymous: true, rules: rules('/topic/**') },
  });
  t.teardown(stop);
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect();
  client.sendFrame('SEND', { destination: '/topic/a', receipt: '1' });
  await client.receipt('1');
  options.now = { ...BASE, auth: { anonymous: true, rules: rules('/topic/b') } };
  t.match(await server.reload(), { applied: [{ path: 'auth.rules' }] });
  client.sendFrame('SEND', { destination: '/topic/a', receipt: '2' });
  await client.expectError('access-denied');
});

t.test('rules where there were none need a restart', async (t) => {
  const { server, options, stop } = await start({ ...BASE, auth: { anonymous: true } });
  t.teardown(stop);
  options.now = { ...BASE, auth: { anonymous: true, rules: [{ allow: false }] } };
  t.match(await server.reload(), { applied: [], needsRestart: [{ path: 'auth.rules' }] });
});

t.test('rules that are gone allow everything', async (t) => {
  const { server, tcpPort, options, stop } = await start({
    ...BASE,
    auth: { anonymous: true, rules: [{ action: 'connect', allow: true }] },
  });
  t.teardown(stop);
  options.now = { ...BASE, auth: { anonymous: true } };
  t.match(await server.reload(), { applied: [{ path: 'auth.rules' }] });
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect();
  await client.fence();
});

t.test('the limit of connections and the log level are taken on, the rest waits for a restart', async (t) => {
  const { server, tcpPort, options, stop } = await start(BASE);
  t.teardown(stop);
  const level = server.options.log.level;
  options.now = {
    ...BASE,
    log: { level: 'fatal' },
    broker: { limits: { maxConnections: 0 }, compat: 'strict', shutdown: server.options.broker.shutdown },
    tcp: { port: 61_999 },
  };
  const result = await server.reload();
  t.strictSame(
    result.applied.map(({ path, from, to }) => [path, from, to]),
    [
      ['broker.limits.maxConnections', 100_000, 0],
      ['log.level', level, 'fatal'],
    ],
  );
  t.strictSame(
    result.needsRestart.map(({ path }) => path),
    ['broker.compat', 'tcp.port'],
  );
  const refused = await RawClient.openFor(t, tcpPort);
  await refused.closed();
  t.match(await server.reload(), { applied: [], needsRestart: [{}, {}] }, 'and is told again until then');
});

t.test('with a fault anywhere nothing changes', async (t) => {
  const file = path.join(t.testdir({ passwords: 'not a password file' }), 'passwords');
  const { server, tcpPort, options, stop } = await start(BASE);
  t.teardown(stop);
  options.now = { ...BASE, auth: { users: [] }, log: { level: 'loud' as never } };
  await t.rejects(server.reload(), { message: /log\.level: got "loud"/ });
  options.now = { ...BASE, auth: { passwordFile: `${file}-none` } };
  await t.rejects(server.reload(true), { message: /auth\.passwordFile: cannot be used: ENOENT/ });
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', { login: 'ann', passcode: 'old' });
});

t.test('the API tells every fault of a configuration', async (t) => {
  const { ask } = await startAdmin(
    t,
    {},
    {},
    {
      readOptions: () => Promise.resolve({ http: { port: 'x' as never }, log: { level: 'loud' as never } }),
    },
  );
  const { status, body } = await ask('POST', '/config/reload', { body: {} });
  t.equal(status, 422);
  t.match(body, {
    code: 'configuration-invalid',
    errors: [/^http\.port: got "x"/, /^log\.level: got "loud"/],
  });
});

t.test('options that were given as an object cannot be read again', async (t) => {
  const { ask, server } = await startAdmin(t);
  t.match((await ask('POST', '/config/reload', { body: {} })).body, { code: 'reload-unavailable', status: 409 });
  await t.rejects(server.reload(), { message: 'the configuration was given as an object' });
});

t.test('secrets of the configuration are not shown', async (t) => {
  const secret = 'this must not be seen by anybody';
  const tokens = [{ name: 'x', role: 'admin' as const, token: 'this-must-not-be-seen' }];
  const { ask } = await startAdmin(
    t,
    { tokens, jwt: { secret } },
    { auth: { users: [{ login: 'ann', passcode: secret }], jwt: { secret } } },
  );
  const { text } = await ask('GET', '/config', { token: 'this-must-not-be-seen' });
  t.notMatch(text, /must.not.be.seen/);
  t.match(text, /"login":"ann","passcode":"\*\*\*"/);
});
