import t from 'tap';
import { nodeRelayContract, RelayNode } from '../../contracts/node-relay-contract.js';
import { requireProgram } from '../../helpers/programs.js';
import { connectTo, sendTo } from '../../helpers/redis-nodes.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { testRedisCommands, testRedisRelay } from '../../helpers/redis-relay.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';
import { ask } from '../../helpers/redis-cluster.js';
import { Inbox } from '../../helpers/inbox.js';
import { RedisKeys } from '../../../adapters/redis/index.js';

const keys = new RedisKeys('test:');
let sentinels: Promise<RedisSentinels> | null = null;
let count = 0;
/** Of an ordered failover: longer than one takes. */
const ORDER_AGAIN_MS = 10_000;

nodeRelayContract({
  name: 'RedisRelay by Sentinels',
  newCluster: async (test) => {
    if (!requireProgram(test, 'redis-server')) return null;
    const { addresses } = await (sentinels ??= RedisSentinels.start(t));
    const keyPrefix = `c${count++}:`;
    return () => testRedisRelay('', { sentinels: addresses, sentinelName: SENTINEL_NAME, keyPrefix });
  },
});

/** Whether every Sentinel is listened to. */
async function isHeard({ sentinels: all }: RedisSentinels): Promise<boolean> {
  const lists = await Promise.all(all.map((each) => ask(each, 'CLIENT', 'LIST')));
  return lists.every((list) => /name=hoofbeat-sentinels .* sub=1 /.test(String(list)));
}

t.test('the master goes: commands, signals and topics go on at the next', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisSentinels.start(t, ['--requirepass', 'secret', '--masterauth', 'secret'], 1, 3);
  const [dead] = redis.sentinels;
  const access = { sentinels: redis.addresses, sentinelName: SENTINEL_NAME, password: 'secret', pingIntervalMs: 200 };
  const commands = testRedisCommands('', access);
  t.teardown(() => commands.stop());
  await commands.start();
  t.ok(commands.isUp);
  const [a, b] = [
    await RelayNode.start(t, testRedisRelay('', access)),
    await RelayNode.start(t, testRedisRelay('', access)),
  ];
  await b.join('/topic/x', '/topic/p/*');
  for (const node of [a, b]) t.equal(await node.available.next(), true);
  const upAgain = new Promise<void>((resolve) => {
    commands.onChange((isUp) => {
      if (isUp) resolve();
    });
  });
  // One of the Sentinels is gone too: two are enough to agree, and the others are asked.
  await dead?.kill();
  const master = await redis.master();
  await master.kill();
  for (const node of [a, b]) {
    t.equal(await node.available.next('the loss of the master'), false);
    await until('the next master', () => node.available.length > 0);
    t.equal(await node.available.next(), true);
  }
  await upAgain;
  t.equal(String(await commands.command('SET', keys.of('k'), '1')), 'OK');
  a.publish('/topic/x', '1');
  a.publish('/topic/p/q', '2');
  t.strictSame(await b.next(2), ['/topic/x 1', '/topic/p/q 2']);
  t.equal(b.relay.counts.gaps, 1);
});

