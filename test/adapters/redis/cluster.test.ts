import t, { type Test } from 'tap';
import { RedisKeys } from '../../../adapters/redis/index.js';
import { redisScript } from '../../../adapters/redis/connection/redis-script.js';
import { slotOf } from '../../../adapters/redis/connection/hash-slot.js';
import { ShardNames } from '../../../adapters/redis/relay/shard-names.js';
import { nodeRelayContract, RelayNode } from '../../contracts/node-relay-contract.js';
import { Inbox } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { ask, RedisCluster } from '../../helpers/redis-cluster.js';
import { freePort } from '../../helpers/redis-process.js';
import {
  testRedisCommands,
  testRedisRelay,
  testRedisSignals,
  type TestRelayOptions,
} from '../../helpers/redis-relay.js';
import { until } from '../../helpers/until.js';

const TELL = redisScript(`redis.call('SET', KEYS[1], ARGV[2]) return redis.call(ARGV[1], KEYS[2], ARGV[2])`);
let shared: Promise<RedisCluster> | null = null;
let count = 0;

nodeRelayContract({
  name: 'RedisRelay over Redis Cluster',
  newCluster: async (test) => {
    if (!requireProgram(test, 'redis-server')) return null;
    const { addresses } = await (shared ??= RedisCluster.start(t));
    const keyPrefix = `c${count++}:`;
    return () => testRedisRelay('', { clusterNodes: addresses, keyPrefix });
  },
  beside: (name) => {
    const names = new ShardNames({ prefix: '', separator: '/' });
    const wanted = slotOf(names.channelOf('/topic/x'));
    for (let k = 0; ; k++) if (slotOf(names.channelOf(`${name}${k}`)) === wanted) return `${name}${k}`;
  },
});

function startNode(t: Test, { addresses }: RedisCluster, more: TestRelayOptions = {}): Promise<RelayNode> {
  return RelayNode.start(t, testRedisRelay('', { clusterNodes: addresses, pingIntervalMs: 300, ...more }));
}

const many = Array.from({ length: 200 }, (_, k) => `/topic/many/${k}`);

t.test('slots are those of Redis, hash tags included', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { masters } = await (shared ??= RedisCluster.start(t));
  for (const key of ['', 'a', '123456789', 'hoofbeat:ünï', '{a}b', 'x{a}b', '{}a', 'a{', '{a', 'a}b{c}d{e}']) {
    t.equal(slotOf(key), Number(await ask(masters[0] ?? { port: 0 }, 'CLUSTER', 'KEYSLOT', key)), key);
  }
});

t.test('topics are spread over all masters, and each message crosses once', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await (shared ??= RedisCluster.start(t));
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  await Promise.all(many.map((destination) => b.join(destination)));
  await b.join('/topic/many/*', '/topic/**', '/topic/many/7');
  for (const destination of many) a.publish(destination, '1');
  const arrived = await b.next(many.length);
  t.strictSame([...arrived].sort(), many.map((destination) => `${destination} 1`).sort());
  for (const { port } of redis.masters) {
    const channels = (await ask({ port }, 'PUBSUB', 'SHARDCHANNELS')) as string[];
    t.ok(channels.length > 40, `${channels.length} channels on one master`);
  }
  t.match(b.relay.counts, { received: many.length, gaps: 0 });
});

t.test('commands, scripts and signals of one state are with one master', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { addresses } = await (shared ??= RedisCluster.start(t));
  for (const keyPrefix of ['s1:', 's2:', 's3:', 's4:']) {
    const keys = new RedisKeys(keyPrefix);
    const signals = testRedisSignals('', { clusterNodes: addresses, keyPrefix });
    const commands = testRedisCommands('', { clusterNodes: addresses, keyPrefix });
    for (const part of [signals, commands]) {
      t.teardown(() => part.stop());
      await part.start();
    }
    const heard = new Inbox<string>();
    await signals.listen('signal', (octets) => heard.push(octets.toString())).inForce;
    t.equal(await commands.run(TELL, [keys.of('k'), keys.of('signal')], [signals.publishCommand, keyPrefix]), 1);
    t.equal(await heard.next(), keyPrefix);
    t.equal(String(await commands.command('GET', keys.of('k'))), keyPrefix);
  }
});

