import t from 'tap';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

t.test('exact and pattern subscriptions of one session each get a copy, of others none', async (t) => {
  const fixture = new BrokerFixture();
  const [ann, other] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'ann' })];
  for (const [id, destination] of Object.entries({
    exact: '/user/queue/a.b',
    star: '/user/queue/*',
    deep: '/user/**',
    variable: '/user/{kind}/a.b',
    topic: '/user/topic/a.b',
  })) {
    ann.subscribe(id, destination);
  }
  other.subscribe('other', '/user/queue/c');
  await fixture.broker.convertAndSendToUser('ann', '/queue/a.b', 'm');
  t.strictSame(
    ann
      .frames()
      .map((frame) => header(frame, 'subscription'))
      .sort(),
    ['deep', 'exact', 'star', 'variable'],
  );
  t.strictSame(other.frames(), []);
});

t.test('with dots the segments behind the user are those between dots', async (t) => {
  const fixture = new BrokerFixture({ destinations: { separator: '.' } });
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('one', '/user/queue/red.*');
  ann.subscribe('rest', '/user/queue/red.**');
  await fixture.broker.convertAndSendToUser('ann', '/queue/red.blue', '1');
  await fixture.broker.convertAndSendToUser('ann', '/queue/red.blue.green', '2');
  t.strictSame(
    ann.frames().map((frame) => `${String(header(frame, 'subscription'))} ${frame.body.toString()}`),
    ['one 1', 'rest 1', 'rest 2'],
  );
});

t.test('a user queue keeps nothing: who subscribes later gets what comes later', async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect({ login: 'ann' });
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'early');
  ann.subscribe('q', '/user/queue/x');
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'in time');
  t.strictSame(ann.bodies(), ['in time']);
});

t.test('client ack modes work on user destinations, one window for each subscription', async (t) => {
  const fixture = new BrokerFixture();
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('q', '/user/queue/x', { ack: 'client', 'prefetch-count': '1' });
  for (const body of ['1', '2']) await fixture.broker.convertAndSendToUser('ann', '/queue/x', body);
  const [first, ...more] = ann.frames();
  t.strictSame([first?.body.toString(), more.length], ['1', 0]);
  ann.send(frameText('ACK', { id: header(first, 'ack') ?? '' }));
  t.strictSame(ann.bodies(), ['2']);
});

t.test('the queues of a session end with it, and a name that comes again starts anew', async (t) => {
  const fixture = new BrokerFixture();
  const first = fixture.connect({ login: 'ann' });
  first.subscribe('q', '/user/queue/x');
  first.connection.vanish();
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'lost');
  const second = fixture.connect({ login: 'ann' });
  second.subscribe('q', '/user/queue/x');
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'found');
  t.strictSame(second.bodies(), ['found']);
  t.match(fixture.broker.stats(), { messagesDropped: 1, subscriptions: 1 });
});

t.test('a SEND that uses wildcards, %2F or dots of a path stays a literal name', async (t) => {
  const fixture = new BrokerFixture();
  const [ann, bob] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'bob' })];
  ann.subscribe('q', '/user/queue/x');
  for (const destination of [
    '/user/*/queue/x',
    '/user/**',
    '/user/{user}/queue/x',
    '/user/ann%2f/queue/x',
    '/user/./ann/queue/x',
  ]) {
    bob.publish(destination, 'forged');
  }
  bob.publish('/user/ann/queue/*', 'no pattern');
  t.strictSame(ann.frames(), []);
  t.equal(bob.isGone, false);
});
