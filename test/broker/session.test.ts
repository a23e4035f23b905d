import t from 'tap';
import { BrokerError } from '../../broker/index.js';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { SteppingClock } from '../helpers/stepping-clock.js';
import type { Principal } from '../../broker/ports.js';

const CONNECT = frameText('CONNECT', { 'accept-version': '1.2', host: 'h' });

/** Lets promises that are settled take effect. */
const promises = () => new Promise((resolve) => setImmediate(resolve));

t.test('C-19 a connection without CONNECT is told so and closed in time; heart-beats do not extend it', async (t) => {
  const fixture = new BrokerFixture({ limits: { connectTimeoutMs: 1_000 } });
  const client = fixture.open();
  for (let k = 0; k < 9; k++) {
    client.send('\n');
    fixture.clock.advance(100);
  }
  t.notOk(client.isGone);
  fixture.clock.advance(200);
  t.equal(client.error(), 'connect-timeout');
  t.ok(client.isGone);
  t.equal(fixture.broker.stats().closed['connect-timeout'], 1);
  t.equal(fixture.broker.stats().connections.current, 0);
});

/** On which turns do not end for as long as a test says so. */
class BusyClock extends SteppingClock {
  isBusy = false;

  override turn(): void {
    if (!this.isBusy) super.turn();
  }
}

t.test('a CONNECT that came in time is not cut for the turns of others', (t) => {
  const clock = new BusyClock();
  const limits = { turnBudgetMs: 1, connectTimeoutMs: 1_000 };
  const fixture = new BrokerFixture({ limits }, undefined, undefined, null, { clock });
  const subscriber = fixture.connect();
  for (let k = 0; k < 600; k++) subscriber.subscribe(String(k), '/topic/a');
  const sender = fixture.connect();
  const [late, silent] = [fixture.open(), fixture.open()];
  clock.turn();
  clock.isBusy = true;
  sender.publish('/topic/a', 'to many');
  late.send(CONNECT);
  clock.advance(5_000);
  clock.isBusy = false;
  t.match(late.frames(), [{ command: 'CONNECTED' }]);
  t.ok(silent.isGone);
  t.equal(fixture.broker.stats().closed['connect-timeout'], 1, 'who sent nothing');
  t.end();
});

