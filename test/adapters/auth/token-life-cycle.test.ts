/**
 * The life of a token on an open session: the notice before it expires, its end, its renewal. By a clock that the test
 * turns, and once by the real one over TCP.
 */
import t, { type Test } from 'tap';
import { ChainAuthenticator, JwtAuthenticator, SecretKeys } from '../../../adapters/auth/index.js';
import { BrokerFixture, type FixtureClient, frameText } from '../../helpers/broker-fixture.js';
import { inTime } from '../../helpers/inbox.js';
import { openConnected } from '../../helpers/raw-client.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import { startTestServer } from '../../helpers/server.js';
import { SECRET, signWithSecret } from '../../helpers/tokens.js';

const LIFE_S = 120;
const NOTICE_MS = 30_000;

/** Checking a signature takes a thread of its own: asks again until frames have come. */
async function framesOf(client: FixtureClient, count = 1): Promise<readonly ServerFrame[]> {
  const frames: ServerFrame[] = [];
  const gather = async (): Promise<void> => {
    while (frames.length < count) {
      await new Promise(setImmediate);
      frames.push(...client.frames());
    }
  };
  await inTime(gather(), `${count} frames`);
  return frames;
}

class LifeCycle {
  readonly fixture: BrokerFixture;

  constructor(refusals: 'close' | 'soft' = 'close') {
    const clock = { epochMs: () => this.fixture.clock.epochMs() };
    const tokens = new JwtAuthenticator({
      keys: new SecretKeys(SECRET),
      algorithms: ['HS256'],
      // Only the time of day is asked for, and only once the fixture is there.
      clock: clock as BrokerFixture['clock'],
    });
    const authenticator = new ChainAuthenticator({ anonymous: false, identifiers: [tokens] });
    this.fixture = new BrokerFixture({ refusals, handlers: { expiryNoticeMs: NOTICE_MS } }, authenticator);
  }

  token(sub = 'ann', lifeS = LIFE_S, secret = SECRET): Promise<string> {
    return signWithSecret({ sub, exp: Math.floor(this.fixture.clock.epochMs() / 1000) + lifeS }, secret);
  }

  /** Connected, subscribed to notices and to `/topic/x`. */
  async connect(token?: string): Promise<FixtureClient> {
    const client = this.fixture.open();
    const headers = { 'accept-version': '1.2', host: 'x', Authorization: `Bearer ${token ?? (await this.token())}` };
    client.send(frameText('CONNECT', headers));
    const [welcome] = await framesOf(client);
    if (welcome?.command !== 'CONNECTED') throw new Error(`not connected: ${JSON.stringify(welcome)}`);
    client.subscribe('notice', '/user/queue/session');
    client.subscribe('errors', '/user/queue/errors');
    client.subscribe('x', '/topic/x');
    return client;
  }

  advance(seconds: number): void {
    this.fixture.clock.advance(seconds * 1000);
  }
}

function renew(
  client: FixtureClient,
  headers: Readonly<Record<string, string>>,
  body = '',
): Promise<readonly ServerFrame[]> {
  client.publish('/app/$session/renew', body, { receipt: 'renewed', ...headers });
  return framesOf(client);
}

function isReceipt(t: Test, frames: readonly ServerFrame[]): void {
  t.match(frames, [{ command: 'RECEIPT', headers: [['receipt-id', 'renewed']] }]);
}

t.test('a notice comes once, in time before the token expires, to that session only', async (t) => {
  const cycle = new LifeCycle();
  const client = await cycle.connect();
  const other = await cycle.connect(await cycle.token('bob', 10 * LIFE_S));
  cycle.advance(LIFE_S - NOTICE_MS / 1000 - 1);
  t.strictSame(client.frames(), []);
  cycle.advance(2);
  const [notice] = client.frames();
  t.equal(notice?.command, 'MESSAGE');
  t.equal(header(notice, 'subscription'), 'notice');
  t.equal(header(notice, 'destination'), '/user/queue/session');
  t.equal(header(notice, 'content-type'), 'application/json');
  const told = JSON.parse(String(notice?.body)) as { type: string; expiresInMs: number };
  t.equal(told.type, 'credentials-expiring');
  t.ok(told.expiresInMs > NOTICE_MS - 2_000 && told.expiresInMs <= NOTICE_MS, String(told.expiresInMs));
  cycle.advance(10);
  t.strictSame(client.frames(), []);
  t.strictSame(other.frames(), []);
});

t.test('a token shorter than the time of the notice is told of once its client has subscribed', async (t) => {
  const cycle = new LifeCycle();
  const client = cycle.fixture.open();
  const headers = { 'accept-version': '1.2', host: 'x', token: await cycle.token('ann', 20) };
  client.send(frameText('CONNECT', headers));
  await framesOf(client);
  cycle.advance(5);
  t.strictSame(client.frames(), []);
  client.subscribe('notice', '/user/queue/*');
  cycle.advance(1);
  t.match(client.bodies(), [/credentials-expiring/]);
  cycle.advance(10);
  t.strictSame(client.bodies(), [], 'once');
  cycle.advance(5);
  t.equal(client.error(), 'credentials-expired');
});

