/** Keys behind a URL and in a file: fetched, kept, changed, and out of reach. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { FileKeys, JwtAuthenticator, RemoteKeys, type TokenKeys } from '../../../adapters/auth/index.js';
import type { LogLine } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { connectRequest, KeyServer, recordingLogger, SECRET, Signer, signWithSecret } from '../../helpers/tokens.js';

const LIMITS = { cacheMs: 600_000, cooldownMs: 30_000, timeoutMs: 2_000 };

class Fixture {
  readonly clock = new FakeClock();
  readonly log: LogLine[] = [];
  readonly keys: TokenKeys;
  readonly #authenticator: JwtAuthenticator;

  constructor(make: (fixture: Fixture) => TokenKeys, algorithms: readonly ('ES256' | 'HS256')[] = ['ES256']) {
    this.keys = make(this);
    this.#authenticator = new JwtAuthenticator({ keys: this.keys, algorithms, clock: this.clock });
  }

  static remote(url: string): Fixture {
    return new Fixture(({ clock, log }) => new RemoteKeys(url, LIMITS, clock, recordingLogger(log)));
  }

  /** The user's name, or the code of the refusal. */
  async show(token: string): Promise<string | null | undefined> {
    try {
      return (await this.#authenticator.identify(connectRequest({ token })))?.name;
    } catch (error) {
      return (error as { code?: string }).code;
    }
  }

  get warnings(): LogLine[] {
    return this.log.filter(({ level }) => level === 'warn');
  }
}

async function started(t: Test): Promise<{ signer: Signer; server: KeyServer; fixture: Fixture; token: string }> {
  const signer = await Signer.make();
  const server = await KeyServer.start(t, [signer.jwk]);
  const fixture = Fixture.remote(server.url);
  await fixture.keys.load();
  return { signer, server, fixture, token: await signer.sign({ sub: 'ann' }) };
}

t.test('keys of a URL are fetched once and used until they are old', async (t) => {
  const { server, fixture, token } = await started(t);
  for (let k = 0; k < 3; k++) t.equal(await fixture.show(token), 'ann');
  t.equal(server.requests, 1);
  fixture.clock.advance(LIMITS.cacheMs);
  t.equal(await fixture.show(token), 'ann');
  t.equal(server.requests, 2);
});

t.test('many at once wait for one fetch', async (t) => {
  const { server, fixture, token } = await started(t);
  fixture.clock.advance(LIMITS.cacheMs);
  t.strictSame(await Promise.all(Array.from({ length: 20 }, () => fixture.show(token))), Array(20).fill('ann'));
  t.equal(server.requests, 2);
});

t.test('an unknown key id fetches once: a rotated key is found, a made-up one is refused', async (t) => {
  const { server, fixture, signer, token } = await started(t);
  const next = await Signer.make('ES256', 'key-2');
  const [rotated, madeUp] = [await next.sign({ sub: 'bob' }), await next.sign({ sub: 'eve' }, { kid: 'none' })];
  server.keys = [signer.jwk, next.jwk];
  t.equal(await fixture.show(rotated), 'token-invalid', 'keys this fresh are not fetched again');
  fixture.clock.advance(LIMITS.cooldownMs);
  t.equal(await fixture.show(rotated), 'bob');
  t.equal(server.requests, 2);
  t.equal(await fixture.show(token), 'ann');
  fixture.clock.advance(LIMITS.cooldownMs);
  for (let k = 0; k < 5; k++) t.equal(await fixture.show(madeUp), 'token-invalid');
  t.equal(server.requests, 3, 'a client with made-up ids does not make a storm of fetches');
});

t.test('a key that the URL no longer shows is gone once keys are fetched again', async (t) => {
  const { server, fixture, token } = await started(t);
  server.keys = [(await Signer.make('ES256', 'key-2')).jwk];
  t.equal(await fixture.show(token), 'ann');
  fixture.clock.advance(LIMITS.cacheMs);
  t.equal(await fixture.show(token), 'token-invalid');
});

t.test('a URL out of reach at start is one warning, and tried again at the first use', async (t) => {
  const signer = await Signer.make();
  const token = await signer.sign({ sub: 'ann' });
  const { port, stop } = await (async () => {
    const server = await KeyServer.start(t, []);
    return { port: server.port, stop: () => server.stop() };
  })();
  await stop();
  const fixture = Fixture.remote(`http://127.0.0.1:${port}/keys?secret=of-the-url`);
  await fixture.keys.load();
  t.match(fixture.warnings, [
    {
      message: 'token keys cannot be fetched: no token can be checked until they can be',
      fields: { code: 'keys-unreachable', url: `http://127.0.0.1:${port}/keys`, reason: /ECONNREFUSED/ },
    },
  ]);
  t.notMatch(JSON.stringify(fixture.log), /of-the-url/);
  t.equal(await fixture.show(token), 'keys-unreachable');
  t.equal(fixture.warnings.length, 2);
  const server = await KeyServer.start(t, [signer.jwk], port);
  t.equal(await fixture.show(token), 'keys-unreachable', 'not at every CONNECT');
  t.equal(server.requests, 0);
  fixture.clock.advance(1_000);
  t.equal(await fixture.show(token), 'ann');
});