t.test('a failover that was ordered is followed at once, while the old master still lives', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisSentinels.start(t, [], 1, 3);
  const [first] = redis.sentinels;
  if (first === undefined) return;
  // No sign of life is missing, and nothing is refused: they leave the old master as it is for four of these periods, and
  // tell each other no earlier.
  for (const each of redis.sentinels) await ask(each, 'SENTINEL', 'DEBUG', 'PUBLISH-PERIOD', 2_000);
  await ask(first, 'SENTINEL', 'SET', SENTINEL_NAME, 'failover-timeout', 20_000);
  const access = { sentinels: redis.addresses, sentinelName: SENTINEL_NAME, pingIntervalMs: 600_000 };
  const commands = testRedisCommands('', access);
  t.teardown(() => commands.stop());
  const changes = new Inbox<string>();
  commands.onChange((isUp, why) => {
    changes.push(isUp ? 'up' : why);
  });
  await commands.start();
  t.equal(await changes.next(), 'up');
  const nodes = [
    await RelayNode.start(t, testRedisRelay('', access)),
    await RelayNode.start(t, testRedisRelay('', access)),
  ] as const;
  const [a, b] = nodes;
  await b.join('/topic/x');
  for (const node of nodes) t.equal(await node.available.next(), true);
  const old = await redis.master();
  await until('listening', () => isHeard(redis));
  await ask(first, 'SENTINEL', 'FAILOVER', SENTINEL_NAME);
  t.match(await changes.next('the switch'), /the Sentinels chose another master/);
  t.equal(await changes.next('the next master'), 'up');
  for (const node of nodes) t.strictSame([await node.available.next(), await node.available.next()], [false, true]);
  await commands.command('SET', keys.of('k'), '1');
  const [next] = redis.servers.filter((server) => server !== old);
  t.equal(next && (await ask(next, 'GET', keys.of('k'))), '1');
  a.publish('/topic/x', 'there');
  t.strictSame(await b.next(1), ['/topic/x there']);
});

t.test('a failover that was ordered loses no message of a queue that had its RECEIPT', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisSentinels.start(t, [], 1, 3);
  const [first] = redis.sentinels;
  if (first === undefined) return;
  for (const each of redis.sentinels) await ask(each, 'SENTINEL', 'DEBUG', 'PUBLISH-PERIOD', 500);
  await ask(first, 'SENTINEL', 'SET', SENTINEL_NAME, 'failover-timeout', 20_000);
  const relay = {
    type: 'redis',
    sentinels: redis.addresses,
    sentinelName: SENTINEL_NAME,
    minReplicas: 1,
    replicaTimeoutMs: 200,
    reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
  } as const;
  const nodes: TestServer[] = [];
  for (const nodeId of ['a', 'b']) {
    const node = await startTestServer({ http: false, relay, broker: { nodeId } });
    t.teardown(node.stop);
    nodes.push(node);
  }
  const [a, b] = nodes as [TestServer, TestServer];
  const old = await redis.master();
  const taken: string[] = [];
  let [sender, count] = [await connectTo(t, a), 0];
  /** Until one is taken. */
  const sendOne = async (): Promise<void> => {
    for (;;) {
      const body = String(count++);
      try {
        await sendTo(sender, '/queue/x', body);
        taken.push(body);
        return;
      } catch {
        // It may be there or not.
        sender.destroy();
        sender = await connectTo(t, a);
      }
    }
  };
  const switched = new Promise<void>((resolve) => {
    a.server.broker.events.on('availability', ({ available }) => {
      if (!available) resolve();
    });
  });
  while (taken.length < 20) await sendOne();
  // Sentinels may give up a failover, as when they do not agree in time; then they want to be asked again.
  const order = (): Promise<unknown> => ask(first, 'SENTINEL', 'FAILOVER', SENTINEL_NAME).catch(() => undefined);
  const ordering = setInterval(() => void order(), ORDER_AGAIN_MS);
  t.teardown(() => {
    clearInterval(ordering);
  });
  await order();
  let isSwitched = false;
  void switched.then(() => (isSwitched = true));
  while (!isSwitched) await sendOne();
  clearInterval(ordering);
  for (const { length } = taken; taken.length < length + 20;) await sendOne();
  t.not(await redis.master(), old);
  const reader = await connectTo(t, b);
  await reader.subscribe('/queue/x');
  const last = taken.at(-1);
  const got: string[] = [];
  while (got.at(-1) !== last) got.push((await reader.frame('MESSAGE')).text);
  t.strictSame(
    taken.filter((body) => !got.includes(body)),
    [],
    `${taken.length} of ${count} had their RECEIPT`,
  );
});

t.test('a name that the Sentinels do not know is told', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { addresses } = await (sentinels ??= RedisSentinels.start(t));
  const node = await RelayNode.start(t, testRedisRelay('', { sentinels: addresses, sentinelName: 'other' }));
  t.equal(await node.available.next(), false);
  t.match(node.relay.problem?.message, /sentinel/i);
});
