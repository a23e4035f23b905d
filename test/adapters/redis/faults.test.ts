/**
 * Faults of Redis under load, with figures: a failover of Sentinels, a master of a Redis Cluster, Redis stopped and started,
 * one node cut off. `npm run test:outage` stops Redis for ten seconds. HOOFBEAT_FAULTS_SEED repeats what clients do with queues.
 */
import { randomBytes } from 'node:crypto';
import t, { type Test } from 'tap';
import { slotOf } from '../../../adapters/redis/connection/hash-slot.js';
import { temporaryDirectory } from '../../helpers/cli.js';
import { BrokerProcess } from '../../crash/broker-process.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { ask, RedisCluster } from '../../helpers/redis-cluster.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { until } from '../../helpers/until.js';
import {
  check,
  isBack,
  isNoticed,
  KINDS,
  load,
  LoadNode,
  NODE_OPTIONS,
  type Place,
  relayOptions,
} from './load-node.js';
import { type LoadedPlace, QueueLoad } from './queue-load.js';

const SEED = process.env['HOOFBEAT_FAULTS_SEED'] ?? randomBytes(4).toString('hex');
const OUTAGE_MS = Number(process.env['HOOFBEAT_REDIS_OUTAGE_MS'] ?? 1_000);
/** RECEIPTs in queues before and behind a fault. */
const ENOUGH = 60;
const LEASE_MS = 1_500;
/** Long enough for a machine that does much else: nobody is to be given up. */
const LONG_LEASE_MS = 20_000;

async function startThree(t: Test, placeOf: (name: string) => Place): Promise<readonly [LoadNode, LoadNode, LoadNode]> {
  const start = (name: string): Promise<LoadNode> =>
    LoadNode.start(t, name, { leaseMs: LONG_LEASE_MS, ...placeOf(name) });
  return [await start('a'), await start('b'), await start('c')];
}

/** Users come and go at each node. */
async function changeGuests(t: Test, nodes: readonly LoadNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.changeGuest(t)));
}

/** Everything at once: topics, users and queues, while something breaks. */
async function loadAll(
  t: Test,
  nodes: readonly LoadNode[],
  fault: (queues: QueueLoad) => Promise<void>,
  places: readonly LoadedPlace[] = nodes,
): Promise<QueueLoad> {
  const queues = await QueueLoad.start(t, places, SEED);
  await queues.more(ENOUGH);
  await load(nodes, async () => {
    await fault(queues);
    await queues.more(ENOUGH);
  });
  return queues;
}

function told(violations: readonly { readonly kind: string; readonly text: string }[]): string[] {
  return violations.slice(0, 20).map(({ kind, text }) => `${kind}: ${text}`);
}

/** Nothing that was receipted is lost, nothing comes twice without saying so. */
async function checkQueues(t: Test, title: string, queues: QueueLoad, [node]: readonly LoadNode[]): Promise<void> {
  if (node === undefined) return;
  const { violations, text } = await queues.finish(node);
  t.comment(`${title}, ${text}`);
  t.strictSame(told(violations), [], `seed ${SEED}`);
}

t.test('a failover of Sentinels under load: nothing twice, what is lost is counted as gap or dropped', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisSentinels.start(t, [], 2, 3);
  const durable = { minReplicas: 1, replicaTimeoutMs: 500 };
  const nodes = await startThree(t, () => ({ sentinels: redis.addresses, sentinelName: SENTINEL_NAME, ...durable }));
  const title = 'failover of Sentinels';
  const queues = await loadAll(t, nodes, async () => {
    await (await redis.master()).kill();
    await until('the loss', isNoticed(nodes));
    await changeGuests(t, nodes);
    await until('the next master', isBack(nodes));
  });
  t.ok((await check(t, title, nodes)) > 0, 'the time without a master is lost between nodes');
  for (const node of nodes) t.ok(node.cluster.dropped > 0);
  await checkQueues(t, title, queues, nodes);
});

t.test('a master of a Redis Cluster dies under load: topics of the others go on', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisCluster.start(t, { replicas: 1 });
  const state = redis.ownerOf(slotOf('{hoofbeat:}'));
  const durable = { minReplicas: 1, replicaTimeoutMs: 500 };
  const nodes = await startThree(t, () => ({ clusterNodes: redis.addresses, ...durable }));
  const title = 'master of a Redis Cluster';
  const queues = await loadAll(t, nodes, async () => {
    await state.master.kill();
    await until('the loss', isNoticed(nodes));
    await changeGuests(t, nodes);
    await until('the replica', async () => String(((await ask(state.replica, 'ROLE')) as unknown[])[0]) === 'master');
    // Where one replica has to have everything, there has to be one.
    await state.master.start();
    await until('the replica to be used', isBack(nodes));
  });
  await check(t, title, nodes);
  await checkQueues(t, title, queues, nodes);
});

