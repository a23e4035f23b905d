/** `auth` of the options on a whole server: what clients see and the log says when somebody is let in or refused. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import {
  createBroker,
  createStompServer,
  hashPasscode,
  type AuthenticateHook,
  type ServerOptions,
  type StompServerPorts,
} from '../../adapters/index.js';
import { createLogger } from '../../adapters/logging/index.js';
import { startTestServer } from '../helpers/server.js';
import { frame, parseFrame, type TextFrame } from '../helpers/stomp-text.js';
import { KeyServer, SECRET, Signer, signWithSecret } from '../helpers/tokens.js';
import { WebSocketClient, type ClientSettings } from '../helpers/websocket-client.js';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
}

const WARN = 40;

class Fixture {
  readonly lines: Line[] = [];
  readonly #port: number;
  readonly #test: Test;

  private constructor(test: Test, port: number, lines: Line[]) {
    this.#test = test;
    this.#port = port;
    this.lines = lines;
  }

  static async start(t: Test, auth: ServerOptions['auth'], ports: StompServerPorts = {}): Promise<Fixture> {
    const lines: Line[] = [];
    const write = (line: string): void => void lines.push(JSON.parse(line) as Line);
    const logger = createLogger({ level: 'info', pretty: false }, { write });
    const server = await startTestServer({ tcp: false, auth }, { logger, ...ports });
    t.teardown(() => server.stop());
    return new Fixture(t, server.httpPort, lines);
  }

  /** The answer to CONNECT: who it is for, or the code and text of the refusal. */
  async connect(
    headers: Readonly<Record<string, string>> = {},
    query = '',
    settings: ClientSettings = {},
  ): Promise<string> {
    return describe((await this.open(headers, query, settings)).answer);
  }

  async open(
    headers: Readonly<Record<string, string>> = {},
    query = '',
    settings: ClientSettings = {},
  ): Promise<{ client: WebSocketClient; answer: TextFrame }> {
    const client = await WebSocketClient.open(`http://127.0.0.1:${this.#port}/ws${query}`, settings);
    this.#test.teardown(() => client.ws.terminate());
    client.send(frame('CONNECT', { 'accept-version': '1.2', host: 'h', ...headers }));
    return { client, answer: parseFrame((await client.next()).text) };
  }

  get warnings(): string[] {
    return this.lines
      .filter(({ level }) => level === WARN)
      .map(({ code, msg }) => (code === undefined ? msg : `${code}: ${msg}`));
  }
}

function describe({ command, headers }: TextFrame): string {
  if (command === 'CONNECTED') return headers['user-name'] ?? 'anonymous';
  return `${String(headers['code'])}: ${String(headers['message'])}`;
}

t.test('S12.1 a token is taken from the frame, the query, the header and the cookie of the handshake', async (t) => {
  const from = ['authorization', 'query', 'cookie:auth', 'connect'] as const;
  const fixture = await Fixture.start(t, { jwt: { secret: SECRET, from } });
  const token = await signWithSecret({ sub: 'ann' });
  t.equal(await fixture.connect({ Authorization: `Bearer ${token}` }), 'ann');
  t.equal(await fixture.connect({ login: 'x', passcode: token }), 'ann');
  t.equal(await fixture.connect({}, `?token=${token}`), 'ann');
  t.equal(await fixture.connect({}, '', { headers: { authorization: `Bearer ${token}` } }), 'ann');
  t.equal(await fixture.connect({}, '', { headers: { cookie: `x=y; auth=${token}` } }), 'ann');
  t.match(await fixture.connect(), /^authentication-failed: No login/);
  t.notMatch(JSON.stringify(fixture.lines), token.split('.')[2] ?? '', 'no token is in the log');
});