t.test('C-18 frames behind CONNECT wait for the authenticator, then run in order with their receipts', async (t) => {
  let decide: (principal: Principal) => void = () => undefined;
  const verdict = new Promise<Principal>((resolve) => (decide = resolve));
  const fixture = new BrokerFixture({}, { authenticate: () => verdict });
  const client = fixture.open();
  const frames = Array.from({ length: 20 }, (_, k) =>
    frameText('SEND', { destination: '/topic/a', receipt: String(k) }),
  );
  client.send(
    CONNECT +
      frameText('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'sub' }) +
      frames.slice(0, 10).join(''),
  );
  client.send(frames.slice(10).join('').slice(0, 77));
  client.send(frames.slice(10).join('').slice(77));
  t.strictSame(client.frames(), []);
  decide({ name: 'u', roles: [] });
  await promises();
  const got = client.frames();
  t.equal(got[0]?.command, 'CONNECTED');
  t.strictSame(
    got.filter(({ command }) => command === 'RECEIPT').map((frame) => header(frame, 'receipt-id')),
    ['sub', ...Array.from({ length: 20 }, (_, k) => String(k))],
  );
  t.equal(got.filter(({ command }) => command === 'MESSAGE').length, 20);
});

t.test('C-18 after a refusal none of them runs', async (t) => {
  const refusal = Promise.reject(new BrokerError('authentication-failed', 'No'));
  const fixture = new BrokerFixture({}, { authenticate: () => refusal });
  const client = fixture.open();
  client.send(CONNECT + frameText('SEND', { destination: '/queue/a' }, 'x'));
  await promises();
  t.equal(client.error(), 'authentication-failed');
  t.equal(fixture.broker.stats().messagesIn, 0);
  t.ok(client.isGone);
});

t.test('an error that is nobody’s fault is told under an id only, and logged', async (t) => {
  const fixture = new BrokerFixture(
    {},
    {
      authenticate() {
        throw new TypeError('secret path /etc');
      },
    },
  );
  const client = fixture.open();
  client.send(CONNECT);
  const [error] = client.frames();
  t.equal(header(error, 'code'), 'internal');
  t.notMatch(`${JSON.stringify(error?.headers)}${error?.body.toString() ?? ''}`, /secret/);
  const logged = fixture.log.find(({ level }) => level === 'error');
  t.match(header(error, 'message'), String(logged?.fields['errorId']));
});

t.test('C-03 C-04 CONNECT comes first and once', async (t) => {
  const first = new BrokerFixture().open();
  first.send(frameText('SEND', { destination: '/topic/a' }));
  t.equal(first.error(), 'not-connected');
  const twice = new BrokerFixture().connect();
  twice.send(CONNECT);
  t.equal(twice.error(), 'already-connected');
});

t.test('F-54 limits are tighter before CONNECTED', async (t) => {
  const fixture = new BrokerFixture({ limits: { beforeConnected: { maxHeaders: 5 } } });
  const many = Object.fromEntries(Array.from({ length: 10 }, (_, k) => [`h${k}`, '']));
  const early = fixture.open();
  early.send(frameText('CONNECT', { 'accept-version': '1.2', ...many }));
  t.equal(early.error(), 'headers-too-many');
  const late = fixture.connect();
  late.send(frameText('SEND', { destination: '/topic/a', receipt: 'r', ...many }));
  t.strictSame(
    late.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
});

t.test('C-22 a client-id displaces the older connection of its user, not of another', async (t) => {
  const fixture = new BrokerFixture();
  const older = fixture.connect({ login: 'ann', 'client-id': 'c' });
  const other = fixture.open();
  other.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', login: 'bob', 'client-id': 'c' }));
  t.equal(other.error(), 'client-id-in-use');
  t.notOk(older.isGone);
  const newer = fixture.connect({ login: 'ann', 'client-id': 'c' });
  t.equal(older.error(), 'client-id-displaced');
  t.ok(older.isGone);
  t.equal(older.connection.closedWith?.code, 'displaced');
  newer.connection.vanish();
  const bob = fixture.connect({ login: 'bob', 'client-id': 'c' });
  t.notOk(bob.isGone, 'the id is free once its holder has gone');
});

t.test('C-12 C-21 CONNECTED: server, session, user-name, response-id', async (t) => {
  const fixture = new BrokerFixture({ serverHeader: 'x/1' });
  const { welcome } = fixture.connect({ login: 'ann', 'request-id': 'a:b' });
  t.equal(header(welcome, 'server'), 'x/1');
  t.equal(header(welcome, 'version'), '1.2');
  t.match(header(welcome, 'session'), /^[A-Za-z0-9_-]{20,}$/);
  t.equal(header(welcome, 'user-name'), 'ann');
  t.equal(header(welcome, 'response-id'), 'a:b');
  t.equal(header(new BrokerFixture({ serverHeader: false }).connect().welcome, 'server'), undefined);
});

t.test('C-14 an unknown host is refused when hosts are named', async (t) => {
  const fixture = new BrokerFixture({ virtualHosts: ['a'] });
  t.ok(fixture.connect({ host: 'a' }).welcome);
  const client = fixture.open();
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'b' }));
  t.equal(client.error(), 'host-unknown');
});

t.test('what a transport hands over within resume stands behind what waits in the session', async (t) => {
  const fixture = new BrokerFixture();
  let goOn: () => void = () => undefined;
  fixture.broker.message('/slow', () => new Promise<void>((resolve) => (goOn = resolve)));
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  const { connection } = client;
  const held = ['third', 'fourth'];
  const resume = connection.resume.bind(connection);
  connection.resume = () => {
    resume();
    // As SockJS does with what requests have brought meanwhile.
    for (let body = held.shift(); body !== undefined; body = held.shift()) client.publish('/topic/a', body);
  };
  client.send(
    frameText('SEND', { destination: '/app/slow' }) +
      frameText('SEND', { destination: '/topic/a' }, 'first') +
      frameText('SEND', { destination: '/topic/a' }, 'second'),
  );
  t.strictSame(client.bodies(), []);
  goOn();
  await promises();
  t.strictSame(client.bodies(), ['first', 'second', 'third', 'fourth']);
});

t.test('stats count frames, messages, errors and ways to end', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxConnections: 2 } });
  const client = fixture.connect();
  const other = fixture.connect();
  t.equal(fixture.open().connection.listener, null, 'the third is refused');
  other.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'x');
  client.publish('/nowhere', 'x');
  other.frames();
  t.match(fixture.broker.stats(), {
    connections: { current: 2, total: 3, refused: 1 },
    subscriptions: 1,
    framesIn: 5,
    framesOut: 3,
    messagesIn: 2,
    messagesDropped: 1,
    errorsSent: 0,
  });
  client.send('X\n');
  client.frames();
  other.connection.vanish();
  t.match(fixture.broker.stats(), {
    connections: { current: 0 },
    subscriptions: 0,
    errorsSent: 1,
    closed: { 'protocol-error': 1, 'client-gone': 1 },
  });
});

