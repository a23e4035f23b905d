/** A node that lives and was given up by the others: what it had is theirs, whatever its clients say of it. */
import t, { type Test } from 'tap';
import { requireProgram } from '../../../helpers/programs.js';
import { ask } from '../../../helpers/redis-cluster.js';
import { connectTo, sendTo } from '../../../helpers/redis-nodes.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../../helpers/server.js';
import { TcpProxy } from '../../../helpers/tcp-proxy.js';
import { until } from '../../../helpers/until.js';

const LEASE_MS = 1_500;
const INDIVIDUAL = { ack: 'client-individual', 'prefetch-count': '1' };

async function startNode(t: Test, redisPort: number, nodeId: string): Promise<TestServer> {
  const node = await startTestServer({
    http: false,
    broker: { nodeId },
    relay: {
      type: 'redis',
      url: `redis://127.0.0.1:${redisPort}`,
      leaseMs: LEASE_MS,
      keyPrefix: 'test:',
      pingIntervalMs: 60_000,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
    },
  });
  t.teardown(node.stop);
  return node;
}

async function incarnationOf({ server }: TestServer): Promise<string> {
  const { nodes } = await server.broker.cluster.nodes();
  return nodes[0]?.answer.incarnation ?? '';
}

/** The others take its lease away. @returns when it has noticed */
async function giveUp(redis: RedisProcess, node: TestServer): Promise<void> {
  const former = await incarnationOf(node);
  await ask(redis, 'ZREM', '{test:}nodes', former);
  await until('it to be another', async () => (await incarnationOf(node)) !== former);
}

t.test('what it had claimed goes to others, and late ACKs change nothing', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [near, fenced] = [await startNode(t, redis.port, 'near'), await startNode(t, redis.port, 'fenced')];
  const [worker, other] = [await connectTo(t, fenced), await connectTo(t, near)];
  await worker.subscribe('/queue/work', 'w', INDIVIDUAL);
  for (const body of ['one', 'two']) await sendTo(other, '/queue/work', body);
  const one = await worker.frame('MESSAGE');
  await giveUp(redis, fenced);
  await other.subscribe('/queue/work', 'w', { ...INDIVIDUAL, 'prefetch-count': '2' });
  const [again, two] = await other.messages(2);
  t.strictSame([again?.text, again?.get('redelivered'), two?.text], ['one', 'true', 'two']);
  worker.sendFrame('ACK', { id: one.get('ack') ?? '', receipt: 'late' });
  await worker.receipt('late');
  other.destroy();
  const back = await worker.frame('MESSAGE');
  t.strictSame([back.text, back.get('delivery-count')], ['one', '3'], 'it was not acknowledged');
  worker.sendFrame('ACK', { id: back.get('ack') ?? '' });
  t.equal((await worker.frame('MESSAGE')).text, 'two');
});

t.test('a client that had one before it was given up does not take it from who has it now', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const fenced = await startNode(t, redis.port, 'fenced');
  const [first, second] = [await connectTo(t, fenced), await connectTo(t, fenced)];
  await first.subscribe('/queue/work', 'w', INDIVIDUAL);
  await sendTo(second, '/queue/work', 'one');
  await first.frame('MESSAGE');
  await giveUp(redis, fenced);
  await second.subscribe('/queue/work', 'w', INDIVIDUAL);
  const one = await second.frame('MESSAGE');
  t.equal(one.get('delivery-count'), '2');
  first.destroy();
  await second.fence();
  second.sendFrame('ACK', { id: one.get('ack') ?? '', receipt: 'done' });
  await second.receipt('done');
  await second.subscribe('/queue/work', 'look', { browser: 'true' });
  t.equal((await second.frame('MESSAGE')).get('browser'), 'end', 'nothing is left');
});

t.test('what its clients have not been sent is taken back from them', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [near, fenced] = [await startNode(t, redis.port, 'near'), await startNode(t, redis.port, 'fenced')];
  const [slow, sender] = [await connectTo(t, fenced), await connectTo(t, near)];
  const queues = ['auto', 'client-individual'];
  for (const ack of queues) await slow.subscribe(`/queue/${ack}`, ack, { ack });
  slow.socket.pause();
  const waiting = (): number => [...fenced.server.broker.operations.sessions()][0]?.queuedBytes ?? 0;
  const filling = 'x'.repeat(64 * 1024);
  let count = 0;
  for (; waiting() === 0; count++) {
    for (const queue of queues) {
      sender.sendFrame('SEND', { destination: `/queue/${queue}`, receipt: 'r' }, `${count} ${filling}`);
      await sender.receipt('r');
    }
  }
  await giveUp(redis, fenced);
  slow.socket.resume();
  const copies = new Map<string, number>();
  const flagged = new Set<string>();
  const last = queues.map((queue) => `${queue} ${count - 1}`);
  while (!last.every((name) => copies.has(name))) {
    const message = await slow.frame('MESSAGE');
    const name = `${message.get('subscription') ?? ''} ${message.text.split(' ', 1)[0] ?? ''}`;
    copies.set(name, (copies.get(name) ?? 0) + 1);
    if (message.get('redelivered') === 'true') flagged.add(name);
  }
  for (const queue of queues) {
    const names = [...flagged].filter((name) => name.startsWith(queue));
    t.ok(
      names.some((name) => copies.get(name) === 1),
      `of ${queue}: claimed before, and seen once`,
    );
  }
});

t.test('another node took its name: its clients go elsewhere, until it is free', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const proxy = await TcpProxy.start(t, redis.port);
  const replaced = await startNode(t, proxy.port, 'x');
  const client = await connectTo(t, replaced);
  proxy.isFrozen = true;
  const heir = await startNode(t, redis.port, 'x');
  const durable = await connectTo(t, heir);
  await durable.subscribe('/topic/a', 'd', { durable: 'true' });
  proxy.isFrozen = false;
  await client.closed();
  const { broker } = replaced.server;
  t.match(broker.health(), {
    isOk: false,
    problems: [{ part: 'cluster', message: /another node .* is called "x" too/ }],
  });
  t.notOk(broker.operations.isAccepting);
  await t.rejects(connectTo(t, replaced), /closed/);
  t.ok(heir.server.broker.health().isOk);
  await heir.stop();
  await until('its return', () => broker.operations.isAccepting);
  t.ok(broker.health().isOk);
  await (await connectTo(t, replaced)).fence();
});
