/**
 * A real server whose store cannot write: publishers are refused, everything else lives, health says why, and it goes on
 * by itself once the cause is gone. No privileges are needed to bring that about.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import t, { type Test } from 'tap';
import { SqliteStore } from '../../adapters/index.js';
import { RunningCommand, temporaryDirectory } from '../helpers/cli.js';
import { openConnected, type RawClient } from '../helpers/raw-client.js';
import { requireProgram } from '../helpers/programs.js';
import { settle } from '../helpers/settling.js';
import { startTestServer, type TestServer } from '../helpers/server.js';

const QUEUE = '/queue/orders';
const BODY_BYTES = 2_000;
/** More than a file without messages takes. */
const SMALL_FILE_BYTES = 128 * 1024;

/** So that a message tells its number, and takes some room. */
function bodyOf(number: number): string {
  return String(number).padEnd(BODY_BYTES, '.');
}

/** One message, stored when this resolves. */
async function publish(client: RawClient, number: number): Promise<void> {
  client.sendFrame('SEND', { destination: QUEUE, persistent: 'true', receipt: `r${number}` }, bodyOf(number));
  await client.receipt(`r${number}`);
}

/** Publishes `first`, `first + 1` … until the store refuses one; returns the number of that. */
async function publishUntilRefused(client: RawClient, first: number): Promise<number> {
  for (let number = first; ; number++) {
    client.sendFrame('SEND', { destination: QUEUE, persistent: 'true', receipt: `r${number}` }, bodyOf(number));
    const frame = await client.frame();
    if (frame.command === 'RECEIPT') continue;
    if (frame.get('receipt-id') !== `r${number}`)
      throw new Error(`${frame.command} ${String(frame.get('receipt-id'))}`);
    return number;
  }
}

/** Takes so many messages and acknowledges them; returns their numbers, once every ACK is confirmed. */
async function consume(client: RawClient, count: number): Promise<number[]> {
  const numbers: number[] = [];
  let confirmed = 0;
  while (numbers.length < count || confirmed < count) {
    const frame = await client.frame();
    if (frame.command === 'RECEIPT') confirmed++;
    else if (numbers.length < count) {
      numbers.push(Number.parseInt(frame.text, 10));
      settle(client, 'ACK', frame, { receipt: 'acked' });
    }
  }
  return numbers;
}

const ONE_BY_ONE = { ack: 'client-individual', 'prefetch-count': '1' };

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, k) => first + k);
}

function health({ server }: TestServer): unknown {
  return server.broker.health();
}

t.test('a store without room refuses what needs it, gives what it has, and takes again what fits', async (t) => {
  const directory = temporaryDirectory(t);
  const start = (maxBytes: number): Promise<TestServer> =>
    startTestServer({ http: false }, { store: new SqliteStore({ directory, maxBytes }) });
  const server = await start(200_000);
  t.teardown(() => server.stop());
  const bystander = await openConnected(t, server.tcpPort);
  await bystander.subscribe('/topic/news');
  const publisher = await openConnected(t, server.tcpPort);
  publisher.sendFrame('SEND', { destination: QUEUE, persistent: 'true', receipt: 'r0' }, bodyOf(0));
  await publisher.receipt('r0');
  t.strictSame(health(server), { isOk: true, problems: [] });

  const refused = await publishUntilRefused(publisher, 1);
  t.ok(refused > 10);
  await publisher.closed();
  t.match(health(server), { isOk: false, problems: [{ part: 'store', code: 'store-full', message: /hoofbeat\.db/ }] });

  // Who does not need the store does not notice.
  bystander.sendFrame('SEND', { destination: '/topic/news' }, 'on air');
  t.equal((await bystander.frame('MESSAGE')).text, 'on air');

  const consumer = await openConnected(t, server.tcpPort);
  await consumer.subscribe(QUEUE, '0', ONE_BY_ONE);
  const half = Math.floor(refused / 2);
  t.strictSame(await consume(consumer, half), range(0, half));
  const again = await openConnected(t, server.tcpPort);
  await publish(again, refused + 1);
  t.strictSame(health(server), { isOk: true, problems: [] });
  await server.stop();

  const next = await start(0);
  t.teardown(() => next.stop());
  const heir = await openConnected(t, next.tcpPort);
  await heir.subscribe(QUEUE, '0', ONE_BY_ONE);
  const rest = [...range(half, refused), refused + 1];
  t.strictSame(await consume(heir, rest.length), rest);
  await heir.fence();
});

