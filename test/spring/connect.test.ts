/** S2: CONNECT and what follows from it. */
import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { settle } from '../helpers/settle.js';
import type { ConnectRequest } from '../../broker/ports.js';

t.test('S2.1 STOMP is CONNECT by another name', async (t) => {
  const client = new BrokerFixture().open();
  client.send(frameText('STOMP', { 'accept-version': '1.2', host: 'h' }));
  t.equal(client.frames()[0]?.command, 'CONNECTED');
});

t.test('S2.2 the version is the highest of 1.2, 1.1 and 1.0 that accept-version has', async (t) => {
  const versionFor = (accepts: string): string | undefined =>
    header(new BrokerFixture().connect({ 'accept-version': accepts }).welcome, 'version');
  t.equal(versionFor('1.0,1.1,1.2'), '1.2');
  t.equal(versionFor('1.2,1.0'), '1.2');
  t.equal(versionFor('1.1,1.0,2.0'), '1.1');
  t.equal(versionFor('1.1, 1.2'), '1.2', 'S15.2: items are trimmed');
});

t.test(
  'S2.4 CONNECTED says version, heart-beat, and user-name when there is a user; nothing in it is escaped',
  async (t) => {
    const fixture = new BrokerFixture({ serverHeader: false });
    const anonymous = fixture.connect().welcome;
    t.strictSame(
      anonymous?.headers.map(([name]) => name),
      ['version', 'heart-beat', 'session'],
    );
    t.equal(anonymous?.body.length, 0);
    const named = fixture.open();
    named.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', login: 'a:b\\n' }));
    named.frames();
    t.equal(fixture.broker.users.get('a:b\\n')?.sessions.length, 1);
    t.equal(header(fixture.connect({ login: 'c:d\\e' }).welcome, 'user-name'), 'c:d\\e');
  },
);

t.test("S2.5 heart-beat in CONNECTED is the server's own setting, whatever the client sent", async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 10_000, receiveMs: 20_000 } });
  for (const headers of [{}, { 'heart-beat': '0,0' }, { 'heart-beat': '500,500' }]) {
    t.equal(header(fixture.connect(headers).welcome, 'heart-beat'), '10000,20000');
  }
});

t.test('S2.6 each direction beats at the larger of the two wishes, or not at all', async (t) => {
  const beatsIn = (clientWish: string, ms: number): number => {
    const fixture = new BrokerFixture({ heartBeat: { sendMs: 1_000, receiveMs: 1_000, tolerance: 100 } });
    const client = fixture.connect({ 'heart-beat': clientWish });
    fixture.clock.advance(ms);
    client.frames();
    return client.heartBeats;
  };
  t.equal(beatsIn('0,4000', 4_000), 1, 'the client wants fewer');
  t.ok(beatsIn('0,10', 4_000) >= 4, 'the server sends no more often than it can');
  t.equal(beatsIn('1000,0', 10_000), 0);
  const silent = new BrokerFixture({ heartBeat: { sendMs: 1_000, receiveMs: 1_000 } });
  const [promises, promisesNothing] = [silent.connect({ 'heart-beat': '3000,0' }), silent.connect()];
  silent.clock.advance(5_900);
  t.equal(promises.isGone, false, 'two intervals of 3 s');
  silent.clock.advance(200);
  t.equal(promises.isGone, true);
  t.equal(promisesNothing.isGone, false, 'without the header nothing is expected');
});

t.test('S2.7 any frame and any LF refreshes the read clock, those to /app too; silence ends in ERROR', async (t) => {
  const fixture = new BrokerFixture({ heartBeat: { sendMs: 0, receiveMs: 1_000 } });
  fixture.broker.message('/x', () => undefined);
  const client = fixture.connect({ 'heart-beat': '1000,0' });
  for (const octets of [
    '\n',
    frameText('SEND', { destination: '/app/x' }),
    frameText('SEND', { destination: '/nowhere' }),
  ]) {
    fixture.clock.advance(1_900);
    client.send(octets);
  }
  fixture.clock.advance(1_900);
  t.strictSame(client.frames(), []);
  fixture.clock.advance(200);
  t.equal(client.error(), 'heart-beat-timeout');
  t.equal(client.isGone, true);
});

