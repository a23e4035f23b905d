import t from 'tap';
import type { BrokerOptions, Partially } from '../../../broker/index.js';
import { DestinationMeters } from '../../../broker/quotas/destination-meters.js';
import { TimerWheel } from '../../../broker/timer-wheel.js';
import type { Authorizer, Handshake } from '../../../broker/ports.js';
import { BrokerFixture, type FixtureClient, frameText } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { RAW } from '../../helpers/memory-connection.js';
import { MemoryNetwork } from '../../helpers/memory-node-relay.js';
import { header } from '../../helpers/server-frames.js';
import { startTestServer } from '../../helpers/server.js';
import { RawClient } from '../../helpers/raw-client.js';
import { http } from '../../helpers/sockjs-http.js';

type Quotas = Partially<BrokerOptions['quotas']>;

function fixtureWith(quotas: Quotas, more: Partially<BrokerOptions> = {}): BrokerFixture {
  return new BrokerFixture({ refusals: 'soft', quotas, ...more });
}

/** A client that hears of soft refusals. */
function client(fixture: BrokerFixture, login?: string): FixtureClient {
  const made = fixture.connect(login === undefined ? {} : { login });
  made.subscribe('e', '/user/queue/errors');
  made.subscribe('t', '/topic/x');
  made.frames();
  return made;
}

/** Sends so many messages at once. @returns bodies that came back, and codes of refusals */
function burst(sender: FixtureClient, count: number, headers: Record<string, string> = {}): [number, string[]] {
  for (let k = 0; k < count; k++) sender.publish('/topic/x', 'm', headers);
  const frames = sender.frames();
  const refused = frames.filter((frame) => header(frame, 'subscription') === 'e');
  const arrived = frames.filter((frame) => header(frame, 'subscription') === 't');
  return [arrived.length, refused.map((frame) => header(frame, 'code') ?? '')];
}

t.test(
  'a session may send a burst, then its rate; what is over it is refused and says when to try again',
  async (t) => {
    const fixture = fixtureWith({ session: { messagesPerSecond: 10, messageBurst: 20 } });
    const sender = client(fixture);
    fixture.clock.advance(5_000);
    t.strictSame(burst(sender, 21), [20, ['rate-limited']]);
    sender.publish('/topic/x', 'm', { receipt: 'r' });
    const [refused] = sender.frames();
    t.equal(header(refused, 'receipt-id'), 'r');
    t.equal(header(refused, 'retry-after'), '1');
    t.equal(header(refused, 'retry-after-ms'), '100');
    fixture.clock.advance(100);
    t.strictSame(burst(sender, 2), [1, ['rate-limited']]);
    fixture.clock.advance(1_000);
    t.equal(burst(sender, 30)[0], 10);
    t.equal(burst(client(fixture), 5)[0], 5, 'of another session nothing was used but two SUBSCRIBEs');
    sender.frames();
    sender.send(frameText('UNSUBSCRIBE', { id: 't' }));
    t.strictSame(sender.frames(), [], 'what ends something is not measured');
  },
);

t.test('with refusals that close, ERROR says when to try again', async (t) => {
  const fixture = fixtureWith({ session: { messagesPerSecond: 1 } }, { refusals: 'close' });
  const sender = fixture.connect();
  sender.publish('/topic/x', '1');
  sender.publish('/topic/x', '2');
  const [error] = sender.frames();
  t.equal(error?.command, 'ERROR');
  t.equal(header(error, 'code'), 'rate-limited');
  t.equal(header(error, 'retry-after'), '1');
  t.equal(fixture.broker.stats().rateLimited, 1);
});

t.test('octets are measured too; a frame beyond the burst passes after silence, and is paid for', async (t) => {
  const fixture = fixtureWith({ session: { bytesPerSecond: 1_000, byteBurst: 2_000 } });
  const sender = client(fixture);
  fixture.clock.advance(10_000);
  sender.publish('/topic/x', 'x'.repeat(5_000));
  t.strictSame(burst(sender, 1), [1, ['rate-limited']]);
  fixture.clock.advance(2_900);
  t.strictSame(burst(sender, 1), [0, ['rate-limited']]);
  fixture.clock.advance(400);
  t.strictSame(burst(sender, 1), [1, []]);
});

