/** S3 and S4: where SEND and SUBSCRIBE go, user destinations above all. */
import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';

/** Clients by login; an empty one is anonymous. Each hears `/user/queue/x`. */
function connectAll<const Names extends readonly string[]>(
  fixture: BrokerFixture,
  ...names: Names
): { readonly [Index in keyof Names]: FixtureClient } {
  const clients = names.map((login) => {
    const client = fixture.connect(login === '' ? {} : { login });
    client.subscribe('q', '/user/queue/x');
    return client;
  });
  return clients as unknown as { readonly [Index in keyof Names]: FixtureClient };
}

function sessionOf(client: FixtureClient): string {
  return header(client.welcome, 'session') ?? '';
}

function bodiesOf(...clients: readonly FixtureClient[]): string[][] {
  return clients.map((client) => client.bodies());
}

t.test('S3.2 an application prefix ends at a slash; the path keeps its own', async (t) => {
  for (const prefix of ['/app', '/app/']) {
    const fixture = new BrokerFixture({ destinations: { appPrefixes: [prefix, '/other'] } });
    const client = fixture.connect();
    const paths: string[] = [];
    fixture.broker.message('/**', ({ destination }) => void paths.push(destination));
    for (const destination of ['/app/x', '/appx', '/app', '/other/y/z', '/x']) client.publish(destination, '');
    t.strictSame(client.frames(), []);
    t.strictSame(paths, ['/app/x', '/other/y/z']);
  }
});

t.test('S3.3 broker prefixes are bare text: /topic covers /topicX', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('a', '/topicX');
  client.subscribe('b', '/topic.y');
  client.publish('/topicX', '1');
  client.publish('/topic.y', '2');
  t.strictSame(client.bodies(), ['1', '2']);
});

t.test('S3.7 a client may send straight to a topic, and hears itself', async (t) => {
  const fixture = new BrokerFixture();
  const [sender, other] = [fixture.connect(), fixture.connect()];
  for (const client of [sender, other]) client.subscribe('s', '/topic/a');
  sender.publish('/topic/a', 'm');
  t.strictSame(bodiesOf(sender, other), [['m'], ['m']]);
});

t.test("S3.20 SUBSCRIBE /user/queue/x is the session's own queue, with or without a user", async (t) => {
  const fixture = new BrokerFixture();
  const [alice, anonymous] = connectAll(fixture, 'alice', '');
  for (const client of [alice, anonymous]) client.publish(`/user/${sessionOf(client)}/queue/x`, sessionOf(client));
  t.strictSame(bodiesOf(alice, anonymous), [[sessionOf(alice)], [sessionOf(anonymous)]]);
});

t.test('S3.20 what stands behind the user must lie under a broker prefix', async (t) => {
  const fixture = new BrokerFixture();
  const [alice] = connectAll(fixture, 'alice');
  fixture.broker.message('/feed', () => 'called');
  alice.subscribe('feed', '/user/feed');
  alice.subscribe('app', '/user/app/feed');
  alice.publish('/user/alice/feed', '1');
  alice.publish('/user/alice/app/feed', '2');
  await fixture.broker.convertAndSendToUser('alice', '/feed', '3');
  t.strictSame(alice.frames(), []);
  t.equal(fixture.broker.stats().messagesDropped, 3);
  const strict = new BrokerFixture({ compat: 'strict' });
  await t.rejects(strict.broker.convertAndSendToUser('alice', '/feed', '3'), { code: 'destination-unknown' });
});

t.test("S3.21 a message to a user is one copy for each of the user's sessions", async (t) => {
  const fixture = new BrokerFixture();
  const [first, second, bob, anonymous] = connectAll(fixture, 'alice', 'alice', 'bob', '');
  bob.publish('/user/alice/queue/x', 'sent');
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'from the application');
  const both = ['sent', 'from the application'];
  t.strictSame(bodiesOf(first, second, bob, anonymous), [both, both, [], []]);
});

