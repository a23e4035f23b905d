import t, { type Test } from 'tap';
import { RunningCommand } from '../../helpers/cli.js';
import { Inbox } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

async function startNode(t: Test, { url }: RedisProcess): Promise<TestServer> {
  const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };
  const node = await startTestServer({ http: false, relay: { type: 'redis', url, reconnect } });
  t.teardown(node.stop);
  return node;
}

async function connectTo(t: Test, tcpPort: number): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect();
  return client;
}

/** What each publisher sent, by its destination, in the order it arrived. */
async function sequences(client: RawClient, count: number): Promise<Map<string, number[]>> {
  const byDestination = new Map<string, number[]>();
  for (const message of await client.messages(count)) {
    const destination = message.get('destination') ?? '';
    const numbers = byDestination.get(destination) ?? [];
    numbers.push(Number(message.text));
    byDestination.set(destination, numbers);
  }
  return byDestination;
}

t.test('three nodes under load: everything arrives everywhere, once and in order', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = await Promise.all([1, 2, 3].map(() => startNode(t, redis)));
  const each = 5_000;
  const all = nodes.length * each;
  const exact = await Promise.all(nodes.map(({ tcpPort }) => connectTo(t, tcpPort)));
  const wild = await Promise.all(nodes.map(({ tcpPort }) => connectTo(t, tcpPort)));
  for (const client of exact) for (const k of nodes.keys()) await client.subscribe(`/topic/load/${k}`, String(k));
  for (const client of wild) await client.subscribe('/topic/load/*');
  const publishers = await Promise.all(nodes.map(({ tcpPort }) => connectTo(t, tcpPort)));
  for (let start = 0; start < each; start += 100) {
    await Promise.all(
      publishers.map((publisher, k) => {
        const numbers = Array.from({ length: 100 }, (_, at) => start + at);
        return publisher.send(numbers.map((n) => `SEND\ndestination:/topic/load/${k}\n\n${n}\0`).join(''));
      }),
    );
  }
  const wanted = Array.from({ length: each }, (_, n) => n);
  for (const client of [...exact, ...wild]) {
    const arrived = await sequences(client, all);
    for (const k of nodes.keys()) t.strictSame(arrived.get(`/topic/load/${k}`), wanted);
    await client.fence();
  }
  for (const { server } of nodes) {
    t.match(server.broker.stats().cluster, { dropped: 0, gaps: 0 });
  }
});

t.test('after a RECEIPT of SUBSCRIBE nothing that another node publishes is missed', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  const [sender, subscriber] = [await connectTo(t, a.tcpPort), await connectTo(t, b.tcpPort)];
  for (let k = 0; k < 50; k++) {
    const destination = k % 2 === 0 ? `/topic/r${k}` : `/topic/r${k}/*`;
    await subscriber.subscribe(destination, String(k));
    sender.sendFrame('SEND', { destination: destination.replace('*', 'x'), receipt: `sent-${k}` }, String(k));
    await sender.receipt(`sent-${k}`);
    t.equal((await subscriber.frame('MESSAGE')).text, String(k));
    subscriber.sendFrame('UNSUBSCRIBE', { id: String(k) });
  }
});

t.test('Redis gone and back: traffic of a node goes on, and other nodes are heard again', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = [await startNode(t, redis), await startNode(t, redis)] as const;
  const available = new Inbox<string>();
  for (const [k, { server }] of nodes.entries()) {
    server.broker.events.on('availability', (event) => available.push(`${k} ${String(event.available)}`));
  }
  const [a, b] = nodes;
  const [sender, here, there] = [
    await connectTo(t, a.tcpPort),
    await connectTo(t, a.tcpPort),
    await connectTo(t, b.tcpPort),
  ];
  await here.subscribe('/topic/x');
  await there.subscribe('/topic/x');
  await redis.stop();
  t.strictSame([await available.next(), await available.next()].sort(), ['0 false', '1 false']);
  t.match(a.server.broker.health(), { isOk: false, problems: [{ part: 'relay', message: /^Redis: / }] });
  sender.sendFrame('SEND', { destination: '/topic/x' }, 'local');
  t.equal((await here.frame('MESSAGE')).text, 'local');
  const refused = await connectTo(t, a.tcpPort);
  refused.sendFrame('SEND', { destination: '/topic/x', receipt: '1' }, 'refused');
  await refused.expectError('relay-unavailable');
  await redis.start();
  t.strictSame([await available.next(), await available.next()].sort(), ['0 true', '1 true']);
  t.ok(a.server.broker.health().isOk);
  sender.sendFrame('SEND', { destination: '/topic/x', receipt: '2' }, 'again');
  await sender.receipt('2');
  t.equal((await here.frame('MESSAGE')).text, 'again');
  t.equal((await there.frame('MESSAGE')).text, 'again');
  t.equal(a.server.broker.stats().cluster?.dropped, 1);
  t.equal(b.server.broker.stats().cluster?.gaps, 1);
});

t.test('a node that is killed takes nothing of the others with it', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  const environment = { HOOFBEAT_REDIS_URL: redis.url, HOOFBEAT_TCP_PORT: '0', HOOFBEAT_HTTP_PORT: '0' };
  const killed = new RunningCommand(t, ['serve', '--json', '--log-level', 'silent'], environment);
  await killed.until(({ stdout }) => stdout.includes('\n'), 'its addresses');
  const { addresses } = JSON.parse(killed.stdout) as { addresses: { transport: string; port: number }[] };
  const doomed = await connectTo(t, addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0);
  const [sender, there] = [await connectTo(t, a.tcpPort), await connectTo(t, b.tcpPort)];
  await doomed.subscribe('/topic/x');
  await there.subscribe('/topic/x');
  doomed.sendFrame('SEND', { destination: '/topic/x', receipt: 'last' }, 'last words');
  t.equal((await doomed.frame('MESSAGE')).text, 'last words');
  await doomed.receipt('last');
  killed.child.kill('SIGKILL');
  await killed.ended;
  doomed.destroy();
  sender.sendFrame('SEND', { destination: '/topic/x', receipt: '1' }, 'after');
  await sender.receipt('1');
  t.strictSame(
    (await there.messages(2)).map(({ text }) => text),
    ['last words', 'after'],
  );
  t.ok(a.server.broker.health().isOk);
});
