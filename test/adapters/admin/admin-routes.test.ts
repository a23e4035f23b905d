/** Every route: success, no token, wrong role, bad input. The table below must know each of them. */
import t, { type Test } from 'tap';
import type { AdminParts } from '../../../adapters/admin/admin-parts.js';
import type { AdminRoute } from '../../../adapters/admin/admin-route.js';
import { adminRoutes } from '../../../adapters/admin/routes/index.js';
import { PROBLEM_CODES } from '../../../adapters/admin/problem.js';
import { type AdminAnswer, startAdmin, type TestAdmin, type TestRole } from '../../helpers/admin.js';
import { RawClient } from '../../helpers/raw-client.js';

/** The definitions alone: nothing is asked of what they would be served by. */
const ROUTES = adminRoutes({
  broker: { operations: { drain: {} } },
} as unknown as AdminParts);

interface Scene {
  readonly admin: TestAdmin;
  /** Connected as ann, with `/topic/t` as subscription 1 and `/user/queue/notices` as 2. */
  readonly ann: RawClient;
  readonly session: string;
}

interface Case {
  readonly path: string;
  readonly body?: unknown;
  /** What is wrong with these, path and body. */
  readonly bad?: readonly (readonly [path: string, body?: unknown])[];
  /** Of success. */
  readonly expect: object;
  readonly prepare?: (scene: Scene) => Promise<unknown>;
  readonly after?: (scene: Scene) => Promise<unknown>;
}

const QUEUE = '/queues/%2Fqueue%2Fq';

async function fill({ admin }: Scene, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) await admin.server.broker.convertAndSend('/queue/q', body);
}

const BAD_PAGES = ['limit=0', 'limit=1001', 'limit=x', 'cursor=x', 'sort=colour', 'colour=red'];
const badPages = (path: string): [string][] => BAD_PAGES.map((query) => [`${path}?${query}`]);

