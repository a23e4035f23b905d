import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { MemoryNetwork, type MemoryNodeRelay } from '../../helpers/memory-node-relay.js';
import { header } from '../../helpers/server-frames.js';

interface Node {
  readonly relay: MemoryNodeRelay;
  readonly fixture: BrokerFixture;
}

async function threeNodes(): Promise<[Node, Node, Node]> {
  const network = new MemoryNetwork();
  const clock = new FakeClock();
  const nodes = ['a', 'b', 'c'].map((nodeId) => {
    const relay = network.createRelay();
    return { relay, fixture: new BrokerFixture({ nodeId }, undefined, 'info', null, { clock, nodeRelay: relay }) };
  });
  await Promise.all(nodes.map(({ fixture }) => fixture.started));
  return nodes as [Node, Node, Node];
}

function sessionOf({ welcome }: FixtureClient): string {
  return header(welcome, 'session') ?? '';
}

/** Connected as `login` and subscribed to its `/user/queue/x`. */
function userOn({ fixture }: Node, login?: string): FixtureClient {
  const client = fixture.connect(login === undefined ? {} : { login });
  client.subscribe('x', '/user/queue/x');
  return client;
}

t.test('a message for a user is with all its sessions on all nodes, once', async (t) => {
  const [a, b, c] = await threeNodes();
  const anns = [userOn(a, 'ann'), userOn(b, 'ann'), userOn(b, 'ann'), userOn(c, 'ann')];
  const bob = userOn(b, 'bob');
  anns[2]?.subscribe('all', '/user/queue/*');
  a.fixture.connect({ login: 'carl' }).publish('/user/ann/queue/x', 'of carl', { note: 'n' });
  await c.fixture.broker.convertAndSendToUser('ann', '/queue/x', 'of c');
  await a.fixture.settle();
  const frames = anns.map((client) => client.frames());
  for (const [k, each] of frames.entries()) {
    const wanted = k === 2 ? ['of carl', 'of carl', 'of c', 'of c'] : ['of carl', 'of c'];
    t.strictSame(
      each.map(({ body }) => body.toString()),
      wanted,
    );
    t.ok(each.every((frame) => header(frame, 'destination') === '/user/queue/x'));
    t.equal(header(each[0], 'note'), 'n');
  }
  t.strictSame(bob.bodies(), []);
  t.equal(a.fixture.broker.stats().messagesDropped + c.fixture.broker.stats().messagesDropped, 0);
});

t.test('whoever names itself means its own session, on no other node', async (t) => {
  const [a, b] = await threeNodes();
  const [here, other, there] = [userOn(a, 'ann'), userOn(a, 'ann'), userOn(b, 'ann')];
  here.publish('/user/ann/queue/x', 'to me');
  t.strictSame([here.bodies(), other.bodies(), there.bodies()], [['to me'], [], []]);
  t.equal(a.relay.counts.published, 0);
});

t.test('one session of a user, and an anonymous one by its id, wherever it is', async (t) => {
  const [a, b, c] = await threeNodes();
  const [first, second, nobody] = [userOn(b, 'ann'), userOn(c, 'ann'), userOn(c)];
  const { broker } = a.fixture;
  await broker.convertAndSendToUser('ann', '/queue/x', '1', {}, { session: sessionOf(first) });
  await broker.convertAndSendToUser(sessionOf(second), '/queue/x', '2', {}, { session: sessionOf(second) });
  await broker.convertAndSendToUser(sessionOf(nobody), '/queue/x', '3', {}, { session: sessionOf(nobody) });
  await broker.convertAndSendToUser('bob', '/queue/x', 'not bob’s', {}, { session: sessionOf(first) });
  await broker.convertAndSendToUser(sessionOf(nobody), '/queue/x', 'not a user', {});
  t.strictSame([first.bodies(), second.bodies(), nobody.bodies()], [['1'], ['2'], ['3']]);
  const published = a.relay.counts.published;
  const own = userOn(a, 'ann');
  await broker.convertAndSendToUser('ann', '/queue/x', '4', {}, { session: sessionOf(own) });
  t.strictSame([own.bodies(), a.relay.counts.published], [['4'], published], 'one that is here is sought nowhere else');
});

