// What queues do by their options, on a clock that stands still: time to live, delay, backoff, bounds, dead letters.
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import type { QueueRule } from '../../../broker/queue-options.js';

const INDIVIDUAL = { ack: 'client-individual' };

function setUp(rule: Omit<QueueRule, 'pattern'> = {}) {
  const fixture = new BrokerFixture({ queues: [{ pattern: '/queue/q', ...rule }] });
  return { fixture, sender: fixture.connect(), reader: fixture.connect() };
}

function nack(client: FixtureClient, frame: ServerFrame | undefined, more: Readonly<Record<string, string>> = {}) {
  client.send(frameText('NACK', { id: header(frame, 'ack') ?? '', ...more }));
}

/** Body and reason of what the dead-letter queue holds. */
function deadLetters(fixture: BrokerFixture, destination = '/queue/DLQ'): string[] {
  const client = fixture.connect();
  client.subscribe('d', destination);
  const letters = client.frames().map((frame) => `${frame.body.toString()} ${header(frame, 'dead-letter-reason')}`);
  client.send(frameText('UNSUBSCRIBE', { id: 'd' }));
  return letters;
}

t.test('a time to live ends where the message waits, in the middle of a queue too', async (t) => {
  const { fixture, sender, reader } = setUp();
  sender.publish('/queue/q', 'a');
  sender.publish('/queue/q', 'b', { expiration: '1000' });
  sender.publish('/queue/q', 'c', { expires: String(fixture.clock.epochMs() + 3_000) });
  fixture.clock.advance(900);
  t.equal(fixture.broker.stats().givenUp.expired, 0);
  fixture.clock.advance(200);
  t.equal(fixture.broker.stats().givenUp.expired, 1);
  reader.subscribe('s', '/queue/q');
  t.strictSame(reader.bodies(), ['a', 'c']);
  fixture.clock.advance(5_000);
  t.equal(fixture.broker.stats().givenUp.expired, 1, 'what was delivered does not expire');
  t.strictSame(deadLetters(fixture), []);
});

t.test("a queue's own time to live holds where the sender asks for none or for more", async (t) => {
  const { fixture, sender } = setUp({ ttlMs: 1_000, onExpiry: 'dead-letter' });
  sender.publish('/queue/q', 'plain');
  sender.publish('/queue/q', 'longer', { expiration: '5000' });
  sender.publish('/queue/q', 'shorter', { expiration: '500' });
  fixture.clock.advance(700);
  t.strictSame(deadLetters(fixture), ['shorter expired']);
  fixture.clock.advance(400);
  t.strictSame(deadLetters(fixture), ['plain expired', 'longer expired']);
  t.match(fixture.broker.stats(), { givenUp: { expired: 3 }, deadLettered: 3 });
});

t.test('what comes back after its time is over is not delivered again', async (t) => {
  const { fixture, sender, reader } = setUp();
  reader.subscribe('s', '/queue/q', INDIVIDUAL);
  sender.publish('/queue/q', 'a', { expiration: '1000' });
  const [first] = reader.frames();
  fixture.clock.advance(2_000);
  nack(reader, first);
  t.strictSame(reader.frames(), []);
  t.equal(fixture.broker.stats().givenUp.expired, 1);
});

t.test('the first NACK redelivers at once, the next ones later and later, up to a most', async (t) => {
  const { fixture, sender, reader } = setUp({ backoff: { baseMs: 1_000, factor: 3, maxMs: 5_000 } });
  reader.subscribe('s', '/queue/q', INDIVIDUAL);
  sender.publish('/queue/q', 'a');
  for (const waitMs of [0, 1_000, 3_000, 5_000, 5_000]) {
    const [frame] = reader.frames();
    t.equal(frame?.body.toString(), 'a');
    nack(reader, frame);
    if (waitMs === 0) continue;
    fixture.clock.advance(waitMs - 100);
    t.strictSame(reader.frames(), [], `not before ${waitMs} ms`);
    fixture.clock.advance(200);
  }
  t.equal(header(reader.frames()[0], 'delivery-count'), '6');
  t.equal(fixture.broker.stats().redelivered, 5);
});

t.test('NACK with delay waits that long and lets others pass; then the message has its old place', async (t) => {
  const { fixture, sender, reader } = setUp();
  reader.subscribe('s', '/queue/q', { ...INDIVIDUAL, 'prefetch-count': '1' });
  for (const body of ['a', 'b', 'c']) sender.publish('/queue/q', body);
  nack(reader, reader.frames()[0], { delay: '1000' });
  const [second] = reader.frames();
  t.equal(second?.body.toString(), 'b');
  fixture.clock.advance(1_100);
  t.strictSame(reader.frames(), []);
  reader.send(frameText('ACK', { id: header(second, 'ack') ?? '' }));
  t.strictSame(reader.bodies(), ['a'], 'in front of c');
});