t.test('each bad token has its code, its ERROR and its line in the log', async (t) => {
  const signer = await Signer.make('ES256', 'known');
  const keys = await KeyServer.start(t, [signer.jwk]);
  const jwt = { jwksUrl: keys.url, audience: 'shop', issuer: 'https://login.example' };
  const fixture = await Fixture.start(t, { jwt });
  const good = { sub: 'ann', aud: 'shop', iss: 'https://login.example' };
  const forger = await Signer.make('ES256', 'known');
  const bad: [Promise<string>, string][] = [
    [signer.sign({ ...good, exp: 1 }), 'token-expired: The token has expired'],
    [forger.sign(good), 'token-invalid: The signature of the token is wrong'],
    [signer.sign({ ...good, aud: 'bank' }), 'token-invalid: The token is meant for another audience'],
    [signer.sign({ ...good, iss: 'https://evil.example' }), 'token-invalid: The token is from another issuer'],
    [signer.sign(good, { kid: 'unknown' }), 'token-invalid: The token is signed with a key that is not known here'],
    [signWithSecret(good), 'token-invalid: The token is signed with an algorithm that is not allowed here'],
    [Promise.resolve('nonsense'), 'token-invalid: The token is malformed'],
  ];
  for (const [token, refusal] of bad) {
    const { client, answer } = await fixture.open({ token: await token });
    t.equal(describe(answer), refusal);
    t.equal((await client.closed).code, 1002);
    t.equal(fixture.warnings.at(-1), refusal);
  }
  t.equal(await fixture.connect({ token: await signer.sign(good) }), 'ann');
  keys.status = 500;
  t.equal(await fixture.connect({ token: await signer.sign(good) }), 'ann', 'with the keys fetched before');
});

t.test('a JWKS out of reach at start is a warning, and its own refusal until it answers', async (t) => {
  const signer = await Signer.make();
  const keys = await KeyServer.start(t, [signer.jwk]);
  keys.status = 503;
  const fixture = await Fixture.start(t, { jwt: { jwksUrl: keys.url } });
  t.match(fixture.warnings, [/^keys-unreachable: token keys cannot be fetched/]);
  const token = await signer.sign({ sub: 'ann' });
  t.match(await fixture.connect({ token }), /^keys-unreachable: Tokens cannot be checked at the moment/);
  t.match(fixture.warnings.at(-1), /^keys-unreachable: Tokens cannot be checked/);
});

t.test('a file that auth names is read before anybody is let in', async (t) => {
  const directory = t.testdir({ 'users.txt': 'ann:plain\n' });
  const refuse = (auth: ServerOptions['auth'], message: RegExp): Promise<unknown> =>
    t.rejects(createStompServer({ http: false, tcp: { port: 0 }, log: { level: 'silent' }, auth }).start(), {
      code: 'invalid-option',
      message,
    });
  await refuse(
    { passwordFile: path.join(directory, 'users.txt') },
    /^auth\.passwordFile: cannot be used: line 1: wants/,
  );
  await refuse({ passwordFile: path.join(directory, 'none') }, /^auth\.passwordFile: cannot be used: ENOENT$/);
  await refuse(
    { jwt: { keyFile: path.join(directory, 'users.txt') } },
    /^auth\.jwt\.keyFile: cannot be used: it is neither/,
  );
  await refuse({ jwt: { secretFile: directory } }, /^auth\.jwt\.secretFile: cannot be used: EISDIR$/);
});

t.test('password file, list of users and tokens go together', async (t) => {
  const file = path.join(t.testdir(), 'users');
  writeFileSync(file, `ann:${await hashPasscode('of the file')}\n`);
  const users = [{ login: 'bob', passcode: 'of the list' }];
  const fixture = await Fixture.start(t, { passwordFile: file, users, jwt: { secret: SECRET }, anonymous: true });
  t.equal(await fixture.connect({ login: 'ann', passcode: 'of the file' }), 'ann');
  t.equal(await fixture.connect({ login: 'bob', passcode: 'of the list' }), 'bob');
  t.equal(await fixture.connect({ token: await signWithSecret({ sub: 'eve' }) }), 'eve');
  t.equal(await fixture.connect(), 'anonymous');
  for (const [login, passcode] of [
    ['ann', 'of the list'],
    ['bob', 'of the file'],
    ['eve', 'x'],
  ] as const) {
    t.equal(await fixture.connect({ login, passcode }), 'authentication-failed: Bad login or passcode');
  }
});

t.test('a trusted header is believed only when configured, and a warning says what that means', async (t) => {
  const settings = { headers: { 'X-User-ID': 'ann' } };
  const closed = await Fixture.start(t, { anonymous: true });
  t.equal(await closed.connect({ 'X-User-ID': 'ann' }, '', settings), 'anonymous');
  const proxied = await Fixture.start(t, { trustedHeader: { name: 'X-User-ID' } });
  t.equal(await proxied.connect({}, '', settings), 'ann');
  t.match(await proxied.connect({ 'X-User-ID': 'ann' }), /^authentication-failed/);
  t.notOk(proxied.warnings.some((line) => line.includes('every client can claim')));
  const open = await Fixture.start(t, { trustedHeader: { name: 'X-User-ID', from: 'connect' } });
  t.equal(await open.connect({ 'x-user-id': 'ann' }), 'ann');
  t.match(open.warnings, [/every client can claim to be any user/]);
});

