import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { Broker } from '../../../../broker/index.js';
import { BrokerProcess } from '../../../crash/broker-process.js';
import { inTime } from '../../../helpers/inbox.js';
import { requireProgram } from '../../../helpers/programs.js';
import { RawClient } from '../../../helpers/raw-client.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../../helpers/server.js';
import { frame } from '../../../helpers/stomp-text.js';

/** Long enough for a machine that does much else, and short enough to be waited for. */
const LEASE_MS = 2_000;
const DEADLINE_MS = 60_000;
/** Where an answer may be missing. */
const ASKED = { deadlineMs: 250 };
/** Where all are there to answer. */
const PATIENT = { deadlineMs: DEADLINE_MS };

function optionsOf({ url }: RedisProcess, nodeId: string): object {
  const reconnect = { initialDelayMs: 20, maxDelayMs: 100 };
  return {
    http: false,
    tcp: { port: 0 },
    broker: { nodeId },
    auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
    relay: { type: 'redis', url, leaseMs: LEASE_MS, reconnect },
  };
}

async function startNode(t: Test, redis: RedisProcess, nodeId: string): Promise<TestServer> {
  const node = await startTestServer(optionsOf(redis, nodeId));
  t.teardown(node.stop);
  return node;
}

/** A node that can be killed, or stand still. */
async function startProcess(
  t: Test,
  redis: RedisProcess,
  nodeId: string,
): Promise<{ child: BrokerProcess; port: number }> {
  const child = BrokerProcess.start(t, t.testdir(), false, optionsOf(redis, nodeId));
  return { child, port: await child.listening() };
}

/** A session that only is there. */
async function openSession(t: Test, port: number, user: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  t.teardown(() => socket.destroy());
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('data', (octets) => {
      if (octets.toString().startsWith('CONNECTED')) resolve();
      else reject(new Error(octets.toString()));
    });
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  socket.write(frame('CONNECT', { 'accept-version': '1.2', 'heart-beat': '0,0', 'X-User': user }));
  await inTime(connected, `the session of ${user}`);
  return socket;
}

async function openSessions(t: Test, port: number, count: number): Promise<void> {
  for (let start = 0; start < count; start += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, k) => openSession(t, port, `u${start + k}`)));
  }
}

/** Asks until it is so. */
async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean, what: string): Promise<T> {
  const trying = async (): Promise<T> => {
    for (;;) {
      const answer = await ask();
      if (isSo(answer)) return answer;
    }
  };
  return inTime(trying(), what, DEADLINE_MS);
}

async function incarnations({ cluster }: Broker, options = PATIENT): Promise<Map<string, string>> {
  const { merged } = await cluster.nodes(options);
  return new Map(merged.map(({ nodeId, incarnation }) => [nodeId, incarnation ?? '']));
}

