import t from 'tap';
import { Headers } from '../../../protocol/index.js';
import { DEFAULT_BROKER_OPTIONS, type BrokerOptions, type Partially } from '../../../broker/options.js';
import { DeadLetters } from '../../../broker/destinations/dead-letters.js';
import { ReplyAddresses } from '../../../broker/destinations/reply-addresses.js';
import { TemporaryQueues } from '../../../broker/destinations/temporary-queues.js';
import { Message } from '../../../broker/message.js';
import { BrokerStats } from '../../../broker/stats.js';
import { TimerWheel } from '../../../broker/timer-wheel.js';
import { TurnBudget } from '../../../broker/turn-budget.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

/** The queues alone, without sessions or sockets. */
function setUp() {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  const stats = new BrokerStats();
  const given: Message[] = [];
  const publish = (_destination: string, message: Message): void => void given.push(message);
  const nextMessageId = (): number => 0;
  const [logger, turns] = [recordingLogger([]), new TurnBudget(clock, 10)];
  const deadLetters = new DeadLetters({ stats, nextMessageId, logger, publish, hasRoom: () => true });
  let last = 0;
  const addresses = new ReplyAddresses(() => String(++last));
  const { queueDefaults } = DEFAULT_BROKER_OPTIONS;
  const queueParts = { wheel, clock, stats, deadLetters, logger, turns, journal: null, nextMessageId };
  const queues = new TemporaryQueues({ addresses, queueParts, queueDefaults, maxPerSession: 2 });
  return { clock, wheel, stats, addresses, queues, given };
}

function message(id: number, headers: Readonly<Record<string, string>> = {}): Message {
  return Message.fromHeaders(id, new Headers(Object.entries(headers)), Buffer.from(String(id)));
}

t.test('a name leads to the same queue within its session, to another in any other', async (t) => {
  const { queues, addresses } = setUp();
  const mine = queues.claim('s1', '/temp-queue/x');
  t.equal(queues.claim('s1', '/temp-queue/x'), mine);
  t.not(queues.claim('s1', '/temp-queue/y'), mine);
  t.not(queues.claim('s2', '/temp-queue/x'), mine);
  t.equal(addresses.find(mine.destination), mine);
  t.equal(queues.find('s2', '/temp-queue/y'), undefined);
});

t.test('names are bounded in number, and name one queue', async (t) => {
  const { queues } = setUp();
  for (const name of ['/temp-queue/x', '/temp-queue/y']) queues.claim('s', name);
  t.throws(() => queues.claim('s', '/temp-queue/z'), {
    code: 'limit-exceeded',
    message: '2 temporary queues on one session is the limit',
  });
  for (const name of ['/temp-queue/', '/temp-queue/*', '/temp-queue/a?', '/temp-queue/{a}']) {
    t.throws(() => queues.claim('other', name), { code: 'destination-invalid' }, name);
  }
});

t.test('the end of a session leaves nothing behind, timers included', async (t) => {
  const { queues, addresses, wheel, clock, given } = setUp();
  const queue = queues.claim('s', '/temp-queue/x');
  queue.publish(message(1), null);
  queue.publish(message(2, { expiration: '1000' }), null);
  queue.publish(message(3, { AMQ_SCHEDULED_DELAY: '1000' }), null);
  t.equal(wheel.size, 2);
  t.equal(queues.end('s'), 3);
  t.equal(wheel.size, 0);
  t.equal(addresses.size, 0);
  t.equal(queue.isLive, false, 'for those who remember it');
  t.equal(queues.end('s'), 0, 'once and for all');
  clock.advance(2_000);
  t.strictSame(given, []);
});

/** Asks for a reply and returns the address that a worker sees. */
function ask(asker: FixtureClient, worker: FixtureClient, name = '/temp-queue/x'): string {
  worker.subscribe('w', '/topic/work');
  asker.publish('/topic/work', 'ping', { 'reply-to': name });
  const [request] = worker.frames();
  worker.send(frameText('UNSUBSCRIBE', { id: 'w' }));
  return header(request, 'reply-to') ?? '';
}

