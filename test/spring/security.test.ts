/** S12 as clients meet it: tokens, rules and the CSRF check on real connections. */
import t, { type Test } from 'tap';
import {
  BrokerError,
  CsrfAuthenticator,
  RuleAuthorizer,
  type Authenticator,
  type Principal,
  type Rule,
  type StompServerPorts,
} from '../../adapters/index.js';
import { startTestServer } from '../helpers/server.js';
import { frame, parseFrame, type TextFrame } from '../helpers/stomp-text.js';
import { WebSocketClient, type ClientSettings } from '../helpers/websocket-client.js';

const USERS: Readonly<Record<string, Principal>> = {
  'Bearer ann-token': { name: 'ann', roles: ['admin', 'desk'] },
  'Bearer bob-token': { name: 'bob', roles: [] },
};
const ANONYMOUS: Principal = { name: null, roles: [] };

/** A token in CONNECT, as the Spring manual's interceptor reads it. */
const BY_TOKEN: Authenticator = {
  authenticate: ({ headers }) => {
    const token = headers.get('Authorization');
    const user = token === undefined ? ANONYMOUS : USERS[token];
    if (user === undefined) throw new BrokerError('authentication-failed', 'Unknown token');
    return user;
  },
};

async function connect(
  t: Test,
  ports: StompServerPorts,
): Promise<(headers?: Readonly<Record<string, string>>, settings?: ClientSettings) => Promise<Peer>> {
  const server = await startTestServer({ tcp: false }, ports);
  server.server.broker.message('/**', () => undefined);
  t.teardown(() => server.stop());
  return async (headers = {}, settings = {}) => {
    const client = await WebSocketClient.open(`http://127.0.0.1:${server.httpPort}/ws`, settings);
    t.teardown(() => {
      client.close();
    });
    client.send(frame('CONNECT', { 'accept-version': '1.2', host: 'h', ...headers }));
    return { client, answer: parseFrame((await client.next()).text) };
  };
}

interface Peer {
  readonly client: WebSocketClient;
  readonly answer: TextFrame;
}

/** RECEIPT, or the code of ERROR and of the close. */
async function ask({ client }: Peer, command: 'SEND' | 'SUBSCRIBE', destination: string): Promise<string> {
  client.send(frame(command, { ...(command === 'SUBSCRIBE' ? { id: 's' } : {}), destination, receipt: 'r' }));
  const { command: answer, headers } = parseFrame((await client.next()).text);
  return answer === 'RECEIPT' ? answer : `${String(headers['code'])} ${(await client.closed).code}`;
}

const DENIED = 'access-denied 1002';

t.test('S12.1 a token in CONNECT names the user; a wrong one is ERROR and 1002', async (t) => {
  const open = await connect(t, { authenticator: BY_TOKEN });
  t.match((await open({ Authorization: 'Bearer ann-token', 'any-other': 'header' })).answer, {
    command: 'CONNECTED',
    headers: { 'user-name': 'ann' },
  });
  const refused = await open({ Authorization: 'Bearer forged' });
  t.match(refused.answer, { command: 'ERROR', headers: { code: 'authentication-failed', message: 'Unknown token' } });
  t.equal((await refused.client.closed).code, 1002);
});

t.test('S12.2 rules are an ordered list: the first match decides, no match denies', async (t) => {
  const rules: readonly Rule[] = [
    { action: 'connect', allow: true },
    { destination: '/topic/a/secret', allow: false },
    { destination: '/topic/a/**', allow: true },
    { destination: '/topic/a/x', allow: false },
  ];
  const open = await connect(t, { authenticator: BY_TOKEN, authorizer: new RuleAuthorizer({ rules }) });
  t.equal(await ask(await open(), 'SUBSCRIBE', '/topic/a/secret'), DENIED);
  t.equal(await ask(await open(), 'SUBSCRIBE', '/topic/a/x'), 'RECEIPT', 'what comes later does not count');
  t.equal(await ask(await open(), 'SUBSCRIBE', '/topic/b'), DENIED);
  t.equal(await ask(await open(), 'SUBSCRIBE', '/topic/**'), DENIED, 'a pattern that touches what is denied');
  const nobody = await connect(t, {
    authenticator: BY_TOKEN,
    authorizer: new RuleAuthorizer({ rules: [rules[2] as Rule] }),
  });
  t.match((await nobody()).answer, { command: 'ERROR', headers: { code: 'access-denied' } });
});

t.test('S12.3 a rule is about CONNECT, SEND, SUBSCRIBE or all, and about destinations', async (t) => {
  const rules: readonly Rule[] = [
    { action: 'connect', allow: true },
    { action: 'send', destination: '/app/**', allow: true },
    { action: 'subscribe', destination: ['/topic/{x}', '/user/queue/**'], allow: true },
    { destination: '/topic/both', allow: true },
  ];
  const open = await connect(t, { authenticator: BY_TOKEN, authorizer: new RuleAuthorizer({ rules }) });
  t.equal(await ask(await open(), 'SEND', '/app/x/y'), 'RECEIPT');
  t.equal(await ask(await open(), 'SUBSCRIBE', '/app/x/y'), DENIED);
  t.equal(await ask(await open(), 'SUBSCRIBE', '/topic/x'), 'RECEIPT');
  t.equal(await ask(await open(), 'SEND', '/topic/x'), DENIED, 'S12.10: no client sends to a broker destination');
  t.equal(await ask(await open(), 'SEND', '/topic/both'), 'RECEIPT');
  t.equal(await ask(await open(), 'SUBSCRIBE', '/queue/x'), DENIED);
});

