/** `hoofbeat users`, `sessions`, `queues` and `tap`, as processes, against a server with an admin API. */
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { startAdmin, TOKENS, type TestAdmin, type TestRole } from '../../helpers/admin.js';
import { CliHost, type Ended, RunningCommand } from '../../helpers/cli.js';
import { inTime } from '../../helpers/inbox.js';
import { RawClient } from '../../helpers/raw-client.js';
import { until } from '../../helpers/until.js';

let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

const USERS = ['ann', 'bob', 'cid'].map((login) => ({ login, passcode: 'x' }));

async function start(t: Test): Promise<TestAdmin> {
  return startAdmin(t, {}, { auth: { users: USERS } });
}

function environmentOf({ origin }: TestAdmin, role: TestRole = 'admin'): NodeJS.ProcessEnv {
  return { HOOFBEAT_ADMIN_URL: origin, HOOFBEAT_ADMIN_TOKEN: TOKENS[role] };
}

function run(admin: TestAdmin, args: readonly string[], role?: TestRole): Promise<Ended> {
  return host.run(args, environmentOf(admin, role));
}

async function login(t: Test, admin: TestAdmin, name: string): Promise<{ client: RawClient; session: string }> {
  const client = await RawClient.openFor(t, admin.tcpPort);
  const session = (await client.connect('1.2', { login: name, passcode: 'x' })).get('session') ?? '';
  return { client, session };
}

t.test('users are listed, shown, sent to and disconnected', async (t) => {
  const admin = await start(t);
  const ann = await login(t, admin, 'ann');
  const again = await login(t, admin, 'ann');
  await login(t, admin, 'bob');
  await ann.client.subscribe('/user/queue/notices');
  const listed = await run(admin, ['users', '--sort=-sessions']);
  t.strictSame(listed.exitCode, 0, listed.stderr);
  t.match(listed.stdout, /^USER {2}SESSIONS {2}IDS\nann +2 {2}\S+ \S+\nbob +1 {2}\S+\n$/);
  t.notMatch(listed.stdout, '\x1b', 'no colours where there is no terminal');
  const asJson = await run(admin, ['users', 'list', '--prefix', 'b', '--json'], 'viewer');
  t.match(JSON.parse(asJson.stdout), { name: 'bob', sessions: 1 });
  t.match((await run(admin, ['users', 'show', 'ann'])).stdout, /^name +ann\nsessions +2\n/);
  const sent = await run(admin, ['users', 'send', 'ann', '-d', '/queue/notices', '-m', 'hello', '-H', 'k:v']);
  t.equal(sent.stdout, 'accepted for 2 sessions on the node\n');
  const message = await ann.client.frame('MESSAGE');
  t.strictSame([message.text, message.get('k')], ['hello', 'v']);
  const asked = await run(admin, ['users', 'disconnect', 'ann']);
  t.match(asked, { exitCode: 2, stdout: '', stderr: /^End all sessions of "ann"\? .*--yes/ });
  const ended = await run(admin, ['users', 'disconnect', 'ann', '--yes', '--reason', 'Account closed']);
  t.strictSame(ended, { exitCode: 0, stdout: '2 sessions ended\n', stderr: '' });
  t.match((await again.client.frame('ERROR')).text, /Account closed/);
  await until('no ann', () => admin.server.broker.users.get('ann') === undefined);
  const nobody = await run(admin, ['users', 'show', 'ann']);
  t.match(nobody, { exitCode: 1, stdout: '', stderr: /^http:\S+: That user has no session \(not-found\)\n$/ });
});

