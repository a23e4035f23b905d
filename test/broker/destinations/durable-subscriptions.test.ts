import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';

const NAMED = { 'activemq.subscriptionName': 'n' };
const DAY_MS = 24 * 60 * 60 * 1_000;

function open(fixture: BrokerFixture, clientId = 'c', login = 'ann'): FixtureClient {
  return fixture.connect({ 'client-id': clientId, login });
}

function leave(client: FixtureClient): void {
  client.send(frameText('DISCONNECT', {}));
  client.frames();
}

t.test('a durable subscription whose client stays away expires', async (t) => {
  for (const [headers, days, isKept] of [
    [{}, 13, true],
    [{}, 15, false],
    [{ 'x-expires': String(DAY_MS) }, 2, false],
    [{ 'x-expires': '999999999' }, 11, true],
  ] as const) {
    const fixture = new BrokerFixture();
    const client = open(fixture);
    client.subscribe('s', '/topic/t', { ...NAMED, ...headers });
    leave(client);
    fixture.clock.stall(days * DAY_MS);
    fixture.clock.advance(120_000);
    fixture.connect().publish('/topic/t', 'kept');
    const again = open(fixture);
    again.subscribe('s', '/topic/t', { ...NAMED, ...headers });
    t.strictSame(again.bodies(), isKept ? ['kept'] : [], `${days} days, ${JSON.stringify(headers)}`);
  }
});

t.test('one that has its client does not expire', async (t) => {
  const fixture = new BrokerFixture();
  const client = open(fixture);
  client.subscribe('s', '/topic/t', { ...NAMED, 'x-expires': '1000' });
  fixture.clock.stall(DAY_MS);
  fixture.clock.advance(120_000);
  fixture.connect().publish('/topic/t', 'live');
  t.strictSame(client.bodies(), ['live']);
});

t.test('a name in use is refused on the same session too', async (t) => {
  const fixture = new BrokerFixture();
  const client = open(fixture);
  client.subscribe('s', '/topic/t', NAMED);
  client.subscribe('other', '/topic/t', NAMED);
  t.equal(client.error(), 'subscription-exists');
});

t.test("nobody takes another user's", async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('s', '/topic/t', { durable: 'true', 'x-queue-name': 'q' });
  const bob = fixture.connect({ login: 'bob' });
  bob.subscribe('s', '/topic/t', { durable: 'true', 'x-queue-name': 'q' });
  for (const body of ['1', '2']) fixture.connect().publish('/topic/t', body);
  t.strictSame(
    [ann.bodies(), bob.bodies()],
    [
      ['1', '2'],
      ['1', '2'],
    ],
  );
});

t.test('their number is limited', async (t) => {
  const fixture = new BrokerFixture({ durableSubscriptions: { maxSubscriptions: 1 } });
  open(fixture, 'first').subscribe('s', '/topic/t', NAMED);
  const second = open(fixture, 'second');
  second.subscribe('s', '/topic/t', NAMED);
  t.equal(second.error(), 'limit-exceeded');
});

t.test('when one is full its oldest message goes; the publisher is not refused', async (t) => {
  const fixture = new BrokerFixture({ durableSubscriptions: { maxMessages: 2 } });
  const client = open(fixture);
  client.subscribe('s', '/topic/t', NAMED);
  leave(client);
  const sender = fixture.connect();
  for (const body of ['1', '2', '3']) sender.publish('/topic/t', body, { receipt: body });
  t.equal(sender.frames().filter(({ command }) => command === 'RECEIPT').length, 3);
  const again = open(fixture);
  again.subscribe('s', '/topic/t', NAMED);
  t.strictSame(again.bodies(), ['2', '3']);
  t.equal(fixture.broker.stats().givenUp.overflow, 1);
});

t.test('headers that a queue would refuse are relayed; priority and time to live hold', async (t) => {
  const fixture = new BrokerFixture();
  const client = open(fixture);
  client.subscribe('s', '/topic/t', NAMED);
  leave(client);
  const sender = fixture.connect();
  sender.publish('/topic/t', 'odd', { priority: 'urgent' });
  sender.publish('/topic/t', 'short', { expiration: '1000' });
  sender.publish('/topic/t', 'first', { priority: '9' });
  sender.publish('/topic/t', 'not delayed', { AMQ_SCHEDULED_DELAY: '5000' });
  fixture.clock.advance(2_000);
  const again = open(fixture);
  again.subscribe('s', '/topic/t', NAMED);
  t.strictSame(again.bodies(), ['first', 'odd', 'not delayed']);
});

t.test('what is not acknowledged comes back to the next client of the name', async (t) => {
  const fixture = new BrokerFixture();
  const client = open(fixture);
  client.subscribe('s', '/topic/t', { ...NAMED, ack: 'client-individual' });
  fixture.connect().publish('/topic/t', 'work');
  t.strictSame(client.bodies(), ['work']);
  leave(client);
  const again = open(fixture);
  again.subscribe('s', '/topic/t', NAMED);
  t.strictSame(again.bodies(), ['work']);
});

t.test('one that cannot be stored is not made, and SUBSCRIBE is answered by ERROR', async (t) => {
  const store = new ScriptedStore();
  const fixture = await BrokerFixture.storing(store);
  await fixture.settled();
  for (const commit of store.commits.splice(0)) commit.succeed();
  await fixture.settled();
  const client = open(fixture);
  client.subscribe('s', '/topic/t', { ...NAMED, receipt: 'r' });
  await fixture.settled();
  t.match(store.commits[0]?.operations, [{ kind: 'put' }]);
  t.strictSame(client.frames(), [], 'no RECEIPT before it is stored');
  store.commits[0]?.fail(new BrokerError('store-full', 'full'));
  await fixture.settled();
  t.equal(client.error(), 'store-full');
});

t.test('live subscribers and durable ones get a transaction at the same time', async (t) => {
  const fixture = new BrokerFixture();
  const [durable, live, sender] = [open(fixture), fixture.connect(), fixture.connect()];
  durable.subscribe('s', '/topic/t', NAMED);
  live.subscribe('s', '/topic/**');
  sender.send(frameText('BEGIN', { transaction: 't' }));
  sender.publish('/topic/t', 'a', { transaction: 't' });
  t.strictSame([durable.bodies(), live.bodies()], [[], []]);
  sender.send(frameText('COMMIT', { transaction: 't' }));
  t.strictSame([durable.bodies(), live.bodies()], [['a'], ['a']]);
});
