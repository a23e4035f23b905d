/**
 * Redis stopped and started, one node cut off, one node killed: under load, with figures. `npm run test:outage` stops Redis
 * for ten seconds.
 */
import t from 'tap';
import { BrokerProcess } from '../../crash/broker-process.js';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { until } from '../../helpers/until.js';
import { changeGuests, checkQueues, ENOUGH, loadAll, startThree } from './load-all.js';
import { check, isBack, isNoticed, KINDS, LoadNode, NODE_OPTIONS, relayOptions } from './load-node.js';

const OUTAGE_MS = Number(process.env['HOOFBEAT_REDIS_OUTAGE_MS'] ?? 1_000);
/** Of tests that wait for the end of one. */
const LEASE_MS = 1_500;

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
    ...(name === 'a' ? { pingIntervalMs: 1_500 } : {}),
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
