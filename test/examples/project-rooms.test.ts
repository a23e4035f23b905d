/** The project-rooms example, row by row (P1 to P15), with a WebSocket as its clients use it. */
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { ERROR_CODES, MESSAGE_TYPES } from '../../examples/project-rooms/envelope.js';
import { processor } from '../../examples/project-rooms/message-processors.js';
import {
  createProjectRoomsApp,
  DEFAULTS,
  type ProjectRoomsApp,
  type ProjectRoomsOptions,
} from '../../examples/project-rooms/server.js';
import { signToken } from '../../examples/shared/demo-tokens.js';
import { Browser } from '../helpers/chromium.js';
import { curl, listen, picture } from '../helpers/example.js';
import { DEADLINE_MS, Inbox, inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { until } from '../helpers/until.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

const SECRET = 'the secret of the project-rooms example';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

interface Envelope {
  readonly type: string;
  readonly data: Record<string, unknown>;
  readonly timestamp: string;
  readonly message_id: string;
}

const tokenOf = (userId: string, ...roles: string[]): Promise<string> =>
  signToken({ userId, username: userId, roles }, SECRET);

async function start(t: Test, options: Partial<ProjectRoomsOptions> = {}): Promise<ProjectRoomsApp & { url: string }> {
  const example = await createProjectRoomsApp({ secret: SECRET, logLevel: 'silent', leaveDelayMs: 0, ...options });
  return { ...example, url: await listen(t, example.app) };
}

class Client {
  readonly #ws: WebSocket;
  readonly messages = new Inbox<Envelope>();
  readonly closed: Promise<number>;

  constructor(t: Test, url: string, headers: Record<string, string> = {}) {
    this.#ws = new WebSocket(url, { headers });
    this.#ws.onmessage = (event) => {
      this.messages.push(JSON.parse(event.data as string) as Envelope);
    };
    this.closed = new Promise((resolve) => {
      this.#ws.onclose = ({ code }) => {
        this.messages.end(`closed with ${code}`);
        resolve(code);
      };
    });
    t.teardown(() => {
      this.#ws.terminate();
    });
  }

  say(type: string, data: unknown = {}): void {
    this.#ws.send(JSON.stringify({ type, data, timestamp: new Date().toISOString(), message_id: 'x' }));
  }

  get extensions(): string {
    return this.#ws.extensions;
  }

  raw(text: string): void {
    this.#ws.send(text);
  }

  close(): void {
    this.#ws.close();
  }

  next(what = 'the next message'): Promise<Envelope> {
    return this.messages.next(what);
  }

  async join(project_id: string): Promise<Envelope> {
    this.say('subscription', { action: 'subscribe', project_id });
    return this.next('the snapshot');
  }
}

const address = (url: string): string => `${url.replace('http', 'ws')}/ws/connect`;

async function open(t: Test, url: string, user: string): Promise<Client> {
  const client = new Client(t, `${address(url)}?token=${await tokenOf(user)}`);
  t.match(await client.next('the greeting'), { type: 'auth_success', data: { user_id: user } });
  return client;
}

t.test('P1: a token in the query or the header; a bad one is 401; none is asked for', async (t) => {
  const { url } = await start(t);
  await open(t, url, 'ann');
  const byHeader = new Client(t, address(url), { Authorization: `Bearer ${await tokenOf('bob')}` });
  t.match(await byHeader.next(), { type: 'auth_success', data: { user_id: 'bob' } });
  t.equal((await WebSocketClient.refusal(`${address(url)}?token=rubbish`)).status, 401);

  const late = new Client(t, address(url));
  t.match(await late.next(), { type: 'auth_required' });
  late.say('subscription', { action: 'subscribe', project_id: '1' });
  t.match(await late.next(), { type: 'error', data: { code: 'unauthorized' } });
  late.say('auth', { token: await tokenOf('carol') });
  t.match(await late.next(), { type: 'auth_success', data: { user_id: 'carol' } });

  const wrong = new Client(t, address(url));
  await wrong.next();
  wrong.say('auth', { token: 'a.b.c' });
  t.match(await wrong.next(), { type: 'auth_failed' });
  t.equal(await inTime(wrong.closed, 'the close'), 1008);
});

