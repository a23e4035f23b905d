import t from 'tap';
import type { UserPage } from '../../../broker/index.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { type ClusterNode, startCluster } from '../../helpers/cluster-fixture.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

function sessionOf({ welcome }: FixtureClient): string {
  return header(welcome, 'session') ?? '';
}

/** Settled once nodes have answered; no time passes. */
async function answered<T>({ fixture }: Pick<ClusterNode, 'fixture'>, asked: Promise<T>): Promise<T> {
  await fixture.settle();
  return asked;
}

t.test('users, sessions and counts of all nodes', async (t) => {
  const nodes = await startCluster(['a', 'b', 'c']);
  const [a, b, c] = nodes;
  const [first] = [a.fixture.connect({ login: 'ann' }), b.fixture.connect({ login: 'ann' })];
  c.fixture.connect({ login: 'bob' });
  b.fixture.connect().subscribe('1', '/topic/x');
  c.fixture.open();
  const { cluster } = b.fixture.broker;
  const users = await answered(b, cluster.users());
  t.strictSame(
    users.merged.users.map(({ name, sessions }) => [name, sessions.map(({ nodeId }) => nodeId).sort()]),
    [
      ['ann', ['a', 'b']],
      ['bob', ['c']],
    ],
  );
  t.strictSame([users.merged.next, users.missing], [null, []]);
  const count = await answered(b, cluster.countUsers());
  t.equal(count.merged, 2);
  t.strictSame(
    count.nodes.map(({ nodeId, answer }) => `${nodeId} ${answer}`),
    ['b 1', 'a 1', 'c 1'],
  );
  const ann = (await answered(b, cluster.user('ann'))).merged?.sessions.map(({ id }) => id);
  t.ok(ann?.includes(sessionOf(first)));
  t.equal((await answered(b, cluster.user('nobody'))).merged, null);
  const all = (await answered(a, a.fixture.broker.cluster.sessions())).merged.sessions;
  t.equal(all.length, 4, 'those that are connected');
  t.strictSame(
    all.map(({ id }) => id),
    all.map(({ id }) => id).sort(),
  );
  const infos = (await answered(a, a.fixture.broker.cluster.nodes())).merged;
  t.match(
    infos.find(({ nodeId }) => nodeId === 'b'),
    { incarnation: 'b/1', isOk: true, isAccepting: true, sessions: 2, users: 1, subscriptions: 1 },
  );
  t.equal((await answered(a, a.fixture.broker.cluster.stats())).merged.connections.current, 5);
});

t.test('pages of users and sessions', async (t) => {
  const [a, b] = await startCluster(['a', 'b']);
  for (let k = 0; k < 20; k++) (k % 3 === 0 ? a : b).fixture.connect({ login: `u${10 + k}` });
  b.fixture.connect({ login: 'u10' });
  const { cluster } = a.fixture.broker;
  const names: string[] = [];
  for (let after: string | null = ''; after !== null;) {
    const { merged }: { readonly merged: UserPage } = await answered(a, cluster.users({ limit: 7, after }));
    names.push(...merged.users.map(({ name }) => name));
    after = merged.next;
  }
  t.strictSame(
    names,
    Array.from({ length: 20 }, (_, k) => `u${10 + k}`),
  );
  t.equal((await answered(a, cluster.sessions({ user: 'u10' }))).merged.sessions.length, 2);
  t.equal((await answered(a, cluster.sessions({ limit: 5 }))).merged.sessions.length, 5);
  await t.rejects(cluster.users({ limit: 0 }), { code: 'invalid-option' });
  await t.rejects(cluster.users({ deadlineMs: 0 }), { code: 'invalid-option' });
});

t.test('subscriptions by destination', async (t) => {
  const [a, b] = await startCluster(['a', 'b']);
  a.fixture.connect({ login: 'ann' }).subscribe('1', '/user/queue/x');
  b.fixture.connect().subscribe('2', '/user/queue/x');
  b.fixture.connect().subscribe('3', '/user/queue/y');
  const { cluster } = b.fixture.broker;
  const found = await answered(b, cluster.findSubscriptions({ destination: '/user/queue/x' }));
  t.strictSame(
    found.merged.map(({ id, session }) => `${id ?? ''} ${session.nodeId} ${session.user ?? '-'}`),
    ['2 b -', '1 a ann'],
  );
  const ofAnn = await answered(b, cluster.findSubscriptions({ destination: '/user/queue/x', user: 'ann' }));
  t.equal(ofAnn.merged.length, 1);
});

t.test('a node that does not answer is named at the deadline, and until it is given up', async (t) => {
  const [a, b, c] = await startCluster(['a', 'b', 'c']);
  c.fixture.connect({ login: 'ann' });
  c.relay.setReachable(false);
  const { cluster } = a.fixture.broker;
  let isDone = false;
  const asked = cluster.countUsers().finally(() => (isDone = true));
  await a.fixture.settle();
  a.fixture.clock.advance(999);
  await settle();
  t.notOk(isDone);
  a.fixture.clock.advance(1);
  t.match(await asked, { merged: 0, missing: ['c'] });
  const waiting = cluster.nodes({ deadlineMs: 60_000 });
  await a.fixture.settle();
  c.members.giveUp();
  const infos = await answered(a, waiting);
  t.strictSame([infos.merged.map(({ nodeId }) => nodeId), infos.missing], [['a', 'b'], ['c']], 'not waited for');
  t.strictSame((await answered(b, b.fixture.broker.cluster.nodes())).missing, []);
  c.relay.setReachable(true);
  await c.members.rejoin();
  const back = await answered(a, cluster.nodes());
  t.strictSame(
    back.merged.map(({ incarnation }) => incarnation),
    ['a/1', 'b/1', 'c/2'],
  );
  t.equal((await answered(a, cluster.countUsers())).merged, 1, 'its sessions are still its own');
});