t.test('names of users are no patterns and no paths', async (t) => {
  const [a, b] = await threeNodes();
  const names = ['a*', '{x}', 'a.b', 'a/b', 'ä', '**'];
  const clients = names.map((name) => userOn(b, name));
  for (const name of names) await a.fixture.broker.convertAndSendToUser(name, '/queue/x', name);
  t.strictSame(
    clients.map((client) => client.bodies()),
    names.map((name) => [name]),
  );
  t.ok([...b.relay.claims.keys()].every((channel) => /^\/\$[a-z]+(\/[\w-]+)?$/.test(channel)));
});

t.test('a user is wanted from its first subscription here to its last', async (t) => {
  const [a, b] = await threeNodes();
  const wanted = (): number => [...b.relay.claims.keys()].filter((channel) => channel.startsWith('/$user/')).length;
  const silent = b.fixture.connect({ login: 'ann' });
  t.equal(wanted(), 0);
  const [first, second] = [userOn(b, 'ann'), userOn(b, 'ann')];
  userOn(b);
  t.equal(wanted(), 1);
  first.send('UNSUBSCRIBE\nid:x\n\n\0');
  t.equal(wanted(), 1);
  second.connection.vanish();
  b.fixture.clock.turn();
  t.equal(wanted(), 0);
  a.fixture.connect().publish('/user/ann/queue/x', 'nobody’s');
  t.strictSame([first.bodies(), silent.bodies()], [[], []]);
  t.equal(b.relay.counts.received, 0);
});

t.test('RECEIPT: of SUBSCRIBE once other nodes are heard, of SEND once it is accepted', async (t) => {
  const [a, b] = await threeNodes();
  const ann = b.fixture.connect({ login: 'ann' });
  b.relay.isHeld = true;
  ann.subscribe('x', '/user/queue/x', { receipt: 'joined' });
  await b.fixture.settle();
  t.strictSame(ann.frames(), []);
  b.relay.answer();
  await b.fixture.settle();
  t.equal(header(ann.frames()[0], 'receipt-id'), 'joined');
  const sender = a.fixture.connect();
  a.relay.isHeld = true;
  sender.publish('/user/ann/queue/x', '1', { receipt: 'sent' });
  await a.fixture.settle();
  t.strictSame([ann.bodies(), sender.frames()], [['1'], []]);
  a.relay.answer();
  await a.fixture.settle();
  t.equal(header(sender.frames()[0], 'receipt-id'), 'sent');
  sender.publish('/user/ann/queue/x', '2', { receipt: 'lost' });
  a.relay.answer(new BrokerError('relay-lost', 'gone'));
  await a.fixture.settle();
  t.equal(sender.error(), 'relay-lost');
});

t.test('out of reach: refused with receipt and no effect, delivered here without', async (t) => {
  const [a] = await threeNodes();
  const [sender, ann] = [a.fixture.connect(), userOn(a, 'ann')];
  a.relay.setReachable(false);
  sender.publish('/user/ann/queue/x', '1');
  sender.publish('/user/ann/queue/x', '2', { receipt: 'two' });
  t.strictSame(ann.bodies(), ['1']);
  t.equal(sender.error(), 'relay-unavailable');
  ann.publish('/user/ann/queue/x', 'to me', { receipt: 'own' });
  t.strictSame(
    ann.frames().map(({ command }) => command),
    ['MESSAGE', 'RECEIPT'],
    'what never leaves the node is not refused',
  );
});

t.test('COMMIT publishes to users of other nodes when it takes effect', async (t) => {
  const [a, b] = await threeNodes();
  const [sender, ann] = [a.fixture.connect(), userOn(b, 'ann')];
  sender.send('BEGIN\ntransaction:t\n\n\0');
  sender.publish('/user/ann/queue/x', '1', { transaction: 't' });
  t.strictSame(ann.bodies(), []);
  sender.send('COMMIT\ntransaction:t\n\n\0');
  t.strictSame(ann.bodies(), ['1']);
});

t.test('octets that are no message for a user are left out', async (t) => {
  const [a, b] = await threeNodes();
  const ann = userOn(b, 'ann');
  const channel = [...b.relay.claims.keys()].find((each) => each.startsWith('/$user/')) ?? '';
  for (const octets of [Buffer.alloc(0), Buffer.from('nonsense'), Buffer.alloc(20, 9)]) {
    a.relay.publish(channel, octets);
  }
  await a.fixture.broker.convertAndSendToUser('ann', '/queue/x', 'good');
  t.strictSame(ann.bodies(), ['good']);
});
