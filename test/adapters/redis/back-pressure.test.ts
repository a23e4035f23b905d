/** Redis stands still, and clients go on publishing: they wait, before anything is dropped or refused; others do not. */
import t, { type Test } from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient } from '../../helpers/raw-client.js';
import { connectTo } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';

const MAX_PENDING_BYTES = 512 * 1024;
const BODY = 'x'.repeat(32 * 1024);
/** More than the bound, the buffers of sockets and what one read brings together. */
const COUNT = 100;
const LEASE_MS = 2_000;

async function startNode(t: Test, redis: RedisProcess, broker = {}): Promise<TestServer> {
  const node = await startTestServer({
    http: false,
    broker,
    relay: {
      type: 'redis',
      url: redis.url,
      maxPendingBytes: MAX_PENDING_BYTES,
      leaseMs: LEASE_MS,
      pingIntervalMs: 60_000,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
    },
  });
  t.teardown(node.stop);
  return node;
}

/** Everything is written, whether the node reads it or not. */
function flood(client: RawClient, destination: string, headers: (k: number) => Record<string, string>): Promise<void> {
  let sent = Promise.resolve();
  for (let k = 0; k < COUNT; k++) {
    const lines = Object.entries({ destination, ...headers(k) }).map(([name, value]) => `${name}:${value}\n`);
    sent = client.send(`SEND\n${lines.join('')}\n${k} ${BODY}\0`);
  }
  return sent;
}

/** Round trips that need no Redis: as many turns of the node's event loop at least. */
async function goOn(client: RawClient, trips: number): Promise<void> {
  for (let k = 0; k < trips; k++) {
    client.sendFrame('BEGIN', { transaction: String(k), receipt: String(k) });
    await client.receipt(String(k));
    client.sendFrame('ABORT', { transaction: String(k) });
  }
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, k) => k);
}

async function numbersOf(client: RawClient): Promise<number[]> {
  return (await client.messages(COUNT)).map(({ text }) => Number(text.split(' ', 1)[0]));
}

t.test('publishers to topics of other nodes wait, and nothing is dropped', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [near, far] = [await startNode(t, redis), await startNode(t, redis)];
  const [publisher, reader, other] = [await connectTo(t, near), await connectTo(t, far), await connectTo(t, near)];
  await reader.subscribe('/topic/x');
  redis.freeze();
  const flooded = flood(publisher, '/topic/x', () => ({}));
  const { broker } = near.server;
  await until('the first', () => broker.stats().messagesIn > 0);
  await goOn(other, 2 * COUNT);
  const { messagesIn, cluster } = broker.stats();
  t.ok(messagesIn * BODY.length < MAX_PENDING_BYTES, `${messagesIn} were read`);
  t.equal(cluster?.dropped, 0);
  redis.resume();
  t.strictSame(await numbersOf(reader), numbers(COUNT));
  await flooded;
  t.equal(broker.stats().cluster?.dropped, 0);
});

t.test('what is stored waits for room on the way to Redis, and none is refused', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const node = await startNode(t, redis);
  const [publisher, reader, other] = [await connectTo(t, node), await connectTo(t, node), await connectTo(t, node)];
  await reader.subscribe('/queue/x');
  redis.freeze();
  const flooded = flood(publisher, '/queue/x', (k) => ({ receipt: String(k) }));
  const { broker } = node.server;
  await until('the first', () => broker.stats().messagesIn > 0);
  await goOn(other, 2 * COUNT);
  redis.resume();
  for (const k of numbers(COUNT)) await publisher.receipt(String(k));
  t.strictSame(await numbersOf(reader), numbers(COUNT));
  await flooded;
});

t.test('plain messages that durable subscriptions keep are not dropped either', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const node = await startNode(t, redis, { store: { maxPendingBytes: MAX_PENDING_BYTES } });
  const [publisher, reader, other] = [await connectTo(t, node), await connectTo(t, node), await connectTo(t, node)];
  await reader.subscribe('/topic/x', 'd', { durable: 'true' });
  redis.freeze();
  const flooded = flood(publisher, '/topic/x', () => ({}));
  const { broker } = node.server;
  await until('the first', () => broker.stats().messagesIn > 0);
  await goOn(other, 2 * COUNT);
  redis.resume();
  t.strictSame(await numbersOf(reader), numbers(COUNT));
  await flooded;
  t.equal(broker.stats().messagesDropped, 0);
});