t.test('S12.9 a page that is known by its cookie shows the CSRF token', async (t) => {
  const auth: ServerOptions['auth'] = { jwt: { secret: SECRET, from: ['cookie:auth'] }, csrf: true };
  const fixture = await Fixture.start(t, auth);
  const settings = { headers: { cookie: `auth=${await signWithSecret({ sub: 'ann' })}; XSRF-TOKEN=t0ken` } };
  t.equal(await fixture.connect({ 'X-CSRF-TOKEN': 't0ken' }, '', settings), 'ann');
  t.match(await fixture.connect({}, '', settings), /^csrf-failed: /);
  t.match(await fixture.connect({ 'X-CSRF-TOKEN': 'other' }, '', settings), /^csrf-failed: /);
  t.match(fixture.warnings.at(-1), /^csrf-failed: /);
});

t.test('rules of the options hold on every frame', async (t) => {
  const fixture = await Fixture.start(t, {
    users: [{ login: 'ann', passcode: 'x' }],
    anonymous: true,
    rules: [
      { action: 'connect', authenticated: true, allow: true },
      { action: 'subscribe', destination: '/topic/users/{user}/**', allow: true },
    ],
  });
  t.equal(await fixture.connect(), 'access-denied: Not allowed to connect');
  const { client } = await fixture.open({ login: 'ann', passcode: 'x' });
  client.send(frame('SUBSCRIBE', { id: '0', destination: '/topic/users/ann/x', receipt: 'r' }));
  t.equal(parseFrame((await client.next()).text).command, 'RECEIPT');
  client.send(frame('SUBSCRIBE', { id: '1', destination: '/topic/users/bob/x' }));
  const refusal = 'access-denied: Not allowed to subscribe to "/topic/users/bob/x"';
  t.equal(describe(parseFrame((await client.next()).text)), refusal);
  t.equal((await client.closed).code, 1002);
  t.equal(fixture.warnings.at(-1), refusal);
});

t.test('rules that close the server are said at the start, rules that are none stop it', async (t) => {
  const fixture = await Fixture.start(t, { rules: [{ action: 'send', allow: true }] });
  t.match(fixture.warnings, ['nobody can connect: no rule of auth.rules allows connect']);
  t.throws(() => createStompServer({ auth: { rules: [{ destination: '/a/{x:(}', allow: true }] } }), {
    code: 'invalid-option',
    message: /^auth\.rules\.0\.destination: got /,
  });
});

const byCookie: AuthenticateHook = async ({ handshake }) => {
  const cookie = handshake?.headers['cookie'];
  return cookie === 'sid=42' ? { name: 'ann', roles: ['admin'] } : null;
};

t.test('the application asks its own sessions first, and lets nobody else in unless it says so', async (t) => {
  const settings = { headers: { cookie: 'sid=42' } };
  const closed = await Fixture.start(t, undefined, { authenticate: byCookie });
  t.equal(await closed.connect({}, '', settings), 'ann');
  t.match(await closed.connect(), /^authentication-failed/);
  const users = [{ login: 'bob', passcode: 'x' }];
  const open = await Fixture.start(t, { users, anonymous: true }, { authenticate: byCookie });
  t.equal(await open.connect({ login: 'bob', passcode: 'x' }, '', settings), 'ann');
  t.equal(await open.connect({ login: 'bob', passcode: 'x' }), 'bob');
  t.equal(await open.connect(), 'anonymous');
  t.strictSame(open.warnings, []);
});

t.test('what a hook throws is not shown to the client', async (t) => {
  const authenticate: AuthenticateHook = () => {
    throw new Error('postgres://user:secret@db');
  };
  const fixture = await Fixture.start(t, undefined, { authenticate });
  t.match(await fixture.connect(), /^internal: Internal error, in the server's log as /);
});

t.test('an embedded broker reads its files before it lets anybody in', async (t) => {
  const { createServer } = await import('node:http');
  const embedded = createBroker({ auth: { passwordFile: '/nowhere/users' }, log: { level: 'silent' } });
  await t.rejects(embedded.attach(createServer()), { code: 'invalid-option', message: /^auth\.passwordFile: / });
  await embedded.stop(100);
});

t.test('a short secret is warned about', async (t) => {
  const fixture = await Fixture.start(t, { jwt: { secret: 'short' } });
  t.match(fixture.warnings, [/^auth\.jwt\.secret is short/]);
});
