/** The API beside worker processes, inside an application, and behind `hoofbeat serve`. */
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { createBroker } from '../../../adapters/index.js';
import { ask, startAdmin, TOKENS } from '../../helpers/admin.js';
import { RunningCommand, temporaryDirectory } from '../../helpers/cli.js';
import { RawClient } from '../../helpers/raw-client.js';

t.test("with workers the API is in the broker's own process", async (t) => {
  const admin = await startAdmin(t, {}, { workers: 2 });
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect('1.2', { 'client-id': 'through-a-worker' });
  t.match((await admin.ask('GET', '/stats')).body, {
    server: { workers: 2, processId: process.pid },
    sessions: { current: 1, tcp: 1 },
  });
  t.equal((await admin.ask('GET', '//console/live/info', { as: null })).status, 200, 'and so is the console');
  const { body } = await admin.ask('GET', '/sessions');
  t.match(body, { items: [{ transport: 'tcp', clientId: 'through-a-worker' }] });
  const [{ id }] = (body as { items: [{ id: string }] }).items;
  t.equal((await admin.ask('DELETE', `/sessions/${id}`)).status, 200);
  await client.closed();
});

t.test('a broker inside an application has it on a port of its own', async (t) => {
  const tokens = [{ name: 'x', role: 'admin' as const, token: TOKENS.admin }];
  const embedded = createBroker({ auth: { anonymous: true }, log: { level: 'silent' }, admin: { port: 0, tokens } });
  const server = createServer((_request, response) => response.end('the application'));
  await embedded.attach(server);
  t.teardown(() => embedded.stop(0));
  embedded.broker.message('/hello', () => undefined);
  const origin = `http://127.0.0.1:${String(embedded.addresses.find(({ isAdmin }) => isAdmin === true)?.port)}`;
  t.match((await ask(origin, 'GET', '/asyncapi')).text, /"\/app\/hello"/);
  t.equal((await ask(origin, 'GET', '//console/live/info', { as: null })).status, 200);
  await embedded.stop(0);
  await t.rejects(ask(origin, 'GET', '/stats'));
});

t.test('serve opens it for a token of the environment, and reads its file again at SIGHUP', async (t) => {
  const directory = temporaryDirectory(t);
  const file = path.join(directory, 'hoofbeat.yaml');
  const write = (passcode: string): void => {
    const users = `[{ login: ann, passcode: ${passcode} }]`;
    writeFileSync(file, `http: false\ntcp: { port: 0 }\ndata: false\nauth: { users: ${users} }\n`);
  };
  write('old');
  const args = ['serve', '--json', '--config', file, '--admin-port', '0'];
  const command = new RunningCommand(t, args, { HOOFBEAT_DATA: '', HOOFBEAT_ADMIN_TOKEN: TOKENS.admin });
  await command.until(({ stdout }) => stdout.includes('\n'), 'the addresses');
  const { addresses } = JSON.parse(command.stdout) as {
    addresses: { port: number; isAdmin?: boolean; urls: string[] }[];
  };
  const api = addresses.find(({ isAdmin }) => isAdmin === true);
  t.strictSame(api?.urls, [`http://127.0.0.1:${String(api?.port)}/api/v1`]);
  const origin = `http://127.0.0.1:${String(api?.port)}`;
  t.match((await ask(origin, 'GET', '/config')).body, { admin: { tokens: [{ name: 'environment', token: '***' }] } });
  write('new');
  const dry = await ask(origin, 'POST', '/config/reload', { body: { dryRun: true } });
  t.match(dry.body, { applied: [{ path: 'auth.users' }], needsRestart: [] });
  command.child.kill('SIGHUP');
  await command.until(({ stderr }) => stderr.includes('configuration reloaded'), 'the reload');
  const port = addresses.find(({ isAdmin }) => isAdmin !== true)?.port ?? 0;
  const client = await RawClient.openFor(t, port);
  await client.connect('1.2', { login: 'ann', passcode: 'new' });
  writeFileSync(file, 'http: {port: eighty}\n');
  command.child.kill('SIGHUP');
  await command.until(({ stderr }) => stderr.includes('http.port: got "eighty"'), 'the fault');
  await client.fence();
  command.child.kill('SIGTERM');
  t.equal((await command.ended).exitCode, 0);
});