t.test('sessions are listed by pages, filtered, shown and ended; so are subscriptions', async (t) => {
  const admin = await start(t);
  const ann = await login(t, admin, 'ann');
  for (const name of ['bob', 'bob', 'cid']) await login(t, admin, name);
  await ann.client.subscribe('/topic/a', 'a');
  await ann.client.subscribe('/queue/b', 'b', { ack: 'client' });
  const first = await run(admin, ['sessions', '-n', '2']);
  t.equal(first.stdout.split('\n').length, 4, 'a head, two sessions and the last line end');
  t.equal(first.stderr, '2 shown of 4 sessions; -n 0 shows all\n');
  const all = await run(admin, ['sessions', '-n', '0', '--user', 'bob', '--state', 'connected', '--json']);
  t.equal(all.stdout.trimEnd().split('\n').length, 2);
  t.equal((await run(admin, ['sessions', '--transport', 'tls'])).stderr, 'no such sessions\n');
  t.match((await run(admin, ['sessions', 'show', ann.session])).stdout, /\nuser +ann\n/);
  const subscriptions = await run(admin, ['sessions', 'subscriptions', '--user', 'ann', '--sort=destination']);
  t.match(subscriptions.stdout, /^SESSION +NUMBER +ID +USER.*\n\S+ +2 {2}b +ann +\/queue\/b +client .*\n.*\/topic\/a/);
  t.equal((await run(admin, ['sessions', 'unsubscribe', ann.session, '1'])).stdout, '1 subscription ended\n');
  t.match(await run(admin, ['sessions', 'unsubscribe', ann.session, '1']), { exitCode: 1, stderr: /not-found/ });
  t.equal((await run(admin, ['sessions', 'disconnect', ann.session, '-y'])).stdout, '1 session ended\n');
  await ann.client.closed();
});

