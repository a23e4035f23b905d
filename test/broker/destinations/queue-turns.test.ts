// What takes a queue long is spread over turns of the event loop, and nothing changes its place by that.
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';
import { SteppingClock } from '../../helpers/stepping-clock.js';

const QUEUE = '/queue/q';
const COUNT = 1_000;
const ALL = Array.from({ length: COUNT }, (_, k) => String(k));

function setUp() {
  const clock = new SteppingClock();
  const options = { limits: { turnBudgetMs: 1 } };
  const fixture = new BrokerFixture(options, undefined, 'info', null, { clock });
  const [publisher, consumer, other] = [fixture.connect(), fixture.connect(), fixture.connect()];
  /** Ends turns until nothing is left to do; returns how many there were. */
  const turns = async (): Promise<number> => {
    let count = 0;
    for (; !clock.isIdle; count++) {
      clock.step();
      await settle();
    }
    return count;
  };
  const fill = async (headers: Record<string, string> = {}): Promise<void> => {
    for (const body of ALL) publisher.publish(QUEUE, body, headers);
    await fixture.settle();
  };
  /** Consumes all of it and keeps it; returns the ack id of the last. */
  const hold = async (client: FixtureClient): Promise<string> => {
    client.subscribe('s', QUEUE, { ack: 'client', 'prefetch-count': String(COUNT) });
    await fixture.settle();
    const frames = client.frames();
    t.equal(frames.length, COUNT);
    return header(frames.at(-1), 'ack') ?? '';
  };
  return { fixture, clock, publisher, consumer, other, turns, fill, hold };
}

function bodiesOf(frames: readonly ServerFrame[]): string[] {
  return frames.filter(({ command }) => command === 'MESSAGE').map(({ body }) => body.toString());
}

/** What is no number comes last. */
function byNumber(a: string, b: string): number {
  return (Number.isNaN(Number(a)) ? COUNT : Number(a)) - (Number.isNaN(Number(b)) ? COUNT : Number(b));
}

t.test(
  'a long backlog goes to its consumer over several turns; what is published meanwhile comes behind',
  async (t) => {
    const { fixture, publisher, consumer, turns, fill } = setUp();
    await fill();
    consumer.subscribe('s', QUEUE);
    publisher.publish(QUEUE, 'new');
    t.ok((await turns()) > 5);
    t.strictSame(consumer.bodies(), [...ALL, 'new']);
    await fixture.settle();
  },
);

t.test(
  'a selector looks through a long backlog over several turns, and nothing new passes what it has not seen',
  async (t) => {
    const { publisher, consumer, turns, fill } = setUp();
    await fill({ kind: 'a' });
    publisher.publish(QUEUE, 'old', { kind: 'b' });
    consumer.subscribe('s', QUEUE, { selector: "kind = 'b'" });
    publisher.publish(QUEUE, 'new', { kind: 'b' });
    t.ok((await turns()) > 5);
    t.strictSame(consumer.bodies(), ['old', 'new']);
  },
);

t.test('NACK of many gives all back in their places, and its RECEIPT comes behind', async (t) => {
  const { publisher, consumer, other, turns, fill, hold } = setUp();
  await fill();
  const id = await hold(consumer);
  other.subscribe('o', QUEUE);
  publisher.publish(QUEUE, 'new');
  await turns();
  t.strictSame(other.bodies(), ['new']);
  consumer.send(frameText('NACK', { id, receipt: 'r' }));
  publisher.publish(QUEUE, 'newer');
  t.ok((await turns()) > 5);
  const frames = consumer.frames();
  t.equal(frames.filter((frame) => header(frame, 'receipt-id') === 'r').length, 1);
  const [mine, theirs] = [bodiesOf(frames), other.bodies()];
  t.strictSame([...mine, ...theirs].toSorted(byNumber), [...ALL, 'newer']);
  for (const bodies of [mine, theirs]) t.strictSame(bodies, bodies.toSorted(byNumber), 'each in order');
});

t.test('dead letters of many are made over several turns', async (t) => {
  const { fixture, consumer, other, turns, fill, hold } = setUp();
  await fill();
  const id = await hold(consumer);
  consumer.send(frameText('NACK', { id, requeue: 'false', receipt: 'r' }));
  t.ok((await turns()) > 5);
  t.strictSame(
    consumer.frames().map((frame) => header(frame, 'receipt-id')),
    ['r'],
  );
  t.equal(fixture.broker.stats().deadLettered, COUNT);
  other.subscribe('d', '/queue/DLQ');
  await turns();
  t.strictSame(other.bodies(), ALL);
});

t.test('what a lost connection leaves comes back over several turns, in front of what waits', async (t) => {
  const { publisher, consumer, other, turns, fill, hold } = setUp();
  await fill();
  await hold(consumer);
  consumer.connection.vanish();
  publisher.publish(QUEUE, 'new');
  other.subscribe('o', QUEUE);
  t.ok((await turns()) > 3);
  t.strictSame(other.bodies(), [...ALL, 'new']);
});

t.test('a long queue is browsed over several turns', async (t) => {
  const { consumer, turns, fill } = setUp();
  await fill();
  consumer.subscribe('s', QUEUE, { browser: 'true' });
  t.ok((await turns()) > 5);
  t.strictSame(consumer.bodies(), [...ALL, '']);
});

t.test('a replay with a selector stops where its turn is over', async (t) => {
  const clock = new SteppingClock();
  const options = { limits: { turnBudgetMs: 1 }, history: [{ pattern: '/topic/**' }] };
  const fixture = new BrokerFixture(options, undefined, 'info', null, { clock });
  const [publisher, reader] = [fixture.connect(), fixture.connect()];
  for (let k = 0; k < 100; k++) publisher.publish('/topic/h', String(k), { kind: k === 99 ? 'b' : 'a' });
  await fixture.settle();
  reader.subscribe('s', '/topic/h', { selector: "kind = 'b'", replay: 'last=100' });
  let turns = 0;
  for (; !clock.isIdle; turns++) clock.step();
  t.ok(turns > 10);
  t.strictSame(reader.bodies(), ['99']);
});

t.test('a page that is read while a COMMIT takes effect brings nothing twice', async (t) => {
  const clock = new SteppingClock();
  const store = new LastingStore(clock);
  const before = await BrokerFixture.storing(store);
  before.connect().publish(QUEUE, 'old', { persistent: 'true' });
  await before.settle();
  // From here on it begins with pages.
  const options = { limits: { turnBudgetMs: 1 } };
  const fixture = new BrokerFixture(options, undefined, 'info', null, { clock, store });
  await fixture.started;
  const [publisher, consumer] = [fixture.connect(), fixture.connect()];
  clock.turn();
  const sends = ALL.slice(0, 500).map((body) =>
    frameText('SEND', { destination: QUEUE, transaction: 't', persistent: 'true' }, body),
  );
  publisher.send(`BEGIN\ntransaction:t\n\n\0${sends.join('')}COMMIT\ntransaction:t\n\n\0`);
  store.hold();
  while (!clock.isIdle) {
    clock.step();
    await settle();
  }
  store.release();
  await settle();
  t.notOk(clock.isIdle, 'a part of it has taken effect');
  consumer.subscribe('s', QUEUE);
  await settle();
  // More turns than it takes; none of them by looking into frames, which would end all at once.
  for (let k = 0; k < 100; k++) {
    clock.step();
    await settle();
  }
  t.strictSame(consumer.bodies().sort(byNumber), [...ALL.slice(0, 500), 'old']);
});