t.test("S2.11 login and passcode are the authenticator's to judge, and a passcode is in no log", async (t) => {
  let request: ConnectRequest | undefined;
  const fixture = new BrokerFixture(
    {},
    { authenticate: (shown) => ((request = shown), { name: 'x', roles: [] }) },
    'debug',
  );
  fixture.connect({ login: 'l', passcode: 'hush-hush', 'X-Token': 'any' });
  t.match(request, { login: 'l', passcode: 'hush-hush' });
  t.equal(request?.headers.get('X-Token'), 'any', 'S12.1: other headers are there for a token');
  t.notMatch(JSON.stringify(fixture.log), /hush-hush/);
});

t.test('S2.12 headers of CONNECT are never unescaped', async (t) => {
  const fixture = new BrokerFixture();
  fixture.connect({ login: 'a\\cb\\n' });
  t.ok(fixture.broker.users.get('a\\cb\\n'));
});

t.test('S2.13 the user that authentication finds counts for all later frames, events and the registry', async (t) => {
  const fixture = new BrokerFixture(
    {},
    {
      authenticate: ({ headers }) => ({ name: headers.get('token') === 't-1' ? 'alice' : null, roles: ['r'] }),
    },
  );
  const names: unknown[] = [];
  fixture.broker.events.on('connected', ({ session }) => names.push(session.user?.name));
  fixture.broker.message('/me', ({ user }) => user);
  const client = fixture.connect({ login: 'somebody else', token: 't-1' });
  t.equal(header(client.welcome, 'user-name'), 'alice');
  client.subscribe('s', '/topic/me');
  client.publish('/app/me', '');
  t.strictSame(client.bodies(), ['{"name":"alice","roles":["r"]}']);
  t.strictSame(names, ['alice']);
  t.strictSame(
    fixture.broker.users.all().map(({ name }) => name),
    ['alice'],
  );
});

t.test('S2.13 an inbound interceptor may change what CONNECT shows before it is judged', async (t) => {
  const fixture = new BrokerFixture();
  const { Headers } = await import('../../protocol/index.js');
  fixture.broker.interceptInbound((frame) =>
    frame.command === 'CONNECT' ? { ...frame, headers: new Headers([['login', 'alice'], ...frame.headers]) } : frame,
  );
  t.equal(header(fixture.connect({ login: 'bob' }).welcome, 'user-name'), 'alice');
});

t.test('S2.16 a CONNECT that an interceptor drops has no answer; another may follow', async (t) => {
  const fixture = new BrokerFixture();
  fixture.broker.interceptInbound((frame) => (frame.headers.has('drop') ? null : frame));
  const client = fixture.open();
  const connect = frameText('CONNECT', { 'accept-version': '1.2', host: 'h' });
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', drop: '1' }));
  t.strictSame(client.frames(), []);
  t.equal(client.isGone, false);
  client.send(connect);
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['CONNECTED'],
  );
  const both = fixture.open();
  both.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'h', drop: '1' }) + connect);
  t.strictSame(
    both.frames().map(({ command }) => command),
    ['CONNECTED'],
    'in one piece with the other',
  );
});

t.test('S2.17 a connection that says nothing is ended', async (t) => {
  const fixture = new BrokerFixture({ limits: { connectTimeoutMs: 60_000 } });
  const client = fixture.open();
  fixture.clock.advance(59_000);
  t.equal(client.isGone, false);
  fixture.clock.advance(1_100);
  t.equal(client.error(), 'connect-timeout');
  t.equal(client.isGone, true, 'S15.9: by a timer, whether or not somebody else connects');
});

t.test('S2.18 host may be anything, or missing', async (t) => {
  for (const headers of [{ 'accept-version': '1.2' }, { 'accept-version': '1.2', host: '10.0.0.1:61613' }]) {
    const client = new BrokerFixture().open();
    client.send(frameText('CONNECT', headers));
    t.equal(client.frames()[0]?.command, 'CONNECTED');
  }
});

t.test('S2.19 DISCONNECT with a receipt has its RECEIPT as the last frame', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'm');
  client.send(frameText('DISCONNECT', { receipt: 'bye' }));
  fixture.connect().publish('/topic/a', 'too late');
  const frames = client.frames();
  t.strictSame(
    frames.map(({ command }) => command),
    ['MESSAGE', 'RECEIPT'],
  );
  t.equal(header(frames[1], 'receipt-id'), 'bye');
});

t.test('S2.20 DISCONNECT without a receipt is no error: the connection closes with 1000', async (t) => {
  const client = new BrokerFixture().connect();
  client.send('DISCONNECT\n\n\0');
  t.strictSame(client.frames(), [], 'S15.5');
  t.match(client.connection.closedWith, { code: 'client-disconnected', webSocketStatus: 1000 });
  await settle();
});
