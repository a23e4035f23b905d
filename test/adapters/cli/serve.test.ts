/** `hoofbeat serve` as a process: what it prints, how it ends. */
import { spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { CliHost, RunningCommand, runCommand } from '../../helpers/cli.js';
import { inTime } from '../../helpers/inbox.js';
import { openConnected } from '../../helpers/raw-client.js';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const FREE_PORTS = ['--http-port', '0', '--tcp-port', '0'];

/** For what ends before it would serve. */
let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

interface JsonLine {
  readonly version: string;
  readonly pid: number;
  readonly addresses: readonly { transport: string; host: string; port: number; endpoints: string[]; urls: string[] }[];
}

async function serveJson(t: Test, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const command = new RunningCommand(t, ['serve', '--json', ...args], environment);
  await command.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  return { command, line: JSON.parse(command.stdout) as JsonLine };
}

t.test('--json prints exactly one line, with the ports that were picked', async (t) => {
  const { command, line } = await serveJson(t, FREE_PORTS);
  t.equal(line.pid, command.child.pid);
  t.match(line.addresses, [
    { transport: 'tcp', host: '127.0.0.1', endpoints: [] },
    { transport: 'http', host: '127.0.0.1', endpoints: ['/ws'] },
  ]);
  const [tcp, http] = line.addresses;
  t.ok(tcp && http && tcp.port > 0 && http.port > 0);
  t.strictSame(http?.urls, [`ws://127.0.0.1:${http?.port}/ws`, `http://127.0.0.1:${http?.port}/ws`]);
  command.child.kill('SIGTERM');
  const { exitCode, stdout } = await inTime(command.ended, 'the end');
  t.equal(exitCode, 0);
  t.equal(stdout.split('\n').length, 2, 'one line and its end');
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} ends it with 0, even when repeated`, async (t) => {
    const { command } = await serveJson(t, FREE_PORTS);
    command.child.kill(signal);
    command.child.kill(signal);
    t.equal((await inTime(command.ended, 'the end')).exitCode, 0);
  });
}

t.test('a second signal, some time later, does not wait for who stays', async (t) => {
  const file = path.join(t.testdir(), 'hoofbeat.yaml');
  // Without the second one nothing would end it within the test.
  const patience = 'spreadMs: 600000, settleMs: 600000, deadlineMs: 3600000';
  writeFileSync(file, `broker: {shutdown: {${patience}}, limits: {lingerMs: 600000}}\n`);
  const { command, line } = await serveJson(t, [...FREE_PORTS, '--config', file]);
  const port = line.addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0;
  const holder = await openConnected(t, port);
  await holder.subscribe('/queue/q', '0', { ack: 'client' });
  holder.sendFrame('SEND', { destination: '/queue/q' }, 'held');
  await holder.messages(1);
  command.child.kill('SIGTERM');
  while (command.child.exitCode === null && command.child.signalCode === null) {
    await delay(600);
    command.child.kill('SIGTERM');
  }
  t.equal((await inTime(command.ended, 'the end')).exitCode, 0);
});

t.test('without --json it says what listens where and how to go on', async (t) => {
  const command = new RunningCommand(t, ['serve', ...FREE_PORTS, '--log-level', 'silent']);
  await command.until(({ stdout }) => stdout.includes('README.md'), 'the banner');
  t.match(command.stdout, /TCP +tcp:\/\/127\.0\.0\.1:\d+\n/);
  t.match(command.stdout, /WebSocket +ws:\/\/127\.0\.0\.1:\d+\/ws\n/);
  t.match(command.stdout, /SockJS +http:\/\/127\.0\.0\.1:\d+\/ws\n/);
  t.match(command.stdout, /node dist\/adapters\/cli\/main\.js sub -u tcp:/, 'a command that works in a checkout');
  t.equal(command.stderr, '');
});

t.test('a busy port is one line on standard error and exit 1', async (t) => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  t.teardown(() => holder.close());
  const { port } = holder.address() as AddressInfo;
  const args = ['serve', '--json', '--tcp-port', '0', '--http-port', String(port)];
  const { exitCode, stdout, stderr } = await runCommand(t, [...args, '--log-level', 'silent']);
  t.equal(exitCode, 1);
  t.equal(stdout, '');
  t.equal(stderr, `port ${port} on 127.0.0.1 is in use\n`);
});

t.test('a bad configuration is a line for each fault and exit 1', async (t) => {
  const file = path.join(t.testdir(), 'hoofbeat.yaml');
  writeFileSync(file, 'http:\n  port: eighty\nbrokr: {}\n');
  const { exitCode, stdout, stderr } = await host.run(['serve', '--config', file]);
  t.equal(exitCode, 1);
  t.equal(stdout, '');
  t.strictSame(stderr.trimEnd().split('\n'), [
    `${file}: brokr: unknown option`,
    `${file}: http.port: got "eighty", wants a number from 0 to 65535`,
  ]);
});

t.test('a configuration that is not there is exit 1', async (t) => {
  const { exitCode, stderr } = await host.run(['serve', '--config', '/nowhere.yaml']);
  t.equal(exitCode, 1);
  t.equal(stderr, '/nowhere.yaml: no such file\n');
});

t.test('flags win over the environment, which wins over the file', async (t) => {
  const file = path.join(t.testdir(), 'hoofbeat.json');
  writeFileSync(
    file,
    JSON.stringify({ http: { port: 1, endpoints: [{ path: '/stomp', sockjs: false }] }, tcp: { port: 1 } }),
  );
  const environment = { HOOFBEAT_CONFIG: file, HOOFBEAT_HTTP_PORT: '0', HOOFBEAT_TCP_PORT: '1', HOOFBEAT_HOST: '' };
  const { line } = await serveJson(t, ['--tcp-port', '0'], environment);
  const http = line.addresses.find(({ transport }) => transport === 'http');
  t.strictSame(http?.urls, [`ws://127.0.0.1:${http?.port}/stomp`], 'the endpoint of the file, without SockJS');
});

