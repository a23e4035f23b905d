import t from 'tap';
import { BrokerError, type BrokerOptions, type Partially } from '../../../broker/index.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { MemoryNetwork, type MemoryNodeRelay } from '../../helpers/memory-node-relay.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';

interface Node {
  readonly relay: MemoryNodeRelay;
  readonly fixture: BrokerFixture;
}

/** Started nodes of one cluster, on one clock. */
async function startNodes(count: number, options: Partially<BrokerOptions> = {}): Promise<Node[]> {
  const network = new MemoryNetwork();
  const clock = new FakeClock();
  const nodes = Array.from({ length: count }, (_, k) => {
    const relay = network.createRelay();
    const all = { nodeId: `n${k}`, ...options };
    return { relay, fixture: new BrokerFixture(all, undefined, 'info', null, { clock, nodeRelay: relay }) };
  });
  await Promise.all(nodes.map(({ fixture }) => fixture.started));
  return nodes;
}

async function twoNodes(options: Partially<BrokerOptions> = {}): Promise<[Node, Node]> {
  return (await startNodes(2, options)) as [Node, Node];
}

function receipts(frames: readonly ServerFrame[]): (string | undefined)[] {
  return frames.filter(({ command }) => command === 'RECEIPT').map((frame) => header(frame, 'receipt-id'));
}

/** What is wanted beside what every node wants. */
function claims({ relay }: Node): (readonly [string, number])[] {
  return [...relay.claims].filter(([channel]) => !channel.startsWith('/$'));
}

async function framesOf({ fixture }: Node, client: FixtureClient): Promise<readonly ServerFrame[]> {
  await fixture.settle();
  return client.frames();
}

t.test('what is published on one node is with the subscribers of all, once', async (t) => {
  const [a, b] = await twoNodes();
  const [sender, here, there] = [a.fixture.connect(), a.fixture.connect(), b.fixture.connect()];
  here.subscribe('1', '/topic/x');
  there.subscribe('1', '/topic/x');
  there.subscribe('2', '/topic/*');
  sender.publish('/topic/x', 'plain');
  sender.publish('/topic/x', 'decoded', { note: 'a\\cb' });
  await a.fixture.broker.convertAndSend('/topic/x', { of: 'the application' });
  t.strictSame(here.bodies(), ['plain', 'decoded', '{"of":"the application"}']);
  const messages = there.frames();
  t.strictSame(
    messages.map((frame) => `${header(frame, 'subscription') ?? ''} ${String(frame.body)}`),
    ['1 plain', '2 plain', '1 decoded', '2 decoded', '1 {"of":"the application"}', '2 {"of":"the application"}'],
  );
  t.equal(header(messages[2], 'note'), 'a:b');
  t.equal(header(messages[0], 'destination'), '/topic/x');
  t.ok(messages.every((frame) => header(frame, 'message-id')?.startsWith('n1-') === true));
  t.equal(new Set(messages.map((frame) => header(frame, 'message-id'))).size, 3);
  t.strictSame(a.fixture.broker.stats().cluster, { published: 3, received: 0, dropped: 0, gaps: 0 });
  t.strictSame(b.fixture.broker.stats().cluster, { published: 0, received: 3, dropped: 0, gaps: 0 });
  t.equal(b.fixture.broker.stats().messagesIn, 0, 'counted where they were sent');
});

t.test('replies of handlers reach subscribers of other nodes, and what is one node’s own does not', async (t) => {
  const [a, b] = await twoNodes({ queues: [{ pattern: '/queue/all/**', mode: 'broadcast' }] });
  a.fixture.broker.message('/hello', () => 'hi', { sendTo: '/topic/greetings' });
  const [sender, there] = [a.fixture.connect({ login: 'ann' }), b.fixture.connect({ login: 'ann' })];
  for (const [id, destination] of ['/topic/greetings', '/queue/jobs', '/queue/all/x'].entries()) {
    there.subscribe(String(id), destination);
  }
  sender.publish('/app/hello', '');
  for (const destination of ['/queue/jobs', '/queue/all/x']) sender.publish(destination, 'x');
  await a.fixture.settle();
  t.strictSame(
    there.frames().map((frame) => header(frame, 'destination')),
    ['/topic/greetings', '/queue/all/x'],
  );
});