t.test(
  'S12.4 decisions: permit, deny, authenticated, anonymous, roles, and a function with path variables',
  async (t) => {
    const rules: readonly Rule[] = [
      { action: 'connect', allow: true },
      { destination: '/topic/denied', allow: false },
      { destination: '/topic/users', authenticated: true, allow: true },
      { destination: '/topic/guests', authenticated: false, allow: true },
      { destination: '/topic/admins', roles: ['admin', 'root'], allow: true },
      { destination: '/topic/own/{user}', allow: true },
      {
        destination: '/topic/owner/{owner}',
        check: async ({ principal }, { owner }) => principal.name === owner,
        allow: true,
      },
    ];
    const open = await connect(t, { authenticator: BY_TOKEN, authorizer: new RuleAuthorizer({ rules }) });
    const verdicts = async (destination: string): Promise<string[]> => {
      const answers: string[] = [];
      for (const token of ['ann-token', 'bob-token', null]) {
        const peer = await open(token === null ? {} : { Authorization: `Bearer ${token}` });
        answers.push(await ask(peer, 'SUBSCRIBE', destination));
      }
      return answers;
    };
    t.strictSame(await verdicts('/topic/denied'), [DENIED, DENIED, DENIED]);
    t.strictSame(await verdicts('/topic/users'), ['RECEIPT', 'RECEIPT', DENIED]);
    t.strictSame(await verdicts('/topic/guests'), [DENIED, DENIED, 'RECEIPT']);
    t.strictSame(await verdicts('/topic/admins'), ['RECEIPT', DENIED, DENIED]);
    t.strictSame(await verdicts('/topic/own/bob'), [DENIED, 'RECEIPT', DENIED]);
    t.strictSame(await verdicts('/topic/owner/ann'), ['RECEIPT', DENIED, DENIED]);
  },
);

t.test('S12.6 destinations are judged as the client wrote them', async (t) => {
  const rules: readonly Rule[] = [
    { action: 'connect', allow: true },
    { action: 'subscribe', destination: '/user/queue/x', allow: true },
    { action: 'send', destination: '/user/bob/queue/x', allow: true },
  ];
  const open = await connect(t, { authenticator: BY_TOKEN, authorizer: new RuleAuthorizer({ rules }) });
  t.equal(await ask(await open(), 'SUBSCRIBE', '/user/queue/x'), 'RECEIPT');
  t.equal(await ask(await open(), 'SUBSCRIBE', '/queue/x'), DENIED, 'what it leads to is not open by that');
  t.equal(await ask(await open(), 'SEND', '/user/bob/queue/x'), 'RECEIPT');
  t.equal(await ask(await open(), 'SEND', '/user/ann/queue/x'), DENIED);
});

t.test('S12.7 one forbidden frame costs the connection; with soft refusals it does not', async (t) => {
  const rules: readonly Rule[] = [
    { action: 'connect', allow: true },
    { destination: '/user/queue/errors', allow: true },
  ];
  const ports = { authenticator: BY_TOKEN, authorizer: new RuleAuthorizer({ rules }) };
  const open = await connect(t, ports);
  t.equal(await ask(await open(), 'SEND', '/topic/a'), DENIED);
  const soft = await startTestServer({ tcp: false, broker: { refusals: 'soft' } }, ports);
  t.teardown(() => soft.stop());
  const client = await WebSocketClient.open(`http://127.0.0.1:${soft.httpPort}/ws`);
  t.teardown(() => {
    client.close();
  });
  client.send(frame('CONNECT', { 'accept-version': '1.2', host: 'h' }));
  await client.next();
  client.send(frame('SUBSCRIBE', { id: 'e', destination: '/user/queue/errors' }));
  for (const receipt of ['1', '2']) {
    client.send(frame('SEND', { destination: '/topic/a', receipt }));
    t.match(parseFrame((await client.next()).text), {
      command: 'MESSAGE',
      headers: { code: 'access-denied', 'receipt-id': receipt },
    });
  }
});

t.test('S12.9 CONNECT of a cookie-authenticated page carries the CSRF token, plain or masked', async (t) => {
  const token = 'b3f1a0de-csrf';
  const open = await connect(t, { authenticator: new CsrfAuthenticator(BY_TOKEN) });
  const cookie = { headers: { cookie: `a=b; XSRF-TOKEN=${token}` } };
  const random = Buffer.from(Array.from(token, (_, index) => (index * 37) & 255));
  const masked = Buffer.concat([
    random,
    Buffer.from(Buffer.from(token).map((octet, index) => octet ^ (random[index] ?? 0))),
  ]);
  const command = async (headers: Record<string, string>, settings: ClientSettings): Promise<string> => {
    const { answer, client } = await open(headers, settings);
    return answer.command === 'ERROR'
      ? `${String(answer.headers['code'])} ${(await client.closed).code}`
      : answer.command;
  };
  t.equal(await command({ 'X-CSRF-TOKEN': token }, cookie), 'CONNECTED');
  t.equal(await command({ 'X-CSRF-TOKEN': masked.toString('base64url') }, cookie), 'CONNECTED');
  const refused = 'csrf-failed 1002';
  t.equal(await command({}, cookie), refused);
  t.equal(await command({ 'X-CSRF-TOKEN': 'another' }, cookie), refused);
  t.equal(
    await command({ 'X-CSRF-TOKEN': token }, {}),
    refused,
    'without a token of the handshake there is nothing to equal',
  );
});
