/** Who is let in, and as whom. */
import t from 'tap';
import { LoginAuthenticator } from '../../../adapters/auth/index.js';
import type { ConnectRequest } from '../../../broker/ports.js';

const USERS = [
  { login: 'ann', passcode: 'correct horse', roles: ['admin'] },
  { login: 'bob', passcode: 'päss', roles: [] },
];
const REFUSED = { name: 'BrokerError', code: 'authentication-failed', message: 'Bad login or passcode' };

function request(login?: string, passcode?: string): ConnectRequest {
  return {
    sessionId: 's',
    transport: 'tcp',
    remoteAddress: '127.0.0.1',
    login,
    passcode,
    headers: new Map(),
    handshake: null,
  };
}

t.test('a right login becomes the principal with its roles', async (t) => {
  const authenticator = new LoginAuthenticator({ anonymous: false, users: USERS });
  t.strictSame(authenticator.authenticate(request('ann', 'correct horse')), { name: 'ann', roles: ['admin'] });
  t.strictSame(authenticator.authenticate(request('bob', 'päss')), { name: 'bob', roles: [] });
});

for (const anonymous of [false, true]) {
  t.test(`a wrong login is refused, anonymous access ${anonymous ? 'or not' : 'closed'}`, async (t) => {
    const authenticator = new LoginAuthenticator({ anonymous, users: USERS });
    const wrong: [string | undefined, string | undefined][] = [
      ['ann', 'wrong'],
      ['ann', ''],
      ['ann', undefined],
      ['ann', 'correct horse '],
      ['eve', 'correct horse'],
      ['eve', ''],
      ['__proto__', 'x'],
      [undefined, 'correct horse'],
      ['', 'x'],
    ];
    for (const [login, passcode] of wrong) {
      t.throws(() => authenticator.authenticate(request(login, passcode)), REFUSED, `${login} / ${passcode}`);
    }
  });
}

t.test('no login is anonymous where that is allowed, and refused where not', async (t) => {
  const open = new LoginAuthenticator({ anonymous: true, users: USERS });
  t.strictSame(open.authenticate(request()), { name: null, roles: [] });
  t.strictSame(open.authenticate(request('', '')), { name: null, roles: [] });
  const closed = new LoginAuthenticator({ anonymous: false, users: USERS });
  t.throws(() => closed.authenticate(request()), REFUSED);
  t.throws(() => new LoginAuthenticator({ anonymous: false, users: [] }).authenticate(request()), REFUSED);
});

t.test('a login that nobody can check never becomes a name', async (t) => {
  const authenticator = new LoginAuthenticator({ anonymous: true, users: [] });
  t.strictSame(authenticator.authenticate(request('ann', 'anything')), { name: null, roles: [] });
});

t.test('an unknown login with an empty passcode does not match the digest of nobody', async (t) => {
  const authenticator = new LoginAuthenticator({ anonymous: false, users: USERS });
  t.throws(() => authenticator.authenticate(request('nobody', '')), REFUSED);
});

t.test('a refusal does not echo the passcode', async (t) => {
  const authenticator = new LoginAuthenticator({ anonymous: false, users: USERS });
  try {
    authenticator.authenticate(request('ann', 'hunter2'));
    t.fail('let in');
  } catch (error) {
    t.notMatch(JSON.stringify(error) + String(error), /hunter2/);
  }
});
