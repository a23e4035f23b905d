import t from 'tap';
import { BrokerFixture } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

t.test('a session shows who it is and what it holds', async (t) => {
  const fixture = new BrokerFixture();
  fixture.open();
  const ann = fixture.connect({ login: 'ann', 'client-id': 'c1' });
  ann.subscribe('a', '/topic/t');
  ann.subscribe('b', '/queue/q', { ack: 'client', 'prefetch-count': '7', selector: 'x = 1' });
  ann.frames();
  const { operations } = fixture.broker;
  t.equal(operations.sessionCount, 2);
  t.equal(operations.subscriptionCount, 2);
  t.equal(operations.userCount, 1);
  const [first, second] = [...operations.sessions()];
  t.match(first, { number: 1, state: 'awaiting-connect', user: null, subscriptionCount: 0 });
  t.match(second, {
    number: 2,
    state: 'connected',
    user: { name: 'ann' },
    clientId: 'c1',
    transport: 'memory',
    remoteAddress: '192.0.2.1',
    queuedBytes: 0,
    transportBytes: 0,
    subscriptionCount: 2,
  });
  t.match(
    [...(second?.subscriptions() ?? [])],
    [
      { number: 1, id: 'a', destination: '/topic/t', ackMode: 'auto', pending: null, selector: null },
      { number: 2, id: 'b', destination: '/queue/q', ackMode: 'client', window: 7, selector: { text: 'x = 1' } },
    ],
  );
  t.equal(operations.session(second?.id ?? ''), second);
  t.strictSame(
    [...operations.users()].map(({ name }) => name),
    ['ann'],
  );
});

t.test('destinations show their kind, subscribers and contents', async (t) => {
  const fixture = new BrokerFixture({ history: [{ pattern: '/topic/kept' }] });
  const client = fixture.connect();
  client.subscribe('a', '/topic/t');
  client.subscribe('b', '/user/queue/x');
  client.publish('/queue/q', 'waits');
  client.publish('/topic/kept', 'is kept');
  client.frames();
  const { operations } = fixture.broker;
  t.equal(operations.destinationCount, 3);
  t.match(
    [...operations.destinations()],
    [
      { destination: '/topic/t', kind: 'topic', subscriberCount: 1, queue: null, history: null },
      {
        destination: '/queue/q',
        kind: 'queue',
        subscriberCount: 0,
        queue: { depth: 1, unsettled: 0, deadLetter: '/queue/DLQ' },
      },
      { destination: '/topic/kept', kind: 'topic', history: { messages: 1 } },
    ],
  );
  t.match(operations.destination('/queue/q'), { queue: { depth: 1 } });
  t.equal(operations.destination('/queue/never'), undefined);
});

t.test('handlers are listed with their patterns', async (t) => {
  const { broker } = new BrokerFixture();
  broker.message('/hello', () => undefined);
  broker.subscribeMapping('/all', () => undefined);
  t.match(
    [...broker.operations.handlers()],
    [
      { kind: 'message', pattern: '/hello' },
      { kind: 'subscribe', pattern: '/all' },
    ],
  );
});

t.test('a session and all sessions of a user can be ended', async (t) => {
  const fixture = new BrokerFixture();
  const [ann, again, bob] = ['ann', 'ann', 'bob'].map((login) => fixture.connect({ login }));
  const { operations } = fixture.broker;
  t.equal(operations.disconnectUser('ann'), 2);
  fixture.clock.turn();
  t.strictSame([ann?.isGone, again?.isGone, bob?.isGone], [true, true, false]);
  t.equal(operations.disconnectUser('ann'), 0);
  const id = header(bob?.welcome, 'session') ?? '';
  t.equal(operations.disconnect(id), true);
  fixture.clock.turn();
  t.equal(bob?.isGone, true);
  t.equal(bob?.connection.closedWith?.code, 'closed-by-server');
  t.equal(operations.disconnect(id), false);
});