t.test('S3.22 names resolve to the sending session, all sessions of another user, or nothing', async (t) => {
  const fixture = new BrokerFixture();
  const [first, second, bob] = connectAll(fixture, 'alice', 'alice', 'bob');
  first.publish(`/user/${sessionOf(first)}/queue/x`, 'a: my own session');
  first.publish('/user/alice/queue/x', 'b: my own name');
  bob.publish('/user/alice/queue/x', 'c: another user');
  bob.publish('/user/nobody/queue/x', 'd: unknown');
  bob.publish(`/user/${sessionOf(first)}/queue/x`, 'another session is no name');
  t.strictSame(bodiesOf(first, second, bob), [
    ['a: my own session', 'b: my own name', 'c: another user'],
    ['c: another user'],
    [],
  ]);
  t.equal(bob.isGone, false);
});

t.test('S3.24 the client sees /user/queue/x: neither name nor session', async (t) => {
  const fixture = new BrokerFixture();
  const [alice, bob] = connectAll(fixture, 'alice', 'bob');
  bob.publish('/user/alice/queue/x', 'm', { simpOrigDestination: '/user/queue/forged', own: 'h' });
  const [frame] = alice.frames();
  t.strictSame(
    frame?.headers.filter(([name]) => name !== 'message-id'),
    [
      ['subscription', 'q'],
      ['destination', '/user/queue/x'],
      ['own', 'h'],
      ['content-length', '1'],
    ],
  );
});

t.test("S3.26 a slash in a user's name is %2F in the destination; no other escape is read", async (t) => {
  const fixture = new BrokerFixture();
  const [slashed, percent] = connectAll(fixture, 'a/b', 'a%20b');
  const bob = fixture.connect({ login: 'bob' });
  bob.publish('/user/a%2Fb/queue/x', '1');
  bob.publish('/user/a%20b/queue/x', '2');
  bob.publish('/user/a/b/queue/x', 'three parts are another destination');
  await fixture.broker.convertAndSendToUser('a/b', '/queue/x', '3');
  t.strictSame(bodiesOf(slashed, percent), [['1', '3'], ['2']]);
  await t.rejects(fixture.broker.convertAndSendToUser('a%2Fb', '/queue/x', ''), { code: 'destination-invalid' });
});

t.test("S3.27 a name in SUBSCRIBE is not a name: nobody subscribes another user's queue", async (t) => {
  const fixture = new BrokerFixture();
  const [alice, mallory] = connectAll(fixture, 'alice', 'mallory');
  const session = sessionOf(alice);
  const attempts = [
    '/user/alice/queue/x',
    `/user/${session}/queue/x`,
    `/topic/x-user${session}`,
    `/queue/x-user${session}`,
    '/user/**',
    '/user/*/queue/x',
    '/user/alice/**',
    '/topic/**',
  ];
  for (const [index, destination] of attempts.entries()) mallory.subscribe(`m${index}`, destination);
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'secret');
  await fixture.broker.convertAndSendToUser('alice', '/topic/x', 'secret');
  alice.publish('/user/alice/queue/x', 'secret too');
  t.strictSame(bodiesOf(alice, mallory), [['secret', 'secret too'], []]);
  for (const wild of ['/queue/**', `/queue/*-user${session}`]) {
    const client = fixture.connect();
    client.subscribe('w', wild);
    t.equal(client.error(), 'destination-invalid', `${wild}: a queue has no wildcards`);
  }
});

t.test('S3.28 SEND to /user/bob alone, or to no name, is dropped', async (t) => {
  const fixture = new BrokerFixture();
  const [bob] = connectAll(fixture, 'bob');
  for (const destination of ['/user/bob', '/user/bob/', '/user/', '/user//queue/x']) bob.publish(destination, 'm');
  t.strictSame(bob.frames(), []);
  t.equal(fixture.broker.stats().messagesDropped, 4);
});

t.test('S3.29 UNSUBSCRIBE by id ends a user subscription, exact or by pattern', async (t) => {
  const fixture = new BrokerFixture();
  const [alice] = connectAll(fixture, 'alice');
  alice.subscribe('wild', '/user/queue/*');
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', '1');
  t.strictSame(alice.bodies(), ['1', '1']);
  alice.send(frameText('UNSUBSCRIBE', { id: 'q' }));
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', '2');
  t.strictSame(
    alice.frames().map((frame) => header(frame, 'subscription')),
    ['wild'],
  );
  alice.send(frameText('UNSUBSCRIBE', { id: 'wild' }));
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', '3');
  t.strictSame(alice.frames(), []);
});