const CASES: Readonly<Record<string, Case>> = {
  isLive: { path: '/health/live', expect: { isLive: true } },
  isReady: { path: '/health/ready', expect: { isReady: true } },
  getHealth: { path: '/health', expect: { isLive: true, isReady: true, isDegraded: false, problems: [] } },
  getStats: {
    path: '/stats',
    expect: {
      server: { version: /^\d/, workers: 1, processId: process.pid },
      sessions: { total: 1, current: 1, tcp: 1, webSocket: 0, closedAbnormally: { sendLimit: 0 } },
      users: 1,
      broker: { subscriptions: 2, stomp: { connect: 1, connected: 1 } },
    },
  },
  listNodes: {
    path: '/cluster',
    expect: {
      nodes: [{ isOk: true, isAccepting: true, sessions: 1, users: 1 }],
      missing: [],
      together: { subscriptions: 2 },
    },
  },
  listConnections: {
    path: '/connections?transport=tcp&state=connected&user=ann&address=127.',
    bad: badPages('/connections'),
    expect: { items: [{ user: 'ann', transport: 'tcp', state: 'connected', queuedBytes: 0 }], next: null, total: 1 },
  },
  listSessions: {
    path: '/sessions?sort=-user',
    bad: [...badPages('/sessions'), ['/sessions?state=asleep']],
    expect: { items: [{ user: 'ann', version: '1.2', subscriptions: 2, roles: [] }], next: null },
  },
  getSession: { path: '/sessions/SESSION', bad: [[`/sessions/${'x'.repeat(1_025)}`]], expect: { user: 'ann' } },
  disconnectSession: {
    path: '/sessions/SESSION',
    bad: [[`/sessions/${'x'.repeat(1_025)}`]],
    expect: { disconnected: 1, missing: [] },
    after: ({ ann }) => ann.closed(),
  },
  endSubscription: {
    path: '/sessions/SESSION/subscriptions/1',
    bad: [['/sessions/SESSION/subscriptions/x'], ['/sessions/SESSION/subscriptions/0']],
    expect: { ended: 1, missing: [] },
    after: async ({ admin, ann }) => {
      await admin.server.broker.convertAndSend('/topic/t', 'nobody');
      await ann.fence();
    },
  },
  listSubscriptions: {
    path: '/subscriptions?prefix=/topic&user=ann&session=SESSION',
    bad: badPages('/subscriptions'),
    expect: { items: [{ number: 1, id: '0', destination: '/topic/t', user: 'ann', ack: 'auto' }], total: 2 },
  },
  listUsersOfAllNodes: {
    path: '/cluster/users?limit=1',
    bad: [
      ...['limit=0', 'limit=1001', 'limit=x', 'cursor=x', 'colour=red', 'deadlineMs=1'].map((query): [string] => [
        `/cluster/users?${query}`,
      ]),
    ],
    expect: { items: [{ name: 'ann', sessions: { length: 1 } }], next: /./, missing: [] },
  },
  getUserOfAllNodes: {
    path: '/cluster/users/ann',
    bad: [[`/cluster/users/${'x'.repeat(1_025)}`], ['/cluster/users/ann?deadlineMs=x']],
    expect: { name: 'ann', sessions: [{ user: 'ann', transport: 'tcp', subscriptions: 2 }], missing: [] },
  },
  listSessionsOfAllNodes: {
    path: '/cluster/sessions?user=ann',
    bad: [['/cluster/sessions?limit=0'], ['/cluster/sessions?cursor=x'], ['/cluster/sessions?colour=red']],
    expect: { items: [{ user: 'ann', version: '1.2' }], next: null, missing: [] },
  },
  listUsers: {
    path: '/users?prefix=a&sort=-sessions',
    bad: badPages('/users'),
    expect: { items: [{ name: 'ann', sessions: 1 }], next: null, total: 1 },
  },
  getUser: { path: '/users/ann', bad: [[`/users/${'x'.repeat(1_025)}`]], expect: { name: 'ann', sessions: 1 } },
  disconnectUser: {
    path: '/users/ann/sessions',
    bad: [[`/users/${'x'.repeat(1_025)}/sessions`]],
    expect: { disconnected: 1 },
    after: ({ ann }) => ann.closed(),
  },
  sendToUser: {
    path: '/users/ann/messages',
    body: { destination: '/queue/notices', body: { hello: 'ann' }, headers: { kind: 'test' } },
    bad: [
      ['/users/ann/messages', {}],
      ['/users/ann/messages', { destination: '/queue/notices' }],
      ['/users/ann/messages', { destination: '/queue/notices', body: 'x', base64: 'eA==' }],
      ['/users/ann/messages', { destination: '/queue/notices', body: 'x', colour: 'red' }],
      ['/users/ann/messages', '{"destination":'],
    ],
    expect: { accepted: true, sessions: 1 },
    after: async ({ ann }) => {
      const frame = await ann.frame('MESSAGE');
      if (frame.text !== '{"hello":"ann"}' || frame.get('kind') !== 'test') throw new Error(frame.text);
    },
  },
  listDestinations: {
    path: '/destinations?kind=topic&prefix=/topic/t&sort=-subscribers',
    bad: [...badPages('/destinations'), ['/destinations?kind=user']],
    expect: { items: [{ destination: '/topic/t', kind: 'topic', subscribers: 1, depth: 0, history: null }] },
  },
  listQueues: {
    path: '/queues?sort=-depth',
    bad: badPages('/queues'),
    prepare: (scene) => fill(scene, 'a'),
    expect: { items: [{ destination: '/queue/q', depth: 1, consumers: 0, deadLetter: '/queue/DLQ' }], total: 1 },
  },
  getQueue: {
    path: QUEUE,
    bad: [[`/queues/${'x'.repeat(1_025)}`]],
    prepare: (scene) => fill(scene, 'a'),
    expect: { destination: '/queue/q', depth: 1, isDurable: false },
  },
  browseQueue: {
    path: `${QUEUE}/messages?limit=1`,
    bad: [[`${QUEUE}/messages?limit=201`], [`${QUEUE}/messages?cursor=x`], [`${QUEUE}/messages?sort=number`]],
    prepare: (scene) => fill(scene, 'a', 'b'),
    expect: { items: [{ number: Number, body: 'a', encoding: 'utf8', bodyBytes: 1, isCut: false }], next: String },
  },
  purgeQueue: {
    path: `${QUEUE}/messages`,
    bad: [[`/queues/${'x'.repeat(1_025)}/messages`]],
    prepare: (scene) => fill(scene, 'a', 'b'),
    expect: { purged: 2 },
  },
  deleteMessage: {
    path: `${QUEUE}/messages/NUMBER`,
    bad: [[`${QUEUE}/messages/x`]],
    prepare: (scene) => fill(scene, 'a'),
    expect: { deleted: 1 },
  },
  moveMessages: {
    path: `${QUEUE}/move`,
    body: { target: '/queue/other', limit: 10 },
    bad: [
      [`${QUEUE}/move`, { limit: 0 }],
      [`${QUEUE}/move`, { numbers: [] }],
      [`${QUEUE}/move`, { colour: 'red' }],
    ],
    prepare: (scene) => fill(scene, 'a'),
    expect: { moved: 1, skipped: 0, stoppedBy: null },
  },
  publish: {
    path: '/messages',
    body: { destination: '/topic/t', base64: Buffer.from('octets').toString('base64') },
    bad: [
      ['/messages', { destination: '', body: 'x' }],
      ['/messages', { destination: '/topic/t', base64: 'no base64!' }],
      ['/messages', { destination: '/topic/t', body: 'x', headers: { a: 1 } }],
      ['/messages', {}],
    ],
    expect: { accepted: true },
    after: async ({ ann }) => {
      const { text } = await ann.frame('MESSAGE');
      if (text !== 'octets') throw new Error(text);
    },
  },
  broadcast: {
    path: '/broadcast',
    body: { destination: '/queue/notices', body: 'to all' },
    bad: [
      ['/broadcast', { body: 'x' }],
      ['/broadcast', { destination: '/queue/notices' }],
    ],
    expect: { sessions: 1 },
    after: async ({ ann }) => {
      const { text } = await ann.frame('MESSAGE');
      if (text !== 'to all') throw new Error(text);
    },
  },
  getActor: { path: '/me', expect: { name: 'the viewer', role: 'viewer' } },
  getDrain: { path: '/drain', expect: { isActive: false, remaining: 1 } },
  startDrain: {
    path: '/drain',
    body: { perSecond: 1_000 },
    bad: [
      ['/drain', { perSecond: -1 }],
      ['/drain', { perSecond: 'fast' }],
    ],
    expect: { isActive: true, perSecond: 1_000 },
    after: ({ ann }) => ann.closed(),
  },
  cancelDrain: { path: '/drain', expect: { isActive: false } },
  getLogLevel: { path: '/log', expect: { level: 'silent' } },
  setLogLevel: {
    path: '/log',
    body: { level: 'fatal' },
    bad: [
      ['/log', { level: 'loud' }],
      ['/log', {}],
    ],
    expect: { level: 'fatal' },
  },
  getConfiguration: { path: '/config', expect: { workers: 1, admin: { tokens: [{ token: '***' }] } } },
  reloadConfiguration: {
    path: '/config/reload',
    body: { dryRun: true },
    bad: [['/config/reload', { dryRun: 'yes' }]],
    expect: { isDryRun: true, applied: [{ path: 'log.level', from: 'silent', to: 'error' }], needsRestart: [] },
  },
  listAudit: {
    path: '/audit?operation=publish&actor=the%20operator',
    bad: badPages('/audit'),
    prepare: ({ admin }) =>
      admin.ask('POST', '/messages', { as: 'operator', body: { destination: '/topic/x', body: 'secret' } }),
    expect: {
      items: [{ actor: 'the operator', operation: 'publish', subject: { destination: '/topic/x' }, outcome: 'done' }],
      total: 1,
    },
  },
  tapFrames: {
    path: '/tap?user=ann&direction=in&destination=/topic/**&command=SEND,SUBSCRIBE',
    bad: ['colour=red', 'direction=up', 'command=SHOUT', 'perSecond=0', 'bodyBytes=16385', 'count=0'].map((query) => [
      `/tap?${query}`,
    ]),
    expect: { type: 'tap', node: String },
  },
  getOpenApi: { path: '/openapi', expect: { openapi: '3.1.0', 'x-websocket': { path: '/ws', protocol: 'stomp' } } },
  getAsyncApi: { path: '/asyncapi', expect: { asyncapi: '3.0.0' } },
};