t.test('a wrong variable is named', async (t) => {
  const environment = { HOOFBEAT_HTTP_PORT: 'eighty', HOOFBEAT_LOG_LEVEL: 'loud', HOOFBEAT_WORKERS: 'many' };
  const { exitCode, stderr } = await host.run(['serve'], environment);
  t.equal(exitCode, 1);
  t.strictSame(stderr.trimEnd().split('\n'), [
    'HOOFBEAT_HTTP_PORT: got "eighty", wants a number from 0 to 65535',
    'HOOFBEAT_LOG_LEVEL: got "loud", wants one of trace, debug, info, warn, error, fatal, silent',
    'HOOFBEAT_WORKERS: got "many", wants "auto" or a number from 1 to 64',
  ]);
});

for (const args of [
  ['serve', '--http-port', 'eighty'],
  ['serve', '--http-port', '65536'],
  ['serve', '--memory', '--data', 'x'],
  ['serve', '--log-level', 'loud'],
  ['serve', '--workers', '0'],
  ['serve', '--colour'],
  ['server'],
]) {
  t.test(`hoofbeat ${args.join(' ')} is wrong usage`, async (t) => {
    const { exitCode, stdout, stderr } = await host.run(args);
    t.equal(exitCode, 2);
    t.equal(stdout, '');
    t.match(stderr, /^error: /);
  });
}

t.test('--version is the version of the package', async (t) => {
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };
  t.match(await host.run(['--version']), { exitCode: 0, stdout: `${version}\n` });
});

t.test('--help of each command ends with 0 and shows examples', async (t) => {
  for (const command of [[], ['serve'], ['pub'], ['sub']]) {
    const { exitCode, stdout } = await host.run([...command, '--help']);
    t.equal(exitCode, 0);
    t.match(stdout, /Examples:\n {2}hoofbeat/);
  }
});

t.test('config-schema prints a JSON Schema', async (t) => {
  const { exitCode, stdout } = await host.run(['config-schema']);
  t.equal(exitCode, 0);
  t.match(JSON.parse(stdout), { $schema: /json-schema\.org/, properties: { http: {}, broker: {} } });
});

t.test('the compiled file starts by its first line, as npm links it', async (t) => {
  const main = path.resolve(import.meta.dirname, '../../../adapters/cli/main.js');
  t.match(readFileSync(main, 'utf8'), /^#!\/usr\/bin\/env node\n/);
  const child = spawn(process.execPath, [main, '--version']);
  t.equal(await inTime(new Promise((resolve) => child.on('close', resolve)), 'the end'), 0);
});
