/** S11: the relay to an external STOMP broker, frame by frame; test/interop/rabbitmq.test.ts has it with a real one. */
import t from 'tap';
import { resolveServerOptions } from '../../adapters/config/index.js';
import { frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { relayFixture, type RelayFixture } from '../helpers/scripted-broker.js';
import { header, type ServerFrame } from '../helpers/server-frames.js';

/** What a client has received once everything is done. */
async function received({ fixture }: RelayFixture, client: FixtureClient): Promise<readonly ServerFrame[]> {
  await fixture.settle();
  return client.frames();
}

function named(frames: readonly ServerFrame[], command: string): ServerFrame[] {
  return frames.filter((frame) => frame.command === command);
}

/** A client that says CONNECT and waits for what comes of it. */
async function connect(
  given: RelayFixture,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ client: FixtureClient; answer: ServerFrame | undefined }> {
  const client = given.fixture.open();
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'shop.example', ...headers }));
  const [answer] = await received(given, client);
  return { client, answer };
}

t.test('S11.1 host, port, logins and passcodes are by default those of Spring', async (t) => {
  t.match(resolveServerOptions({ relay: { type: 'stomp' } }).relay, {
    host: '127.0.0.1',
    port: 61613,
    destinationPrefixes: ['/topic', '/queue'],
    clientLogin: 'guest',
    clientPasscode: 'guest',
    systemLogin: 'guest',
    systemPasscode: 'guest',
  });
});

t.test('S11.2 the system connection says what Spring says, host only where there is a virtual host', async (t) => {
  const { external } = await relayFixture();
  t.strictSame(external.of('system')[0]?.sent('CONNECT'), [
    { 'accept-version': '1.1,1.2', login: 'system', passcode: 'guest', 'heart-beat': '10000,10000' },
  ]);
  const { external: other } = await relayFixture({ virtualHost: 'shop' });
  t.equal(other.of('system')[0]?.sent('CONNECT')[0]?.['host'], 'shop');
});

t.test('S11.3 per client: each has a connection of its own, with the client pair for a login', async (t) => {
  const given = await relayFixture({ connections: 'per-client', forwardLogin: false, clientPasscode: 'pair' });
  const { answer } = await connect(given, { login: 'ann', passcode: 'secret' });
  t.equal(answer?.command, 'CONNECTED');
  await connect(given, { login: 'bob', passcode: 'secret' });
  t.strictSame(
    given.external.of('client').map((connection) => connection.sent('CONNECT')[0]),
    Array(2).fill({
      'accept-version': '1.1,1.2',
      login: 'client',
      passcode: 'pair',
      'heart-beat': '10000,10000',
    }),
  );
  t.equal(given.external.open.length, 3, 'and nothing is shared but the system connection');
});

t.test('S11.3 with forwardLogin it is the login of the client', async (t) => {
  const given = await relayFixture({ connections: 'per-client' });
  await connect(given, { login: 'ann', passcode: 'secret' });
  t.match(given.external.of('ann')[0]?.sent('CONNECT')[0], { login: 'ann', passcode: 'secret' });
  await connect(given);
  t.equal(given.external.of('client').length, 1, 'one who has none gets the client pair');
});

t.test('S11.5 receipts, acks and transactions are those of the external broker', async (t) => {
  const given = await relayFixture();
  const { fixture, external } = given;
  const client = fixture.connect();
  client.subscribe('work', '/queue/work', { ack: 'client', receipt: 'subscribed' });
  client.publish('/queue/work', 'one', { receipt: 'sent', kind: 'a' });
  client.publish('/queue/work', 'two');
  const frames = await received(given, client);
  const seen = frames.map((frame) => header(frame, 'receipt-id') ?? frame.body.toString());
  t.equal(seen[0], 'subscribed');
  t.strictSame(seen.sort(), ['one', 'sent', 'subscribed', 'two']);
  const [first, second] = named(frames, 'MESSAGE');
  t.equal(header(first, 'subscription'), 'work');
  t.equal(header(first, 'kind'), 'a');
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.send(frameText('ACK', { id: header(second, 'ack') ?? '', transaction: 't' }));
  client.publish('/topic/done', 'both', { transaction: 't' });
  await fixture.settle();
  const own = external.with('SUBSCRIBE', { destination: '/queue/work' });
  t.strictSame(own.sent('ACK'), [], 'nothing is sent before COMMIT');
  client.send(frameText('COMMIT', { transaction: 't', receipt: 'committed' }));
  t.strictSame(
    (await received(given, client)).map((frame) => header(frame, 'receipt-id')),
    ['committed'],
  );
  const [{ transaction } = {}] = own.sent('BEGIN');
  // A cumulative ACK names each message: to the external broker acks are individual.
  t.strictSame(
    own.frames.slice(-4).map(({ command, headers }) => `${command} ${headers.get('id') ?? headers.get('destination')}`),
    ['SEND /topic/done', 'ACK ack-1', 'ACK ack-2', 'COMMIT undefined'],
  );
  t.ok(own.frames.slice(-4).every(({ headers }) => headers.get('transaction') === transaction));
});

t.test('S11.7 what the application sends goes over the system connection, with content-type and length', async (t) => {
  const { fixture, external } = await relayFixture();
  await fixture.broker.convertAndSend('/topic/prices', { eur: 1 }, { kind: 'tick' });
  await fixture.settle();
  t.match(external.of('system')[0]?.sent('SEND'), [
    { destination: '/topic/prices', 'content-type': 'application/json', 'content-length': '9', kind: 'tick' },
  ]);
});