t.test('a URL that comes up after the start serves the first use at once', async (t) => {
  const signer = await Signer.make();
  const server = await KeyServer.start(t, [signer.jwk]);
  server.status = 503;
  const fixture = Fixture.remote(server.url);
  await fixture.keys.load();
  t.match(fixture.warnings, [{ fields: { reason: /200 OK/ } }]);
  server.status = 200;
  t.equal(await fixture.show(await signer.sign({ sub: 'ann' })), 'ann');
});

t.test('a URL out of reach later leaves the keys of before in use', async (t) => {
  const { server, fixture, token, signer } = await started(t);
  server.status = 500;
  fixture.clock.advance(LIMITS.cacheMs);
  for (let k = 0; k < 3; k++) t.equal(await fixture.show(token), 'ann');
  t.equal(server.requests, 2, 'a failing URL is asked again after the cooldown only');
  t.match(fixture.warnings, [{ message: /those fetched before go on working/ }]);
  const unknown = await signer.sign({ sub: 'ann' }, { kid: 'next' });
  t.equal(await fixture.show(unknown), 'keys-unreachable', 'nobody can say whether there is such a key');
  server.status = 200;
  fixture.clock.advance(LIMITS.cooldownMs);
  t.equal(await fixture.show(token), 'ann');
  t.equal(await fixture.show(unknown), 'token-invalid');
});

t.test('an answer that is no set of keys leaves the keys of before in use', async (t) => {
  const { server, fixture, token } = await started(t);
  server.keys = 'nonsense' as unknown as [];
  fixture.clock.advance(LIMITS.cacheMs);
  t.equal(await fixture.show(token), 'ann');
  t.match(fixture.warnings, [{ fields: { reason: /malformed/ } }]);
});

t.test('a shared secret at a URL checks nothing', async (t) => {
  const server = await KeyServer.start(t, [{ kty: 'oct', k: 'AAAA', kid: 'key-1' }]);
  const fixture = Fixture.remote(server.url);
  await fixture.keys.load();
  t.equal(await fixture.show(await (await Signer.make()).sign({ sub: 'eve' })), 'token-invalid');
});

t.test('a file of keys is read again when it has changed', async (t) => {
  const [old, next] = [await Signer.make(), await Signer.make()];
  const [ofOld, ofNext] = [await old.sign({ sub: 'old' }), await next.sign({ sub: 'next' })];
  const file = path.join(t.testdir(), 'keys.json');
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  write(JSON.stringify({ keys: [old.jwk] }));
  const fixture = new Fixture(({ log }) => new FileKeys(file, false, recordingLogger(log)));
  await fixture.keys.load();
  t.equal(await fixture.show(ofOld), 'old');
  t.equal(await fixture.show(ofNext), 'token-invalid');
  write(next.pem);
  t.equal(await fixture.show(ofNext), 'next');
  t.equal(await fixture.show(ofOld), 'token-invalid');
  t.match(fixture.log, [{ level: 'info', message: 'file was read again', fields: { file } }]);

  write('{"keys": [');
  for (let k = 0; k < 3; k++) t.equal(await fixture.show(ofNext), 'next', 'a broken file changes nothing');
  t.match(fixture.warnings, [{ fields: { file, reason: 'it is neither PEM nor JSON' } }]);
  rmSync(file);
  for (let k = 0; k < 3; k++) t.equal(await fixture.show(ofNext), 'next', 'a file that is gone changes nothing');
  t.equal(fixture.warnings.length, 2, 'said once each');
  write(old.pem);
  t.equal(await fixture.show(ofOld), 'old');
});

t.test('a secret in a file is the text without the end of its line', async (t) => {
  const file = path.join(t.testdir(), 'secret');
  writeFileSync(file, `${SECRET}\n`);
  const fixture = new Fixture(() => new FileKeys(file, true, recordingLogger([])), ['HS256']);
  t.equal(await fixture.show(await signWithSecret({ sub: 'ann' })), 'ann');
});

t.test('a file that cannot be used is said at the start', async (t) => {
  const directory = t.testdir({ empty: '', text: 'hello', none: '{"keys":[]}', other: '{"a":1}', list: '[1]' });
  const wants: [string, RegExp][] = [
    ['missing', /ENOENT/],
    ['empty', /neither PEM nor JSON/],
    ['text', /neither PEM nor JSON/],
    ['none', /holds no key/],
    ['other', /no JWK/],
    ['list', /no JWK/],
  ];
  for (const [name, message] of wants) {
    await t.rejects(new FileKeys(path.join(directory, name), false, recordingLogger([])).load(), { message }, name);
  }
  const block = path.join(directory, 'block.pem');
  writeFileSync(block, '-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----\n');
  await t.rejects(new FileKeys(block, false, recordingLogger([])).load(), { message: /^PEM block 1 is no public key/ });
  await t.rejects(new FileKeys(path.join(directory, 'empty'), true, recordingLogger([])).load(), { message: /empty/ });
});