t.test('with pause nothing is refused: the client is not read until its rate allows more', async (t) => {
  const fixture = fixtureWith({ onExceeded: 'pause', session: { messagesPerSecond: 10, messageBurst: 5 } });
  const sender = client(fixture);
  fixture.clock.advance(5_000);
  const frames = Array.from({ length: 30 }, (_, k) => frameText('SEND', { destination: '/topic/x' }, String(k)));
  sender.send(frames.join(''));
  const bodies = sender.bodies();
  t.strictSame(bodies, ['0', '1', '2', '3', '4', '5']);
  t.ok(sender.connection.isPaused);
  for (let k = 0; k < 60 && bodies.length < 30; k++) {
    fixture.clock.advance(50);
    await fixture.settle();
    bodies.push(...sender.bodies());
  }
  t.strictSame(
    bodies,
    Array.from({ length: 30 }, (_, k) => String(k)),
  );
  await fixture.settle();
  fixture.clock.advance(200);
  await fixture.settle();
  t.notOk(sender.connection.isPaused);
});

t.test('a client that leaves while it is paused is gone, and what it sent is still dealt with', async (t) => {
  const fixture = fixtureWith({ onExceeded: 'pause', session: { messagesPerSecond: 10, messageBurst: 1 } });
  const [listener, sender] = [fixture.connect(), fixture.connect({ login: 'ann' })];
  listener.subscribe('1', '/topic/x');
  listener.frames();
  sender.send(['1', '2', '3'].map((body) => frameText('SEND', { destination: '/topic/x' }, body)).join(''));
  sender.connection.vanish();
  for (let k = 0; k < 20; k++) {
    fixture.clock.advance(50);
    await fixture.settle();
  }
  t.strictSame(listener.bodies(), ['1', '2', '3']);
  t.equal(fixture.broker.users.count(), 0);
});

t.test('a user’s sessions share what the user may; connecting anew clears nothing', async (t) => {
  const fixture = fixtureWith({ user: { messagesPerSecond: 2, messageBurst: 10 } });
  const [first, second, other] = [client(fixture, 'ann'), client(fixture, 'ann'), client(fixture, 'bob')];
  t.equal(burst(first, 4)[0], 4);
  t.strictSame(burst(second, 3)[1].length, 1, '4 SUBSCRIBEs and 4 messages before');
  first.connection.vanish();
  second.connection.vanish();
  const again = fixture.connect({ login: 'ann' });
  again.subscribe('e', '/user/queue/errors');
  again.publish('/topic/x', 'm');
  again.frames();
  t.equal(fixture.broker.stats().rateLimited, 3);
  other.frames();
  t.equal(burst(other, 8)[0], 8);
});

t.test('a session that is refused too often is ended, and forgiven after a while', async (t) => {
  const quotas = { maxRefusals: 5, refusalWindowMs: 600_000, session: { messagesPerSecond: 10, messageBurst: 20 } };
  const fixture = fixtureWith(quotas);
  const sender = client(fixture);
  fixture.clock.advance(5_000);
  t.equal(burst(sender, 25)[1].length, 5);
  fixture.clock.advance(600_000);
  t.equal(burst(sender, 25)[1].length, 5);
  sender.publish('/topic/x', 'm');
  t.equal(sender.error(), 'rate-limited');
});

t.test('a user may be connected so often, and again when a session has ended', async (t) => {
  const fixture = fixtureWith({ user: { maxConnections: 2 } });
  const [first] = [client(fixture, 'ann'), client(fixture, 'ann')];
  const tooMany = fixture.open();
  tooMany.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'x', login: 'ann' }));
  const [error] = tooMany.frames();
  t.equal(header(error, 'code'), 'connection-limit');
  t.equal(header(error, 'retry-after'), '10');
  t.match(header(error, 'message'), /Too many connections of user "ann"/);
  client(fixture, 'bob');
  first.connection.vanish();
  client(fixture, 'ann');
  client(fixture);
  client(fixture);
  t.pass('anonymous clients are no user');
});

