import t from 'tap';
import { BrokerFixture, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

function sessionOf(client: FixtureClient): string {
  return header(client.welcome, 'session') ?? '';
}

t.test('a message of the application for one session reaches no other, with interceptors and without', async (t) => {
  for (const intercepts of [false, true]) {
    const fixture = new BrokerFixture();
    if (intercepts) fixture.broker.interceptBroker((message) => message);
    const [ann, bob] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'bob' })];
    for (const client of [ann, bob]) client.subscribe('q', '/user/queue/x');
    await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'for ann', {}, { session: sessionOf(ann) });
    await fixture.broker.convertAndSendToUser('ann', '/queue/x', 'for nobody', {}, { session: sessionOf(bob) });
    t.strictSame([ann.bodies(), bob.bodies()], [['for ann'], []]);
    t.match(fixture.broker.stats(), { messagesIn: 2, messagesDropped: 1 });
  }
});

t.test("an interceptor may send a user's message to another user, or to all", async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.interceptBroker((message) => ({ ...message, destination: message.body.toString() }));
  const [ann, bob] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'bob' })];
  for (const client of [ann, bob]) {
    client.subscribe('q', '/user/queue/x');
    client.subscribe('t', '/topic/all');
  }
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', '/user/bob/queue/x');
  t.strictSame([ann.bodies(), bob.bodies()], [[], ['/user/bob/queue/x']]);
  await fixture.broker.convertAndSendToUser('ann', '/queue/x', '/topic/all');
  t.strictSame([ann.bodies(), bob.bodies()], [['/topic/all'], ['/topic/all']]);
});

t.test('the destination stands where the sender put it, else first, and once', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.interceptBroker((message) => message);
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.send('SEND\na:1\ndestination:/topic/a\ndestination:/topic/b\nb:2\n\n\0');
  await fixture.broker.convertAndSend('/topic/a', '', { c: 3 });
  const names = client.frames().map((frame) => frame.headers.map(([name]) => name).slice(2));
  t.strictSame(names, [
    ['a', 'destination', 'b', 'content-length'],
    ['destination', 'c', 'content-type', 'content-length'],
  ]);
});
