import t from 'tap';
import { nodeRelayContract, RelayNode } from '../../contracts/node-relay-contract.js';
import { requireProgram } from '../../helpers/programs.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { testRedisCommands, testRedisRelay } from '../../helpers/redis-relay.js';
import { until } from '../../helpers/until.js';
import { RedisKeys } from '../../../adapters/redis/index.js';

const keys = new RedisKeys('test:');
let sentinels: Promise<RedisSentinels> | null = null;
let count = 0;

nodeRelayContract({
  name: 'RedisRelay by Sentinels',
  newCluster: async (test) => {
    if (!requireProgram(test, 'redis-server')) return null;
    const { addresses } = await (sentinels ??= RedisSentinels.start(t));
    const keyPrefix = `c${count++}:`;
    return () => testRedisRelay('', { sentinels: addresses, sentinelName: SENTINEL_NAME, keyPrefix });
  },
});

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

t.test('a name that the Sentinels do not know is told', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { addresses } = await (sentinels ??= RedisSentinels.start(t));
  const node = await RelayNode.start(t, testRedisRelay('', { sentinels: addresses, sentinelName: 'other' }));
  t.equal(await node.available.next(), false);
  t.match(node.relay.problem?.message, /sentinel/i);
});
