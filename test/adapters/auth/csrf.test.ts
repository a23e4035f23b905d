/** The CSRF token of CONNECT, plain and masked, against the one of the handshake. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { CsrfAuthenticator, type CsrfOptions, isCsrfToken } from '../../../adapters/auth/index.js';
import type { Handshake } from '../../../broker/ports.js';
import { connectRequest } from '../../helpers/tokens.js';

const TOKEN = '4bfd1575-3ad1-4d21-96c7-4ef2d9f86721';
const INNER = { authenticate: () => ({ name: 'ann', roles: [] }) };
const REFUSED = { name: 'BrokerError', code: 'csrf-failed' };

/** As Spring's XorCsrfTokenRequestAttributeHandler writes it: random octets, then token XOR random; with padding. */
function masked(token: string, random = randomBytes(Buffer.byteLength(token))): string {
  const octets = Buffer.from(token).map((octet, k) => octet ^ (random[k] ?? 0));
  const base64 = Buffer.concat([random, octets]).toString('base64');
  return base64.replaceAll('+', '-').replaceAll('/', '_');
}

function page(cookie = `a=b; XSRF-TOKEN=${TOKEN}`, url = '/ws'): Handshake {
  return { url, headers: { cookie } };
}

function connect(token: string | undefined, handshake: Handshake | null, options?: CsrfOptions): unknown {
  const name = options?.header ?? 'X-CSRF-TOKEN';
  return new CsrfAuthenticator(INNER, options).authenticate(
    connectRequest(token === undefined ? {} : { [name]: token }, handshake),
  );
}

t.test('S12.9 CONNECT passes with the token in plain or masked', async (t) => {
  t.match(connect(TOKEN, page()), { name: 'ann' });
  for (let k = 0; k < 50; k++) t.match(connect(masked(TOKEN), page()), { name: 'ann' });
  t.match(connect(masked(TOKEN).replaceAll('=', ''), page()), { name: 'ann' });
});

t.test('S12.9 CONNECT with a missing or wrong token is refused before anybody is asked who it is', async (t) => {
  const wrong = [
    undefined,
    '',
    TOKEN.slice(1),
    `${TOKEN} `,
    TOKEN.toUpperCase(),
    masked(TOKEN).slice(0, -4),
    masked(`${TOKEN.slice(0, -1)}2`),
    masked(TOKEN.slice(1)),
    Buffer.from(TOKEN).toString('base64url'),
    randomBytes(72).toString('base64url'),
    '\u0000',
  ];
  let asked = 0;
  const inner = {
    authenticate: () => {
      asked++;
      return INNER.authenticate();
    },
  };
  for (const token of wrong) {
    const headers: Record<string, string> = token === undefined ? {} : { 'X-CSRF-TOKEN': token };
    const request = connectRequest(headers, page());
    t.throws(() => new CsrfAuthenticator(inner).authenticate(request), REFUSED, JSON.stringify(token));
  }
  t.equal(asked, 0);
});

t.test('a handshake without a token is refused, an empty one included', async (t) => {
  for (const cookie of ['', 'XSRF-TOKEN=', 'XSRF-TOKEN', `xsrf-token=${TOKEN}`, `X=1;YXSRF-TOKEN=${TOKEN}`]) {
    for (const token of ['', TOKEN]) t.throws(() => connect(token, page(cookie)), REFUSED, cookie);
  }
  t.throws(() => connect(TOKEN, { url: '/ws', headers: {} }), REFUSED);
});

t.test('without a handshake there is no cookie to abuse: TCP and renewals pass', async (t) => {
  t.match(connect(undefined, null), { name: 'ann' });
});

t.test('it holds for the endpoints named, SockJS included, and for no others', async (t) => {
  const options = { endpoints: ['/ws', '/live/x'] };
  for (const url of ['/ws', '/ws?a=b', '/ws/1/abc/xhr_streaming', '/live/x/websocket']) {
    t.throws(() => connect(undefined, page('', url), options), REFUSED, url);
  }
  for (const url of ['/wss', '/api', '/live', '/live/xy', '/x?/ws']) {
    t.match(connect(undefined, page('', url), options), { name: 'ann' }, url);
  }
});

t.test('header and expected token can be others', async (t) => {
  const options: CsrfOptions = { header: 'X-XSRF', expectedToken: ({ url }) => (url === '/ws' ? 'täken' : null) };
  t.match(connect('täken', page(), options), { name: 'ann' });
  t.match(connect(masked('täken'), page(), options), { name: 'ann' });
  t.throws(() => connect('täken', page('', '/other'), options), REFUSED);
});

t.test('a masked token is as long as the token twice', async (t) => {
  t.ok(isCsrfToken(masked('ab'), 'ab'));
  t.ok(isCsrfToken('AAAA', 'AAAA'), 'a token that looks like a masked one');
  t.notOk(isCsrfToken('AA', '\u0000\u0000'));
  t.notOk(isCsrfToken(masked('ab', Buffer.from([1])), 'ab'));
});
