import t from 'tap';
import { MemoryStore } from '../../adapters/stores/memory-store.js';
import { BrokerError, type StoreOperation } from '../../broker/index.js';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
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

t.test('after ERROR the client has time to close, then it is cut', async (t) => {
  const fixture = new BrokerFixture({ limits: { lingerMs: 1_000 } });
  const client = fixture.connect();
  client.connection.answersClose = false;
  client.send('NONSENSE\n');
  t.equal(client.error(), 'command-unknown');
  t.strictSame(client.connection.calls, ['close']);
  t.equal(client.connection.closedWith?.code, 'protocol-error');
  fixture.clock.advance(900);
  t.strictSame(client.connection.calls, ['close']);
  fixture.clock.advance(200);
  t.strictSame(client.connection.calls, ['close', 'destroy']);
  t.equal(fixture.broker.stats().connections.current, 0);
  t.equal(fixture.clock.intervalCount, 0, 'no timer is left behind');
});

t.test('F-57 nothing after a fatal error is processed', async (t) => {
  const fixture = new BrokerFixture();
  const watcher = fixture.connect();
  watcher.subscribe('s', '/topic/a');
  const client = fixture.connect();
  const send = frameText('SEND', { destination: '/topic/a' }, 'x');
  client.send(`${send}SUBSCRIBE\n\n\0${send}`);
  client.connection.listener?.onBytes(Buffer.from(send), false);
  t.strictSame(watcher.bodies(), ['x']);
  t.equal(client.error(), 'header-missing');
});

t.test(
  'S-25 DISCONNECT: what came before is done, RECEIPT is the last frame, then the connection closes',
  async (t) => {
    const fixture = new BrokerFixture();
    const watcher = fixture.connect();
    watcher.subscribe('s', '/topic/a');
    const client = fixture.connect();
    const sends = Array.from({ length: 1_000 }, (_, k) => frameText('SEND', { destination: '/topic/a' }, String(k)));
    client.send(sends.join('') + frameText('DISCONNECT', { receipt: 'bye' }) + sends.join(''));
    t.strictSame(
      client.frames().map((frame) => header(frame, 'receipt-id')),
      ['bye'],
    );
    t.equal(watcher.bodies().length, 1_000);
    t.ok(client.isGone);
    t.equal(client.connection.closedWith?.code, 'client-disconnected');
  },
);

t.test('DISCONNECT of a client that does not read: everything is written before the close', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.connection.freeze();
  client.publish('/topic/a', 'x'.repeat(100_000));
  client.send(frameText('DISCONNECT', { receipt: 'bye' }));
  fixture.clock.turn();
  t.notOk(client.isGone);
  client.connection.thaw();
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['MESSAGE', 'RECEIPT'],
  );
  t.ok(client.isGone);
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

t.test(
  'R-15 what arrived before the connection went, while its authenticator was thinking, is still handled',
  async (t) => {
    let decide: (principal: Principal) => void = () => undefined;
    const verdict = new Promise<Principal>((resolve) => (decide = resolve));
    const fixture = new BrokerFixture({}, { authenticate: () => verdict });
    const client = fixture.open();
    client.send(
      frameText('CONNECT', { 'accept-version': '1.2', host: 'h', 'client-id': 'c' }) +
        frameText('SEND', { destination: '/queue/a' }, 'x'),
    );
    client.connection.vanish();
    decide({ name: 'u', roles: [] });
    await promises();
    t.strictSame(client.frames(), []);
    t.match(fixture.broker.stats(), { messagesIn: 1, connections: { current: 0 } });
    fixture.clock.advance(100);
    t.equal(fixture.clock.intervalCount, 0);
  },
);

t.test(
  'a connection that goes while its authenticator never answers is forgotten at the connect timeout',
  async (t) => {
    const fixture = new BrokerFixture({}, { authenticate: () => new Promise<Principal>(() => undefined) });
    const client = fixture.open();
    client.send(CONNECT);
    client.connection.vanish();
    t.match(fixture.broker.stats(), { connections: { current: 1 } });
    fixture.clock.advance(11_000);
    t.match(fixture.broker.stats(), { connections: { current: 0 } });
  },
);

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

t.test('C-36 connections that come and go leave nothing behind', async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 1_000, receiveMs: 1_000 } });
  for (let k = 0; k < 1_000; k++) {
    const client = fixture.connect({ 'heart-beat': '1000,1000', 'client-id': String(k % 7) });
    client.subscribe('s', '/topic/*');
    client.subscribe('q', '/queue/q', { ack: 'client' });
    if (k % 2 === 0) client.connection.vanish();
    else client.send(frameText('DISCONNECT', {}));
    fixture.clock.turn();
  }
  fixture.clock.advance(100);
  t.match(fixture.broker.stats(), { connections: { current: 0, total: 1_000 }, subscriptions: 0 });
  t.equal(fixture.clock.intervalCount, 0);
});

t.test('stop tells WebSockets 1001, waits for clients and cuts those that stay', async (t) => {
  const fixture = new BrokerFixture();
  const polite = fixture.connect();
  const stubborn = fixture.connect();
  stubborn.connection.answersClose = false;
  const stopped = fixture.broker.stop(500);
  t.equal(fixture.open().connection.listener, null);
  fixture.clock.advance(100);
  t.ok(polite.isGone);
  t.equal(polite.connection.closedWith?.webSocketStatus, 1001);
  t.notOk(stubborn.isGone);
  fixture.clock.advance(500);
  await stopped;
  fixture.clock.turn();
  t.ok(stubborn.isGone);
  t.equal(fixture.broker.stats().closed['server-shutdown'], 2);
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

t.test('the fault is told when a handler was still at work, too', async (t) => {
  const fixture = new BrokerFixture();
  let finish = (): void => undefined;
  fixture.broker.message('/slow', () => new Promise<void>((resolve) => (finish = resolve)));
  const ends: unknown[] = [];
  fixture.broker.events.on('disconnect', ({ reason, cause }) => ends.push([reason, cause?.message]));
  const client = fixture.connect();
  client.publish('/app/slow', '');
  client.connection.vanish(new Error('read ECONNRESET'));
  t.strictSame(ends, [], 'what it sent before is still being handled');
  finish();
  await promises();
  t.strictSame(ends, [['client-gone', 'read ECONNRESET']]);
  t.equal(fixture.broker.stats().connections.transportErrors, 1);
});

/** A store that keeps what it is asked waiting. */
class SlowStore extends MemoryStore {
  #release = (): void => undefined;
  #isHeld = false;

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    this.#release();
  }

  override async commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.#isHeld) await new Promise<void>((resolve) => (this.#release = resolve));
    await super.commit(operations);
  }
}

t.test('a client that has ended its side is owed the RECEIPTs that wait for the store, for so long', async (t) => {
  const store = new SlowStore();
  const fixture = await BrokerFixture.storing(store, { handlers: { deadlineMs: 5_000 } });
  const client = fixture.connect();
  const { listener } = client.connection;
  t.equal(listener?.onEnd?.(), undefined, 'nothing is owed');
  for (const end of ['stored', 'late']) {
    store.hold();
    client.publish('/queue/q', 'x', { persistent: 'true', receipt: end });
    await fixture.settled();
    const seen: string[] = [];
    void listener?.onEnd?.()?.then(() => seen.push('answered'));
    await fixture.settled();
    t.strictSame(seen, []);
    if (end === 'stored') store.release();
    else fixture.clock.advance(6_000);
    await fixture.settled();
    t.strictSame(seen, ['answered']);
    t.equal(client.frames().length, end === 'stored' ? 1 : 0);
  }
  store.release();
});