t.test('P2, P3, P4: envelopes; rooms; who joins and who leaves is told to the room', async (t) => {
  const { url } = await start(t);
  const [ann, bob] = [await open(t, url, 'ann'), await open(t, url, 'bob')];
  const joined = await ann.join('7');
  t.match(joined, { type: 'subscription', data: { action: 'subscribed', project_id: '7', users: ['ann'] } });
  t.match(joined.timestamp, RFC_3339);
  t.match(joined.message_id, UUID);
  t.match(await bob.join('7'), { data: { users: ['ann', 'bob'] } });
  t.match(await ann.next('the join'), { type: 'user_joined', data: { user_id: 'bob', project_id: '7' } });
  bob.say('subscription', { action: 'unsubscribe', project_id: '7' });
  t.match(await bob.next(), { type: 'subscription', data: { action: 'unsubscribed', project_id: '7' } });
  t.match(await ann.next('the leave'), { type: 'user_left', data: { user_id: 'bob', project_id: '7' } });
  await bob.join('7');
  await ann.next('the second join');
  bob.close();
  t.match(await ann.next('the end'), { type: 'user_left', data: { user_id: 'bob' } });
  ann.say('ping');
  t.match(await ann.next(), { type: 'pong' });
});

t.test('P5: what the service tells', async (t) => {
  const { url, notifier } = await start(t);
  const [ann, bob] = [await open(t, url, 'ann'), await open(t, url, 'bob')];
  await ann.join('7');
  await notifier.notifyTaskCreated({ id: 't1', title: 'Hay' }, '7');
  t.match(await ann.next(), {
    type: 'task_created',
    data: { project_id: '7', task: { title: 'Hay' } },
    message_id: UUID,
  });
  await notifier.notifyTaskUpdated('t1', '7', { status: { old: 'todo', new: 'done' } }, { id: 't1' });
  t.match(await ann.next(), {
    type: 'task_updated',
    data: { task_id: 't1', changes: { status: { old: 'todo', new: 'done' } } },
  });
  await notifier.notifyTaskDeleted('t1', '7');
  t.match(await ann.next(), { type: 'task_deleted', data: { task_id: 't1', project_id: '7' } });
  await notifier.sendProjectMessage('7', 'project_updated', { name: 'Stable' });
  t.match(await ann.next(), { type: 'project_updated', data: { name: 'Stable' } });
  t.equal(bob.messages.length, 0);
  await notifier.sendDirectMessage('bob', 'status_changed', { status: 'busy' });
  t.match(await bob.next(), { type: 'status_changed', data: { status: 'busy' } });
  await notifier.broadcast('project_updated', { all: true });
  for (const client of [ann, bob]) t.match(await client.next(), { type: 'project_updated', data: { all: true } });
  for (const type of ['task_created', 'user_left', 'auth_failed', 'error'])
    t.ok((MESSAGE_TYPES as readonly string[]).includes(type));
});

t.test('P6: the defaults', async (t) => {
  t.strictSame(DEFAULTS, {
    requestsPerSecond: 10,
    burst: 20,
    maximumErrors: 5,
    errorResetMs: 600_000,
    storedMessages: 1_000,
    storedTtlMs: 86_400_000,
    pingMs: 54_000,
    connectionTimeoutMs: 60_000,
    maxMessageBytes: 512,
    historyMessages: 100,
    leaveDelayMs: 3_000,
  });
  const { url } = await start(t);
  const client = await open(t, url, 'ann');
  client.raw(JSON.stringify({ type: 'ping', data: 'x'.repeat(512) }));
  t.equal(await inTime(client.closed, 'the close'), 1009);
});

t.test('P7, P8: too many messages are rate_limited; five errors are borne, the sixth ends it', async (t) => {
  const { url } = await start(t);
  const client = await open(t, url, 'ann');
  for (let k = 0; k < 80; k++) client.say('ping');
  const answers: string[] = [];
  while (answers.filter((type) => type === 'error').length < 6) {
    const { type, data } = await client.next('an answer');
    answers.push(type);
    if (type === 'error') t.equal(data['code'], 'rate_limited');
  }
  t.equal(answers.filter((type) => type === 'pong').length >= 20, true);
  t.match(await client.next('the last word'), { type: 'error', data: { code: 'connection_closed' } });
  t.equal(await inTime(client.closed, 'the close'), 1008);
});

