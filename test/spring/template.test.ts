/** S7: sending from the application's own code, and asking who is connected. */
import t from 'tap';
import { BrokerFixture } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

t.test(
  'S7.1 convertAndSend and convertAndSendToUser exist; a missing slash before the destination is added',
  async (t) => {
    const fixture = new BrokerFixture();
    const alice = fixture.connect({ login: 'alice' });
    alice.subscribe('t', '/topic/a');
    alice.subscribe('q', '/user/queue/a');
    await fixture.broker.convertAndSend('/topic/a', 1);
    await fixture.broker.convertAndSendToUser('alice', '/queue/a', 2);
    await fixture.broker.convertAndSendToUser('alice', 'queue/a', 3);
    t.strictSame(alice.bodies(), ['1', '2', '3']);
  },
);

t.test('S7.2 headers of a template are STOMP headers, their values text', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  await fixture.broker.convertAndSend(
    '/topic/a',
    { a: 1 },
    {
      n: 5,
      yes: true,
      'odd:name\n': 'line\nbreak',
      'content-type': 'text/html',
      destination: '/topic/elsewhere',
      subscription: 'forged',
      'message-id': 'forged',
      'content-length': 1,
    },
  );
  const [frame] = client.frames();
  t.strictSame(
    frame?.headers.filter(([name]) => name !== 'message-id'),
    [
      ['subscription', 's'],
      ['destination', '/topic/a'],
      ['n', '5'],
      ['yes', 'true'],
      ['odd:name\n', 'line\nbreak'],
      ['content-type', 'application/json'],
      ['content-length', '7'],
    ],
    'S7.3, S7.4',
  );
});

t.test('S7.5 a template is heard by the broker alone: no inbound interceptor, no handler', async (t) => {
  const fixture = new BrokerFixture();
  const alice = fixture.connect({ login: 'alice' });
  const seen: string[] = [];
  fixture.broker.interceptInbound((frame) => (seen.push(frame.command), frame));
  fixture.broker.interceptBroker((message) => (seen.push(message.destination), message));
  fixture.broker.message('/x', () => t.fail('called'));
  await fixture.broker.convertAndSend('/app/x', 'nobody');
  await fixture.broker.convertAndSend('/user/alice/queue/x', 'translated');
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'translated');
  t.strictSame(seen, ['/app/x', '/user/alice/queue/x', '/user/alice/queue/x']);
  t.strictSame(alice.frames(), []);
});

t.test('S7.6 one anonymous session is reached by its id as name and as session', async (t) => {
  const fixture = new BrokerFixture();
  const [first, second] = [fixture.connect(), fixture.connect()];
  for (const client of [first, second]) client.subscribe('q', '/user/queue/x');
  const session = header(first.welcome, 'session') ?? '';
  await fixture.broker.convertAndSendToUser(session, '/queue/x', 'with', {}, { session });
  await fixture.broker.convertAndSendToUser(session, '/queue/x', 'without');
  t.strictSame([first.bodies(), second.bodies()], [['with'], []]);
});

t.test('a message for one session of a user reaches that one, and no session of anybody else', async (t) => {
  const fixture = new BrokerFixture();
  const [first, second, bob] = ['alice', 'alice', 'bob'].map((login) => fixture.connect({ login }));
  for (const client of [first, second, bob]) client?.subscribe('q', '/user/queue/x');
  const sessionOf = (client: typeof bob): string => header(client?.welcome, 'session') ?? '';
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'one', {}, { session: sessionOf(second) });
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'none', {}, { session: sessionOf(bob) });
  await fixture.broker.convertAndSendToUser('nobody', '/queue/x', 'none', {}, { session: sessionOf(bob) });
  t.strictSame([first?.bodies(), second?.bodies(), bob?.bodies()], [[], ['one'], []]);
});

t.test('S7.7 the registry knows users, their sessions and subscriptions, and finds among them', async (t) => {
  const fixture = new BrokerFixture();
  const { users } = fixture.broker;
  const [first, second, bob] = ['alice', 'alice', 'bob'].map((login) => fixture.connect({ login }));
  first?.subscribe('1', '/topic/a');
  second?.subscribe('2', '/topic/b');
  bob?.subscribe('3', '/topic/a');
  const ids = [first, second].map((client) => header(client?.welcome, 'session'));
  t.equal(users.count(), 2);
  t.strictSame(
    users.all().map(({ name }) => name),
    ['alice', 'bob'],
  );
  const alice = users.get('alice');
  t.strictSame(
    alice?.sessions.map(({ id }) => id),
    ids,
  );
  t.equal(alice?.session(ids[0] ?? '')?.user?.name, 'alice');
  t.equal(alice?.session('unknown'), undefined);
  t.equal(users.get('nobody'), undefined);
  t.strictSame(
    users
      .findSubscriptions(({ destination }) => destination === '/topic/a')
      .map(({ id, session }) => [id, session.user?.name]),
    [
      ['1', 'alice'],
      ['3', 'bob'],
    ],
  );
  first?.connection.vanish();
  t.equal(users.count(), 2, 'S7.9');
  second?.connection.vanish();
  t.strictSame(
    users.all().map(({ name }) => name),
    ['bob'],
  );
});

t.test('S7.8 anonymous sessions and their subscriptions are not in the registry', async (t) => {
  const fixture = new BrokerFixture();
  fixture.connect().subscribe('s', '/topic/a');
  t.equal(fixture.broker.users.count(), 0);
  t.strictSame(
    fixture.broker.users.findSubscriptions(() => true),
    [],
  );
});

t.test('a template works before start and after stop, and has no say in what follows', async (t) => {
  const fixture = new BrokerFixture();
  const octets = Buffer.from('octets');
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  await fixture.broker.convertAndSend('/topic/a', octets);
  octets.fill(0);
  t.strictSame(client.bodies(), ['octets'], 'the application may reuse its memory at once');
  client.send('DISCONNECT\n\n\0');
  client.frames();
  const stopped = fixture.broker.stop();
  fixture.clock.advance(20);
  await stopped;
  await t.resolves(fixture.broker.convertAndSend('/topic/a', 'after stop'));
});

t.test('what would break a frame, or cannot be sent, is refused before anybody gets it', async (t) => {
  const { broker } = new BrokerFixture();
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  for (const payload of [undefined, () => 1, Symbol('s'), 5n, cycle]) {
    await t.rejects(broker.convertAndSend('/topic/a', payload), { code: 'payload-invalid' });
  }
  await t.rejects(broker.convertAndSend('/topic/a', '', { a: 'b\0SEND' }), { code: 'header-invalid' });
  await t.rejects(broker.convertAndSend('/topic/a', '', { 'a\0': 'b' }), { code: 'header-invalid' });
  await t.rejects(broker.convertAndSend('/topic/a', '', { '': 'b' }), { code: 'header-invalid' });
  await t.rejects(broker.convertAndSend('/topic/a\0', ''), { code: 'destination-invalid' });
  await t.rejects(broker.convertAndSend('', ''), { code: 'destination-invalid' });
  await t.rejects(broker.convertAndSend(`/topic/${'a'.repeat(2000)}`, ''), { code: 'destination-invalid' });
  await t.rejects(broker.convertAndSendToUser('', '/queue/a', ''), { code: 'destination-invalid' });
  await t.rejects(broker.convertAndSendToUser('a', '/queue/a\0', ''), { code: 'destination-invalid' });
});
