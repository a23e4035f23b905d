/** Inboxes and client-ids where Redis is a Redis Cluster: everything of them is one master's, whatever it says to whom. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RedisCluster } from '../../helpers/redis-cluster.js';
import { AUTH, bobAt, leave, login, next, RULES, X } from '../../helpers/redis-inboxes.js';
import { connectTo, sendTo } from '../../helpers/redis-nodes.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

t.test('over a Redis Cluster: kept once, passed on where the user is, one connection of a client', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { addresses } = await RedisCluster.start(t);
  const start = async (): Promise<TestServer> => {
    const relay = { type: 'redis', clusterNodes: addresses, keyPrefix: 'inboxes:' } as const;
    const node = await startTestServer({ http: false, relay, auth: AUTH, broker: { inbox: { rules: RULES } } });
    t.teardown(node.stop);
    return node;
  };
  const [a, b] = [await start(), await start()];
  await leave(await login(t, b, 'bob'));
  const ann = await login(t, a, 'ann');
  for (const body of ['1', '2']) await sendTo(ann, X, body);
  const bob = await bobAt(t, b, '/queue/*');
  t.equal(await next(bob, 2), '1 2');
  await sendTo(ann, X, 'live');
  t.equal(await next(bob, 1), 'live');
  await leave(bob);
  await sendTo(ann, X, '3');
  t.equal(await next(await bobAt(t, a), 1), '3');

  const who = { login: 'cid', passcode: 'secret', 'client-id': 'c' };
  const first = await connectTo(t, a, who);
  await connectTo(t, b, who);
  t.equal((await first.frame('ERROR')).get('code'), 'client-id-displaced');
});