t.test('P8: every code but the two above', async (t) => {
  const processors = {
    broken: processor({
      validate: z.unknown(),
      route: () => {
        throw new Error('the processor is broken');
      },
    }),
  };
  const { url } = await start(t, { processors, mayJoin: (user, project) => project !== `not-${user}` });
  const client = await open(t, url, 'ann');
  client.raw('{');
  t.match(await client.next(), { data: { code: 'invalid_message' } });
  client.say('dance');
  t.match(await client.next(), { data: { code: 'invalid_message', message: 'Unknown message type: dance' } });
  client.say('subscription', { action: 'subscribe', project_id: 'not-ann' });
  t.match(await client.next(), { data: { code: 'unauthorized' } });
  client.say('broken');
  t.match(await client.next(), { data: { code: 'processing_error' } });
  t.strictSame(ERROR_CODES.length, 5);
});

t.test('P9: messages of an absent user are delivered on return, in order', async (t) => {
  const { url, notifier } = await start(t);
  await notifier.sendDirectMessage('ann', 'status_changed', { n: 1 });
  await notifier.sendDirectMessage('ann', 'status_changed', { n: 2 });
  t.match((await curl(`${url}/api/v1/websocket/metrics`)).body, {
    offline_messages: { total_messages: 2, users_with_messages: 1 },
  });
  const client = await open(t, url, 'ann');
  t.match(await client.next(), { data: { n: 1 } });
  t.match(await client.next(), { data: { n: 2 } });
});

t.test('P10, P11: health, counts and metrics by curl', async (t) => {
  const { url } = await start(t);
  const ann = await open(t, url, 'ann');
  await ann.join('7');
  const base = `${url}/api/v1/websocket`;
  t.strictSame(await curl(`${base}/health`), {
    status: 200,
    body: { status: 'healthy', active_connections: 1, problems: [] },
  });
  t.strictSame((await curl(`${base}/connections/count`)).body, { count: 1 });
  t.strictSame((await curl(`${base}/projects/7/connections/count`)).body, { project_id: '7', count: 1 });
  t.strictSame((await curl(`${base}/projects/8/connections/count`)).body, { project_id: '8', count: 0 });
  t.strictSame((await curl(`${base}/users/ann/connections/count`)).body, { user_id: 'ann', count: 1 });
  t.strictSame((await curl(`${base}/metrics`)).body, {
    hub: { active_connections: 1, total_connections: 1, messages_sent: 2, messages_received: 1, broadcasts_sent: 0 },
    middleware: {
      rate_limiter: { active_limiters: 1, requests_per_second: 10 },
      error_handler: { connections_with_errors: 0, total_errors: 0 },
    },
    offline_messages: { total_messages: 0, users_with_messages: 0 },
  });
});

t.test('P12: management by curl, with and without the role', async (t) => {
  const { url } = await start(t);
  const [ann, bob] = [await open(t, url, 'ann'), await open(t, url, 'bob')];
  await ann.join('7');
  const base = `${url}/api/v1/websocket`;
  const bearer = async (...roles: string[]): Promise<string[]> => [
    '--header',
    `Authorization: Bearer ${await tokenOf('root', ...roles)}`,
  ];
  const [admin, user] = [await bearer('admin'), await bearer()];
  const body = ['--header', 'Content-Type: application/json', '--data', '{"type":"status_changed","data":{"x":1}}'];
  t.match(await curl(...user, `${base}/connections`), {
    status: 200,
    body: {
      total: 2,
      connections: [
        { user_id: 'ann', projects: ['7'] },
        { user_id: 'bob', projects: [] },
      ],
    },
  });
  t.match(await curl(...user, `${base}/stats`), {
    status: 200,
    body: { active_connections: 2, users: 2, projects: { 7: 1 } },
  });
  t.equal((await curl(...user, ...body, `${base}/broadcast`)).status, 200);
  for (const client of [ann, bob]) t.match(await client.next(), { type: 'status_changed', data: { x: 1 } });
  const actions = ['users/bob/message', 'projects/7/message', 'projects/7/disconnect', 'users/bob/disconnect'];
  for (const action of actions) {
    t.match(await curl(...body, `${base}/${action}`), { status: 401, body: { error: { code: 'unauthorized' } } });
    t.match(await curl(...user, ...body, `${base}/${action}`), {
      status: 403,
      body: { error: { code: 'unauthorized' } },
    });
    t.equal((await curl(...admin, ...body, `${base}/${action}`)).status, 200, action);
  }
  for (const client of [ann, bob]) {
    t.match(await client.next(), { type: 'status_changed', data: { x: 1 } });
    t.equal(await inTime(client.closed, 'the close'), 1000);
  }
  for (const path of ['connections', 'stats']) t.equal((await curl(`${base}/${path}`)).status, 401);
});