t.test('a delayed message outlives its consumer, counts towards the bounds and keeps the queue', async (t) => {
  const { fixture, sender, reader } = setUp({ maxMessages: 1 });
  reader.subscribe('s', '/queue/q', INDIVIDUAL);
  sender.publish('/queue/q', 'a');
  nack(reader, reader.frames()[0], { delay: '1000' });
  reader.connection.vanish();
  sender.publish('/queue/q', 'b');
  t.equal(sender.error(), 'queue-full');
  fixture.clock.advance(1_100);
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['a']);
});

t.test('max-deliveries counts losses as well as NACKs, but not what was never written', async (t) => {
  const { fixture, sender } = setUp({ maxDeliveries: 2 });
  sender.publish('/queue/q', 'a');
  const unread = fixture.connect();
  unread.subscribe('s', '/queue/q', INDIVIDUAL);
  unread.connection.vanish();
  for (let k = 0; k < 2; k++) {
    const client = fixture.connect();
    client.subscribe('s', '/queue/q', INDIVIDUAL);
    t.strictSame(client.bodies(), ['a']);
    client.connection.vanish();
  }
  t.strictSame(deadLetters(fixture), ['a max-deliveries']);
});

t.test('maxDeliveries 0 is without end, deadLetter false drops', async (t) => {
  const endless = setUp({ maxDeliveries: 0, backoff: { baseMs: 0 } });
  endless.reader.subscribe('s', '/queue/q', INDIVIDUAL);
  endless.sender.publish('/queue/q', 'a');
  for (let k = 0; k < 50; k++) nack(endless.reader, endless.reader.frames()[0]);
  t.equal(header(endless.reader.frames()[0], 'delivery-count'), '51');
  const dropping = setUp({ deadLetter: false });
  dropping.reader.subscribe('s', '/queue/q', INDIVIDUAL);
  dropping.sender.publish('/queue/q', 'a');
  nack(dropping.reader, dropping.reader.frames()[0], { requeue: 'false' });
  t.match(dropping.fixture.broker.stats(), { givenUp: { rejected: 1 }, deadLettered: 0 });
});

t.test('a dead-letter queue keeps what is refused there, and drops what is rejected', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxDeliveries: 2, backoff: { baseMs: 0 } } });
  const client = fixture.connect();
  client.subscribe('s', '/queue/DLQ', INDIVIDUAL);
  client.publish('/queue/DLQ', 'a');
  for (let k = 0; k < 5; k++) nack(client, client.frames()[0]);
  nack(client, client.frames()[0], { requeue: 'false' });
  t.strictSame(client.frames(), []);
  t.match(fixture.broker.stats(), { givenUp: { rejected: 1, 'max-deliveries': 0 }, deadLettered: 0 });
});

t.test('a retry queue sends back what expires there, as its rule says', async (t) => {
  const fixture = new BrokerFixture({
    queues: [
      { pattern: '/queue/work', deadLetter: '/queue/retry' },
      { pattern: '/queue/retry', ttlMs: 1_000, onExpiry: 'dead-letter', deadLetter: '/queue/work' },
    ],
  });
  const client = fixture.connect();
  client.subscribe('s', '/queue/work', INDIVIDUAL);
  client.publish('/queue/work', 'a');
  nack(client, client.frames()[0], { requeue: 'false' });
  t.strictSame(client.frames(), []);
  fixture.clock.advance(1_100);
  t.equal(header(client.frames()[0], 'original-destination'), '/queue/retry');
});

t.test('a full queue: drop-oldest and dead-letter let the oldest of the lowest priority go', async (t) => {
  for (const onFull of ['drop-oldest', 'dead-letter'] as const) {
    const { fixture, sender, reader } = setUp({ maxMessages: 3, onFull });
    for (const [body, priority] of ['a5', 'b4', 'c4', 'd4', 'e9'].map((each) => [each, each[1] ?? ''])) {
      sender.publish('/queue/q', body ?? '', { priority: priority ?? '' });
    }
    t.equal(sender.error(), undefined);
    reader.subscribe('s', '/queue/q');
    t.strictSame(reader.bodies(), ['e9', 'a5', 'd4'], onFull);
    t.strictSame(deadLetters(fixture), onFull === 'dead-letter' ? ['b4 overflow', 'c4 overflow'] : []);
    t.equal(fixture.broker.stats().givenUp.overflow, 2);
  }
});

t.test('a message that could never fit is refused, and nothing goes for it', async (t) => {
  const { fixture, sender, reader } = setUp({ maxBytes: 500, onFull: 'drop-oldest' });
  sender.publish('/queue/q', 'small');
  sender.publish('/queue/q', 'x'.repeat(600));
  t.equal(sender.error(), 'queue-full');
  t.match(fixture.broker.stats(), { queueFull: 1, givenUp: { overflow: 0 } });
  reader.subscribe('s', '/queue/q');
  t.strictSame(reader.bodies(), ['small']);
});

