/** Another master under load, with figures: a failover of Sentinels, and a master of a Redis Cluster that dies. */
import t from 'tap';
import { slotOf } from '../../../adapters/redis/connection/hash-slot.js';
import { requireProgram } from '../../helpers/programs.js';
import { ask, RedisCluster } from '../../helpers/redis-cluster.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { until } from '../../helpers/until.js';
import { changeGuests, checkQueues, loadAll, startThree } from './load-all.js';
import { check, isBack, isNoticed } from './load-node.js';

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
