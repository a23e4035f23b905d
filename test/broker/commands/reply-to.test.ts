/** What `reply-to` asks of rules and limits, and what it leaves of the other headers. */
import t from 'tap';
import type { AuthorizationRequest, Authorizer } from '../../../broker/ports.js';
import { BrokerFixture, frameText } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import { settle } from '../../helpers/settle.js';

function withRules(isAllowed: Authorizer['isAllowed']): BrokerFixture {
  return new BrokerFixture({}, undefined, 'info', { isAllowed });
}

t.test('the rules are asked as for a SUBSCRIBE, while nobody has subscribed', async (t) => {
  const asked: string[] = [];
  const fixture = withRules(({ action, destination }) => {
    asked.push(`${action} ${destination}`);
    return true;
  });
  const client = fixture.connect();
  for (const body of ['1', '2']) client.publish('/topic/a', body, { 'reply-to': '/temp-queue/x' });
  client.send(frameText('UNSUBSCRIBE', { id: '/temp-queue/x' }));
  client.publish('/topic/a', '3', { 'reply-to': '/temp-queue/x' });
  t.strictSame(asked, ['connect ', 'send /topic/a', 'subscribe /temp-queue/x', 'subscribe /temp-queue/x']);
});

t.test('a refusal sends nothing', async (t) => {
  for (const isLate of [false, true]) {
    const fixture = withRules(({ destination }) => {
      const verdict = destination !== '/temp-queue/x';
      return isLate ? Promise.resolve(verdict) : verdict;
    });
    const [client, reader] = [fixture.open(), fixture.open()];
    for (const each of [client, reader]) {
      each.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h' }));
      await settle();
    }
    reader.subscribe('s', '/topic/a');
    await settle();
    client.publish('/topic/a', '1', { 'reply-to': '/temp-queue/x' });
    await settle();
    t.equal(client.error(), 'access-denied');
    t.strictSame(reader.bodies(), []);
    t.equal(fixture.broker.stats().subscriptions, 1);
  }
});

t.test('replies are judged by the address', async (t) => {
  const asked: AuthorizationRequest[] = [];
  const fixture = withRules((request) => {
    asked.push(request);
    return true;
  });
  const [client, worker] = [fixture.connect(), fixture.connect()];
  worker.subscribe('s', '/topic/a');
  client.publish('/topic/a', '1', { 'reply-to': '/temp-queue/x' });
  const address = header(worker.frames()[0], 'reply-to') ?? '';
  worker.publish(address, 'reply');
  t.match(asked.at(-1), { action: 'send', destination: address, resolvedFrom: undefined });
  t.strictSame(client.bodies(), ['reply']);
});

t.test('limits: names, and subscriptions whoever makes them', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxTempQueuesPerSession: 2, maxSubscriptionsPerSession: 3 } });
  const names = fixture.connect();
  for (const name of ['a', 'b']) names.publish('/topic/a', '', { 'reply-to': `/temp-queue/${name}` });
  names.publish('/topic/a', '', { 'reply-to': '/temp-queue/c' });
  t.match(names.frames()[0]?.headers, [['message', '2 temporary queues on one session is the limit']]);
  const subscriptions = fixture.connect();
  for (const id of ['1', '2', '3']) subscriptions.subscribe(id, '/topic/b');
  subscriptions.publish('/topic/a', '', { 'reply-to': '/temp-queue/a' });
  t.match(subscriptions.frames()[0]?.headers, [['message', '3 subscriptions on one session is the limit']]);
});

t.test('a long name is refused like any long destination', async (t) => {
  const fixture = new BrokerFixture({ destinations: { maxLengthBytes: 20 } });
  const client = fixture.connect();
  client.publish('/topic/a', '', { 'reply-to': `/temp-queue/${'x'.repeat(20)}` });
  t.equal(client.error(), 'destination-invalid');
});

t.test('an id that is in use for something else is not taken over', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('/temp-queue/x', '/topic/b');
  client.publish('/topic/a', '', { 'reply-to': '/temp-queue/x' });
  t.equal(client.error(), 'subscription-exists');
});

t.test('of several reply-to headers the first counts, and no other is relayed with an address', async (t) => {
  const fixture = new BrokerFixture();
  const [client, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/topic/a');
  client.send('SEND\ndestination:/topic/a\nreply-to:/temp-queue/x\na:1\nreply-to:/queue/y\nb:2\n\nbody\0');
  client.send('SEND\ndestination:/topic/a\nreply-to:/queue/y\nreply-to:/temp-queue/x\n\n\0');
  const [first, second] = reader.frames();
  const names = ['destination', 'reply-to', 'a', 'b'];
  const relayed = first?.headers.filter(([name]) => names.includes(name));
  t.strictSame(
    relayed?.map(([name]) => name),
    names,
  );
  t.match(header(first, 'reply-to'), /^\/reply-queue\//);
  t.strictSame(
    second?.headers.filter(([name]) => name === 'reply-to').map(([, value]) => value),
    ['/queue/y', '/temp-queue/x'],
  );
});

t.test('the application is told of the subscription, and of its end', async (t) => {
  const fixture = new BrokerFixture();
  const seen: string[] = [];
  for (const type of ['subscribe', 'unsubscribe'] as const) {
    fixture.broker.events.on(type, ({ subscription: { id, destination } }) => {
      seen.push(`${type} ${String(id)} ${destination}`);
    });
  }
  const client = fixture.connect();
  client.publish('/topic/a', '', { 'reply-to': '/temp-queue/x' });
  client.subscribe('mine', '/temp-queue/x');
  t.strictSame(seen, [
    'subscribe /temp-queue/x /temp-queue/x',
    'unsubscribe /temp-queue/x /temp-queue/x',
    'subscribe mine /temp-queue/x',
  ]);
});