function from(fixture: BrokerFixture, forwarded: string, isProxyTrusted = true): string | undefined {
  const handshake: Handshake = { url: '/ws', headers: { 'x-forwarded-for': forwarded }, isProxyTrusted };
  const opened = fixture.open(RAW, handshake);
  opened.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'x' }));
  const [frame] = opened.frames();
  return frame?.command === 'ERROR' ? header(frame, 'code') : frame?.command;
}

t.test('an address may be connected so often: the one that the trusted proxy saw', async (t) => {
  const fixture = fixtureWith({ address: { maxConnections: 2 } });
  t.equal(from(fixture, '10.0.0.1'), 'CONNECTED');
  t.equal(from(fixture, 'forged, 10.0.0.1'), 'CONNECTED');
  t.equal(from(fixture, '1.2.3.4, 10.0.0.1:443'), 'connection-limit', 'what the client wrote in front means nothing');
  t.equal(from(fixture, '10.0.0.2'), 'CONNECTED');
  t.equal(from(fixture, '2001:db8::1'), 'CONNECTED');
  t.equal(from(fixture, '[2001:db8:0:0:ffff::2]:99'), 'CONNECTED');
  t.equal(from(fixture, '2001:db8:0:0:1:2:3:4'), 'connection-limit', 'one network');
  t.equal(from(fixture, '2001:db8:0:1::1'), 'CONNECTED');
  t.equal(from(fixture, '::ffff:10.0.0.2'), 'CONNECTED');
  t.equal(from(fixture, '10.0.0.2'), 'connection-limit');
  t.equal(from(fixture, '10.0.0.9', false), 'CONNECTED', 'a proxy that is not trusted is not asked');
  t.equal(from(fixture, '10.0.0.8', false), 'CONNECTED');
  t.equal(from(fixture, '10.0.0.7', false), 'connection-limit', 'it counts itself');
  const chain = fixtureWith({ proxyHops: 2, address: { maxConnections: 1 } });
  t.equal(from(chain, 'forged, 10.0.0.1, 172.16.0.1'), 'CONNECTED');
  t.equal(from(chain, '10.0.0.1, 172.16.0.2'), 'connection-limit');
});

t.test('over HTTP the answer is 429 with Retry-After, on TCP an ERROR frame', async (t) => {
  const { tcpPort, httpPort, server, stop } = await startTestServer({
    broker: { quotas: { address: { maxConnections: 1 } } },
  });
  t.teardown(stop);
  const first = await RawClient.openFor(t, tcpPort);
  await first.connect();
  const second = await RawClient.openFor(t, tcpPort);
  await second.expectError('connection-limit');
  for (const path of ['/ws', '/ws/websocket', '/ws/000/abc/websocket']) {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
    };
    const answer = await http('GET', `http://127.0.0.1:${httpPort}${path}`, { headers });
    t.equal(answer.status, 429, path);
    t.equal(answer.headers['retry-after'], '10');
    t.match(answer.text, /^Too many connections of address 127\.0\.0\.1/);
  }
  t.equal(server.broker.stats().connections.refused, 4);
});

t.test('a destination takes what its first rule says from all who send there', async (t) => {
  const fixture = fixtureWith({
    destinations: [
      { pattern: '/topic/x/free' },
      { pattern: '/topic/x/**', messagesPerSecond: 5, messageBurst: 10 },
      { pattern: '/queue/**', bytesPerSecond: 1_000, byteBurst: 1_000 },
    ],
  });
  const [a, b, listener] = [client(fixture), client(fixture), fixture.connect()];
  listener.subscribe('1', '/topic/**');
  const send = (sender: FixtureClient, destination: string, count: number, headers = {}): string[] => {
    for (let k = 0; k < count; k++) sender.publish(destination, 'm', headers);
    return sender.frames().map((frame) => header(frame, 'code') ?? '');
  };
  t.strictSame(send(a, '/topic/x/1', 7), []);
  t.strictSame(send(b, '/topic/x/1', 5), ['rate-limited', 'rate-limited']);
  t.strictSame(send(b, '/topic/x/2', 10), [], 'each destination has its own');
  t.strictSame(send(a, '/topic/x/free', 50), []);
  t.strictSame(send(a, '/topic/y', 50), []);
  t.equal(listener.bodies().length, 7 + 3 + 10 + 50 + 50);
  t.strictSame(send(a, '/topic/x/1', 1, { receipt: 'r' }), ['rate-limited']);
  fixture.clock.advance(400);
  t.strictSame(send(a, '/topic/x/1', 3), ['rate-limited'], 'two in 400 ms');
  a.publish('/queue/q', 'x'.repeat(1_500));
  t.strictSame(a.frames(), []);
  t.strictSame(send(b, '/queue/q', 1), ['rate-limited']);
  t.equal(fixture.broker.stats().rateLimited, 5);
});

