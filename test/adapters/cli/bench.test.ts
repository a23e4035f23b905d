/** `hoofbeat bench` against a real server: that its figures add up, and that a broker that stands still is not flattered. */
import { createServer, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { CliHost, RunningCommand } from '../../helpers/cli.js';
import { inTime } from '../../helpers/inbox.js';
import { startTestServer } from '../../helpers/server.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { until } from '../../helpers/until.js';

let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

interface Figures {
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  readonly latencyFrom: string;
  readonly latency: Readonly<Record<'p50Ms' | 'p99Ms' | 'maxMs', number>>;
}

const SHORT = ['--duration', '1', '--warm-up', '0', '--rate', '200', '--clients', '4'];

async function server(t: Test): Promise<{ readonly tcp: string; readonly ws: string; readonly tcpPort: number }> {
  const { tcpPort, httpPort, stop } = await startTestServer();
  t.teardown(stop);
  return { tcp: `tcp://127.0.0.1:${tcpPort}`, ws: `ws://127.0.0.1:${httpPort}/ws`, tcpPort };
}

t.test('each scenario counts what was sent and what arrived', async (t) => {
  const { tcp, ws } = await server(t);
  const cases: readonly (readonly [args: string[], copies: number])[] = [
    [['fan-out', '-u', ws, ...SHORT], 4],
    [['pairs', '-u', tcp, ...SHORT], 1],
    [['queue', '-u', tcp, ...SHORT, '--publishers', '2'], 1],
  ];
  for (const [args, copies] of cases) {
    const { exitCode, stdout, stderr } = await host.run(['bench', ...args, '--json']);
    t.equal(exitCode, 0, stderr);
    const { sent, delivered, lost, latency, latencyFrom } = JSON.parse(stdout) as Figures;
    t.equal(sent, 200, args.join(' '));
    t.strictSame([delivered, lost, latencyFrom], [sent * copies, 0, 'due']);
    t.ok(latency.p50Ms > 0 && latency.p50Ms <= latency.p99Ms && latency.p99Ms <= latency.maxMs);
  }
});

t.test('without a rate each publisher waits for its RECEIPT; text is for people', async (t) => {
  const { tcp } = await server(t);
  const args = ['queue', '-u', tcp, '--rate', '0', '--duration', '1', '--warm-up', '0', '--publishers', '2'];
  const { exitCode, stdout, stderr } = await host.run(['bench', ...args]);
  t.equal(exitCode, 0, stderr);
  t.match(
    stdout,
    /^queue at tcp:\S+: 2 publishing, 10 receiving, 128 octets, one after the other for 1 s\nsent +[\d,]+, /,
  );
  t.match(stdout, /\nlatency +p50 [\d.]+ ms, p90 .*; from when a message was sent\n$/);
});

t.test('a broker that stands still costs every message that was due meanwhile', async (t) => {
  const { server: stomp, tcpPort, stop } = await startTestServer();
  t.teardown(stop);
  const proxy = await TcpProxy.start(t, tcpPort);
  const args = ['bench', 'fan-out', '-u', `tcp://127.0.0.1:${proxy.port}`, '--clients', '1', '--json'];
  const command = new RunningCommand(t, [...args, '--rate', '100', '--duration', '3', '--warm-up', '0']);
  // Not while it connects: nothing is due then.
  await until('messages', () => stomp.broker.stats().messagesIn >= 20);
  proxy.isFrozen = true;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  proxy.isFrozen = false;
  const { exitCode, stdout } = await inTime(command.ended, 'the end', 20_000);
  t.equal(exitCode, 0);
  const { lost, latency } = JSON.parse(stdout) as Figures;
  t.equal(lost, 0);
  // A second of 100 messages: of those that wait, the oldest a second, and so on. One that only measured its own
  // waiting would have one slow message.
  t.ok(latency.maxMs > 500, `max ${latency.maxMs}`);
  t.ok(latency.p99Ms > 300, `p99 ${latency.p99Ms}`);
});

t.test('mistakes and losses are one line and an exit code', async (t) => {
  const { tcp } = await server(t);
  t.match(await host.run(['bench', 'storm', '-u', tcp]), { exitCode: 2, stderr: /Allowed choices are fan-out/ });
  t.match(await host.run(['bench', 'queue', '--size', '3']), { exitCode: 2, stderr: /wants a number from 16/ });
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const nobody = await host.run(['bench', 'fan-out', '-u', `tcp://127.0.0.1:${port}`]);
  t.match(nobody, { exitCode: 1, stdout: '', stderr: /nobody listens there \(ECONNREFUSED\)\n$/ });
});

t.test('a broker that goes in the middle of it is told', async (t) => {
  const { server: broker, tcpPort, stop } = await startTestServer();
  t.teardown(stop);
  const running = host.run([
    'bench',
    'pairs',
    '-u',
    `tcp://127.0.0.1:${tcpPort}`,
    '--duration',
    '60',
    '--clients',
    '2',
  ]);
  await until('all connections', () => broker.broker.stats().connections.current === 4);
  await stop();
  t.match(await running, { exitCode: 1, stdout: '', stderr: /^[^\n]*(closed|ERROR from the broker|ECONN)[^\n]*\n/ });
});