t.test('a master dies: its topics go on at its replica, the others meanwhile, and the gap is counted', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisCluster.start(t, { replicas: 1 });
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  const commands = testRedisCommands('', { clusterNodes: redis.addresses, pingIntervalMs: 300 });
  t.teardown(() => commands.stop());
  await commands.start();
  for (const destination of many) await b.join(destination);
  for (const node of [a, b]) t.equal(await node.available.next(), true);
  await redis.masters[0]?.kill();
  for (const node of [a, b]) t.equal(await node.available.next('the loss of a master'), false);
  t.match(a.relay.problem?.message, /^Redis: /);
  for (const destination of many) a.publish(destination, 'meanwhile');
  t.match(await b.next(50), { length: 50 }, 'topics of the other masters go on');
  for (const node of [a, b]) {
    await until('the replica', () => node.available.length > 0);
    t.equal(await node.available.next(), true);
  }
  // A master may answer CLUSTERDOWN for a moment after its neighbours know of the replica.
  const key = new RedisKeys('test:').of('k');
  await until('commands', async () => String(await commands.command('SET', key, '1')) === 'OK');
  await publishingGoesThrough(a);
  for (const destination of many) a.publish(destination, 'again');
  await a.relay.accepted();
  const again: string[] = [];
  while (again.length < many.length) {
    const [line = ''] = await b.next(1);
    if (line.endsWith(' again')) again.push(line);
  }
  t.equal(new Set(again).size, many.length);
  t.ok(b.relay.counts.gaps >= 1, 'the gap is counted');
  t.ok(a.relay.counts.dropped >= 1, 'so is what was dropped');
});

t.test('a slot moves to another master: its channels follow, the gap is counted', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisCluster.start(t);
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  for (const destination of many) await b.join(destination);
  for (const node of [a, b]) t.equal(await node.available.next(), true);
  const [from, to] = redis.masters;
  if (from === undefined || to === undefined) throw new Error('two masters');
  const id = String(await ask(to, 'CLUSTER', 'MYID'));
  const channels = (await ask(from, 'PUBSUB', 'SHARDCHANNELS')) as string[];
  const slots = new Set(channels.map(slotOf));
  for (const slot of slots)
    for (const node of [to, from, redis.masters[2]]) {
      if (node !== undefined) await ask(node, 'CLUSTER', 'SETSLOT', slot, 'NODE', id);
    }
  await until('the gap', () => b.relay.counts.gaps > 0);
  await until('all channels at the other master', async () => {
    const there = (await ask(to, 'PUBSUB', 'SHARDCHANNELS')) as string[];
    return channels.every((channel) => there.includes(channel));
  });
  await until('the publisher to know', () => a.relay.problem === null && b.relay.problem === null);
  const wanted = many.map((destination) => `${destination} 1`).sort();
  await publishingGoesThrough(a);
  for (const destination of many) a.publish(destination, '1');
  const arrived: string[] = [];
  while (arrived.length < many.length) {
    const [line = ''] = await b.next(1);
    if (line.endsWith(' 1')) arrived.push(line);
  }
  t.strictSame(arrived.sort(), wanted);
});

t.test('a cluster that is not there at the start is told', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const clusterNodes = [{ host: '127.0.0.1', port: await freePort() }];
  const node = await RelayNode.start(t, testRedisRelay('', { clusterNodes }));
  t.equal(await node.available.next(), false);
  t.match(node.relay.problem?.message, /ECONNREFUSED/);
  t.equal(node.relay.join('/topic/x'), undefined, 'nobody waits');
});

async function publishingGoesThrough(node: RelayNode): Promise<void> {
  await until('publishing to go through', async () => {
    for (const destination of many) node.publish(destination, 'probe');
    await node.relay.accepted();
    return true;
  });
}