t.test('P13: an application adds a type: validated, enriched, routed', async (t) => {
  const processors = {
    status_changed: processor({
      validate: z.object({ status: z.string(), user_id: z.string().optional() }),
      enrich: (data, { user }) => ({ ...data, user_id: user.name ?? '' }),
      route: (data) => ({ type: 'reply', message: data }),
    }),
  };
  const { url } = await start(t, { processors });
  const client = await open(t, url, 'ann');
  client.say('status_changed', { status: 'busy', user_id: 'bob' });
  t.strictSame(await client.next(), { status: 'busy', user_id: 'ann' });
  client.say('status_changed', {});
  t.match(await client.next(), { type: 'error', data: { code: 'invalid_message' } });
});

t.test('P14: direct messages wait on disk, and come again until they are acknowledged', async (t) => {
  const data = t.testdir();
  const before = await createProjectRoomsApp({ secret: SECRET, logLevel: 'silent', data });
  await before.app.ready();
  await before.notifier.sendDirectMessage('ann', 'status_changed', { n: 1 });
  await before.app.close();
  const { url, app } = await start(t, { data });
  const acknowledging = async (): Promise<Client> => {
    const client = new Client(t, `${address(url)}?ack=true&token=${await tokenOf('ann')}`);
    t.match(await client.next('the greeting'), { type: 'auth_success' });
    return client;
  };
  const first = await acknowledging();
  t.match(await first.next(), { data: { n: 1 }, ack_id: String });
  first.close();
  await until('the user to be gone', () => app.broker.users.get('ann') === undefined);
  const second = await acknowledging();
  const { ack_id } = (await second.next()) as Envelope & { ack_id: string };
  second.say('ack', { ack_id });
  second.say('ping');
  t.match(await second.next(), { type: 'pong' });
  t.match((await curl(`${url}/api/v1/websocket/metrics`)).body, { offline_messages: { total_messages: 0 } });
});

t.test('P14: who asks for it gets the latest messages of a room first; compression', async (t) => {
  const { url, notifier } = await start(t, { compression: true });
  for (const n of [1, 2, 3]) await notifier.sendProjectMessage('7', 'project_updated', { n });
  const client = await open(t, url, 'ann');
  client.say('subscription', { action: 'subscribe', project_id: '7', replay: 2 });
  const types = [await client.next(), await client.next(), await client.next()];
  t.match(
    types.filter(({ type }) => type === 'project_updated').map(({ data }) => data['n']),
    [2, 3],
  );
  t.match(client.extensions, /permessage-deflate/);
});

t.test('P14: a room over two nodes and Redis, who is there included', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const relay = { type: 'redis', url: (await RedisProcess.start(t)).url } as const;
  const [one, two] = [await start(t, { relay }), await start(t, { relay })];
  const [ann, bob] = [await open(t, one.url, 'ann'), await open(t, two.url, 'bob')];
  await ann.join('7');
  const { users } = (await bob.join('7')).data;
  t.strictSame((users as string[]).sort(), ['ann', 'bob']);
  t.match(await ann.next('the join'), { type: 'user_joined', data: { user_id: 'bob' } });
  await two.notifier.sendProjectMessage('7', 'project_updated', { name: 'Stable' });
  t.match(await ann.next('the message'), { type: 'project_updated' });
});

t.test('P15: two windows on one board: presence, a new task, a task that moves', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const { url, board } = await start(t, { demo: true });
  await board.create('stable', 'Order hay');
  const browser = await Browser.start(t);
  const [ann, bob] = [await browser.open(url), await browser.open(url)];
  for (const { page } of [ann, bob]) await page.locator('#people li').nth(1).waitFor({ timeout: DEADLINE_MS });
  await ann.page.getByLabel('New task').fill('Mend the gate');
  await ann.page.keyboard.press('Enter');
  await bob.page.getByRole('button', { name: 'On: Mend the gate' }).click();
  await ann.page.locator('#doing li', { hasText: 'Mend the gate' }).waitFor({ timeout: DEADLINE_MS });
  t.ok((await picture(ann.page, 'project-rooms')).fitsPhone);
  await bob.page.close();
  await ann.page.locator('#people li').nth(1).waitFor({ state: 'detached', timeout: DEADLINE_MS });
  t.strictSame([...ann.complaints, ...bob.complaints], []);
});