t.test('what the implied subscription had not sent goes to the one that takes its place', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  const address = ask(asker, worker);
  asker.frames();
  for (const body of ['a', 'b']) worker.publish(address, body);
  asker.subscribe('mine', '/temp-queue/x', { receipt: 'r' });
  const [receipt, ...messages] = asker.frames();
  t.equal(receipt?.command, 'RECEIPT');
  t.strictSame(
    messages.map((frame) => [header(frame, 'subscription'), frame.body.toString(), header(frame, 'redelivered')]),
    [
      ['mine', 'a', undefined],
      ['mine', 'b', undefined],
    ],
  );
  t.match(fixture.broker.stats(), { subscriptions: 1, temporaryQueues: 1 });
});

t.test('a subscription of the client itself gives way to no other, under whatever id', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  const address = ask(asker, worker);
  for (const id of ['/temp-queue/x', 'second']) asker.subscribe(id, '/temp-queue/x');
  for (const body of ['a', 'b']) worker.publish(address, body);
  t.strictSame(
    asker.frames().map((frame) => [header(frame, 'subscription'), frame.body.toString()]),
    [
      ['/temp-queue/x', 'a'],
      ['second', 'b'],
    ],
    'in turn',
  );
});

t.test('a session that has gone is forgotten by senders that remembered the address', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  const address = ask(asker, worker);
  for (const body of ['a', 'b']) worker.publish(address, body);
  t.strictSame(asker.bodies(), ['a', 'b']);
  asker.connection.vanish();
  worker.publish(address, 'c');
  t.match(fixture.broker.stats(), { messagesDropped: 1, subscriptions: 0, temporaryQueues: 0 });
  t.equal(worker.error(), undefined);
});

t.test('a full one refuses the sender; COMMIT then sends nothing at all', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 2 } });
  const asker = fixture.connect();
  asker.subscribe('mine', '/temp-queue/x', { ack: 'client', 'prefetch-count': '1' });
  const address = ask(asker, fixture.connect());
  const first = fixture.connect();
  for (const body of ['pending', 'a', 'b']) first.publish(address, body);
  t.equal(first.error(), undefined);
  first.publish(address, 'c');
  t.equal(first.error(), 'queue-full');
  const second = fixture.connect();
  const reader = fixture.connect();
  reader.subscribe('r', '/topic/r');
  second.send(frameText('BEGIN', { transaction: 't' }));
  second.publish('/topic/r', 'with it', { transaction: 't' });
  second.publish(address, 'd', { transaction: 't' });
  second.send(frameText('COMMIT', { transaction: 't' }));
  t.equal(second.error(), 'queue-full');
  t.strictSame(reader.bodies(), []);
});

t.test('what its session refuses is nobody else’s: it becomes no dead letter', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  asker.subscribe('mine', '/temp-queue/x', { ack: 'client' });
  const address = ask(asker, worker);
  worker.publish(address, 'secret');
  const [message] = asker.frames();
  asker.send(frameText('NACK', { id: header(message, 'ack') ?? '', requeue: 'false' }));
  t.match(fixture.broker.stats(), { givenUp: { rejected: 1 }, deadLettered: 0 });
  const thief = fixture.connect();
  thief.subscribe('d', '/queue/DLQ');
  t.strictSame(thief.bodies(), []);
});

t.test('a reply that was settled in a transaction of a session that ends comes back to nobody', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  let release: () => void = () => undefined;
  fixture.broker.message('/slow', () => new Promise<void>((resolve) => (release = resolve)));
  asker.subscribe('mine', '/temp-queue/x', { ack: 'client' });
  worker.publish(ask(asker, worker), 'a', { expiration: '60000' });
  const ack = header(asker.frames()[0], 'ack') ?? '';
  asker.send(frameText('BEGIN', { transaction: 't' }));
  asker.publish('/app/slow', '', { transaction: 't' });
  asker.send(frameText('NACK', { id: ack, transaction: 't', delay: '1000' }));
  asker.send(frameText('COMMIT', { transaction: 't' }));
  const stopped = fixture.broker.stop(0);
  fixture.clock.advance(20);
  release();
  await stopped;
  await settle();
  fixture.clock.advance(2_000);
  t.match(fixture.broker.stats(), { subscriptions: 0, redelivered: 0 });
  t.equal(fixture.clock.intervalCount, 0, 'no timer is left');
});