t.test('a revoked subscription gets nothing more, its client is told, and may still unsubscribe', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('errors', '/user/queue/errors');
  client.subscribe('q', '/queue/q', { ack: 'client-individual' });
  client.publish('/queue/q', 'unsettled');
  t.strictSame(client.bodies(), ['unsettled']);
  const id = header(client.welcome, 'session') ?? '';
  t.equal(fixture.broker.operations.unsubscribe(id, 2), true);
  t.equal(fixture.broker.operations.unsubscribe(id, 2), false);
  const [told] = client.frames();
  t.equal(header(told, 'code'), 'subscription-revoked');
  t.equal(told?.body.toString(), 'Subscription "q" to "/queue/q" was ended by an operator');
  client.publish('/queue/q', 'next');
  t.strictSame(client.bodies(), []);
  t.match(fixture.broker.operations.destination('/queue/q'), { subscriberCount: 0, queue: { depth: 2, unsettled: 0 } });
  client.send('UNSUBSCRIBE\nid:q\nreceipt:1\n\n\0');
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
  client.send('UNSUBSCRIBE\nid:q\n\n\0');
  t.equal(client.error(), 'subscription-unknown', 'once');
});

t.test('a revoked id that was subscribed again is an ordinary one', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('a', '/topic/t');
  client.frames();
  t.equal(fixture.broker.operations.unsubscribe(header(client.welcome, 'session') ?? '', 1), true);
  client.subscribe('a', '/topic/t');
  client.send('UNSUBSCRIBE\nid:a\n\n\0UNSUBSCRIBE\nid:a\n\n\0');
  t.equal(client.error(), 'subscription-unknown');
});

t.test('a broadcast reaches every connected session, anonymous ones included', async (t) => {
  const fixture = new BrokerFixture();
  fixture.open();
  const clients = [fixture.connect(), fixture.connect({ login: 'ann' }), fixture.connect({ login: 'ann' })];
  for (const client of clients) client.subscribe('n', '/user/queue/notices');
  for (const client of clients) client.frames();
  const sent = fixture.broker.operations.broadcast('/queue/notices', { text: 'back at nine' }, { kind: 'maintenance' });
  t.equal(await fixture.finish(sent), 3);
  for (const client of clients) {
    const [frame, ...more] = client.frames();
    t.equal(more.length, 0);
    t.equal(header(frame, 'destination'), '/user/queue/notices');
    t.equal(header(frame, 'kind'), 'maintenance');
    t.equal(frame?.body.toString(), '{"text":"back at nine"}');
  }
  await t.rejects(fixture.broker.operations.broadcast(`/queue/${'x'.repeat(2_000)}`, 'x'), {
    code: 'destination-invalid',
  });
});

t.test('a drain lets nobody in and sends sessions away at its pace', async (t) => {
  const fixture = new BrokerFixture();
  const clients = Array.from({ length: 5 }, () => fixture.connect());
  const { operations } = fixture.broker;
  t.equal(operations.isAccepting, true);
  operations.drain.start(20);
  t.equal(operations.isAccepting, false);
  t.equal(fixture.open().connection.listener, null);
  fixture.clock.advance(100);
  fixture.clock.turn();
  t.strictSame(
    clients.map(({ isGone }) => isGone),
    [true, true, false, false, false],
  );
  t.equal(clients[0]?.connection.closedWith?.webSocketStatus, 1001);
  t.match(operations.drain.state, { isActive: true, perSecond: 20, remaining: 3 });
  fixture.clock.advance(1_000);
  fixture.clock.turn();
  t.match(operations.drain.state, { isActive: true, remaining: 0 });
  operations.drain.cancel();
  t.match(operations.drain.state, { isActive: false, perSecond: 0 });
  fixture.connect();
});

t.test('a drain without a pace keeps those who are there', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  fixture.broker.operations.drain.start(0);
  fixture.clock.advance(5_000);
  t.equal(client.isGone, false);
  t.equal(fixture.open().connection.listener, null);
});

t.test('frames are traced from when it is asked for to when it is not', async (t) => {
  const fixture = new BrokerFixture({}, undefined, 'debug');
  const { operations } = fixture.broker;
  t.equal(operations.tracesFrames, true, 'as the level says at the start');
  operations.tracesFrames = false;
  const client = fixture.connect();
  const received = (): number => fixture.log.filter(({ message }) => message === 'frame received').length;
  client.publish('/topic/t', 'x');
  t.equal(received(), 0);
  operations.tracesFrames = true;
  client.publish('/topic/t', 'x');
  t.equal(received(), 1);
});