async function scene(t: Test): Promise<Scene> {
  const admin = await startAdmin(
    t,
    {},
    { auth: { users: [{ login: 'ann', passcode: 'x' }] } },
    {
      readOptions: () =>
        Promise.resolve({
          ...OPTIONS_OF(admin),
          log: { level: 'error' as const },
        }),
    },
  );
  const ann = await RawClient.openFor(t, admin.tcpPort);
  const session = (await ann.connect('1.2', { login: 'ann', passcode: 'x' })).get('session') ?? '';
  await ann.subscribe('/topic/t');
  await ann.subscribe('/user/queue/notices', '1');
  return { admin, ann, session };
}

/** As the server was started: what a file would say. */
function OPTIONS_OF({ server: { options } }: TestAdmin) {
  const { http, tcp, auth, admin } = options;
  return {
    data: false as const,
    http: http === false ? (false as const) : { host: http.host, port: http.port },
    tcp: tcp === false ? (false as const) : { host: tcp.host, port: tcp.port },
    auth: { users: auth.users },
    admin: admin === false ? (false as const) : { port: 0, tokens: admin.tokens },
  };
}

async function filledIn(path: string, { session, admin }: Scene): Promise<string> {
  const withSession = path.replace('SESSION', session);
  if (!withSession.includes('NUMBER')) return withSession;
  const { messages } = (await admin.server.broker.operations.queue('/queue/q')?.browse(null, 1)) ?? {};
  return withSession.replace('NUMBER', String(messages?.[0]?.number));
}