t.test(
  'a full dead-letter queue loses nothing: a queue that would overflow into it refuses its publisher',
  async (t) => {
    const fixture = new BrokerFixture({
      queueDefaults: { maxMessages: 1 },
      queues: [{ pattern: '/queue/q', maxMessages: 1, onFull: 'dead-letter' }],
    });
    const sender = fixture.connect();
    for (const body of ['a', 'b', 'c']) sender.publish('/queue/q', body);
    t.equal(sender.error(), 'queue-full');
    t.match(fixture.broker.stats(), { givenUp: { overflow: 1 }, deadLettered: 1, queueFull: 1 });
    const reader = fixture.connect();
    reader.subscribe('s', '/queue/q');
    t.strictSame(reader.bodies(), ['b']);
    t.strictSame(deadLetters(fixture), ['a overflow']);
  },
);

t.test('what a full dead-letter queue does not take stays in its queue, with nobody, until it does', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 2 } });
  const [client, sender] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  for (const body of ['a', 'b', 'c', 'd']) {
    sender.publish('/queue/q', body);
    nack(client, client.frames()[0], { requeue: 'false' });
  }
  t.equal(client.error(), undefined);
  t.match(fixture.broker.stats(), { givenUp: { rejected: 2 }, deadLettered: 2 });
  t.equal(fixture.broker.operations.destination('/queue/q')?.queue?.depth, 2);
  fixture.clock.advance(600_000);
  t.strictSame(client.frames(), [], 'nobody gets what was rejected');
  t.equal(fixture.log.filter(({ level }) => level === 'warn').length, 1, 'told once');
  t.strictSame(deadLetters(fixture), ['a rejected', 'b rejected']);
  fixture.clock.advance(120_000);
  t.strictSame(deadLetters(fixture).toSorted(), ['c rejected', 'd rejected']);
  t.match(fixture.broker.stats(), { givenUp: { rejected: 4 }, deadLettered: 4 });
});

t.test('a COMMIT whose NACK has no room in the dead-letter queue takes effect all the same', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 1 } });
  const [client, sender] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  for (const body of ['a', 'b']) {
    sender.publish('/queue/q', body);
    const [frame] = client.frames();
    client.send(frameText('BEGIN', { transaction: 't' }));
    nack(client, frame, { requeue: 'false', transaction: 't' });
    client.send(frameText('COMMIT', { transaction: 't', receipt: body }));
    t.equal(header(client.frames()[0], 'receipt-id'), body);
  }
  t.strictSame(deadLetters(fixture), ['a rejected']);
  fixture.clock.advance(10_000);
  t.strictSame(deadLetters(fixture), ['b rejected']);
});

t.test('full queues that dead-letter into one another refuse', async (t) => {
  const rule = { maxMessages: 1, onFull: 'dead-letter' } as const;
  const fixture = new BrokerFixture({
    queues: [
      { pattern: '/queue/a', ...rule, deadLetter: '/queue/b' },
      { pattern: '/queue/b', ...rule, deadLetter: '/queue/a' },
    ],
  });
  const sender = fixture.connect();
  for (let k = 0; k < 5; k++) sender.publish('/queue/a', String(k));
  t.equal(sender.error(), 'queue-full');
  const reader = fixture.connect();
  reader.subscribe('a', '/queue/a');
  reader.subscribe('b', '/queue/b');
  t.strictSame(reader.bodies(), ['1', '0']);
});

t.test('a topic redelivers what was refused to the same subscription, until it gives up', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxDeliveries: 3, backoff: { baseMs: 1_000 } } });
  const [client, other] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/topic/a', INDIVIDUAL);
  other.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'a');
  t.strictSame(other.bodies(), ['a']);
  nack(client, client.frames()[0]);
  const [second] = client.frames();
  t.equal(header(second, 'delivery-count'), '2');
  nack(client, second);
  t.strictSame(client.frames(), [], 'it waits');
  fixture.clock.advance(1_100);
  nack(client, client.frames()[0]);
  client.publish('/topic/a', 'b');
  const [next] = client.frames();
  t.equal(next?.body.toString(), 'b');
  nack(client, next, { requeue: 'false' });
  fixture.clock.advance(10_000);
  t.strictSame(client.frames(), []);
  t.strictSame(other.bodies(), ['b']);
  t.match(fixture.broker.stats(), { givenUp: { 'max-deliveries': 1, rejected: 1 }, deadLettered: 0, redelivered: 2 });
});

t.test('a topic subscription that ends takes along what it was still to get', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', INDIVIDUAL);
  client.publish('/topic/a', 'a');
  nack(client, client.frames()[0], { delay: '1000' });
  client.send(frameText('UNSUBSCRIBE', { id: 's' }));
  client.subscribe('s', '/topic/a');
  fixture.clock.advance(5_000);
  t.strictSame(client.bodies(), []);
});