t.test('what the rules forbid, and what joins a transaction that ends, is counted as it is meant', async (t) => {
  const isAllowed: Authorizer = { isAllowed: ({ principal, action }) => action !== 'send' || principal.name === 'ann' };
  const quotas: Quotas = { destinations: [{ pattern: '/topic/**', messagesPerSecond: 1, messageBurst: 2 }] };
  const fixture = new BrokerFixture({ refusals: 'soft', quotas }, undefined, 'info', isAllowed);
  const [ann, bob] = [client(fixture, 'ann'), client(fixture, 'bob')];
  t.strictSame(burst(bob, 9), [0, Array<string>(9).fill('access-denied')], 'who may not send uses nothing up');
  ann.send(frameText('BEGIN', { transaction: 't' }));
  t.strictSame(burst(ann, 3, { transaction: 't' })[1], ['rate-limited']);
  ann.send(frameText('COMMIT', { transaction: 't' }));
  t.equal(ann.bodies().length, 2);
});

t.test('with pause whoever sends to a destination beyond its rate is read again later', async (t) => {
  const destinations = [{ pattern: '/topic/**', messagesPerSecond: 10, messageBurst: 2 }];
  const fixture = fixtureWith({ onExceeded: 'pause', destinations });
  const sender = client(fixture);
  sender.send([1, 2, 3, 4].map((body) => frameText('SEND', { destination: '/topic/x' }, String(body))).join(''));
  t.strictSame(sender.bodies(), ['1', '2', '3']);
  t.ok(sender.connection.isPaused);
  fixture.clock.advance(150);
  await fixture.settle();
  t.strictSame(sender.bodies(), ['4']);
  t.equal(fixture.broker.stats().rateLimited, 2);
});

t.test('destinations that nobody sends to any more are forgotten, and never more than so many are known', async (t) => {
  const clock = new FakeClock();
  const meters = new DestinationMeters({
    rules: [{ pattern: '/topic/**', messagesPerSecond: 1, messageBurst: 30 }],
    separator: '/',
    maxLengthBytes: 1_024,
    clock,
    wheel: new TimerWheel(clock),
  });
  t.equal(meters.of(`/topic/${'x'.repeat(1_100)}`), null, 'too long to be a destination');
  t.equal(meters.of('/other'), null);
  t.equal(meters.size, 1, 'that no rule covers it is remembered too');
  meters.of('/topic/busy')?.take(20, clock.nowMs());
  for (let k = 0; k < 110_000; k++) meters.of(`/topic/${k}`);
  t.equal(meters.size, 100_000);
  t.equal(meters.get('/topic/busy'), undefined, 'the oldest had to go');
  meters.of('/topic/busy')?.take(20, clock.nowMs());
  clock.advance(60_000);
  t.strictSame([meters.size, [...meters.entries()].length], [0, 0]);
  t.equal(clock.intervalCount, 0, 'and nothing goes on');
});

