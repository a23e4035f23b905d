/** How a node goes: not everybody in one instant, and nobody with work half done that could be finished. */
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { header } from '../../helpers/server-frames.js';

function connectMany(fixture: BrokerFixture, count: number): FixtureClient[] {
  return Array.from({ length: count }, () => fixture.connect());
}

function gone(clients: readonly FixtureClient[]): number {
  return clients.filter(({ isGone }) => isGone).length;
}

/** Its one message, not acknowledged yet. @returns the id to acknowledge it with */
function holdMessage(client: FixtureClient): string {
  client.subscribe('s', '/queue/q', { ack: 'client-individual', 'prefetch-count': '1' });
  client.publish('/queue/q', 'work');
  const message = client.frames().find(({ command }) => command === 'MESSAGE');
  return (message && header(message, 'ack')) ?? '';
}

t.test('a stop sends sessions away at its pace: a portion at once, all within spreadMs', async (t) => {
  const fixture = new BrokerFixture({ shutdown: { sessionsPerSecond: 100, spreadMs: 2_000 } });
  const clients = connectMany(fixture, 300);
  const stopped = fixture.broker.stop();
  fixture.clock.turn();
  // 300 within 2 s are more than 100 a second.
  t.equal(gone(clients), 15);
  t.equal(fixture.open().connection.listener, null, 'nobody is let in');
  fixture.clock.advance(1_000);
  fixture.clock.turn();
  t.equal(gone(clients), 165);
  t.equal(fixture.broker.operations.isStaying, false);
  fixture.clock.advance(1_000);
  fixture.clock.turn();
  fixture.clock.advance(20);
  await stopped;
  t.equal(gone(clients), 300);
  t.equal(fixture.clock.intervalCount, 0);
});

t.test('a few sessions all go at once', async (t) => {
  const fixture = new BrokerFixture();
  const clients = connectMany(fixture, 100);
  const stopped = fixture.broker.stop();
  fixture.clock.turn();
  t.equal(gone(clients), 100);
  fixture.clock.advance(100);
  await stopped;
});

t.test('who is asked to go may acknowledge what it holds, and gets nothing more from queues', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  const ack = holdMessage(client);
  client.publish('/queue/q', 'later');
  client.subscribe('t', '/topic/t');
  const stopped = fixture.broker.stop();
  fixture.clock.advance(300);
  t.equal(client.isGone, false);
  client.frames();
  client.send(frameText('ACK', { id: ack, receipt: 'r' }));
  client.publish('/topic/t', 'news');
  fixture.clock.turn();
  const frames = client.frames();
  t.strictSame(
    frames.map(({ command }) => command).sort(),
    ['MESSAGE', 'RECEIPT'],
    'topics go on; the next message of the queue does not come',
  );
  t.equal(frames.find(({ command }) => command === 'MESSAGE')?.body.toString(), 'news');
  fixture.clock.advance(100);
  fixture.clock.turn();
  t.equal(client.isGone, true);
  t.equal(client.connection.closedWith?.webSocketStatus, 1001);
  fixture.clock.advance(20);
  await stopped;
});

t.test('who does not settle what it holds goes all the same, after settleMs', async (t) => {
  const fixture = new BrokerFixture({ shutdown: { settleMs: 1_000 } });
  const holder = fixture.connect();
  holdMessage(holder);
  const transactor = fixture.connect();
  transactor.send(frameText('BEGIN', { transaction: 'tx' }));
  const idle = fixture.connect();
  const stopped = fixture.broker.stop();
  fixture.clock.advance(900);
  fixture.clock.turn();
  t.strictSame([holder.isGone, transactor.isGone, idle.isGone], [false, false, true]);
  fixture.clock.advance(200);
  fixture.clock.turn();
  t.strictSame([holder.isGone, transactor.isGone], [true, true]);
  fixture.clock.advance(20);
  await stopped;
});

t.test('a transaction that is open may be committed', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.send(frameText('BEGIN', { transaction: 'tx' }));
  const stopped = fixture.broker.stop();
  fixture.clock.advance(200);
  client.publish('/queue/q', 'x', { transaction: 'tx' });
  client.send(frameText('COMMIT', { transaction: 'tx', receipt: 'done' }));
  fixture.clock.turn();
  t.equal(header(client.frames()[0] as never, 'receipt-id'), 'done');
  fixture.clock.advance(200);
  fixture.clock.turn();
  t.equal(client.isGone, true);
  await stopped;
});