t.test('frames are traced with their secrets masked when the log wants them', async (t) => {
  const fixture = new BrokerFixture({}, undefined, 'debug');
  const client = fixture.connect({ login: 'ann', passcode: 'hunter2' });
  client.publish('/topic/a', 'visible', { Authorization: 'Bearer hunter2' });
  t.ok(fixture.log.some(({ message }) => message === 'frame received'));
  t.notMatch(JSON.stringify(fixture.log), /hunter2/);
  t.match(JSON.stringify(fixture.log), /visible/);
});

t.test('F-50 S-01 what is wrong with one frame is answered with its receipt-id', async (t) => {
  const wrong: readonly [string, Record<string, string>, string][] = [
    ['SEND', {}, 'header-missing'],
    ['SEND', { destination: '' }, 'header-missing'],
    ['SUBSCRIBE', { id: '1' }, 'header-missing'],
    ['SUBSCRIBE', { destination: '/topic/a' }, 'header-missing'],
    ['SUBSCRIBE', { id: '1', destination: '/topic/a', ack: 'never' }, 'header-invalid'],
    ['SUBSCRIBE', { id: '1', destination: '/topic/a', 'prefetch-count': '0' }, 'header-invalid'],
    ['UNSUBSCRIBE', { id: '1' }, 'subscription-unknown'],
    ['UNSUBSCRIBE', {}, 'header-missing'],
    ['ACK', {}, 'header-missing'],
    ['ACK', { id: '1-1' }, 'ack-unknown'],
    ['NACK', { id: 'x' }, 'ack-unknown'],
  ];
  for (const [command, headers, code] of wrong) {
    const client = new BrokerFixture().connect();
    client.send(frameText(command, { ...headers, receipt: 'r1' }));
    const [error] = client.frames();
    t.equal(header(error, 'code'), code, `${command} ${JSON.stringify(headers)}`);
    t.equal(header(error, 'receipt-id'), 'r1');
    t.ok(client.isGone);
  }
});

t.test('S-04 S-05 an id is in use until UNSUBSCRIBE', async (t) => {
  const client = new BrokerFixture().connect();
  client.subscribe('s', '/topic/a');
  client.send(frameText('UNSUBSCRIBE', { id: 's' }));
  client.subscribe('s', '/topic/b', { receipt: 'r' });
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
  client.subscribe('s', '/topic/c');
  t.equal(client.error(), 'subscription-exists');
});

t.test('S-06 S-08 on 1.0 the destination names a subscription without id', async (t) => {
  const client = new BrokerFixture().connect({ 'accept-version': '1.0' });
  client.send('SUBSCRIBE\ndestination: /topic/a \n\n\0');
  client.publish('/topic/a', 'x');
  const [message] = client.frames();
  t.equal(header(message, 'subscription'), undefined);
  client.send('UNSUBSCRIBE\ndestination:/topic/a\nreceipt:r\n\n\0');
  client.publish('/topic/a', 'x');
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT'],
  );
});

t.test('the limit of subscriptions is kept', async (t) => {
  const client = new BrokerFixture({ limits: { maxSubscriptionsPerSession: 2 } }).connect();
  for (const id of ['a', 'b', 'c']) client.subscribe(id, '/topic/a');
  t.equal(client.error(), 'limit-exceeded');
});

t.test('the application is told of the handshake once, and of the fault that ended a connection', async (t) => {
  const fixture = new BrokerFixture();
  const { events } = fixture.broker;
  const handshakes: unknown[] = [];
  const ends: unknown[] = [];
  events.on('connect', ({ handshake }) => handshakes.push(handshake));
  events.on('disconnect', ({ reason, cause }) => ends.push([reason, cause?.message]));
  const handshake = { url: '/ws', headers: { 'user-agent': 'x' } };
  const [failed, dropped] = [fixture.open(undefined, handshake), fixture.open()];
  for (const client of [failed, dropped]) client.send(CONNECT);
  t.strictSame(handshakes, [handshake, null]);
  failed.connection.vanish(new Error('read ECONNRESET'));
  dropped.connection.vanish();
  t.strictSame(ends, [
    ['client-gone', 'read ECONNRESET'],
    ['client-gone', undefined],
  ]);
});
