import t from 'tap';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';

const TEN = { selector: `kind = 'a'` };
const SUBSCRIBED = ['a', 'b'];

t.test('all selectors of a session together are bounded, until they are given up', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxSelectorBytes: 10, maxSelectorBytesPerSession: 25 } });
  const [client, other] = [fixture.connect(), fixture.connect()];
  for (const id of SUBSCRIBED) client.subscribe(id, '/topic/a', TEN);
  client.subscribe('without', '/topic/a');
  client.send(frameText('UNSUBSCRIBE', { id: 'a' }));
  client.subscribe('c', '/topic/a', TEN);
  t.equal(client.error(), undefined);
  other.subscribe('a', '/topic/a', TEN);
  t.equal(other.error(), undefined, 'each session has its own');
  client.subscribe('d', '/topic/a', TEN);
  t.equal(client.error(), 'limit-exceeded');
});

t.test('a malformed selector is a fault, which ends the session also where refusals are soft', async (t) => {
  const fixture = new BrokerFixture({ refusals: 'soft' });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', { selector: 'kind =' });
  t.equal(client.error(), 'selector-invalid');
  t.equal(fixture.broker.stats().subscriptions, 0);
});

t.test('a selector holds where messages may give way to newer ones', async (t) => {
  const policies = [{ pattern: '/topic/**', policy: 'drop-oldest' as const }];
  const fixture = new BrokerFixture({ outbox: { policies } });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a', TEN);
  client.subscribe('p', '/topic/*', { selector: `kind = 'b'` });
  const sender = fixture.connect();
  for (const kind of ['a', 'b', 'c']) sender.publish('/topic/a', kind, { kind });
  t.strictSame(client.bodies(), ['a', 'b']);
});

t.test('the reply of a handler to SUBSCRIBE is no message that a selector is asked about', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.subscribeMapping('/greeting', () => 'hello');
  const client = fixture.connect();
  client.subscribe('s', '/app/greeting', TEN);
  t.strictSame(client.bodies(), ['hello']);
});
