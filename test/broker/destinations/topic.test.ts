import t from 'tap';
import { SubscriptionIndex } from '../../../broker/destinations/subscription-index.js';
import { Topic } from '../../../broker/destinations/topic.js';
import { Message } from '../../../broker/message.js';
import { WriteUnit } from '../../../broker/storage/write-unit.js';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { header } from '../../helpers/server-frames.js';
import type { LiveSource } from '../../../broker/destinations/topic-source.js';

t.test('every subscription gets every message, until it ends', async (t) => {
  const fixture = new BrokerFixture();
  const sender = fixture.connect();
  const clients = Array.from({ length: 10 }, () => fixture.connect());
  for (const client of clients) client.subscribe('s', '/topic/a');
  sender.publish('/topic/a', '1');
  t.ok(clients.every((client) => client.bodies().join() === '1'));
  for (const k of [0, 5, 9]) clients[k]?.send(frameText('UNSUBSCRIBE', { id: 's' }));
  sender.publish('/topic/a', '2');
  t.strictSame(
    clients.map((client) => client.bodies().length),
    [0, 1, 1, 1, 1, 0, 1, 1, 1, 0],
  );
});

t.test('a window holds messages of a client mode back until they are acknowledged', async (t) => {
  for (const destination of ['/topic/a', '/topic/*']) {
    const client = new BrokerFixture().connect();
    client.subscribe('s', destination, { ack: 'client', 'prefetch-count': '2' });
    for (let k = 0; k < 5; k++) client.publish('/topic/a', String(k));
    const first = client.frames();
    t.strictSame(
      first.map(({ body }) => body.toString()),
      ['0', '1'],
    );
    client.send(frameText('ACK', { id: header(first[1], 'ack') ?? '' }));
    const second = client.frames();
    t.strictSame(
      second.map(({ body }) => body.toString()),
      ['2', '3'],
    );
    client.send(frameText('NACK', { id: header(second[0], 'ack') ?? '' }));
    const [again] = client.frames();
    t.equal(again?.body.toString(), '2', 'NACK frees a place, which is for what was refused');
    t.equal(header(again, 'redelivered'), 'true');
    client.send(frameText('ACK', { id: header(again, 'ack') ?? '' }));
    t.strictSame(client.bodies(), ['4']);
  }
});

t.test('order is kept while an ACK waits in a transaction', async (t) => {
  const client = new BrokerFixture().connect();
  client.subscribe('s', '/topic/a', { ack: 'client-individual', 'prefetch-count': '1' });
  client.publish('/topic/a', '1');
  client.publish('/topic/a', '2');
  const [first] = client.frames();
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.send(frameText('ACK', { id: header(first, 'ack') ?? '', transaction: 't' }));
  client.publish('/topic/a', '3');
  t.strictSame(client.bodies(), []);
  client.send(frameText('COMMIT', { transaction: 't' }));
  const [second] = client.frames();
  t.equal(second?.body.toString(), '2');
  client.send(frameText('ACK', { id: header(second, 'ack') ?? '' }));
  t.strictSame(client.bodies(), ['3']);
});

t.test('a client that leaves too much unacknowledged is a slow consumer', async (t) => {
  const outbox = { highWaterBytes: 100_000, softLimitBytes: 100_000, hardLimitBytes: 200_000 };
  const fixture = new BrokerFixture({ outbox });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', { ack: 'client', 'prefetch-count': '1' });
  const sender = fixture.connect();
  for (let k = 0; k < 10; k++) sender.publish('/topic/a', 'small');
  sender.publish('/topic/a', 'x'.repeat(60_000));
  fixture.clock.turn();
  t.notOk(client.isGone, 'one large message among small ones is not too much');
  for (let k = 0; k < 3; k++) sender.publish('/topic/a', 'x'.repeat(60_000));
  fixture.clock.turn();
  t.ok(client.isGone);
  t.equal(client.connection.closedWith?.code, 'slow-consumer');
  t.equal(fixture.broker.stats().subscriptions, 0);
});

t.test('a subscriber that is cut off in the middle of a fan-out costs no other a message', async (t) => {
  const outbox = { highWaterBytes: 65_536, softLimitBytes: 70_000, hardLimitBytes: 80_000 };
  const fixture = new BrokerFixture({ outbox });
  const clients = Array.from({ length: 9 }, () => fixture.connect());
  for (const client of clients) client.subscribe('s', '/topic/a');
  for (const k of [0, 4, 8]) clients[k]?.connection.freeze();
  const sender = fixture.connect();
  for (let k = 0; k < 30; k++) {
    sender.publish('/topic/a', `${k} ${'x'.repeat(10_000)}`);
    if (k % 3 === 0) fixture.clock.turn();
  }
  const wanted = Array.from({ length: 30 }, (_, k) => k);
  for (const [k, client] of clients.entries()) {
    if (k % 4 === 0) t.ok(client.isGone);
    else
      t.strictSame(
        client.bodies().map((body) => Number.parseInt(body, 10)),
        wanted,
      );
  }
  t.equal(fixture.broker.stats().closed['slow-consumer'], 3);
  t.equal(fixture.broker.stats().subscriptions, 6);
});

t.test('a topic is not forgotten while a message for it waits for its transaction', async (t) => {
  const store = new ScriptedStore();
  const fixture = await BrokerFixture.storing(store, { limits: { maxCachedRoutes: 2 } });
  await fixture.settled();
  for (const commit of store.commits.splice(0)) commit.succeed();
  await fixture.settled();
  const sender = fixture.connect();
  sender.send(frameText('BEGIN', { transaction: 't' }));
  sender.publish('/queue/q', 'stored', { transaction: 't', persistent: 'true' });
  sender.publish('/topic/a', 'held back', { transaction: 't' });
  sender.send(frameText('COMMIT', { transaction: 't' }));
  await fixture.settled();
  for (let k = 0; k < 10; k++) fixture.connect().publish(`/topic/other${k}`, '');
  const receiver = fixture.connect();
  receiver.subscribe('s', '/topic/a');
  store.commits[0]?.succeed();
  await fixture.settled();
  t.strictSame(receiver.bodies(), ['held back']);
});

t.test('a topic without subscribers is idle again whatever became of what it waited for', async (t) => {
  const nobody: LiveSource = { offer: none, end: none, settled: none, returned: none, refused: none, ready: none };
  for (const outcome of ['applyAll', 'undoAll'] as const) {
    const topic = new Topic('/topic/a', new SubscriptionIndex('/'), nobody);
    const unit = new WriteUnit(null, { holdsBack: true });
    topic.publish(Message.fromHeaders(1, [], Buffer.from('x')), unit);
    t.notOk(topic.isIdle);
    void unit[outcome]();
    t.ok(topic.isIdle, outcome);
  }
});

function none(): void {
  // Nobody is there.
}