t.test('S11.7 replies of handlers as well', async (t) => {
  const given = await relayFixture();
  const { fixture, external } = given;
  fixture.broker.message('/greet', () => 'hello');
  fixture.connect().publish('/app/greet', '');
  await fixture.settle();
  t.match(external.of('system')[0]?.sent('SEND'), [{ destination: '/topic/greet' }]);
});

t.test('S11.8 a user destination is a queue of the session at the external broker', async (t) => {
  const given = await relayFixture({ userQueueHeaders: { 'x-expires': '60000' } });
  const { fixture, external } = given;
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('mine', '/user/queue/orders', { receipt: 'r' });
  await fixture.settle();
  const destination = `/queue/orders-user${header(ann.welcome, 'session') ?? ''}`;
  t.match(external.with('SUBSCRIBE', { destination }).sent('SUBSCRIBE'), [{ destination, 'x-expires': '60000' }]);
  fixture.connect({ login: 'bob' }).publish('/user/ann/queue/orders', 'yours', { kind: 'order' });
  const [, message] = await received(given, ann);
  t.match(external.of('system')[0]?.sent('SEND'), [{ destination, kind: 'order', 'x-expires': '60000' }]);
  t.equal(header(message, 'subscription'), 'mine');
  t.equal(header(message, 'destination'), '/user/queue/orders');
  t.strictSame(fixture.broker.users.get('ann')?.sessions[0]?.subscriptionList[0]?.destination, '/user/queue/orders');
});

t.test('S11.8a simpOrigDestination travels to the external broker and not to the client', async (t) => {
  const given = await relayFixture();
  const { fixture, external } = given;
  const ann = fixture.connect({ login: 'ann' });
  ann.subscribe('mine', '/user/queue/orders');
  await fixture.settle();
  await fixture.broker.convertAndSendToUser('ann', '/queue/orders', 'yours');
  const [message] = await received(given, ann);
  t.equal(external.of('system')[0]?.sent('SEND')[0]?.['simpOrigDestination'], '/user/queue/orders');
  t.equal(header(message, 'destination'), '/user/queue/orders');
  t.equal(header(message, 'simpOrigDestination'), undefined);
});

t.test('S11.11 a lost system connection is an event, and is tried again for ever', async (t) => {
  const { fixture, external } = await relayFixture();
  const events: boolean[] = [];
  fixture.broker.events.on('availability', ({ available }) => events.push(available));
  t.ok(fixture.broker.health().isOk);
  external.stop();
  await fixture.settle();
  t.match(fixture.broker.health(), {
    isOk: false,
    problems: [{ part: 'relay', message: 'Connection to broker closed.' }],
  });
  for (let k = 0; k < 20; k++) {
    fixture.clock.advance(30_000);
    await fixture.settle();
  }
  t.strictSame(events, [false]);
  external.isDown = false;
  fixture.clock.advance(30_000);
  await fixture.settle();
  t.strictSame(events, [false, true]);
  t.ok(fixture.broker.health().isOk);
});

t.test('S11.12 Broker not available. for what belongs to it, while the system connection is down', async (t) => {
  const given = await relayFixture();
  const { fixture, external } = given;
  fixture.broker.message('/echo', () => 'still here', { sendToUser: false });
  external.stop();
  await fixture.settle();
  for (const ask of ['SEND', 'SUBSCRIBE']) {
    const client = fixture.connect();
    client.send(frameText(ask, { id: '1', destination: '/queue/work', receipt: 'r' }));
    const [error] = await received(given, client);
    t.equal(header(error, 'message'), 'Broker not available.');
    t.equal(header(error, 'receipt-id'), 'r');
    fixture.clock.advance(100);
    t.equal(client.connection.closedWith?.webSocketStatus, 1002);
  }
  const other = fixture.connect();
  other.publish('/app/echo', '', { receipt: 'here' });
  t.equal(header((await received(given, other))[0], 'receipt-id'), 'here', 'the rest goes on');
  await t.rejects(fixture.broker.convertAndSend('/topic/a', 'x'), { code: 'relay-unavailable' });
});

t.test('S11.12 Connection to broker closed., Transport failure: and Failed to connect:', async (t) => {
  const given = await relayFixture({ connections: 'per-client' });
  const { external } = given;
  const ends: [string, (at: number) => void][] = [
    ['Connection to broker closed.', (at) => external.of('client')[at]?.drop()],
    ['Transport failure: read ECONNRESET', (at) => external.of('client')[at]?.drop(new Error('read ECONNRESET'))],
  ];
  for (const [message, end] of ends) {
    const { client } = await connect(given);
    end(0);
    const [error] = await received(given, client);
    t.equal(error?.command, 'ERROR');
    t.equal(header(error, 'message'), message);
    given.fixture.clock.advance(100);
    t.equal(client.connection.closedWith?.webSocketStatus, 1002);
  }
  const accept = external.onFrame;
  external.onFrame = (connection, frame) => {
    if (frame.command === 'CONNECT') connection.fail('Bad CONNECT', "Access refused for user 'client'");
    else accept(connection, frame);
  };
  const { answer } = await connect(given);
  t.equal(header(answer, 'message'), "Failed to connect: Bad CONNECT: Access refused for user 'client'");
});