t.test('queues are listed, browsed, moved and purged', async (t) => {
  const admin = await start(t);
  const { broker } = admin.server;
  for (const body of ['one', '\x1b[2J\nbad', 'three']) await broker.convertAndSend('/queue/jobs', body);
  await broker.convertAndSend('/queue/DLQ', 'dead', { 'original-destination': '/queue/back' });
  const listed = await run(admin, ['queues', '--sort=-depth']);
  t.match(listed.stdout, /^QUEUE +DEPTH +BYTES.*\n\/queue\/jobs +3 .*\n\/queue\/DLQ +1 /);
  const browsed = await run(admin, ['queues', 'browse', '/queue/jobs']);
  t.match(browsed.stdout, /^NUMBER.*\n.* one\n.* \\x1b\[2J\\nbad\n.* three\n$/, 'control characters are shown');
  const number = (
    JSON.parse((await run(admin, ['queues', 'browse', '/queue/jobs', '-n', '1', '--json'])).stdout) as {
      number: number;
    }
  ).number;
  t.equal((await run(admin, ['queues', 'delete', '/queue/jobs', String(number)])).stdout, '1 dropped\n');
  t.match(await run(admin, ['queues', 'move', '/queue/DLQ']), { exitCode: 2, stderr: /^Move 1 messages of/ });
  t.equal((await run(admin, ['queues', 'move', '/queue/DLQ', '-y'])).stdout, '1 moved\n');
  const moved = await run(admin, ['queues', 'move', '/queue/jobs', '--to', '/queue/later', '-n', '1', '-y']);
  t.equal(moved.stdout, '1 moved\n');
  t.match((await run(admin, ['queues', 'show', '/queue/later'])).stdout, /\ndepth +1\n/);
  t.match(await run(admin, ['queues', 'purge', '/queue/jobs']), { exitCode: 2, stderr: /^Drop 1 messages/ });
  t.equal((await run(admin, ['queues', 'purge', '/queue/jobs', '--yes'])).stdout, '1 dropped\n');
  t.match(await run(admin, ['queues', 'browse', '/queue/jobs', '-n', '0']), { exitCode: 1, stderr: /1 to 200/ });
});

t.test('a tap shows frames, counts them, and ends as it was asked to', async (t) => {
  const admin = await start(t);
  const { operations } = admin.server.broker;
  const args = ['tap', '--user', 'ann', '-d', '/topic/**'];
  const text = new RunningCommand(t, [...args, '-c', '2'], environmentOf(admin, 'operator'));
  const json = new RunningCommand(t, [...args, '--json', '--command', 'SEND'], environmentOf(admin, 'operator'));
  await until('both taps', () => operations.tapCount === 2);
  const { client, session } = await login(t, admin, 'ann');
  await client.subscribe('/topic/x');
  client.sendFrame('SEND', { destination: '/topic/x', token: 'geheim' }, 'hello\x1b[2J');
  const { exitCode, stdout, stderr } = await inTime(text.ended, 'the tap');
  t.equal(exitCode, 0);
  t.equal(stderr, 'tapping\n');
  t.match(stdout, new RegExp(`^[\\d:.]{12} → ann ${session} SUBSCRIBE /topic/x\\n`));
  t.match(stdout, /\n[\d:.]{12} → ann \S+ SEND \/topic\/x 9 B hello\\x1b\[2J\n$/);
  await json.until(({ stdout: lines }) => lines.includes('"SEND"'), 'the frame');
  json.child.kill('SIGINT');
  const ended = await inTime(json.ended, 'the end');
  t.equal(ended.exitCode, 0);
  t.notMatch(ended.stdout, 'geheim');
  t.match(
    ended.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
    [{ type: 'tap' }, { type: 'frame', command: 'SEND', user: 'ann', body: 'hello\x1b[2J' }],
  );
  t.match(await run(admin, ['tap', '-W', '1', '--user', 'nobody']), { exitCode: 27, stdout: '' });
  await until('no tap', () => operations.tapCount === 0);
});

t.test('a tap whose server goes ends with 1', async (t) => {
  const admin = await start(t);
  const tap = new RunningCommand(t, ['tap', '-v'], environmentOf(admin));
  await until('the tap', () => admin.server.broker.operations.tapCount === 1);
  const { client } = await login(t, admin, 'ann');
  await tap.until(({ stdout }) => stdout.includes('    passcode: ***\n'), 'the CONNECT');
  client.destroy();
  await admin.server.stop();
  t.match(await inTime(tap.ended, 'the end'), { exitCode: 1, stderr: /^tapping\nhttp:.*(has gone|has ended)/ });
});

t.test('mistakes are one line and an exit code', async (t) => {
  const admin = await start(t);
  const directory = t.testdir({});
  const tokenFile = path.join(directory, 'token.txt');
  writeFileSync(tokenFile, `${TOKENS.viewer}\n`);
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const other = createHttpServer((_request, response) => response.writeHead(404).end('<h1>not here</h1>'));
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => other.close());
  const otherPort = (other.address() as AddressInfo).port;
  const cases: readonly (readonly [args: string[], environment: NodeJS.ProcessEnv, exitCode: number, RegExp])[] = [
    [['users'], {}, 1, /^no token: set HOOFBEAT_ADMIN_TOKEN or give --token-file\n$/],
    [['users', '--token-file', `${directory}/none`], {}, 1, /cannot be read \(ENOENT\)\n$/],
    [['users', '--token-file', tokenFile, '--admin', admin.origin], {}, 0, /^no such users\n$/],
    [
      ['queues', 'purge', '/queue/x', '-y', '--token-file', tokenFile, '--admin', admin.origin],
      {},
      1,
      /There is no such queue.*\(not-found\)\n$/,
    ],
    [
      ['tap', '--token-file', tokenFile, '--admin', admin.origin],
      {},
      1,
      /needs the role operator.*\(role-missing\)\n$/,
    ],
    [
      ['users', '--admin', `http://127.0.0.1:${port}`],
      environmentOf(admin),
      1,
      /nobody listens there \(ECONNREFUSED\)\n$/,
    ],
    [
      ['users', '--admin', `http://127.0.0.1:${otherPort}`],
      environmentOf(admin),
      1,
      /answered 404, which is no admin API/,
    ],
    [['users'], { ...environmentOf(admin), HOOFBEAT_ADMIN_TOKEN: 'x'.repeat(20) }, 1, /\(token-invalid\)\n$/],
    [['users'], { ...environmentOf(admin), HOOFBEAT_ADMIN_URL: 'ftp://x' }, 1, /^HOOFBEAT_ADMIN_URL: wants http:/],
    [['users', '--admin', 'localhost'], environmentOf(admin), 2, /--admin <url>.*wants http:/],
    [['sessions', '--state', 'asleep'], environmentOf(admin), 2, /Allowed choices are awaiting-connect/],
    [['users', '--sort', 'colour'], environmentOf(admin), 1, /sort: .*\(request-invalid\)\n$/],
    [['users', 'send', 'ann', '-d', '/queue/x'], environmentOf(admin), 2, /one of -m and -f is needed/],
    [['tap', '--command', 'SHOUT'], environmentOf(admin), 1, /command: wants commands of STOMP.*\(request-invalid\)/],
    [['tap', '-d', '/topic/{x:(a)}'], environmentOf(admin), 1, /\(broker-refused\)\n$/],
  ];
  for (const [args, environment, exitCode, stderr] of cases) {
    const ended = await host.run(args, environment);
    t.equal(ended.exitCode, exitCode, args.join(' '));
    t.match(ended.stderr, stderr, args.join(' '));
    t.equal(ended.stdout, '');
  }
});
