/** `hoofbeat pub` and `hoofbeat sub` against a real server, over each kind of connection. */
import { createServer, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { CliHost, RunningCommand, runCommand } from '../../helpers/cli.js';
import { inTime } from '../../helpers/inbox.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

const USERS = [{ login: 'ann', passcode: 'right', roles: [] }];
let server: TestServer;
let urls: Readonly<Record<'tcp' | 'ws' | 'sockjs', string>>;

t.before(async () => {
  server = await startTestServer();
  urls = {
    tcp: `tcp://127.0.0.1:${server.tcpPort}`,
    ws: `ws://127.0.0.1:${server.httpPort}/ws`,
    sockjs: `http://127.0.0.1:${server.httpPort}/ws`,
  };
});
t.teardown(() => server.stop());
/** For what neither reads standard input nor hears a signal. */
let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

/** A `sub` whose subscription is registered. */
async function startSub(t: Test, args: readonly string[], at: TestServer = server): Promise<RunningCommand> {
  const before = at.server.broker.stats().subscriptions;
  const command = new RunningCommand(t, ['sub', ...args]);
  // The broker's own count is the event; polling it needs no guess of how long a process takes to start.
  for (let turn = 0; turn < 3_000 && at.server.broker.stats().subscriptions === before; turn++) {
    if (command.child.exitCode !== null) throw new Error(`sub ended: ${command.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return command;
}

for (const from of ['tcp', 'ws', 'sockjs'] as const) {
  t.test(`what is published over ${from} arrives over tcp, ws and sockjs`, async (t) => {
    const destination = `/topic/round-trip/${from}`;
    const args = ['-d', destination, '-c', '1', '--json', '-W', '30'];
    const subs = [];
    for (const to of ['tcp', 'ws', 'sockjs'] as const) subs.push(await startSub(t, ['-u', urls[to], ...args]));
    const headers = ['-H', 'colour:light blue: sky', '-H', 'n:1', '--content-type', 'text/plain;charset=utf-8'];
    const sent = await host.run(['pub', '-u', urls[from], '-d', destination, '-m', 'grüße "\\\n✓', ...headers]);
    t.strictSame(sent, { exitCode: 0, stdout: '', stderr: '' });
    for (const sub of subs) {
      const { exitCode, stdout } = await inTime(sub.ended, 'the message', 30_000);
      t.equal(exitCode, 0);
      t.match(JSON.parse(stdout), {
        destination,
        headers: { colour: 'light blue: sky', n: '1', 'content-type': 'text/plain;charset=utf-8' },
        body: 'grüße "\\\n✓',
      });
    }
  });
}

t.test('bodies come from a file, from standard input as a whole, and line by line', async (t) => {
  const args = ['-u', urls.tcp, '-d', '/topic/bodies'];
  const sub = await startSub(t, [...args, '-c', '4', '-v']);
  const file = path.join(t.testdir(), 'body');
  writeFileSync(file, 'from a file');
  t.equal((await host.run(['pub', ...args, '-f', file])).exitCode, 0);
  t.equal((await runCommand(t, ['pub', ...args, '-s'], { input: 'a\nb' })).exitCode, 0);
  t.equal((await runCommand(t, ['pub', ...args, '-l'], { input: 'first\r\nsecond\n' })).exitCode, 0);
  const { stdout } = await inTime(sub.ended, 'four messages', 30_000);
  t.equal(stdout, '/topic/bodies from a file\n/topic/bodies a\nb\n/topic/bodies first\n/topic/bodies second\n');
});

t.test('many lines arrive in order and are all confirmed', async (t) => {
  const args = ['-u', urls.ws, '-d', '/topic/lines'];
  const lines = Array.from({ length: 3_000 }, (_, k) => `line ${k}`);
  const sub = await startSub(t, [...args, '-c', String(lines.length)]);
  t.equal((await runCommand(t, ['pub', ...args, '-l'], { input: lines.join('\n') })).exitCode, 0);
  t.equal((await inTime(sub.ended, 'all lines', 30_000)).stdout, `${lines.join('\n')}\n`);
});

t.test('a body that is not UTF-8 keeps its octets', async (t) => {
  const body = Buffer.from([0, 0xff, 0xfe, 10, 0x80]);
  for (const url of [urls.tcp, urls.ws]) {
    const args = ['-u', url, '-d', '/topic/octets'];
    const sub = await startSub(t, [...args, '-c', '1', '--json']);
    t.equal((await runCommand(t, ['pub', ...args, '-s'], { input: body })).exitCode, 0);
    t.match(JSON.parse((await inTime(sub.ended, 'octets', 30_000)).stdout), { bodyBase64: body.toString('base64') });
  }
  const refused = await runCommand(t, ['pub', '-u', urls.sockjs, '-d', '/topic/octets', '-s'], { input: body });
  t.match(refused, { exitCode: 1, stderr: /^SockJS carries text only/ });
});

t.test('several destinations share one sub', async (t) => {
  const sub = await startSub(t, ['-u', urls.tcp, '-d', '/topic/one', '-d', '/topic/two', '-c', '2', '-v', '--id', 'x']);
  for (const destination of ['/topic/one', '/topic/two']) {
    await host.run(['pub', '-u', urls.tcp, '-d', destination, '-m', 'hi', '--no-receipt']);
  }
  const { stdout } = await inTime(sub.ended, 'both', 30_000);
  t.equal(stdout, '/topic/one hi\n/topic/two hi\n');
});

t.test('a queue keeps messages; acknowledged ones are gone, the others stay', async (t) => {
  const args = ['-u', urls.tcp, '-d', '/queue/work'];
  await runCommand(t, ['pub', ...args, '-l'], { input: 'a\nb\nc' });
  const take = ['sub', ...args, '--ack', 'client-individual', '-c', '1', '-W', '20'];
  t.match(await host.run(take), { exitCode: 0, stdout: 'a\n' });
  t.match(await host.run(take), { exitCode: 0, stdout: 'b\n' });
  t.match(await host.run(take), { exitCode: 0, stdout: 'c\n' });
});

t.test('-W ends a sub with 27, whether connected or not', async (t) => {
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.teardown(() => mute.close());
  const url = `tcp://127.0.0.1:${(mute.address() as AddressInfo).port}`;
  const [quiet, silent, late] = await Promise.all([
    runCommand(t, ['sub', '-u', urls.tcp, '-d', '/topic/quiet', '-W', '1']),
    runCommand(t, ['sub', '-u', url, '-d', '/topic/x', '-W', '1']),
    runCommand(t, ['pub', '-u', url, '-d', '/topic/x', '-m', 'x', '--timeout', '1']),
  ]);
  t.match(quiet, { exitCode: 27, stdout: '' });
  t.match(silent, { exitCode: 27, stderr: '' });
  t.match(late, { exitCode: 1, stderr: `${url}: no CONNECTED within 1 s\n` });
});

t.test('SIGINT ends a sub with 0', async (t) => {
  const sub = await startSub(t, ['-u', urls.sockjs, '-d', '/topic/quiet']);
  sub.child.kill('SIGINT');
  t.match(await inTime(sub.ended, 'the end', 30_000), { exitCode: 0, stderr: '' });
});

t.test('a server that goes away ends a sub with 1', async (t) => {
  const other = await startTestServer({ http: false });
  const sub = await startSub(t, ['-u', `tcp://127.0.0.1:${other.tcpPort}`, '-d', '/topic/x'], other);
  await other.stop();
  t.match(await inTime(sub.ended, 'the end', 30_000), { exitCode: 1, stderr: /\S/ });
});

t.test('nobody listening is one line and exit 1', async (t) => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as AddressInfo;
  await new Promise((resolve) => holder.close(resolve));
  for (const url of [`tcp://127.0.0.1:${port}`, `ws://127.0.0.1:${port}/ws`, `http://127.0.0.1:${port}/ws`]) {
    const { exitCode, stderr } = await host.run(['pub', '-u', url, '-d', '/topic/x', '-m', 'x']);
    t.equal(exitCode, 1);
    t.equal(stderr, `${url}: nobody listens there (ECONNREFUSED)\n`);
  }
});

t.test('ERROR of the broker is printed and exit 1; a passcode never is', async (t) => {
  const closed = await startTestServer({ auth: { anonymous: false, users: USERS } });
  t.teardown(() => closed.stop());
  const url = `tcp://127.0.0.1:${closed.tcpPort}`;
  const args = ['pub', '-u', url, '-d', '/topic/x', '-m', 'x'];
  const refused = await host.run([...args, '--login', 'ann', '--passcode', 'hunter2']);
  t.match(refused, { exitCode: 1, stderr: /^ERROR from the broker: Bad login or passcode\n/ });
  t.notMatch(refused.stderr, /hunter2/);
  t.equal((await host.run([...args, '--login', 'ann', '--passcode', 'right'])).exitCode, 0);
  const environment = { HOOFBEAT_LOGIN: 'ann', HOOFBEAT_PASSCODE: 'right' };
  t.equal((await host.run(args, environment)).exitCode, 0);
  const inUrl = ['pub', '-u', `tcp://ann:hunter2@127.0.0.1:${closed.tcpPort}`, '-d', '/topic/x', '-m', 'x'];
  t.notMatch((await host.run(inUrl)).stderr, /hunter2/);
});

t.test('a server that is no STOMP broker is named', async (t) => {
  const { exitCode, stderr } = await host.run([
    'pub',
    '-u',
    `tcp://127.0.0.1:${server.httpPort}`,
    '-d',
    '/a',
    '-m',
    'x',
  ]);
  t.equal(exitCode, 1);
  t.match(stderr, /does not speak STOMP|closed the connection/);
});

for (const args of [
  ['pub', '-m', 'x'],
  ['pub', '-d', '/topic/x'],
  ['pub', '-d', '/topic/x', '-m', 'x', '-l'],
  ['pub', '-d', '/topic/x', '-m', 'x', '-H', 'no colon'],
  ['pub', '-d', '/topic/x', '-m', 'x', '-u', 'ftp://127.0.0.1'],
  ['pub', '-d', '/topic/x', '-m', 'x', '-u', 'nonsense'],
  ['sub'],
  ['sub', '-d', '/topic/x', '-c', '0'],
  ['sub', '-d', '/topic/x', '--ack', 'sometimes'],
  ['sub', '-d', '/topic/x', '--json', '-v'],
]) {
  t.test(`hoofbeat ${args.join(' ')} is wrong usage`, async (t) => {
    const { exitCode, stdout, stderr } = await host.run(args);
    t.equal(exitCode, 2);
    t.equal(stdout, '');
    t.match(stderr, /^error: /);
  });
}
