/** Several ways in: their order, what is final, who is anonymous; the trusted header and the application's own hook. */
import t, { type Test } from 'tap';
import {
  type AuthenticateHook,
  ChainAuthenticator,
  HandshakeAuthenticator,
  HeaderAuthenticator,
  type Identifier,
  LoginAuthenticator,
} from '../../../adapters/auth/index.js';
import { BrokerError } from '../../../broker/errors.js';
import type { Principal } from '../../../broker/ports.js';
import { connectRequest } from '../../helpers/tokens.js';

const ANN: Principal = { name: 'ann', roles: ['admin'] };
const LOGIN = new LoginAuthenticator({
  anonymous: false,
  users: [{ login: 'ann', passcode: 'right', roles: ['admin'] }],
});

function knows(answer: Principal | null | Error, later = false): Identifier & { asked: number } {
  const identifier = {
    asked: 0,
    identify: () => {
      identifier.asked++;
      if (later) return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return identifier;
}

async function ask(anonymous: boolean, identifiers: readonly Identifier[], headers = {}): Promise<Principal> {
  return new ChainAuthenticator({ anonymous, identifiers }).authenticate(connectRequest(headers));
}

for (const later of [false, true]) {
  t.test(`the first that knows the client wins, answers ${later ? 'later' : 'at once'}`, async (t) => {
    const last = knows({ name: 'bob', roles: [] });
    t.strictSame(await ask(true, [knows(null, later), knows(ANN, later), last]), ANN);
    t.equal(last.asked, 0);
    t.match(await ask(true, [knows(null, later), knows(null), last]), { name: 'bob' });
  });

  t.test(`a refusal is final, ${later ? 'later' : 'at once'}`, async (t) => {
    const last = knows(ANN);
    const refusal = new BrokerError('token-expired', 'The token has expired');
    await t.rejects(ask(true, [knows(null, later), knows(refusal, later), last]), refusal);
    t.equal(last.asked, 0);
  });
}

t.test('what needs no waiting is answered without a promise', async (t) => {
  const chain = new ChainAuthenticator({ anonymous: true, identifiers: [knows(null), LOGIN] });
  t.strictSame(chain.authenticate(connectRequest({ login: 'ann', passcode: 'right' })), ANN);
  t.strictSame(chain.authenticate(connectRequest()), { name: null, roles: [] });
});

t.test('who shows nothing is anonymous where that is allowed, and refused where not', async (t) => {
  t.match(await ask(true, [knows(null), LOGIN]), { name: null });
  await t.rejects(ask(false, [knows(null), LOGIN]), { code: 'authentication-failed', message: /^No login/ });
  await t.rejects(ask(false, []), { code: 'authentication-failed' });
});

t.test('a wrong login is refused even where anonymous clients are let in', async (t) => {
  for (const [login, passcode] of [
    ['ann', 'wrong'],
    ['eve', 'right'],
    ['eve', ''],
    ['', 'right'],
  ]) {
    const message = 'Bad login or passcode';
    await t.rejects(ask(true, [knows(null), LOGIN], { login, passcode }), { code: 'authentication-failed', message });
  }
});

t.test('a login that nobody can check never becomes a name', async (t) => {
  t.match(await ask(true, [knows(null)], { login: 'guest', passcode: 'guest' }), { name: null });
  t.match(await ask(true, [], { login: 'guest', passcode: 'guest' }), { name: null });
});

t.test('a trusted header names the user, where it is believed', async (t) => {
  const read = (from: 'handshake' | 'connect' | 'both', inHandshake?: string, inFrame?: string): unknown => {
    const headers = inHandshake === undefined ? {} : { 'x-user-id': inHandshake };
    const frame: Record<string, string> = inFrame === undefined ? {} : { 'x-user-id': inFrame };
    const authenticator = new HeaderAuthenticator({ name: 'X-User-ID', from });
    return authenticator.identify(connectRequest(frame, { url: '/ws', headers }));
  };
  t.strictSame(read('handshake', 'ann'), { name: 'ann', roles: [] });
  t.equal(read('handshake', undefined, 'eve'), null, 'the frame is the client’s own');
  t.match(read('connect', undefined, 'ann'), { name: 'ann' });
  t.equal(read('connect', 'ann'), null);
  t.match(read('both', 'ann', 'ann'), { name: 'ann' });
  t.match(read('both', undefined, 'ann'), { name: 'ann' });
  t.equal(read('both', '', ''), null);
  const refused = { code: 'authentication-failed', message: 'The header X-User-ID does not name one user' };
  t.throws(() => read('both', 'ann', 'eve'), refused);
  for (const name of ['eve, ann', 'a\nb', ' ann', 'a\u0000']) t.throws(() => read('both', name), refused, name);
});

t.test('a trusted header reaches TCP clients only where the frame is believed', async (t) => {
  const request = connectRequest({ 'X-User-ID': 'ann' });
  t.equal(new HeaderAuthenticator({ name: 'X-User-ID', from: 'handshake' }).identify(request), null);
  t.match(new HeaderAuthenticator({ name: 'X-User-ID', from: 'connect' }).identify(request), { name: 'ann' });
});

function hooked(hook: AuthenticateHook): ReturnType<HandshakeAuthenticator['identify']> {
  const handshake = { url: '/ws', headers: { cookie: 'sid=1' } };
  return new HandshakeAuthenticator(hook).identify(connectRequest({}, handshake));
}

t.test('the hook of the application sees the request and answers now or later', async (t: Test) => {
  const bySession: AuthenticateHook = ({ handshake }) => (handshake?.headers['cookie'] === 'sid=1' ? ANN : null);
  t.strictSame(hooked(bySession), ANN);
  t.strictSame(await hooked(async (request) => bySession(request)), ANN);
  t.equal(
    hooked(() => undefined),
    null,
  );
  t.equal(await hooked(async () => undefined), null);
  // What a query builder returns: something with a then, and no promise.
  const thenable = { then: (done: (principal: Principal) => void) => done(ANN) } as unknown as Promise<Principal>;
  t.strictSame(await hooked(() => thenable), ANN);
});