/** A broker that has taken up what the store holds. */
async function storing(store: ScriptedStore, options: Partially<BrokerOptions> = {}): Promise<BrokerFixture> {
  const fixture = new BrokerFixture(options, undefined, 'info', null, { store });
  await fixture.started;
  return fixture;
}

/** Everything asked of the store is stored, and what follows from that. */
async function storeAll(fixture: BrokerFixture, store: ScriptedStore): Promise<void> {
  while (store.commits.length > 0) {
    for (const commit of store.commits.splice(0)) commit.succeed();
    await fixture.settle();
  }
}

t.test('nothing of it is stored, whatever the options and the sender say', async (t) => {
  const store = new ScriptedStore();
  const fixture = await storing(store, { queueDefaults: { durable: true } });
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  const address = ask(asker, worker);
  worker.publish(address, 'a', { persistent: 'true', receipt: 'r' });
  t.strictSame(asker.bodies(), ['a']);
  t.equal(worker.frames()[0]?.command, 'RECEIPT');
  await fixture.settle();
  const kinds = store.commits.flatMap(({ operations }) => operations.map(({ kind }) => kind));
  t.notOk(kinds.includes('append'));
});

t.test('in a transaction a reply waits for what has to be stored; it may find nobody then', async (t) => {
  for (const isGone of [false, true]) {
    const store = new ScriptedStore();
    const fixture = await storing(store, { queueDefaults: { maxMessages: 1 } });
    const [asker, worker] = [fixture.connect(), fixture.connect()];
    asker.subscribe('mine', '/temp-queue/x');
    const address = ask(asker, worker);
    worker.send(frameText('BEGIN', { transaction: 't' }));
    worker.publish('/queue/log', 'answered', { transaction: 't', persistent: 'true' });
    worker.publish(address, 'a', { transaction: 't', expiration: '60000', AMQ_SCHEDULED_DELAY: '100' });
    worker.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
    await fixture.settle();
    t.strictSame(worker.frames(), []);
    const other = fixture.connect();
    other.publish(address, 'b', { AMQ_SCHEDULED_DELAY: '100' });
    t.equal(other.error(), 'queue-full', 'its place is taken');
    if (isGone) asker.connection.vanish();
    await storeAll(fixture, store);
    t.strictSame(
      worker.frames().map(({ command }) => command),
      ['RECEIPT'],
    );
    fixture.clock.advance(200);
    t.strictSame(asker.bodies(), isGone ? [] : ['a']);
    fixture.clock.advance(100);
    t.equal(fixture.clock.intervalCount, 0, 'no timer is left');
  }
});

t.test('a SUBSCRIBE that waited for RECEIPTs opens nothing when its session has ended', async (t) => {
  const store = new ScriptedStore();
  const fixture = await storing(store);
  const client = fixture.connect();
  client.publish('/queue/log', 'a', { persistent: 'true', receipt: 'r' });
  client.subscribe('mine', '/temp-queue/x');
  const stopped = fixture.broker.stop(0);
  fixture.clock.advance(20);
  await storeAll(fixture, store);
  await stopped;
  t.equal(fixture.broker.stats().subscriptions, 0);
});

t.test('the application can answer at the address', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.message('/ask', async ({ headers, payload }) => {
    await fixture.broker.convertAndSend(headers.get('reply-to') ?? '', { heard: payload });
  });
  const client = fixture.connect();
  client.publish('/app/ask', 'ping', { 'reply-to': '/temp-queue/x' });
  await Promise.resolve();
  const [reply] = client.frames();
  t.equal(header(reply, 'subscription'), '/temp-queue/x');
  t.strictSame(JSON.parse(reply?.body.toString() ?? ''), { heard: 'ping' });
});