t.test('an expired token ends sending and receiving: ERROR, then the connection closes', async (t) => {
  const cycle = new LifeCycle();
  const client = await cycle.connect();
  const other = await cycle.connect(await cycle.token('bob', 10 * LIFE_S));
  cycle.advance(LIFE_S - 1);
  client.publish('/topic/x', 'in time');
  t.strictSame(other.bodies(), ['in time']);
  client.frames();
  cycle.advance(2);
  client.publish('/topic/x', 'too late');
  other.publish('/topic/x', 'not for ann');
  const frames = client.frames();
  t.match(frames, [{ command: 'ERROR' }]);
  t.equal(header(frames[0], 'code'), 'credentials-expired');
  t.strictSame(other.bodies(), ['not for ann']);
  t.ok(client.isGone);
  t.equal(client.connection.closedWith?.code, 'credentials-expired');
  t.equal(client.connection.closedWith?.webSocketStatus, 1008);
  t.match(
    cycle.fixture.log.filter(({ level }) => level === 'warn'),
    [{ fields: { code: 'credentials-expired' } }],
  );
  t.equal(cycle.fixture.broker.stats().closed['credentials-expired'], 1);
});

for (const [where, show] of [
  ['Authorization', (token: string) => [{ Authorization: `Bearer ${token}` }]],
  ['the header token', (token: string) => [{ token }]],
  ['the body', (token: string) => [{}, token]],
] as const) {
  t.test(`a token is renewed on the open session by ${where}, with a receipt`, async (t) => {
    const cycle = new LifeCycle();
    const client = await cycle.connect();
    cycle.advance(LIFE_S - 10);
    client.frames();
    const [headers = {}, body] = show(await cycle.token());
    isReceipt(t, await renew(client, headers, body as string | undefined));
    cycle.advance(20);
    client.publish('/topic/x', 'still here');
    t.strictSame(client.bodies(), ['still here']);
    cycle.advance(LIFE_S - 25);
    t.equal(header(client.frames()[0], 'destination'), '/user/queue/session', 'told again before the new one expires');
    cycle.advance(10);
    t.equal(client.error(), 'credentials-expired');
  });
}

t.test('a session renewed by a token that never expires lasts', async (t) => {
  const cycle = new LifeCycle();
  const client = await cycle.connect();
  isReceipt(t, await renew(client, { token: await signWithSecret({ sub: 'ann' }) }));
  cycle.advance(10 * LIFE_S);
  t.strictSame(client.frames(), []);
  t.notOk(client.isGone);
});

t.test('a token for years is no trouble', async (t) => {
  const cycle = new LifeCycle();
  const client = await cycle.connect(await cycle.token('ann', 10 * 365 * 86_400));
  cycle.advance(LIFE_S);
  t.strictSame(client.frames(), []);
});

t.test('a renewal by the token of another user is refused', async (t) => {
  const cycle = new LifeCycle();
  const client = await cycle.connect();
  const frames = await renew(client, { token: await cycle.token('bob') });
  t.match(frames, [{ command: 'ERROR' }]);
  t.equal(header(frames[0], 'code'), 'authentication-failed');
  t.equal(header(frames[0], 'message'), 'The new credentials are of another user');
  t.equal(header(frames[0], 'receipt-id'), 'renewed');
  t.strictSame(cycle.fixture.broker.users.get('bob'), undefined);
});

t.test('a renewal that is refused leaves the old token in force where refusals are soft', async (t) => {
  const cycle = new LifeCycle('soft');
  const client = await cycle.connect();
  const wrong: [string, string][] = [
    [await cycle.token('bob'), 'authentication-failed'],
    [await cycle.token('ann', -1), 'token-expired'],
    [await cycle.token('ann', LIFE_S, `${SECRET}!`), 'token-invalid'],
    ['', 'authentication-failed'],
  ];
  for (const [token, code] of wrong) {
    const [told] = await renew(client, { token });
    t.equal(header(told, 'subscription'), 'errors', code);
    t.equal(header(told, 'code'), code);
    t.equal(header(told, 'receipt-id'), 'renewed');
  }
  client.publish('/topic/x', 'still here');
  t.strictSame(client.bodies(), ['still here']);
  cycle.advance(LIFE_S + 1);
  t.equal(client.error(), 'credentials-expired', 'at the time of the old one');
  t.notMatch(JSON.stringify(cycle.fixture.log), /eyJ/, 'no token is in the log');
});

t.test('a token that is expired at CONNECT is refused, with its own code', async (t) => {
  const cycle = new LifeCycle();
  const client = cycle.fixture.open();
  client.send(frameText('CONNECT', { 'accept-version': '1.2', host: 'x', token: await cycle.token('ann', -1) }));
  const [error] = await framesOf(client);
  t.equal(header(error, 'code'), 'token-expired');
  t.equal(header(error, 'message'), 'The token has expired');
  t.match(cycle.fixture.log[0], { level: 'warn', message: 'The token has expired', fields: { code: 'token-expired' } });
});

t.test('over TCP and by the real clock: notice, renewal, another notice, the end', async (t) => {
  const { tcpPort, stop } = await startTestServer({
    http: false,
    auth: { jwt: { secret: SECRET } },
    broker: { handlers: { expiryNoticeMs: 1_000 } },
  });
  t.teardown(stop);
  const token = (lifeS: number): Promise<string> =>
    signWithSecret({ sub: 'ann', exp: Math.floor(Date.now() / 1000) + lifeS });
  const client = await openConnected(t, tcpPort, '1.2', { login: 'ann', passcode: await token(3) });
  await client.subscribe('/user/queue/session');
  t.match((await client.frame('MESSAGE')).text, /credentials-expiring/);
  client.sendFrame('SEND', { destination: '/app/$session/renew', token: await token(3), receipt: 'renewed' });
  await client.receipt('renewed');
  t.match((await client.frame('MESSAGE')).text, /credentials-expiring/);
  const error = await client.expectError('credentials-expired');
  t.ok(error);
});