t.test('options that contradict themselves are refused by name', async (t) => {
  const fault = (quotas: object): unknown => {
    try {
      fixtureWith(quotas);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  t.match(fault({ onExceeded: 'drop' }), /quotas\.onExceeded: got "drop", wants "refuse" or "pause"/);
  t.match(fault({ proxyHops: 0 }), /quotas\.proxyHops: got 0, wants 1 or more/);
  t.match(fault({ session: { maxConnections: 1 } }), /unknown option quotas\.session\.maxConnections/);
  t.match(fault({ destinations: [{ messagesPerSecond: 1 }] }), /quotas\.destinations\[0\]\.pattern: got undefined/);
  t.match(fault({ destinations: [{ pattern: '/x', rate: 1 }] }), /unknown option quotas\.destinations\[0\]\.rate/);
});

async function twoNodes(quotas: Quotas): Promise<[BrokerFixture, BrokerFixture, FakeClock]> {
  const network = new MemoryNetwork();
  const clock = new FakeClock();
  const make = async (nodeId: string): Promise<BrokerFixture> => {
    const options = { nodeId, refusals: 'soft' as const, quotas };
    const made = new BrokerFixture(options, undefined, 'info', null, { clock, nodeRelay: network.createRelay() });
    await made.started;
    return made;
  };
  return [await make('a'), await make('b'), clock];
}

async function pass(clock: FakeClock, fixture: BrokerFixture, ms: number): Promise<void> {
  clock.advance(ms);
  await fixture.settle();
}

t.test('nodes count connections together, as they have told each other', async (t) => {
  const [a, b, clock] = await twoNodes({ user: { maxConnections: 3 } });
  const refuses = (fixture: BrokerFixture): boolean => {
    const opened = fixture.open();
    opened.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'x', login: 'ann' }));
    return opened.frames()[0]?.command === 'ERROR';
  };
  const here = client(a, 'ann');
  client(b, 'ann');
  client(b, 'ann');
  await pass(clock, a, 1_100);
  t.ok(refuses(a));
  t.ok(refuses(b));
  here.connection.vanish();
  await pass(clock, a, 1_100);
  t.notOk(refuses(b));
  await pass(clock, a, 1_100);
  t.ok(refuses(a));
  const stopping = b.broker.stop(0);
  for (let k = 0; k < 5; k++) await pass(clock, a, 20);
  await stopping;
  t.notOk(refuses(a), 'a node that is gone holds none');
});

t.test('nodes share a rate by what is wanted where', async (t) => {
  const [a, b, clock] = await twoNodes({ user: { messagesPerSecond: 100, messageBurst: 10 } });
  const [here, there] = [client(a, 'ann'), client(b, 'ann')];
  const load = async (seconds: number, rates: readonly [number, number]): Promise<[number, number]> => {
    const passed: [number, number] = [0, 0];
    for (let k = 0; k < seconds * 20; k++) {
      passed[0] += burst(here, rates[0] / 20)[0];
      passed[1] += burst(there, rates[1] / 20)[0];
      await pass(clock, a, 50);
    }
    return passed;
  };
  await load(4, [200, 200]);
  const before = [a.broker.stats().rateLimited, b.broker.stats().rateLimited] as const;
  await load(4, [200, 200]);
  const through = [a, b].map((fixture, k) => 800 - (fixture.broker.stats().rateLimited - (before[k] ?? 0)));
  for (const each of through) t.ok(each > 150 && each < 260, `${each} of 400 for both together`);
  await load(4, [200, 0]);
  const limited = a.broker.stats().rateLimited;
  await load(4, [200, 0]);
  const alone = 800 - (a.broker.stats().rateLimited - limited);
  t.ok(alone > 380 && alone < 430, `${alone} of 400 where nobody else wants any`);
});

t.test('nodes share what a destination takes', async (t) => {
  const destinations = [{ pattern: '/topic/x', messagesPerSecond: 100, messageBurst: 10 }];
  const [a, b, clock] = await twoNodes({ destinations });
  const [here, there] = [a.connect(), b.connect()];
  const load = async (seconds: number): Promise<void> => {
    for (let k = 0; k < seconds * 20; k++) {
      burst(here, 10);
      burst(there, 10);
      await pass(clock, a, 50);
    }
  };
  await load(4);
  const refusals = [a.broker.stats().rateLimited, b.broker.stats().rateLimited] as const;
  await load(4);
  for (const [k, fixture] of [a, b].entries()) {
    const passed = 800 - (fixture.broker.stats().rateLimited - (refusals[k] ?? 0));
    t.ok(passed > 150 && passed < 260, `${passed} of 400 for both together`);
  }
});
