/**
 * Conformance X-06, and what else has to outlive the process: on a real file, over real sockets. With HOOFBEAT_TEST_REDIS in
 * Redis, which keeps what is in queues whatever it asks for.
 */
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../helpers/cli.js';
import { openConnected, RawClient, VERSIONS } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { nextBodies, sendAll, settle } from '../helpers/settling.js';

const KEEPS_ALL = process.env['HOOFBEAT_TEST_REDIS'] !== undefined;
const PERSISTENT = { persistent: 'true' };
const broker = { queues: [{ pattern: '/queue/ruled/**', durable: true }] };

/** Starts a server on `data`; `restart` stops it and starts another. */
async function restartable(t: Test) {
  const data = temporaryDirectory(t);
  const options = { http: false as const, data, broker };
  let current: TestServer = await startTestServer(options);
  t.teardown(() => current.stop());
  return {
    port: () => current.tcpPort,
    restart: async (): Promise<void> => {
      await current.stop();
      current = await startTestServer(options);
    },
  };
}

t.test('X-06 a persistent message survives a restart, others do not, and MESSAGE says so', async (t) => {
  const server = await restartable(t);
  for (const version of VERSIONS) {
    const sender = await openConnected(t, server.port(), version);
    for (const [headers, body] of [
      [PERSISTENT, 'kept: ü\\:\n\0'],
      [{}, 'lost'],
      [{ persistent: 'false' }, 'lost'],
      [{ persistent: 'False' }, 'lost'],
    ] as const) {
      const length = { 'content-length': String(Buffer.byteLength(body)) };
      sender.sendFrame('SEND', { destination: `/queue/x06-${version}`, ...headers, ...length, colour: 'blue' }, body);
    }
    sendAll(sender, `/queue/ruled/${version}`, ['kept by its queue']);
    sendAll(sender, `/queue/python/${version}`, ['kept too'], { persistent: 'True' });
    await sender.fence();
  }
  await server.restart();
  for (const version of VERSIONS) {
    const reader = await openConnected(t, server.port(), version);
    await reader.subscribe(`/queue/x06-${version}`);
    const [message] = await reader.messages(1);
    if (KEEPS_ALL) t.strictSame(await nextBodies(reader, 3), ['lost', 'lost', 'lost']);
    t.equal(message?.text, 'kept: ü\\:\n\0', version);
    t.match(message?.headers, [
      ['subscription'],
      ['message-id'],
      ['destination', `/queue/x06-${version}`],
      ['persistent', 'true'],
      ['colour', 'blue'],
    ]);
    t.not(message?.get('redelivered'), 'true', 'nobody had it before');
    await reader.subscribe(`/queue/ruled/${version}`, 'ruled');
    t.strictSame(await nextBodies(reader, 1), ['kept by its queue'], version);
    await reader.subscribe(`/queue/python/${version}`, 'python');
    t.strictSame(await nextBodies(reader, 1), ['kept too'], version);
  }
});

t.test(
  'X-06 what was acknowledged does not return; what was delivered and not acknowledged is redelivered',
  async (t) => {
    const server = await restartable(t);
    const client = await openConnected(t, server.port(), '1.2');
    sendAll(client, '/queue/q', ['acked', 'pending', 'untouched'], PERSISTENT);
    await client.subscribe('/queue/q', 's', { ack: 'client-individual', 'prefetch-count': '2' });
    const [first] = await client.messages(2);
    settle(client, 'ACK', first, { receipt: 'acked' });
    // The window has room again.
    await client.messages(1);
    await client.receipt('acked');
    await server.restart();
    const reader = await openConnected(t, server.port(), '1.2');
    await reader.subscribe('/queue/q');
    const messages = await reader.messages(2);
    t.strictSame(
      messages.map((message) => [message.text, message.get('redelivered')]),
      [
        ['pending', 'true'],
        ['untouched', 'true'],
      ],
    );
    await reader.fence();
  },
);

t.test('X-06 priority, time to live, delay and order hold over a restart', async (t) => {
  const server = await restartable(t);
  const sender = await openConnected(t, server.port(), '1.2');
  const send = (body: string, headers: Record<string, string> = {}): void => {
    sendAll(sender, '/queue/q', [body], { ...PERSISTENT, ...headers });
  };
  send('b1');
  send('a1', { priority: '9' });
  send('over', { expiration: '1' });
  send('far', { AMQ_SCHEDULED_DELAY: '3600000' });
  send('b2', { expiration: '3600000' });
  send('a2', { priority: '9' });
  await sender.fence();
  await server.restart();
  const reader = await openConnected(t, server.port(), '1.2');
  await reader.subscribe('/queue/q');
  t.strictSame(await nextBodies(reader, 4), ['a1', 'a2', 'b1', 'b2']);
});

t.test('X-06 X-18 a durable subscription and its persistent messages survive a restart', async (t) => {
  const server = await restartable(t);
  const open = async (): Promise<RawClient> => {
    const client = await RawClient.openFor(t, server.port());
    await client.connect('1.2', { 'client-id': 'c' });
    return client;
  };
  const named = { 'activemq.subscriptionName': 'n', selector: "kind = 'a'" };
  await (await open()).subscribe('/topic/x06/**', 's', named);
  await server.restart();
  const sender = await openConnected(t, server.port(), '1.2');
  sendAll(sender, '/topic/x06/1', ['kept'], { ...PERSISTENT, kind: 'a' });
  sendAll(sender, '/topic/x06/1', ['in memory'], { kind: 'a' });
  sendAll(sender, '/topic/x06/1', ['of no interest'], { ...PERSISTENT, kind: 'b' });
  await sender.fence();
  await server.restart();
  const reader = await open();
  await reader.subscribe('/topic/x06/**', 's', named);
  t.strictSame(await nextBodies(reader, KEEPS_ALL ? 2 : 1), KEEPS_ALL ? ['kept', 'in memory'] : ['kept']);
  reader.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'gone', ...named });
  await reader.receipt('gone');
  sendAll(reader, '/topic/x06/1', ['too late'], { ...PERSISTENT, kind: 'a' });
  await reader.fence();
  await server.restart();
  const last = await open();
  await last.subscribe('/topic/x06/**', 's', named);
  t.strictSame(await nextBodies(last, 0), [], 'deleted for good');
});

t.test('X-06 numbers of messages go on: none is ever given twice', async (t) => {
  const server = await restartable(t);
  const idOf = async (): Promise<string> => {
    const client = await openConnected(t, server.port(), '1.2');
    await client.subscribe('/topic/any');
    sendAll(client, '/topic/any', ['x']);
    const [message] = await client.messages(1);
    return message?.get('message-id') ?? '';
  };
  const numberIn = (id: string): number => Number(id.replace(/^.*-/, ''));
  const first = await idOf();
  await server.restart();
  const second = await idOf();
  t.not(second, first);
  // In a cluster each run of a node counts from the start, behind a name of its own.
  if (!KEEPS_ALL) t.ok(numberIn(second) > numberIn(first));
});