t.test(`Redis stopped for ${OUTAGE_MS} ms and started: no crash, local traffic unharmed, memory bounded`, async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t, ['--dir', temporaryDirectory(t), '--appendonly', 'yes']);
  const nodes = await startThree(t, () => ({ url: redis.url, maxPendingBytes: 64 * 1024 }));
  const title = `Redis stopped for ${OUTAGE_MS} ms`;
  const before = process.memoryUsage().rss;
  const queues = await loadAll(t, nodes, async () => {
    await redis.kill();
    await until('the loss', isNoticed(nodes));
    await changeGuests(t, nodes);
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    await redis.start();
    await until('Redis again', isBack(nodes));
  });
  t.comment(`memory: ${Math.round((process.memoryUsage().rss - before) / 1024 / 1024)} MB more, all three nodes`);
  t.ok((await check(t, title, nodes)) > 0);
  for (const { cluster } of nodes) {
    t.ok(cluster.dropped > 0, 'nothing is kept for later');
    t.equal(cluster.gaps, 1, 'one outage is one gap');
  }
  await checkQueues(t, title, queues, nodes);
});

t.test('one node cut off from Redis: it and the others go on, and the hole is told where it is', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const proxy = await TcpProxy.start(t, redis.port);
  const far = `redis://127.0.0.1:${proxy.port}`;
  const nodes = await startThree(t, (name) => ({
    url: name === 'a' ? far : redis.url,
    maxPendingBytes: 64 * 1024,
    leaseMs: LEASE_MS,
  }));
  const [a, b, c] = nodes;
  const title = 'one node cut off';
  const queues = await loadAll(t, nodes, async (queues) => {
    queues.doubt(a);
    proxy.isFrozen = true;
    await until('the loss', () => a.cluster.gaps > 0);
    queues.doubt(a);
    t.ok(b.isAvailable && c.isAvailable, 'the others notice nothing');
    await changeGuests(t, nodes);
    await until('the others to give it up', async () => (await b.broker.cluster.nodes()).nodes.length === 2);
    await queues.more(ENOUGH);
    proxy.isFrozen = false;
    await until('healed', isBack(nodes));
  });
  await check(t, title, nodes);
  for (const { cluster } of [b, c]) t.match(cluster, { dropped: 0, gaps: 0 });
  for (const [from, to] of [
    [b, c],
    [c, b],
  ] as const) {
    for (const kind of KINDS)
      t.equal(to.arrived(kind, from.name).length, from.sent(kind), `${from.name} to ${to.name}: all`);
  }
  t.ok(a.cluster.dropped > 0);
  await checkQueues(t, title, queues, [b]);
});

t.test('a node is killed under load: what it had comes again, and its users are gone with its lease', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const place = { url: redis.url, leaseMs: LEASE_MS };
  const nodes = [await LoadNode.start(t, 'a', place), await LoadNode.start(t, 'b', place)] as const;
  const [a] = nodes;
  const options = { ...NODE_OPTIONS, tcp: { port: 0 }, relay: relayOptions(place) };
  const killed = BrokerProcess.start(t, temporaryDirectory(t), false, options);
  const doomed = { name: 'c', port: await killed.listening() };
  const guests: RawClient[] = [];
  for (const user of ['ann', 'eve']) {
    const guest = await RawClient.openFor(t, doomed.port);
    await guest.connect('1.2', { 'X-User': user });
    await guest.subscribe('/topic/load/a');
    guests.push(guest);
  }
  await a.believes(['ann', 'early-a', 'early-b', 'eve']);
  const title = 'a node killed';
  const queues = await loadAll(
    t,
    nodes,
    async (queues) => {
      await killed.kill();
      const killedMs = performance.now();
      queues.lose(doomed, a);
      await changeGuests(t, nodes);
      await a.believes(['ann', 'late-a', 'late-b']);
      t.comment(
        `${title}: its users were gone after ${Math.round(performance.now() - killedMs)} ms, of a lease of ${LEASE_MS}`,
      );
    },
    [...nodes, doomed],
  );
  t.equal(await check(t, title, nodes), 0, 'the others lose nothing');
  await checkQueues(t, title, queues, nodes);
});