function problem(t: Test, answer: AdminAnswer, code: keyof typeof PROBLEM_CODES, what: string): void {
  const { status } = PROBLEM_CODES[code];
  t.equal(answer.status, status, what);
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/, what);
  t.match(answer.body, { type: `urn:hoofbeat:problem:${code}`, code, status, title: String, instance: /^\/api\/v1\// });
}

const LESSER: Readonly<Record<TestRole, TestRole | null>> = { viewer: null, operator: 'viewer', admin: 'operator' };

t.test('the table knows every operation', async (t) => {
  t.strictSame(Object.keys(CASES).sort(), ROUTES.map(({ operation }) => operation).sort());
});

for (const route of ROUTES) {
  const found = CASES[route.operation];
  if (found === undefined) continue;
  t.test(`${route.method} ${route.path}: ${route.operation}`, async (t) => {
    const here = await scene(t);
    const { admin } = here;
    const { method, role } = route;
    const given = found.body === undefined ? {} : { body: found.body };
    await found.prepare?.(here);
    const path = await filledIn(found.path, here);
    if (role !== null) {
      const nobody = await admin.ask(method, path, { as: null, ...given });
      problem(t, nobody, 'token-missing', 'no token');
      t.equal(nobody.headers.get('www-authenticate'), 'Bearer');
      problem(t, await admin.ask(method, path, { token: 'x'.repeat(24), ...given }), 'token-invalid', 'a wrong token');
      const lesser = LESSER[role];
      if (lesser !== null)
        problem(t, await admin.ask(method, path, { as: lesser, ...given }), 'role-missing', 'a lesser role');
    }
    for (const [badPath, body] of found.bad ?? []) {
      const bad = await admin.ask(method, await filledIn(badPath, here), { ...(body === undefined ? {} : { body }) });
      t.equal(bad.status, 400, `${badPath} ${JSON.stringify(body)}`);
      t.match(bad.body, { code: /^(request|cursor)-invalid$/ });
    }
    const answer = await admin.ask(method, path, { as: role, ...given, firstLine: route.stream !== undefined });
    t.equal(answer.status, route.status ?? 200, answer.text);
    t.match(answer.body, found.expect);
    t.strictSame(route.response.parse(answer.body), answer.body, 'the answer is what the document says');
    t.equal(answer.headers.get('cache-control'), 'no-store');
    await found.after?.(here);
  });
}

t.test('what is not there is a problem of its own', async (t) => {
  const { admin } = await scene(t);
  const missing: readonly (readonly [string, string, unknown?])[] = [
    ['GET', '/sessions/nobody'],
    ['DELETE', '/sessions/nobody'],
    ['DELETE', '/sessions/nobody/subscriptions/1'],
    ['GET', '/subscriptions?session=nobody'],
    ['GET', '/users/nobody'],
    ['DELETE', '/users/nobody/sessions'],
    ['GET', '/queues/%2Fqueue%2Fnone'],
    ['GET', '/queues/%2Fqueue%2Fnone/messages'],
    ['DELETE', '/queues/%2Fqueue%2Fnone/messages'],
    ['DELETE', '/queues/%2Fqueue%2Fnone/messages/1'],
    ['POST', '/queues/%2Fqueue%2Fnone/move', {}],
    ['GET', '/nothing'],
    ['PUT', '/stats'],
  ];
  for (const [method, path, body] of missing) {
    const answer = await admin.ask(method, path, body === undefined ? {} : { body });
    problem(t, answer, 'not-found', `${method} ${path}`);
  }
  t.equal((await admin.ask('GET', '//nothing')).status, 404);
});

t.test("the broker's own refusals keep their codes", async (t) => {
  const { admin } = await scene(t);
  const body = { destination: `/topic/${'x'.repeat(1_020)}`, body: 'x' };
  const answer = await admin.ask('POST', '/messages', { body });
  problem(t, answer, 'request-invalid', 'longer than the API takes');
  const wide = { destination: `/topic/${'ü'.repeat(600)}`, body: 'x' };
  const refused = await admin.ask('POST', '/messages', { body: wide });
  problem(t, refused, 'broker-refused', 'longer than the broker takes');
  t.match(refused.body, { brokerCode: 'destination-invalid', detail: /1207 octets/ });
});

t.test('a body that is no JSON, or too much of it, is a problem', async (t) => {
  const { admin } = await scene(t);
  const typed = await admin.ask('POST', '/messages', { body: 'a=b', headers: { 'content-type': 'text/csv' } });
  problem(t, typed, 'media-type-unknown', 'CSV');
  const body = { destination: '/topic/t', body: 'x'.repeat(5 * 1024 * 1024) };
  problem(t, await admin.ask('POST', '/messages', { body }), 'body-too-large', '5 MiB');
});

t.test('a server that drains is live and not ready', async (t) => {
  const { admin } = await scene(t);
  await admin.ask('POST', '/drain', { body: { perSecond: 0 } });
  t.equal((await admin.ask('GET', '/health/live', { as: null })).status, 200);
  problem(t, await admin.ask('GET', '/health/ready', { as: null }), 'not-ready', 'draining');
  t.match((await admin.ask('GET', '/health')).body, { isReady: false, isDegraded: false });
  await admin.ask('DELETE', '/drain');
  t.equal((await admin.ask('GET', '/health/ready', { as: null })).status, 200);
});

t.test('a server that is about to stop says so first, and still lets clients in', async (t) => {
  const admin = await startAdmin(t, {}, { broker: { shutdown: { noticeMs: 600_000 } } });
  const stopped = admin.server.stop();
  // A turn later: what is under way at that moment is let finish.
  await new Promise((resolve) => setImmediate(resolve));
  t.equal((await admin.ask('GET', '/health/ready', { as: null })).status, 503);
  const client = await RawClient.openFor(t, admin.tcpPort);
  await client.connect('1.2');
  await admin.server.stop(1_000);
  await stopped;
  await client.closed();
});

t.test('acts are in the audit log, also those that were refused; looking is not', async (t) => {
  const { admin } = await scene(t);
  await admin.ask('GET', '/sessions');
  await admin.ask('DELETE', '/sessions/nobody', { as: 'operator' });
  await admin.ask('DELETE', '/drain', { as: 'viewer' });
  await admin.ask('POST', '/drain', { body: { perSecond: 0 } });
  const { body } = await admin.ask('GET', '/audit?limit=2');
  t.match(body, {
    items: [
      { number: 3, actor: 'the admin', role: 'admin', operation: 'startDrain', outcome: 'done', address: /127/ },
      { number: 2, actor: 'the viewer', role: 'viewer', operation: 'cancelDrain', outcome: 'role-missing' },
    ],
    total: 3,
  });
  const next = (body as { next: string }).next;
  t.match((await admin.ask('GET', `/audit?limit=2&cursor=${next}`)).body, {
    items: [{ number: 1, operation: 'disconnectSession', subject: { session: 'nobody' }, outcome: 'not-found' }],
    next: null,
  });
  problem(t, await admin.ask('GET', `/audit?sort=number&cursor=${next}`), 'cursor-invalid', 'of another order');
});

t.test('every definition has what its document needs', async (t) => {
  const isAct = ({ method }: AdminRoute): boolean => method !== 'GET';
  for (const route of ROUTES) {
    const isAudited = isAct(route) || route.stream !== undefined;
    t.equal(route.subject !== undefined, isAudited, `${route.operation} is in the audit log if it is an act`);
    t.ok(route.summary.length > 0);
  }
});