t.test('a RECEIPT that waits for the store is given before its client goes', async (t) => {
  const clock = new FakeClock();
  const store = new LastingStore(clock);
  const fixture = await BrokerFixture.storing(store);
  const client = fixture.connect();
  client.frames();
  client.publish('/queue/q', 'x', { persistent: 'true', receipt: 'r' });
  const stopped = fixture.broker.stop();
  t.equal(client.connection.isPaused, true, 'it holds nothing: what it sends now it sends again elsewhere');
  await fixture.settled();
  fixture.clock.advance(100);
  await fixture.settled();
  t.equal(header(client.frames()[0] as never, 'receipt-id'), 'r');
  t.equal(client.connection.isPaused, false, 'its own end is seen');
  fixture.clock.advance(100);
  await fixture.settled();
  t.equal(client.isGone, true);
  await stopped;
});

t.test('a second stop hurries the first', async (t) => {
  const fixture = new BrokerFixture({ shutdown: { sessionsPerSecond: 1, spreadMs: 60_000, deadlineMs: 120_000 } });
  const clients = connectMany(fixture, 50);
  const [stubborn] = clients.slice(-1);
  if (stubborn !== undefined) stubborn.connection.answersClose = false;
  const first = fixture.broker.stop();
  fixture.clock.advance(100);
  t.ok(gone(clients) < 5);
  const second = fixture.broker.stop(500);
  t.equal(second, first);
  fixture.clock.turn();
  t.equal(gone(clients), 49);
  fixture.clock.advance(520);
  await second;
  fixture.clock.turn();
  t.equal(gone(clients), 50);
});

t.test('a node that will be stopped says so before, and still takes who comes', (t) => {
  const fixture = new BrokerFixture();
  const { operations } = fixture.broker;
  t.equal(operations.isStaying, true);
  operations.announceLeave();
  t.equal(operations.isStaying, false);
  t.equal(operations.isAccepting, true);
  fixture.connect();
  t.end();
});

t.test('an operator drains in the same way: ACKs first', (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  const ack = holdMessage(client);
  fixture.broker.operations.drain.start(100);
  fixture.clock.advance(500);
  t.equal(client.isGone, false);
  client.send(frameText('ACK', { id: ack }));
  fixture.clock.advance(200);
  fixture.clock.turn();
  t.equal(client.isGone, true);
  t.end();
});

t.test('on a machine that is busy the pace is kept by the clock, and all are told in time', async (t) => {
  const fixture = new BrokerFixture({ shutdown: { sessionsPerSecond: 100, spreadMs: 60_000, deadlineMs: 60_000 } });
  const clients = connectMany(fixture, 3_000);
  const stopped = fixture.broker.stop();
  fixture.clock.turn();
  t.equal(gone(clients), 10);
  fixture.clock.stall(1_000);
  t.equal(gone(clients), 110, 'a tick that is late tells those of all its time');
  // Half the deadline would have been enough for all of them.
  for (let k = 0; k < 4; k++) fixture.clock.stall(10_000);
  t.equal(gone(clients), 3_000);
  await stopped;
});

t.test('who holds something is told at three quarters of the deadline at the latest', async (t) => {
  const fixture = new BrokerFixture({ shutdown: { settleMs: 2_000, deadlineMs: 8_000 } });
  const holder = fixture.connect();
  holdMessage(holder);
  const stopped = fixture.broker.stop();
  fixture.clock.turn();
  t.equal(holder.isGone, false);
  fixture.clock.stall(6_000);
  t.equal(holder.connection.closedWith?.webSocketStatus, 1001);
  fixture.clock.advance(20);
  await stopped;
});

t.test('who is slow to answer its close is cut at the deadline of the stop, not before', async (t) => {
  const fixture = new BrokerFixture({ limits: { lingerMs: 500 }, shutdown: { deadlineMs: 8_000 } });
  const slow = fixture.connect();
  slow.connection.answersClose = false;
  const stopped = fixture.broker.stop();
  fixture.clock.advance(7_900);
  t.equal(slow.connection.closedWith?.webSocketStatus, 1001);
  t.equal(slow.isGone, false);
  fixture.clock.advance(200);
  await stopped;
  t.equal(slow.isGone, true);
});

t.test(
  'the silence of a client that is not read from while its RECEIPT waits for the store is not its own',
  async (t) => {
    const clock = new FakeClock();
    const store = new LastingStore(clock);
    const fixture = await BrokerFixture.storing(store, {
      heartBeat: { receiveMs: 1_000 },
      shutdown: { settleMs: 5_000, deadlineMs: 60_000 },
    });
    const client = fixture.connect({ 'heart-beat': '1000,0' });
    client.frames();
    store.hold();
    client.publish('/queue/q', 'x', { persistent: 'true', receipt: 'r' });
    const stopped = fixture.broker.stop();
    t.equal(client.connection.isPaused, true);
    fixture.clock.advance(4_000);
    t.equal(client.isGone, false, 'its heart-beats lie where nobody reads them');
    store.release();
    await fixture.settled();
    fixture.clock.advance(100);
    await fixture.settled();
    t.strictSame(
      client.frames().map(({ command }) => command),
      ['RECEIPT'],
    );
    fixture.clock.advance(100);
    await fixture.settled();
    await stopped;
  },
);
