/** Client-ids of a cluster: one connection of a client at a time, on whatever node. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { connectTo, SHORT_LEASE_MS, sendTo, startNodeProcess, startNodes } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import type { TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';

const AUTH = { users: ['ann', 'bob'].map((login) => ({ login, passcode: 'secret' })) };
const DURABLE = { ack: 'client-individual', 'activemq.subscriptionName': 'mine' };

type Node = Pick<TestServer, 'tcpPort'>;

const login = (t: Test, node: Node | undefined, name: string, clientId = 'c'): Promise<RawClient> =>
  connectTo(t, node ?? { tcpPort: 0 }, { login: name, passcode: 'secret', 'client-id': clientId });

/** The code that CONNECT is refused with; else the connection ends again. */
async function refusal(t: Test, { tcpPort }: Node, name: string): Promise<string | undefined> {
  const client = await RawClient.openFor(t, tcpPort);
  const who = { login: name, passcode: 'secret', 'client-id': 'c' };
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: 'localhost', ...who });
  const code = (await client.frame()).get('code');
  client.destroy();
  return code;
}

/** Of what no other node takes part in. */
async function isAnswered(client: RawClient): Promise<void> {
  client.sendFrame('BEGIN', { transaction: 't', receipt: 'begun' });
  await client.receipt('begun');
  client.sendFrame('ABORT', { transaction: 't' });
}

async function twoNodes(t: Test, redis: RedisProcess): Promise<[TestServer, TestServer]> {
  const [a, b] = await startNodes(t, redis, 2, { auth: AUTH });
  if (a === undefined || b === undefined) throw new Error('wants two nodes');
  return [a, b];
}

if (requireProgram(t, 'redis-server')) {
  t.jobs = 2;

  void t.test('the same client connects on another node: its older connection ends, as on one node', async (t) => {
    const [a, b] = await twoNodes(t, await RedisProcess.start(t));
    const first = await login(t, a, 'bob');
    await first.subscribe('/topic/news', 's', DURABLE);
    const ann = await login(t, a, 'ann', 'another');
    await sendTo(ann, '/topic/news', '1');
    t.equal((await first.frame('MESSAGE')).text, '1');
    const second = await login(t, b, 'bob');
    // Before CONNECTED: nothing more goes to the older one.
    await sendTo(ann, '/topic/news', '2');
    t.equal((await first.frame('ERROR')).get('code'), 'client-id-displaced');
    await first.closed();
    await second.subscribe('/topic/news', 's', DURABLE);
    const messages = await second.messages(2);
    t.strictSame(
      messages.map((message) => `${message.text} ${message.get('redelivered') ?? ''}`),
      ['1 true', '2 false'],
    );
    const third = await login(t, a, 'bob');
    t.equal((await second.frame('ERROR')).get('code'), 'client-id-displaced');
    const fourth = await login(t, a, 'bob');
    t.equal((await third.frame('ERROR')).get('code'), 'client-id-displaced');
    await fourth.fence();
  });

  void t.test('another user is refused on every node, until the client has left', async (t) => {
    const [a, b] = await twoNodes(t, await RedisProcess.start(t));
    const bob = await login(t, a, 'bob');
    for (const node of [a, b]) t.equal(await refusal(t, node, 'ann'), 'client-id-in-use');
    await bob.fence();
    bob.sendFrame('DISCONNECT', { receipt: 'bye' });
    await bob.receipt('bye');
    await bob.closed();
    await until('it is free', async () => (await refusal(t, b, 'ann')) === undefined);
    await until('it is free again', async () => (await refusal(t, a, 'bob')) === undefined);
    t.equal(await refusal(t, a, 'bob'), undefined);
  });

  void t.test(
    'the client of a node that dies connects elsewhere at once, another user when its lease is over',
    async (t) => {
      const redis = await RedisProcess.start(t);
      const [a] = await startNodes(t, redis, 1, { auth: AUTH, leaseMs: SHORT_LEASE_MS });
      if (a === undefined) return;
      const file = path.join(temporaryDirectory(t), 'hoofbeat.json');
      writeFileSync(file, JSON.stringify({ auth: AUTH, relay: { type: 'redis', leaseMs: SHORT_LEASE_MS } }));
      const { command, tcpPort } = await startNodeProcess(t, redis, file);
      await login(t, { tcpPort }, 'bob');
      await login(t, { tcpPort }, 'bob', 'd');
      const ended = once(command.child, 'exit');
      command.child.kill('SIGKILL');
      await ended;
      t.equal(await refusal(t, a, 'ann'), 'client-id-in-use');
      const bob = await login(t, a, 'bob', 'd');
      await until('the end of the lease', async () => (await refusal(t, a, 'ann')) === undefined);
      await bob.fence();
    },
  );

  void t.test('without Redis a client-id is local; then the connection that came later stays', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a, b] = await twoNodes(t, redis);
    const first = await login(t, a, 'bob');
    await redis.stop();
    const isDown = ({ server }: TestServer): boolean => !server.broker.health().isOk;
    await until('the loss', () => isDown(a) && isDown(b));
    const second = await login(t, b, 'bob');
    for (const each of [first, second]) await isAnswered(each);
    await redis.start();
    t.equal((await first.frame('ERROR')).get('code'), 'client-id-displaced');
    await until('both nodes', () => !isDown(a) && !isDown(b));
    await isAnswered(second);
    t.equal(await refusal(t, a, 'ann'), 'client-id-in-use');
  });
}
