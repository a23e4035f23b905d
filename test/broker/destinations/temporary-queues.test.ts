import t from 'tap';
import { Headers } from '../../../protocol/index.js';
import { DEFAULT_BROKER_OPTIONS } from '../../../broker/options.js';
import { DeadLetters } from '../../../broker/destinations/dead-letters.js';
import { ReplyAddresses } from '../../../broker/destinations/reply-addresses.js';
import { TemporaryQueues } from '../../../broker/destinations/temporary-queues.js';
import { Message } from '../../../broker/message.js';
import { BrokerStats } from '../../../broker/stats.js';
import { TimerWheel } from '../../../broker/timer-wheel.js';
import { recordingLogger } from '../../../adapters/testing/recorded-log.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

/** The queues alone, without sessions or sockets. */
function setUp() {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  const stats = new BrokerStats();
  const given: Message[] = [];
  const publish = (_destination: string, message: Message): void => void given.push(message);
  const deadLetters = new DeadLetters({ stats, nextMessageId: () => 0, publish });
  let last = 0;
  const addresses = new ReplyAddresses(() => String(++last));
  const { queueDefaults } = DEFAULT_BROKER_OPTIONS;
  const queueParts = { wheel, clock, stats, deadLetters, logger: recordingLogger([]), journal: null };
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
  t.equal(fixture.broker.stats().subscriptions, 1);
});

t.test('a session that has gone is forgotten by senders that remembered the address', async (t) => {
  const fixture = new BrokerFixture();
  const [asker, worker] = [fixture.connect(), fixture.connect()];
  const address = ask(asker, worker);
  for (const body of ['a', 'b']) worker.publish(address, body);
  t.strictSame(asker.bodies(), ['a', 'b']);
  asker.connection.vanish();
  worker.publish(address, 'c');
  t.equal(fixture.broker.stats().messagesDropped, 1);
  t.equal(fixture.broker.stats().subscriptions, 0);
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