/** The size that files of a process may grow to; another program is asked, as Node has no call for it. */
function limitFileSize(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}

/** As above, of this process; until the end of the test at the latest. */
function limitOwnFileSize(t: Test, bytes: number): void {
  // Without this, a write beyond the limit would end the process; so it is an error of that write.
  const onExcess = (): void => undefined;
  process.on('SIGXFSZ', onExcess);
  t.teardown(() => {
    limitFileSize(process.pid, 'unlimited');
    process.off('SIGXFSZ', onExcess);
  });
  limitFileSize(process.pid, bytes);
}

t.test('a store that the system refuses to write for says so, and goes on when it may', async (t) => {
  if (!requireProgram(t, 'prlimit')) return;
  const data = path.join(temporaryDirectory(t), 'data');
  const server = await startTestServer({ http: false, data });
  t.teardown(() => server.stop());
  const consumer = await openConnected(t, server.tcpPort);
  const publisher = await openConnected(t, server.tcpPort);
  await publish(publisher, 0);

  limitOwnFileSize(t, SMALL_FILE_BYTES);
  const refused = await publishUntilRefused(publisher, 1);
  await publisher.closed();
  t.match(health(server), {
    isOk: false,
    problems: [{ part: 'store', code: 'store-failed', message: /hoofbeat\.db/ }],
  });
  const second = await openConnected(t, server.tcpPort);
  second.sendFrame('SEND', { destination: QUEUE, persistent: 'true', receipt: 'again' }, bodyOf(-1));
  const error = await second.expectError('store-failed');
  t.equal(error.get('receipt-id'), 'again');

  // Consumers go on: what is waiting can be had, and an ACK is confirmed as soon as it can be stored.
  await consumer.subscribe(QUEUE, '0', ONE_BY_ONE);
  const [first] = await consumer.messages(1);
  t.equal(first?.text, bodyOf(0));
  settle(consumer, 'ACK', first, { receipt: 'acked' });
  const [next] = await consumer.messages(1);
  t.equal(next?.text, bodyOf(1));

  limitFileSize(process.pid, 'unlimited');
  await consumer.receipt('acked');
  t.strictSame(health(server), { isOk: true, problems: [] });
  consumer.sendFrame('DISCONNECT', { receipt: 'bye' });
  await consumer.receipt('bye');
  const third = await openConnected(t, server.tcpPort);
  await publish(third, refused + 1);
  await third.subscribe(QUEUE, '0', ONE_BY_ONE);
  const half = Math.floor(refused / 2);
  t.strictSame(await consume(third, half), range(1, half + 1));
  await server.stop();

  const later = await startTestServer({ http: false, data });
  t.teardown(() => later.stop());
  const heir = await openConnected(t, later.tcpPort);
  await heir.subscribe(QUEUE, '0', ONE_BY_ONE);
  const rest = [...range(half + 1, refused), refused + 1];
  t.strictSame(await consume(heir, rest.length), rest);
  await heir.fence();
});

t.test('a limit on file sizes does not end hoofbeat serve', async (t) => {
  if (!requireProgram(t, 'prlimit')) return;
  const data = path.join(temporaryDirectory(t), 'data');
  const args = ['serve', '--json', '--http-port', '0', '--tcp-port', '0', '--log-level', 'info', '--data', data];
  const command = new RunningCommand(t, args);
  await command.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  const { addresses } = JSON.parse(command.stdout) as {
    readonly addresses: readonly { transport: string; port: number }[];
  };
  const port = addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0;
  const pid = command.child.pid ?? 0;
  limitFileSize(pid, SMALL_FILE_BYTES);
  await publishUntilRefused(await openConnected(t, port), 0);
  await command.until(({ stderr }) => stderr.includes('the store fails'), 'the log says so');
  t.notMatch(command.stderr, /works again/);
  limitFileSize(pid, 'unlimited');
  await command.until(({ stderr }) => stderr.includes('the store works again'), 'it looks by itself');
  await publish(await openConnected(t, port), 1);
  command.child.kill('SIGTERM');
  t.equal((await command.ended).exitCode, 0);
});
