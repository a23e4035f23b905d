// Limits of the whole node, where those of each session, multiplied, would be none.
import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

function codes(frames: readonly Parameters<typeof header>[0][]): (string | undefined)[] {
  return frames.map((frame) => header(frame, 'code') ?? frame?.command);
}

t.test('there are so many subscriptions, whoever has them', async (t) => {
  const fixture = new BrokerFixture({ refusals: 'soft', limits: { maxSubscriptions: 4 } });
  const [a, b] = [fixture.connect(), fixture.connect()];
  for (const each of [a, b]) {
    each.subscribe('e', '/user/queue/errors');
    each.subscribe('1', '/topic/x');
    each.frames();
  }
  a.subscribe('2', '/topic/y', { receipt: 'r' });
  t.strictSame(codes(a.frames()), ['limit-exceeded']);
  b.send(frameText('UNSUBSCRIBE', { id: '1' }));
  a.subscribe('2', '/topic/y', { receipt: 'r' });
  t.strictSame(codes(a.frames()), ['RECEIPT'], 'the id was not taken');
  t.match(fixture.broker.stats().refused, { 'limit-exceeded': 1 });
});

t.test('there are so many queues that hold something, and idle ones give way', async (t) => {
  const fixture = new BrokerFixture({ refusals: 'soft', limits: { maxQueues: 2 } });
  const client = fixture.connect();
  client.subscribe('e', '/user/queue/errors');
  client.publish('/queue/a', '1');
  client.publish('/queue/b', '1');
  t.strictSame(client.frames(), []);
  client.publish('/queue/c', '1', { receipt: 'r' });
  const [refused] = client.frames();
  t.strictSame([header(refused, 'code'), header(refused, 'receipt-id')], ['limit-exceeded', 'r']);
  client.subscribe('c', '/queue/c', { receipt: 'c' });
  t.strictSame(codes(client.frames()), ['limit-exceeded']);
  client.publish('/topic/c', '1', { receipt: 't' });
  t.strictSame(codes(client.frames()), ['RECEIPT'], 'topics are no queues');

  client.subscribe('a', '/queue/a', { ack: 'client' });
  const [message] = client.frames();
  client.send(frameText('NACK', { id: header(message, 'ack') ?? '' }));
  client.send(frameText('UNSUBSCRIBE', { id: 'a' }));
  client.subscribe('again', '/queue/a', { ack: 'client' });
  t.equal(fixture.broker.operations.queueCount, 2);
  client.send(frameText('UNSUBSCRIBE', { id: 'again' }));
  client.frames();

  client.subscribe('b', '/queue/b');
  t.equal(client.bodies().length, 1);
  client.send(frameText('UNSUBSCRIBE', { id: 'b' }));
  client.publish('/queue/c', '1', { receipt: 'r' });
  t.strictSame(codes(client.frames()), ['RECEIPT'], '/queue/b holds nothing any more');
  client.subscribe('c', '/queue/c', { receipt: 'c' });
  t.strictSame(codes(client.frames()), ['RECEIPT', 'MESSAGE'], 'the id was not taken');
});

t.test('what is given up is kept, however many queues there are', async (t) => {
  const fixture = new BrokerFixture({
    limits: { maxQueues: 1 },
    queueDefaults: { ttlMs: 1_000, onExpiry: 'dead-letter' },
  });
  fixture.connect().publish('/queue/a', '1');
  fixture.clock.advance(1_200);
  t.equal(fixture.broker.operations.destination('/queue/DLQ')?.queue?.depth, 1);
});

t.test('what is refused is counted by its code, also where nobody is told', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxConnections: 2 } });
  const [client] = [fixture.connect(), fixture.connect()];
  t.equal(fixture.open().connection.listener, null);
  client.send(frameText('ACK', { id: 'x' }));
  t.equal(client.error(), 'ack-unknown');
  t.strictSame(fixture.broker.stats().refused, { 'limit-exceeded': 1, 'ack-unknown': 1 });
});
