/** Tokens: who signed them, for whom, for how long; where they are found, and what they say about the user. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { JwtAuthenticator, type JwtAuthenticatorOptions, SecretKeys, FileKeys } from '../../../adapters/auth/index.js';
import { SystemClock } from '../../../adapters/system-clock.js';
import type { Handshake, Principal } from '../../../broker/ports.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { connectRequest, recordingLogger, SECRET, Signer, signWithSecret } from '../../helpers/tokens.js';

type Given = Partial<JwtAuthenticatorOptions>;

const clock = new SystemClock();
const nowSeconds = (): number => Math.floor(Date.now() / 1000);

function withSecret(options: Given = {}): JwtAuthenticator {
  return new JwtAuthenticator({ keys: new SecretKeys(SECRET), algorithms: ['HS256'], clock, ...options });
}

function withFile(t: Test, text: string, options: Given = {}): JwtAuthenticator {
  const file = path.join(t.testdir(), 'keys');
  writeFileSync(file, text);
  return new JwtAuthenticator({
    keys: new FileKeys(file, false, recordingLogger([])),
    algorithms: ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'],
    clock,
    ...options,
  });
}

async function show(authenticator: JwtAuthenticator, token: string): Promise<Principal | null> {
  return authenticator.identify(connectRequest({ token }));
}

/** Refused with the code and text, and without the token in anything that could be printed. */
async function refuses(
  t: Test,
  authenticator: JwtAuthenticator,
  token: string,
  code: string,
  message: RegExp,
): Promise<void> {
  const error: unknown = await show(authenticator, token).then(
    (principal) => principal,
    (reason: unknown) => reason,
  );
  t.match(error, { name: 'BrokerError', code, message });
  t.notOk(`${String(error)} ${JSON.stringify(error)}`.includes(token.slice(-20)), 'the token is not echoed');
}

t.test('S12.1 the token of CONNECT makes the user', async (t) => {
  const token = await signWithSecret({ sub: 'ann', roles: ['admin', 'audit'] });
  for (const headers of [{ Authorization: `Bearer ${token}` }, { authorization: `bearer ${token}` }, { token }]) {
    t.strictSame(await withSecret().identify(connectRequest(headers)), { name: 'ann', roles: ['admin', 'audit'] });
  }
  t.strictSame(await withSecret().identify(connectRequest({ login: 'x', passcode: token })), {
    name: 'ann',
    roles: ['admin', 'audit'],
  });
});

t.test('a request without a token is not refused but unknown', async (t) => {
  for (const headers of [
    {},
    { login: 'ann', passcode: 'not a token' },
    { Authorization: 'Basic YTpi' },
    { token: '' },
  ]) {
    t.equal(withSecret().identify(connectRequest(headers)), null);
  }
});

for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519']) {
  t.test(`${alg} is checked with a public key, as PEM, JWK and JWKS`, async (t) => {
    const signer = await Signer.make(alg);
    const token = await signer.sign({ sub: 'ann' });
    const jwks = JSON.stringify({ keys: [{ ...(await Signer.make('ES256', 'other')).jwk }, signer.jwk] });
    for (const text of [signer.pem, JSON.stringify(signer.jwk), jwks]) {
      t.match(await show(withFile(t, text), token), { name: 'ann' });
    }
    const forger = await Signer.make(alg);
    await refuses(t, withFile(t, jwks), await forger.sign({ sub: 'ann' }), 'token-invalid', /signature/);
  });
}

for (const alg of ['HS256', 'HS384', 'HS512'] as const) {
  t.test(`${alg} is checked with a shared secret`, async (t) => {
    const authenticator = withSecret({ algorithms: [alg] });
    t.match(await show(authenticator, await signWithSecret({ sub: 'ann' }, SECRET, alg)), { name: 'ann' });
    const forged = await signWithSecret({ sub: 'ann' }, `${SECRET}!`, alg);
    await refuses(t, authenticator, forged, 'token-invalid', /signature/);
  });
}

