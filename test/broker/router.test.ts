import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

t.test('a route that was forgotten is not used again by those who remember it', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxCachedRoutes: 4 } });
  const sender = fixture.connect();
  const receiver = fixture.connect();
  sender.publish('/topic/a', '1');
  for (let k = 0; k < 10; k++) fixture.connect().publish(`/topic/other${k}`, '');
  receiver.subscribe('s', '/topic/a');
  sender.publish('/topic/a', '2');
  t.strictSame(receiver.bodies(), ['2']);
  for (let k = 0; k < 10; k++) fixture.connect().publish(`/topic/more${k}`, '');
  sender.publish('/topic/a', '3');
  t.strictSame(receiver.bodies(), ['3'], 'a route with a subscriber stays');
});

t.test('a transaction that outlives the route it names is published all the same', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxCachedRoutes: 4 } });
  const sender = fixture.connect();
  sender.send(frameText('BEGIN', { transaction: 't' }));
  sender.publish('/topic/a', 'kept', { transaction: 't' });
  for (let k = 0; k < 10; k++) fixture.connect().publish(`/topic/other${k}`, '');
  const receiver = fixture.connect();
  receiver.subscribe('s', '/topic/a');
  sender.send(frameText('COMMIT', { transaction: 't' }));
  t.strictSame(receiver.bodies(), ['kept']);
});

t.test('a queue with messages is not forgotten', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxCachedRoutes: 2 } });
  const sender = fixture.connect();
  for (let k = 0; k < 20; k++) sender.publish(`/queue/${k}`, `m${k}`);
  const receiver = fixture.connect();
  for (let k = 0; k < 20; k++) receiver.subscribe(`s${k}`, `/queue/${k}`);
  t.equal(receiver.bodies().length, 20);
});

t.test('S4.1 outside every prefix SEND is dropped and counted; strict refuses', async (t) => {
  const spring = new BrokerFixture();
  const client = spring.connect();
  client.publish('/nowhere', 'x');
  client.subscribe('s', '/nowhere');
  client.publish('/nowhere', 'x');
  client.send(frameText('UNSUBSCRIBE', { id: 's', receipt: 'r' }));
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
  t.match(spring.broker.stats(), { messagesDropped: 2, messagesIn: 2, subscriptions: 0 });
  for (const command of ['SEND', 'SUBSCRIBE']) {
    const strict = new BrokerFixture({ compat: 'strict' }).connect();
    strict.send(frameText(command, { id: '1', destination: '/nowhere' }));
    t.equal(strict.error(), 'destination-unknown');
  }
});

t.test('S5.6 a SEND destination is always literal', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('literal', '/topic/a');
  client.subscribe('pattern', '/topic/*');
  client.publish('/topic/*', 'star');
  t.strictSame(
    client.frames().map((frame) => header(frame, 'subscription')),
    ['pattern'],
  );
});

t.test('S5.7 a message goes once to each matching subscription, with its own id', async (t) => {
  const client = new BrokerFixture().connect();
  client.subscribe('a', '/topic/x');
  client.subscribe('b', '/topic/*');
  client.subscribe('c', '/topic/**');
  client.subscribe('d', '/topic/y');
  client.publish('/topic/x', 'm');
  const frames = client.frames();
  t.strictSame(frames.map((frame) => header(frame, 'subscription')).sort(), ['a', 'b', 'c']);
  t.strictSame(new Set(frames.map((frame) => header(frame, 'destination'))), new Set(['/topic/x']), 'S-17');
  client.send(frameText('UNSUBSCRIBE', { id: 'b' }));
  client.publish('/topic/x', 'm');
  t.strictSame(
    client
      .frames()
      .map((frame) => header(frame, 'subscription'))
      .sort(),
    ['a', 'c'],
  );
});

t.test('a pattern that is refused leaves no subscription, no count and no RECEIPT', async (t) => {
  const wrong = [
    '/topic/{n:(a+)+}',
    '/topic/{n:[}',
    '/queue/*',
    `/topic${'/*'.repeat(9)}`,
    `/topic/${'x'.repeat(2_000)}`,
  ];
  for (const destination of wrong) {
    const fixture = new BrokerFixture();
    const client = fixture.connect();
    client.subscribe('s', destination, { receipt: 'r' });
    const frames = client.frames();
    t.strictSame(
      frames.map(({ command }) => command),
      ['ERROR'],
      destination.slice(0, 30),
    );
    t.equal(header(frames[0], 'code'), 'destination-invalid');
    t.equal(header(frames[0], 'receipt-id'), 'r');
    t.equal(fixture.broker.stats().subscriptions, 0);
  }
});

t.test('subscriptions are counted up and down to nothing', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  const destinations = ['/topic/a', '/topic/*', '/queue/a', '/nowhere', '/topic/{n:[a-z]}'];
  destinations.forEach((destination, k) => client.subscribe(`s${k}`, destination));
  t.equal(fixture.broker.stats().subscriptions, 5);
  client.send(frameText('UNSUBSCRIBE', { id: 's1' }));
  t.equal(fixture.broker.stats().subscriptions, 4);
  client.connection.vanish();
  t.equal(fixture.broker.stats().subscriptions, 0);
});