t.test('a node out of reach answers for itself at once', async (t) => {
  const [a] = await startCluster(['a', 'b']);
  a.fixture.connect({ login: 'ann' });
  a.relay.setReachable(false);
  t.match(await a.fixture.broker.cluster.countUsers(), { merged: 1, missing: ['b'] });
});

t.test('answers that come late, twice or cannot be read disturb nobody', async (t) => {
  const [a, b] = await startCluster(['a', 'b']);
  for (const channel of [...b.relay.claims.keys()].filter((each) => each.startsWith('/$node'))) {
    for (const text of ['', '{}', '[]', 'null', '{"version":9,"id":"x","kind":"info","replyTo":"/topic/x"}']) {
      a.relay.publish(channel, Buffer.from(text));
    }
  }
  await a.fixture.settle();
  t.strictSame((await answered(b, b.fixture.broker.cluster.nodes())).missing, []);
});

t.test('sessions and users are ended wherever they are, with a reason if there is one', async (t) => {
  const [a, b, c] = await startCluster(['a', 'b', 'c']);
  const { cluster } = a.fixture.broker;
  const [first, second, bob] = [
    b.fixture.connect({ login: 'ann' }),
    c.fixture.connect({ login: 'ann' }),
    c.fixture.connect({ login: 'bob' }),
  ];
  t.equal((await answered(a, cluster.disconnect(sessionOf(first)))).merged, 1);
  t.ok(first.isGone);
  t.equal((await answered(a, cluster.disconnect('unknown'))).merged, 0);
  const third = a.fixture.connect({ login: 'ann' });
  t.equal((await answered(a, cluster.disconnectUser('ann', { reason: 'Account closed' }))).merged, 2);
  for (const client of [second, third]) {
    const [error] = client.frames();
    t.equal(header(error, 'code'), 'session-revoked');
    t.equal(header(error, 'message'), 'Account closed');
    t.ok(client.isGone);
  }
  t.notOk(bob.isGone);
  t.equal((await answered(a, cluster.kick({ user: 'bob', remoteAddress: 'elsewhere' }))).merged, 0);
  const { remoteAddress } = bob.connection;
  t.equal((await answered(a, cluster.kick({ remoteAddress }))).merged, 1);
  t.ok(bob.isGone);
  await t.rejects(cluster.kick({}), { code: 'invalid-option' });
});

t.test('subscriptions are ended, verdicts forgotten, everybody told', async (t) => {
  const asked: string[] = [];
  const authorizer = {
    isAllowed: ({ action, destination }: { action: string; destination: string }): boolean => {
      if (action === 'send') asked.push(destination);
      return true;
    },
  };
  const [a, b] = await startCluster(['a', 'b'], { compat: 'strict' }, authorizer);
  const { cluster } = a.fixture.broker;
  const [ann, anonymous] = [b.fixture.connect({ login: 'ann' }), a.fixture.connect()];
  for (const client of [ann, anonymous]) client.subscribe('1', '/user/queue/notices');
  for (let k = 0; k < 2; k++) ann.publish('/topic/x', '');
  t.equal((await answered(a, cluster.revoke({ user: 'ann' }))).merged, 1);
  ann.publish('/topic/x', '');
  t.strictSame(asked, ['/topic/x', '/topic/x']);
  t.equal((await answered(a, cluster.revoke())).merged, 2);
  const told = await answered(b, b.fixture.broker.cluster.broadcast('/queue/notices', { text: 'bye' }, { level: 3 }));
  t.equal(told.merged, 2);
  for (const client of [ann, anonymous]) {
    const [message] = client.frames();
    t.equal(String(message?.body), '{"text":"bye"}');
    t.equal(header(message, 'content-type'), 'application/json');
    t.equal(header(message, 'level'), '3');
  }
  t.equal((await answered(a, cluster.unsubscribe(sessionOf(ann), 1))).merged, 1);
  await b.fixture.broker.convertAndSendToUser('ann', '/queue/notices', 'nobody hears');
  t.strictSame(ann.bodies(), []);
  await t.rejects(cluster.broadcast('/nowhere/x', ''), { code: 'destination-unknown' });
});

t.test('a node of its own answers the same way, about itself', async (t) => {
  const fixture = new BrokerFixture({ nodeId: 'alone' });
  fixture.connect({ login: 'ann' });
  const { cluster } = fixture.broker;
  t.match(await cluster.users(), { merged: { users: [{ name: 'ann' }], next: null }, missing: [] });
  t.match(await cluster.nodes(), { merged: [{ nodeId: 'alone', incarnation: null }] });
  t.match(await cluster.disconnectUser('ann'), { merged: 1, nodes: [{ nodeId: 'alone', answer: 1 }] });
});