t.test('a destination is joined with its first subscriber and left with its last', async (t) => {
  const [node] = await twoNodes();
  const [ann, bob] = [node.fixture.connect(), node.fixture.connect()];
  ann.subscribe('1', '/topic/x');
  bob.subscribe('1', '/topic/x');
  bob.subscribe('2', '/topic/*');
  bob.subscribe('3', '/queue/jobs');
  bob.subscribe('4', '/user/queue/x');
  node.fixture.clock.turn();
  t.strictSame(claims(node), [
    ['/topic/x', 2],
    ['/topic/*', 1],
  ]);
  ann.send('UNSUBSCRIBE\nid:1\n\n\0');
  t.equal(node.relay.claims.get('/topic/x'), 1);
  bob.connection.vanish();
  node.fixture.clock.turn();
  t.strictSame(claims(node), []);
});

t.test('RECEIPT of SUBSCRIBE waits until other nodes are heard; a second subscriber does not', async (t) => {
  const [a, b] = await twoNodes();
  const [ann, bob] = [b.fixture.connect(), b.fixture.connect()];
  b.relay.isHeld = true;
  ann.subscribe('1', '/topic/x', { receipt: 'joined' });
  t.strictSame(await framesOf(b, ann), []);
  b.relay.answer();
  t.strictSame(receipts(await framesOf(b, ann)), ['joined']);
  bob.subscribe('1', '/topic/x', { receipt: 'second' });
  t.strictSame(receipts(bob.frames()), ['second']);
  a.fixture.connect().publish('/topic/x', 'heard');
  t.strictSame(ann.bodies(), ['heard']);
});

t.test('a subscription that is refused, or whose client has left meanwhile, leaves no claim behind', async (t) => {
  const [node] = await twoNodes({ limits: { maxSubscriptionsPerSession: 1 } });
  const [refused, gone, greedy] = [node.fixture.connect(), node.fixture.connect(), node.fixture.connect()];
  greedy.subscribe('1', '/topic/kept');
  greedy.subscribe('2', '/topic/too-many');
  t.equal(greedy.error(), 'limit-exceeded');
  node.relay.isHeld = true;
  refused.subscribe('1', '/topic/refused');
  node.relay.answer(new BrokerError('relay-refused', 'not this one'));
  await node.fixture.settle();
  t.equal(refused.error(), 'relay-refused');
  gone.subscribe('1', '/topic/gone');
  gone.connection.vanish();
  node.relay.answer();
  await node.fixture.settle();
  t.strictSame(claims(node), []);
});

t.test('RECEIPT of SEND waits until it is accepted, and who asks for none does not wait', async (t) => {
  const [a, b] = await twoNodes();
  const [sender, here, there] = [a.fixture.connect(), a.fixture.connect(), b.fixture.connect()];
  here.subscribe('1', '/topic/x');
  there.subscribe('1', '/topic/x');
  a.relay.isHeld = true;
  sender.publish('/topic/x', '1', { receipt: 'one' });
  sender.publish('/topic/x', '2');
  sender.publish('/queue/own', '3', { receipt: 'three' });
  t.strictSame(receipts(await framesOf(a, sender)), [], 'in the order of the frames');
  t.strictSame(here.bodies(), ['1', '2'], 'subscribers here do not wait');
  t.strictSame(there.bodies(), ['1', '2']);
  a.relay.answer();
  t.strictSame(receipts(await framesOf(a, sender)), ['one', 'three']);
});

t.test('COMMIT publishes to other nodes when it takes effect, and its RECEIPT waits for all of it', async (t) => {
  const [a, b] = await twoNodes();
  const [sender, there] = [a.fixture.connect(), b.fixture.connect()];
  there.subscribe('1', '/topic/x');
  a.relay.isHeld = true;
  sender.send('BEGIN\ntransaction:t\n\n\0');
  sender.publish('/topic/x', '1', { transaction: 't' });
  sender.publish('/topic/x', '2', { transaction: 't' });
  t.strictSame(there.bodies(), []);
  sender.send('COMMIT\ntransaction:t\nreceipt:done\n\n\0');
  t.strictSame(receipts(await framesOf(a, sender)), []);
  t.strictSame(there.bodies(), ['1', '2']);
  a.relay.answer();
  t.strictSame(receipts(await framesOf(a, sender)), ['done']);
  sender.send('BEGIN\ntransaction:u\n\n\0');
  sender.publish('/topic/x', '3', { transaction: 'u' });
  sender.send('ABORT\ntransaction:u\n\n\0');
  t.strictSame(there.bodies(), []);
});