t.test('a PEM file may hold several keys, and the private one of a pair', async (t) => {
  const [old, next] = [await Signer.make('ES256', 'old'), await Signer.make('ES256', 'next')];
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const privatePem = createPrivateKey(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
  const authenticator = withFile(t, `${old.pem}\n${privatePem}\n${next.pem}`);
  for (const signer of [old, next]) {
    t.match(await show(authenticator, await signer.sign({ sub: signer.kid })), { name: signer.kid });
  }
  const forged = await (await Signer.make('ES256', 'old')).sign({ sub: 'ann' });
  await refuses(t, authenticator, forged, 'token-invalid', /signature/);
});

t.test('a forged token is refused', async (t) => {
  const token = await signWithSecret({ sub: 'ann' });
  const [header = '', , signature = ''] = token.split('.');
  const payload = Buffer.from('{"sub":"root"}').toString('base64url');
  await refuses(t, withSecret(), `${header}.${payload}.${signature}`, 'token-invalid', /signature/);
});

t.test('what is no token is refused as malformed', async (t) => {
  for (const token of [
    'x',
    'a.b',
    'a.b.c',
    'a.b.c.d',
    '{}.{}.{}',
    `${'A'.repeat(5000)}.x.y`,
    '....',
    '\u0000\u0000\u0000\u0000',
  ]) {
    await refuses(t, withSecret(), token.padStart(21), 'token-invalid', /malformed|algorithm/);
  }
});

t.test('alg none is refused, whatever its case and with or without a signature', async (t) => {
  const payload = Buffer.from('{"sub":"root"}').toString('base64url');
  for (const alg of ['none', 'None', 'NONE', '', 'HS256 ']) {
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url');
    for (const signature of ['', 'AAAA']) {
      await refuses(t, withSecret(), `${header}.${payload}.${signature}`, 'token-invalid', /algorithm|malformed/);
    }
  }
});

t.test('a public key is never taken for a shared secret, even when both families are allowed', async (t) => {
  const signer = await Signer.make('RS256');
  const forged = await signWithSecret({ sub: 'root' }, signer.pem);
  await refuses(t, withFile(t, signer.pem), forged, 'token-invalid', /algorithm/);
  const both = withFile(t, signer.pem, { algorithms: ['RS256', 'HS256'] });
  await refuses(t, both, forged, 'token-invalid', /key that is not known/);
  t.match(await show(both, await signer.sign({ sub: 'ann' })), { name: 'ann' });
});

t.test('an algorithm that is not configured is refused though the key would do', async (t) => {
  const token = await signWithSecret({ sub: 'ann' }, SECRET, 'HS512');
  await refuses(t, withSecret(), token, 'token-invalid', /algorithm that is not allowed/);
});

t.test('a JWK may be a secret', async (t) => {
  const jwk = { kty: 'oct', k: Buffer.from(SECRET).toString('base64url'), kid: 'a' };
  const authenticator = withFile(t, JSON.stringify({ keys: [jwk] }), { algorithms: ['HS256'] });
  t.match(await show(authenticator, await signWithSecret({ sub: 'ann' })), { name: 'ann' });
});

t.test('an unknown key id is refused', async (t) => {
  const signer = await Signer.make('ES256', 'known');
  const authenticator = withFile(t, JSON.stringify({ keys: [signer.jwk] }));
  const token = await signer.sign({ sub: 'ann' }, { kid: 'unknown' });
  await refuses(t, authenticator, token, 'token-invalid', /key that is not known/);
});

t.test('an expired token is refused as such, to the second, but for the tolerance', async (t) => {
  const fake = new FakeClock();
  const exp = Math.floor(fake.epochMs() / 1000) + 10;
  const token = await signWithSecret({ sub: 'ann', exp });
  const strict = withSecret({ clock: fake });
  const lenient = withSecret({ clock: fake, clockToleranceMs: 5_000 });
  fake.advance(9_000);
  t.match(await show(strict, token), { name: 'ann', expiresAtMs: exp * 1000 });
  fake.advance(1_000);
  await refuses(t, strict, token, 'token-expired', /^The token has expired$/);
  t.match(await show(lenient, token), { expiresAtMs: exp * 1000 + 5_000 });
  fake.advance(5_000);
  await refuses(t, lenient, token, 'token-expired', /expired/);
});

t.test('a token that never expires is good for ever, unless expiry is required', async (t) => {
  const token = await signWithSecret({ sub: 'ann' });
  t.strictSame(await show(withSecret(), token), { name: 'ann', roles: [] });
  t.strictSame(await show(withSecret(), await signWithSecret({ sub: 'ann', exp: 1e300 })), { name: 'ann', roles: [] });
  await refuses(t, withSecret({ requireExpiry: true }), token, 'token-invalid', /does not say when it expires/);
});

t.test('a token of later is refused until then', async (t) => {
  const token = await signWithSecret({ sub: 'ann', nbf: nowSeconds() + 60 });
  await refuses(t, withSecret(), token, 'token-invalid', /not valid yet/);
  t.match(await show(withSecret({ clockToleranceMs: 120_000 }), token), { name: 'ann' });
});

t.test('audience and issuer are checked when configured', async (t) => {
  const authenticator = withSecret({ audience: ['chat', 'shop'], issuer: ['https://a.example', 'https://b.example'] });
  const good = { sub: 'ann', aud: ['other', 'shop'], iss: 'https://b.example' };
  t.match(await show(authenticator, await signWithSecret(good)), { name: 'ann' });
  const wrong: [object, RegExp][] = [
    [{ ...good, aud: 'other' }, /another audience/],
    [{ ...good, aud: [] }, /another audience/],
    [{ ...good, aud: undefined }, /another audience/],
    [{ ...good, iss: 'https://b.example/' }, /another issuer/],
    [{ ...good, iss: undefined }, /another issuer/],
  ];
  for (const [claims, message] of wrong) {
    await refuses(t, authenticator, await signWithSecret({ ...claims }), 'token-invalid', message);
  }
  t.match(await show(withSecret(), await signWithSecret({ ...good, aud: 'x', iss: 'y' })), { name: 'ann' });
});

t.test('user and roles come from the claims that are configured', async (t) => {
  const claims = {
    sub: 'subject',
    email: 'ann@example.org',
    scope: 'read  write',
    realm_access: { roles: ['admin', 7, '', 'audit'] },
    'https://shop.example/roles': ['buyer'],
    nested: { id: 42 },
  };
  const token = await signWithSecret(claims);
  const read = (options: Given): Promise<Principal | null> => show(withSecret(options), token);
  t.strictSame(await read({ userClaim: 'email', rolesClaim: 'scope' }), {
    name: 'ann@example.org',
    roles: ['read', 'write'],
  });
  t.match(await read({ rolesClaim: 'realm_access.roles' }), { name: 'subject', roles: ['admin', 'audit'] });
  t.match(await read({ rolesClaim: 'https://shop.example/roles' }), { roles: ['buyer'] });
  t.strictSame(await read({ userClaim: 'nested.id', rolesClaim: 'nested.none.at.all' }), { name: '42', roles: [] });
});

t.test('a token that names nobody is refused', async (t) => {
  for (const claims of [{}, { sub: '' }, { user: ['ann'] }, { user: { name: 'ann' } }, { user: null }]) {
    const userClaim = 'user' in claims ? 'user' : 'sub';
    await refuses(t, withSecret({ userClaim }), await signWithSecret(claims), 'token-invalid', /name a user/);
  }
  const token = await signWithSecret({ sub: 'ann' });
  await refuses(t, withSecret({ userClaim: 'constructor.name' }), token, 'token-invalid', /name a user/);
});

t.test('the first source that holds a token decides', async (t) => {
  const [a = '', b = '', c = '', d = ''] = await Promise.all(
    ['a', 'b', 'c', 'd'].map((sub) => signWithSecret({ sub })),
  );
  const handshake: Handshake = {
    url: `/ws/1/2/websocket?x=1&access_token=${b}&jwt=${d}`,
    headers: { authorization: `Bearer ${a}`, cookie: `theme=dark; auth="${c}"; auth=x` },
  };
  const of = async (from: Given['from'], shown = handshake): Promise<string | null | undefined> => {
    const principal = await withSecret({ from }).identify(connectRequest({ token: d }, shown));
    return principal?.name;
  };
  t.equal(await of(undefined), 'a');
  t.equal(await of(['query', 'authorization']), 'b');
  t.equal(await of(['cookie:auth', 'query']), 'c');
  t.equal(await of(['query:jwt']), 'd');
  t.equal(await of(['cookie:none', 'connect']), 'd');
  t.equal(await of(['cookie:none', 'query:none']), undefined);
  t.equal(await of(undefined, { url: `/ws?token=${b}`, headers: {} }), 'b');
  const basic = { url: '/ws', headers: { authorization: 'Basic YTpi' } };
  t.equal(await of(undefined, basic), 'd', 'another scheme is somebody else’s');
});

t.test('without a handshake the frame is looked at, whatever the sources', async (t) => {
  const token = await signWithSecret({ sub: 'ann' });
  t.match(await withSecret({ from: ['cookie:auth'] }).identify(connectRequest({ token })), { name: 'ann' });
});

t.test('a refusal at the first source is not mended at the next', async (t) => {
  const good = await signWithSecret({ sub: 'ann' });
  const handshake = { url: '/ws', headers: { authorization: 'Bearer x.y.z' } };
  await t.rejects(Promise.resolve(withSecret().identify(connectRequest({ token: good }, handshake))), {
    code: 'token-invalid',
  });
});
