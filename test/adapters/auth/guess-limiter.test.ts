import t from 'tap';
import { GuessLimiter } from '../../../adapters/auth/index.js';
import { BrokerError } from '../../../broker/errors.js';
import type { ConnectRequest, Principal } from '../../../broker/ports.js';
import { FakeClock } from '../../helpers/fake-clock.js';

const ANN: Principal = { name: 'ann', roles: [] };
const LIMITS = { maxPerAddress: 3, maxPerLogin: 5, windowMs: 60_000 };

function asked(passcode: string, remoteAddress = '192.0.2.1', login = 'ann'): ConnectRequest {
  const headers = new Map([['login', login]]);
  return { sessionId: 's', transport: 'tcp', remoteAddress, handshake: null, login, passcode, headers };
}

interface Asker {
  readonly limiter: GuessLimiter;
  readonly clock: FakeClock;
  /** The code of the refusal, or the name. */
  readonly ask: (request: ConnectRequest) => Promise<string>;
  calls: number;
}

function setUp(): Asker {
  const clock = new FakeClock();
  const state = { calls: 0 };
  const inner = {
    authenticate: async ({ passcode }: ConnectRequest): Promise<Principal> => {
      state.calls++;
      if (passcode === 'right') return ANN;
      throw new BrokerError(passcode === 'old' ? 'token-expired' : 'authentication-failed', 'no');
    },
  };
  const limiter = new GuessLimiter(inner, LIMITS, { clock, proxyHops: 1 });
  const ask = async (request: ConnectRequest): Promise<string> => {
    try {
      return (await limiter.authenticate(request)).name ?? '';
    } catch (error) {
      return error instanceof BrokerError ? error.code : String(error);
    }
  };
  return {
    limiter,
    clock,
    ask,
    get calls() {
      return state.calls;
    },
  };
}

t.test('after so many guesses an address is not asked any more, until the window is over', async (t) => {
  const asker = setUp();
  for (let k = 0; k < 3; k++) t.equal(await asker.ask(asked(`guess ${k}`)), 'authentication-failed');
  t.equal(await asker.ask(asked('right')), 'login-limited', 'even what would be right');
  t.equal(asker.calls, 3);
  t.equal(await asker.ask(asked('right', '192.0.2.2')), 'ann', 'others are not concerned');
  asker.clock.advance(60_000);
  t.equal(await asker.ask(asked('right')), 'ann');
});

t.test('the refusal says what was counted and when to come back', async (t) => {
  const asker = setUp();
  for (let k = 0; k < 3; k++) await asker.ask(asked(`guess ${k}`));
  asker.clock.advance(10_000);
  t.throws(() => asker.limiter.authenticate(asked('x')), {
    code: 'login-limited',
    retryAfterMs: 50_000,
    message: 'Too many wrong credentials from this address: got 3, the limit is 3 in 60000 ms',
  });
});

t.test('the same wrong credentials again and again are one guess', async (t) => {
  const asker = setUp();
  for (let k = 0; k < 50; k++) t.equal(await asker.ask(asked('mistyped')), 'authentication-failed');
  t.equal(await asker.ask(asked('right')), 'ann');
});

t.test('one login guessed from many addresses is limited; addresses that know it are not', async (t) => {
  const asker = setUp();
  t.equal(await asker.ask(asked('right', '192.0.2.100')), 'ann');
  for (let k = 0; k < 5; k++) t.equal(await asker.ask(asked(`g ${k}`, `192.0.2.${k}`)), 'authentication-failed');
  t.equal(await asker.ask(asked('right', '192.0.2.50')), 'login-limited');
  t.equal(await asker.ask(asked('right', '192.0.2.100')), 'ann');
  t.equal(await asker.ask(asked('right', '192.0.2.50', 'bob')), 'ann', 'another login is another matter');
});

t.test('an IPv6 network is one address', async (t) => {
  const asker = setUp();
  for (let k = 1; k < 4; k++) await asker.ask(asked(`g ${k}`, `2001:db8::${k}`));
  t.equal(await asker.ask(asked('right', '2001:db8::99')), 'login-limited');
});

t.test('what is too old, or cannot be checked, is no guess', async (t) => {
  const asker = setUp();
  for (let k = 0; k < 9; k++) t.equal(await asker.ask(asked('old', '192.0.2.1', `user ${k}`)), 'token-expired');
  t.equal(await asker.ask(asked('right')), 'ann');
});