t.test(
  'kill -9 of a node with 1,000 sessions: users are right at once, and it is named until its lease is over',
  async (t) => {
    if (!requireProgram(t, 'redis-server')) return;
    const redis = await RedisProcess.start(t);
    const [a, b] = [await startNode(t, redis, 'a'), await startNode(t, redis, 'b')];
    const { child, port } = await startProcess(t, redis, 'c');
    await openSessions(t, port, 1_000);
    for (let k = 0; k < 10; k++) await openSession(t, a.tcpPort, `u${k}`);
    const [sender, subscriber] = [await RawClient.openFor(t, a.tcpPort), await RawClient.openFor(t, b.tcpPort)];
    for (const client of [sender, subscriber]) await client.connect();
    await subscriber.subscribe('/topic/load');
    const { cluster } = b.server.broker;
    const before = await cluster.countUsers(PATIENT);
    t.match(before, { merged: 1_000, missing: [] });
    t.match(await cluster.user('u7', PATIENT), { merged: { sessions: { length: 2 } } });
    t.equal((await cluster.sessions({ limit: 1_000, ...PATIENT })).merged.sessions.length, 1_000);
    t.ok(await child.kill());
    const counts = new Set<number>();
    let [sent, named] = [0, 0];
    const last = await until(
      async () => {
        sender.sendFrame('SEND', { destination: '/topic/load', receipt: String(sent) }, String(sent));
        await sender.receipt(String(sent++));
        const answer = await cluster.countUsers(ASKED);
        // A machine that is busy may keep even those waiting that are there.
        if (!answer.missing.includes('a')) counts.add(answer.merged);
        if (answer.missing.includes('c')) named++;
        return answer;
      },
      ({ missing }) => missing.length === 0,
      'the dead node to be given up',
    );
    t.ok(named > 0);
    t.strictSame([[...counts], last.merged], [[10], 10]);
    const loads = (await subscriber.messages(sent)).map(({ text }) => Number(text));
    t.strictSame(
      loads,
      Array.from({ length: sent }, (_, k) => k),
    );
    t.strictSame(
      (await cluster.user('u7', PATIENT)).merged?.sessions.map(({ nodeId }) => nodeId),
      ['a'],
    );
    const heir = await startProcess(t, redis, 'c');
    await openSession(t, heir.port, 'late');
    t.match(await cluster.countUsers(PATIENT), { merged: 11, missing: [] });
  },
);

t.test('a node that stood still is given up, and comes back as another with the sessions it had', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const a = await startNode(t, redis, 'a');
  const { child, port } = await startProcess(t, redis, 'c');
  const ann = await RawClient.openFor(t, port);
  await ann.connect('1.2', { 'X-User': 'ann', 'heart-beat': '0,0' });
  await ann.subscribe('/user/queue/x');
  const { broker } = a.server;
  const former = (await incarnations(broker)).get('c');
  child.freeze();
  await until(
    () => broker.cluster.nodes(ASKED),
    ({ missing }) => missing.length === 0,
    'the frozen node to be given up',
  );
  t.equal((await broker.cluster.countUsers(PATIENT)).merged, 0);
  child.resume();
  const back = await until(
    () => incarnations(broker, ASKED),
    (all) => all.has('c') && all.get('c') !== former,
    'its return',
  );
  t.match(back.get('c'), /^c\//);
  t.match((await broker.cluster.users(PATIENT)).merged, { users: [{ name: 'ann' }] });
  await broker.convertAndSendToUser('ann', '/queue/x', 'still here');
  t.equal((await ann.frame('MESSAGE')).text, 'still here');
  t.equal((await broker.cluster.disconnectUser('ann', { reason: 'enough', ...PATIENT })).merged, 1);
  await ann.expectError('session-revoked');
});

t.test('Redis stopped and started: every node is who it was, and nobody was given up', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = [await startNode(t, redis, 'a'), await startNode(t, redis, 'b')] as const;
  const [{ broker }, { broker: other }] = [nodes[0].server, nodes[1].server];
  await openSession(t, nodes[1].tcpPort, 'ann');
  const before = await incarnations(broker);
  t.equal(before.size, 2);
  const back = Promise.all(
    [broker, other].map((each) => {
      return new Promise<void>((resolve) => {
        each.events.on('availability', ({ available }) => {
          if (available) resolve();
        });
      });
    }),
  );
  await redis.stop();
  await until(
    () => broker.cluster.countUsers(ASKED),
    ({ missing }) => missing.includes('b'),
    'the other to be missing',
  );
  await redis.start();
  await inTime(back, 'Redis', DEADLINE_MS);
  const asked = await until(
    () => broker.cluster.countUsers(ASKED),
    ({ missing }) => missing.length === 0,
    'the other',
  );
  t.equal(asked.merged, 1);
  t.strictSame(await incarnations(broker), before);
  t.ok(broker.health().isOk);
});

t.test('two nodes with one nodeId: the later one does not start', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const first = await startNode(t, redis, 'a');
  await t.rejects(startTestServer(optionsOf(redis, 'a')), { code: 'node-id-in-use', message: /"a"/ });
  t.ok(first.server.broker.health().isOk);
});
