// Tokens that are not what they say, passcodes that are guessed, and what the time of a refusal tells.
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import t from 'tap';
import { hashPasscode, PasswordFileAuthenticator } from '../../adapters/auth/index.js';
import type { ServerOptions } from '../../adapters/index.js';
import { RawClient } from '../helpers/raw-client.js';
import { Signer } from '../helpers/tokens.js';
import { Arena, IS_LONG, type Started } from './arena.js';
import { countOf } from './outcomes.js';

const arena = Arena.open(t);
const group = 'tokens';
const directory = mkdtempSync(path.join(os.tmpdir(), 'hoofbeat-tokens-'));
t.teardown(() => {
  rmSync(directory, { recursive: true });
});

async function connect(target: Started, headers: Readonly<Record<string, string>>): Promise<string> {
  const client = await RawClient.open(target.tcpPort);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: 'localhost', ...headers });
  const frame = await client.frame();
  client.destroy();
  return frame.get('code') ?? frame.command;
}

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const hmac = (input: string, key: string): string => createHmac('sha256', key).update(input).digest('base64url');

t.test('JSON Web Tokens that are not what they say', async (t) => {
  const signer = await Signer.make('ES256');
  const stranger = await Signer.make('ES256');
  const keyFile = path.join(directory, 'key.pem');
  writeFileSync(keyFile, signer.pem);
  const seconds = Math.floor(Date.now() / 1_000);
  const claims = { sub: 'ann', iss: 'https://login.example', aud: 'shop', exp: seconds + 600 };
  const good = await signer.sign(claims);
  const [head = '', body = '', signature = ''] = good.split('.');
  const unsigned = (header: object): string => `${encode(header)}.${encode(claims)}`;
  const withPem = unsigned({ alg: 'HS256', typ: 'JWT' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const tricks: Readonly<Record<string, string>> = {
    'alg none': `${unsigned({ alg: 'none' })}.`,
    'alg NoNe': `${unsigned({ alg: 'NoNe' })}.`,
    'no alg': `${unsigned({})}.${signature}`,
    'HS256 with the public key as its secret': `${withPem}.${hmac(withPem, signer.pem)}`,
    'HS256 with an empty secret': `${withPem}.${hmac(withPem, '')}`,
    'no signature': `${head}.${body}.`,
    'two parts': `${head}.${body}`,
    'another body under the signature': `${head}.${encode({ ...claims, sub: 'admin' })}.${signature}`,
    'signed by a stranger': await stranger.sign(claims),
    'a stranger’s key in the header': await stranger.sign(claims, { jwk: stranger.jwk as unknown as string }),
    'a URL of keys in the header': await stranger.sign(claims, {
      jku: 'http://127.0.0.1:9/keys',
      x5u: 'http://127.0.0.1:9/x',
    }),
    'kid as a path': await stranger.sign(claims, { kid: '../../../../dev/null' }),
    'kid as SQL': await stranger.sign(claims, { kid: "x' UNION SELECT 'secret" }),
    'kid __proto__': await stranger.sign(claims, { kid: '__proto__' }),
    'an extension that must be understood': new RsaSigner(rsa.privateKey).sign(claims, { crit: ['x'], x: 1 }),
    'RS256 with a key of its own': new RsaSigner(rsa.privateKey).sign(claims),
    'of another issuer': await signer.sign({ ...claims, iss: 'https://evil.example' }),
    'for another audience': await signer.sign({ ...claims, aud: 'bank' }),
    'without issuer': await signer.sign({ sub: 'ann', aud: 'shop', exp: claims.exp }),
    'without audience': await signer.sign({ sub: 'ann', iss: claims.iss, exp: claims.exp }),
    'not yet good': await signer.sign({ ...claims, nbf: seconds + 300 }),
    'without expiry': await signer.sign({ sub: 'ann', iss: claims.iss, aud: 'shop' }),
    expired: await signer.sign({ ...claims, exp: seconds - 10 }),
    'expired as text': await signer.sign({ ...claims, exp: '9999999999' as unknown as number }),
    garbage: 'a.b.c',
  };
  const options = (jwt: object): ServerOptions => ({
    auth: { jwt: { keyFile, ...jwt }, anonymous: true, guesses: false },
  });
  const guarded = await arena.serve(t, options({ issuer: claims.iss, audience: 'shop', requireExpiry: true }));
  const loose = await arena.serve(t, options({}));
  const show = (target: Started, token: string): Promise<string> =>
    connect(target, { Authorization: `Bearer ${token}` });
  t.equal(await show(guarded, good), 'CONNECTED', 'a good one is let in');
  const foreign = await show(loose, tricks['for another audience'] ?? '');
  t.equal(foreign, 'CONNECTED', 'where no audience is configured any is good');
  const attack = { group, name: 'JWT confusions', defence: 'auth/jwt-authenticator.ts, auth/jwt-keys.ts' };
  const { outcome } = await arena.attack(t, guarded, attack, async () => {
    const answers: string[] = [];
    for (const [name, token] of Object.entries(tricks)) {
      const answer = await show(guarded, token);
      t.match(answer, /^token-(invalid|expired)$/, name);
      answers.push(answer);
    }
    return countOf(answers);
  });
  t.match(outcome, /token-expired × 1, token-invalid × \d+/);
});

/** Signs RS256 with a key that no server knows. */
class RsaSigner {
  readonly #key: ReturnType<typeof generateKeyPairSync>['privateKey'];

  constructor(key: ReturnType<typeof generateKeyPairSync>['privateKey']) {
    this.#key = key;
  }

  sign(claims: object, header: object = {}): string {
    const input = `${encode({ alg: 'RS256', kid: 'key-1', ...header })}.${encode(claims)}`;
    return `${input}.${createSign('sha256').update(input).sign(this.#key, 'base64url')}`;
  }
}

t.test('passcodes that are guessed', async (t) => {
  const passwordFile = path.join(directory, 'users.txt');
  writeFileSync(passwordFile, `ann:${await hashPasscode('right')}\n`);
  const count = 30;
  const options = (guesses: false | object): ServerOptions => ({ auth: { passwordFile, anonymous: true, guesses } });
  const run = async (target: Started): Promise<string> => {
    const answers: string[] = [];
    for (let k = 0; k < count; k++) answers.push(await connect(target, { login: 'ann', passcode: `guess ${k}` }));
    return countOf(answers);
  };
  const guarded = await arena.serve(t, options({ maxPerAddress: 20 }));
  const without = await run(await arena.serve(t, options(false)));
  const attack = { group, name: 'guessing passcodes', defence: 'auth.guesses' };
  const { outcome } = await arena.attack(t, guarded, attack, () => run(guarded), without);
  t.equal(outcome, 'authentication-failed × 20, login-limited × 10');
  t.equal(without, 'authentication-failed × 30');
  t.equal(await connect(guarded, { login: 'ann', passcode: 'right' }), 'login-limited');
  t.equal((await arena.stats(guarded)).loginsLimited, 11);
});

t.test('how long a refusal takes', async (t) => {
  const passwordFile = path.join(directory, 'timing.txt');
  writeFileSync(passwordFile, `ann:${await hashPasscode('right')}\n`);
  const target = await arena.serve(t, {});
  const log = {
    level: 'silent',
    debug: () => undefined,
    info: () => undefined,
    warn: () => undefined,
    error: () => undefined,
  };
  const authenticator = new PasswordFileAuthenticator(passwordFile, log);
  const rounds = IS_LONG ? 60 : 3;
  const took: Record<'known' | 'unknown', number[]> = { known: [], unknown: [] };
  const attack = {
    group,
    name: 'timing of known and unknown logins',
    defence: 'auth/password-file-authenticator.ts: HASH_OF_NOBODY',
  };
  const { outcome } = await arena.attack(t, target, attack, async () => {
    for (let k = 0; k < rounds; k++) {
      for (const [kind, login] of [
        ['known', 'ann'],
        ['unknown', 'bob'],
      ] as const) {
        const headers = new Map<string, string>();
        const started = performance.now();
        const asked = { sessionId: 's', transport: 'tcp', remoteAddress: '', handshake: null, headers } as const;
        await authenticator.identify({ ...asked, login, passcode: `wrong ${k}` })?.catch(() => null);
        took[kind].push(performance.now() - started);
      }
    }
    return `median ${median(took.known).toFixed(1)} ms known, ${median(took.unknown).toFixed(1)} ms unknown`;
  });
  t.match(outcome, /^median/);
  if (!IS_LONG) return;
  const ratio = median(took.known) / median(took.unknown);
  t.ok(ratio > 0.7 && ratio < 1.4, `known by unknown: ${ratio.toFixed(2)}`);
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