t.test("S3.30 SEND to what Spring would translate to reaches nobody's user queue", async (t) => {
  const fixture = new BrokerFixture();
  const [alice, mallory] = connectAll(fixture, 'alice', 'mallory');
  for (const rest of ['/queue/x-user', '/queue/x']) mallory.publish(`${rest}${sessionOf(alice)}`, 'forged');
  mallory.publish(`/user/${sessionOf(alice)}/queue/x`, 'forged');
  t.strictSame(alice.frames(), []);
});

t.test('S3.31 the user prefix can be chosen; the registry lists subscriptions as the client wrote them', async (t) => {
  const fixture = new BrokerFixture({ destinations: { userPrefix: '/me' } });
  const alice = fixture.connect({ login: 'alice' });
  alice.subscribe('a', '/me/queue/x');
  alice.subscribe('b', '/user/queue/x');
  await fixture.broker.convertAndSendToUser('alice', '/queue/x', 'm');
  t.strictSame(
    alice.frames().map((frame) => header(frame, 'destination')),
    ['/me/queue/x'],
  );
  t.strictSame(
    fixture.broker.users.findSubscriptions(() => true).map(({ destination }) => destination),
    ['/me/queue/x', '/user/queue/x'],
  );
});

t.test('S3.32 a user is known when CONNECTED is on its way, and not before', async (t) => {
  let letIn: () => void = () => undefined;
  const fixture = new BrokerFixture(
    {},
    {
      authenticate: ({ login }) =>
        new Promise(
          (resolve) =>
            (letIn = () => {
              resolve({ name: login ?? null, roles: [] });
            }),
        ),
    },
  );
  const counts: number[] = [];
  fixture.broker.events.on('connected', () => counts.push(fixture.broker.users.count()));
  fixture.open().send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', login: 'alice' }));
  t.equal(fixture.broker.users.count(), 0);
  letIn();
  await new Promise(setImmediate);
  t.strictSame(counts, [1]);
});

t.test('S3.40 with dots the prefix is cut off whole: /app/red.blue.g1 is red.blue.g1', async (t) => {
  const fixture = new BrokerFixture({ destinations: { separator: '.' } });
  const client = fixture.connect({ login: 'alice' });
  fixture.broker.group('red', (red) => {
    red.message('blue.{g}', ({ variables }) => variables, { sendTo: '/topic/got.{g}' }).message('default', () => 'd');
    red.subscribeMapping('now', () => 'now').message('mine', () => 'mine', { sendToUser: true });
  });
  client.subscribe('t', '/topic/got.*');
  client.subscribe('d', '/topic/red.default');
  client.subscribe('m', '/user/queue/red.mine');
  for (const path of ['red.blue.g1', 'red.default', 'red.mine', 'red/default']) client.publish(`/app/${path}`, '');
  client.subscribe('n', '/app/red.now');
  t.strictSame(
    client.frames().map((frame) => `${String(header(frame, 'destination'))} ${frame.body.toString()}`),
    ['/topic/got.g1 {"g":"g1"}', '/topic/red.default d', '/user/queue/red.mine mine', '/app/red.now now'],
  );
});

t.test('a user destination is authorised as written and as what it leads to', async (t) => {
  const asked: string[] = [];
  const { Broker } = await import('../../broker/index.js');
  const { FakeClock } = await import('../helpers/fake-clock.js');
  const { MemoryConnection } = await import('../helpers/memory-connection.js');
  const clock = new FakeClock();
  const silent = (): void => undefined;
  const broker = new Broker(
    {},
    {
      clock,
      logger: { level: 'silent', debug: silent, info: silent, warn: silent, error: silent },
      authenticator: { authenticate: () => ({ name: 'alice', roles: [] }) },
      authorizer: { isAllowed: ({ action, destination }) => (asked.push(`${action} ${destination}`), true) },
    },
  );
  await broker.start();
  const connection = new MemoryConnection((task) => {
    clock.soon(task);
  });
  connection.listener = broker.accept(connection);
  connection.feed(frameText('CONNECT', { 'accept-version': '1.2', host: 'h' }));
  connection.feed(frameText('SUBSCRIBE', { id: '1', destination: '/user/queue/x' }));
  connection.feed(frameText('SEND', { destination: '/user/bob/queue/x' }));
  clock.turn();
  t.strictSame(asked, [
    'connect ',
    'subscribe /user/queue/x',
    'subscribe /queue/x',
    'send /user/bob/queue/x',
    'send /queue/x',
  ]);
});