t.test('out of reach: traffic here goes on, a SEND with receipt is refused and goes nowhere', async (t) => {
  const [a] = await twoNodes({ refusals: 'soft' });
  const seen: boolean[] = [];
  a.fixture.broker.events.on('availability', ({ available }) => seen.push(available));
  const [sender, here] = [a.fixture.connect(), a.fixture.connect()];
  here.subscribe('1', '/topic/x');
  sender.subscribe('1', '/user/queue/errors');
  a.relay.setReachable(false);
  t.strictSame(a.fixture.broker.health(), {
    isOk: false,
    problems: [{ part: 'relay', message: 'unplugged', sinceEpochMs: 0 }],
  });
  sender.publish('/topic/x', '1');
  sender.publish('/topic/x', '2', { receipt: 'two' });
  await a.fixture.broker.convertAndSend('/topic/x', '3');
  t.strictSame(here.bodies(), ['1', '3']);
  const [refusal] = await framesOf(a, sender);
  t.equal(header(refusal, 'code'), 'relay-unavailable');
  t.equal(header(refusal, 'receipt-id'), 'two');
  t.match(String(refusal?.body), /unplugged/);
  here.subscribe('2', '/topic/y', { receipt: 'subscribed' });
  t.strictSame(receipts(here.frames()), ['subscribed']);
  a.relay.setReachable(true);
  t.ok(a.fixture.broker.health().isOk);
  t.strictSame(seen, [false, true]);
  t.equal(a.fixture.broker.stats().cluster?.dropped, 2);
});

t.test('a SEND that is lost on its way is told to who waits for its RECEIPT', async (t) => {
  const [a] = await twoNodes();
  const sender = a.fixture.connect();
  a.relay.isHeld = true;
  sender.publish('/topic/x', '1', { receipt: 'one' });
  a.relay.answer(new BrokerError('relay-lost', 'gone'));
  await a.fixture.settle();
  t.equal(sender.error(), 'relay-lost');
});

t.test('where no other node wants anything, nothing is handed over, and nobody waits', async (t) => {
  const [a] = await twoNodes();
  const [sender, here] = [a.fixture.connect(), a.fixture.connect()];
  here.subscribe('1', '/topic/x');
  a.relay.unwanted.add('/topic/x');
  a.relay.isHeld = true;
  sender.publish('/topic/x', '1');
  sender.publish('/topic/x', '2', { receipt: 'two' });
  t.strictSame(receipts(await framesOf(a, sender)), ['two']);
  t.strictSame(here.bodies(), ['1', '2']);
  t.equal(a.relay.counts.published, 0);
});

t.test('durable subscriptions are their own node’s', async (t) => {
  const [a, b] = await twoNodes();
  const durable = b.fixture.connect({ 'client-id': 'c' });
  durable.subscribe('1', '/topic/x', { 'activemq.subscriptionName': 's' });
  b.fixture.connect().subscribe('1', '/topic/x');
  a.fixture.connect().publish('/topic/x', 'of a');
  b.fixture.connect().publish('/topic/x', 'of b');
  t.strictSame(durable.bodies(), ['of b']);
});

t.test('what cannot be read, or is no topic here, is left out', async (t) => {
  const [a, b] = await twoNodes();
  const there = b.fixture.connect();
  there.subscribe('1', '/topic/x');
  b.relay.claims.set('/queue/x', 1).set('/app/x', 1);
  there.subscribe('2', '/queue/x');
  for (const octets of [Buffer.alloc(0), Buffer.from('nonsense'), Buffer.alloc(20, 9)]) {
    a.relay.publish('/topic/x', octets);
  }
  a.relay.publish('/queue/x', Buffer.alloc(20));
  a.fixture.connect().publish('/topic/x', 'good');
  t.strictSame(there.bodies(), ['good']);
});

t.test('histories are refused where nodes share none: offsets are a node’s own', async (t) => {
  const nodeRelay = new MemoryNetwork().createRelay();
  const history = [{ pattern: '/topic/x' }];
  t.throws(() => new BrokerFixture({ history }, undefined, 'info', null, { nodeRelay }), {
    code: 'invalid-option',
    message: /history: got 1 rules/,
  });
});

t.test('a broker that has stopped can be started again, and is a node again', async (t) => {
  const [a, b] = await twoNodes();
  const stopped = b.fixture.broker.stop();
  await b.fixture.settle();
  await stopped;
  await b.fixture.broker.start();
  const there = b.fixture.connect();
  there.subscribe('1', '/topic/x');
  a.fixture.connect().publish('/topic/x', 'again');
  t.strictSame(there.bodies(), ['again']);
});
