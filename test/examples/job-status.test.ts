/** The job-status example, row by row (J1 to J15), with WebSocket and SockJS as its clients use them. */
import SockJS from 'sockjs-client';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { createJobStatusApp, type JobStatusApp, type JobStatusAppOptions } from '../../examples/job-status/server.js';
import { signToken } from '../../examples/shared/demo-tokens.js';
import { Browser } from '../helpers/chromium.js';
import { curl, listen, picture } from '../helpers/example.js';
import { DEADLINE_MS, Inbox } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { until } from '../helpers/until.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

const SECRET = 'the secret of the job-status example';
type Json = Record<string, unknown>;

const tokenOf = (userId: string, ...roles: string[]): Promise<string> =>
  signToken({ userId, username: `${userId} Smith`, roles }, SECRET);

async function start(t: Test, options: Partial<JobStatusAppOptions> = {}): Promise<JobStatusApp & { url: string }> {
  const example = await createJobStatusApp({ secret: SECRET, logLevel: 'silent', ...options });
  example.owners.set('job-1', 'ann').set('job-2', 'bob');
  return { ...example, url: await listen(t, example.app) };
}

interface Client {
  readonly socket: { onmessage: unknown; onclose: unknown; send(text: string): void; close(): void };
  readonly messages: Inbox<Json>;
  readonly closed: Promise<number>;
  readonly say: (message: object) => void;
}

/** A browser's WebSocket, or SockJS, which looks the same. */
function follow(t: Test, socket: Client['socket']): Client {
  const messages = new Inbox<Json>();
  socket.onmessage = (event: { data: string }) => {
    messages.push(JSON.parse(event.data) as Json);
  };
  const closed = new Promise<number>((resolve) => {
    socket.onclose = (event: { code: number }) => {
      messages.end(`closed with ${event.code}`);
      resolve(event.code);
    };
  });
  t.teardown(() => {
    socket.close();
  });
  return {
    socket,
    messages,
    closed,
    say: (message) => {
      socket.send(JSON.stringify(message));
    },
  };
}

async function open(t: Test, url: string, user: string, ...roles: string[]): Promise<Client> {
  const address = `${url.replace('http', 'ws')}/ws/job-status-native?token=${await tokenOf(user, ...roles)}`;
  const client = follow(t, new WebSocket(address));
  t.match(await client.messages.next('the greeting'), { type: 'connection_established', userId: user });
  return client;
}

/** Resolves once everything said before is dealt with. */
async function settled({ say, messages }: Client): Promise<void> {
  say({ type: 'ping' });
  for (;;) if ((await messages.next('pong'))['type'] === 'pong') return;
}

t.test('J1, J2, J4: SockJS, its bare path and the native endpoint greet whoever shows a token', async (t) => {
  const { url } = await start(t);
  const token = await tokenOf('42');
  const sockets: Record<string, () => unknown> = {
    SockJS: () => new SockJS(`${url}/ws/job-status?token=${token}`),
    'SockJS by XHR': () => new SockJS(`${url}/ws/job-status?token=${token}`, null, { transports: ['xhr-polling'] }),
    'the bare path': () => new WebSocket(`${url.replace('http', 'ws')}/ws/job-status?token=${token}`),
    'a header': () =>
      new WebSocket(`${url.replace('http', 'ws')}/ws/job-status-native`, {
        headers: { Authorization: `Bearer ${token}` },
      }),
  };
  for (const [name, create] of Object.entries(sockets)) {
    const { messages, socket } = follow(t, create() as Client['socket']);
    const greeting = await messages.next(name);
    t.type(greeting['timestamp'], 'number');
    t.strictSame(
      { ...greeting, timestamp: 0 },
      {
        type: 'connection_established',
        userId: '42',
        username: '42 Smith',
        timestamp: 0,
        message: 'WebSocket connection established successfully',
      },
      name,
    );
    socket.close();
  }
});

t.test('J2: without a good token the handshake is refused with 401, and there is no session', async (t) => {
  const { url, app } = await start(t);
  const other = await signToken({ userId: 'eve', username: 'eve', roles: [] }, 'another secret of thirty-two octets');
  for (const query of ['', '?token=rubbish', `?token=${other}`]) {
    for (const path of ['/ws/job-status', '/ws/job-status-native', '/ws/job-status/000/abc/websocket']) {
      t.equal((await WebSocketClient.refusal(`${url}${path}${query}`)).status, 401, path + query.slice(0, 12));
    }
    t.equal((await curl('--request', 'POST', `${url}/ws/job-status/000/abcd/xhr${query}`)).status, 401);
  }
  t.equal(app.broker.stats().connections.total, 0);
});

t.test('J3: what is unknown or no JSON is answered, and the connection kept', async (t) => {
  const { url } = await start(t);
  const client = await open(t, url, 'ann');
  for (const [text, answer] of [
    ['{', { type: 'error', code: 'invalid-json' }],
    ['[1]', { type: 'error', code: 'invalid-json' }],
    ['{"type":"dance"}', { type: 'error', code: 'invalid-message', message: 'Unknown message type: dance' }],
    ['{"type":"subscribe_job"}', { type: 'error', message: 'subscribe_job needs a jobId' }],
    ['{"type":"ping"}', { type: 'pong' }],
  ] as const) {
    client.socket.send(text);
    t.match(await client.messages.next(text), answer);
  }
});

t.test('J3, J5, J12: updates go to those who subscribed and may see the job', async (t) => {
  const { url, notifier } = await start(t);
  const [ann, bob, root] = [await open(t, url, 'ann'), await open(t, url, 'bob'), await open(t, url, 'root', 'ADMIN')];
  for (const client of [ann, bob, root]) client.say({ type: 'subscribe_job', jobId: 'job-1' });
  t.match(await bob.messages.next('the refusal'), { type: 'error', code: 'access-denied', jobId: 'job-1' });
  for (const client of [ann, bob, root]) await settled(client);
  await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 40, message: 'Rendering' });
  for (const client of [ann, root]) {
    const update = await client.messages.next('the update');
    t.strictSame(
      { ...update, timestamp: 0 },
      {
        type: 'job_status_update',
        jobId: 'job-1',
        timestamp: 0,
        data: { status: 'PROCESSING', progress: 40, message: 'Rendering' },
      },
    );
  }
  ann.say({ type: 'unsubscribe_job', jobId: 'job-1' });
  await settled(ann);
  await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 50, message: 'Rendering' });
  t.match(await root.messages.next('the next update'), { data: { progress: 50 } });
  await settled(ann);
  t.equal(ann.messages.length, 0);
  t.equal(bob.messages.length, 0);
});

t.test(
  'J3, J6, J7, J8: channels; results to their owner wherever connected, and when back; notices to all',
  async (t) => {
    const { url, notifier, app } = await start(t);
    const [ann, again, bob] = [await open(t, url, 'ann'), await open(t, url, 'ann'), await open(t, url, 'bob')];
    bob.say({ type: 'subscribe_channel', channel: 'news' });
    for (const client of [ann, again, bob]) await settled(client);
    await app.broker.convertAndSend('/topic/channels/news', { type: 'news' });
    t.strictSame(await bob.messages.next('the channel'), { type: 'news' });
    bob.say({ type: 'unsubscribe_channel', channel: 'news' });
    await notifier.sendJobCompletionNotification('ann', 'job-1', true, { contentId: 'c1', title: 'Song' });
    for (const client of [ann, again]) {
      t.match(await client.messages.next('the result'), {
        type: 'job_completed',
        jobId: 'job-1',
        result: { success: true, contentId: 'c1', title: 'Song' },
      });
    }
    await notifier.sendJobErrorNotification('carol', 'job-3', 'No disk');
    t.match(await (await open(t, url, 'carol')).messages.next('what was kept'), {
      type: 'job_error',
      error: { message: 'No disk' },
    });
    await notifier.broadcastMaintenance('Tonight', '2026-12-01T02:00:00Z');
    for (const client of [ann, bob]) {
      t.match(await client.messages.next('the notice'), { type: 'maintenance_notification', message: 'Tonight' });
    }
  },
);

t.test('J9: administration by curl, with tokens of both kinds and without', async (t) => {
  const { url } = await start(t);
  const client = await open(t, url, 'ann');
  client.say({ type: 'subscribe_job', jobId: 'job-1' });
  client.say({ type: 'subscribe_channel', channel: 'news' });
  await settled(client);
  const bearer = async (...roles: string[]): Promise<string[]> => [
    '--header',
    `Authorization: Bearer ${await tokenOf('bob', ...roles)}`,
  ];
  const [admin, user] = [await bearer('ADMIN'), await bearer()];
  const base = `${url}/api/v1/websocket`;
  t.strictSame(await curl(...admin, `${base}/stats`), {
    status: 200,
    body: {
      errorMessage: 'WebSocket statistics retrieved successfully',
      data: { activeConnections: 1, activeJobSubscriptions: 1, activeChannelSubscriptions: 1 },
    },
  });
  t.equal((await curl(...user, `${base}/stats`)).status, 403);
  t.equal((await curl(`${base}/stats`)).status, 401);
  t.match(await curl(...admin, `${base}/user/ann/status`), {
    status: 200,
    body: { data: { userId: 'ann', connected: true, activeConnections: 1 } },
  });
  t.match(await curl(...user, `${base}/user/bob/status`), { status: 200, body: { data: { connected: false } } });
  t.equal((await curl(...user, `${base}/user/ann/status`)).status, 403);
  const json = (body: object): string[] => [
    '--header',
    'Content-Type: application/json',
    '--data',
    JSON.stringify(body),
  ];
  t.equal(
    (await curl(...admin, ...json({ message: 'Hello', level: 'warning' }), `${base}/broadcast/system`)).status,
    200,
  );
  t.match(await client.messages.next('the notice'), {
    type: 'system_notification',
    message: 'Hello',
    level: 'warning',
  });
  t.equal((await curl(...admin, ...json({ message: 'Tonight' }), `${base}/broadcast/maintenance`)).status, 200);
  t.match(await client.messages.next('the notice'), { type: 'maintenance_notification' });
  for (const what of ['system', 'maintenance']) {
    t.equal((await curl(...user, ...json({ message: 'x' }), `${base}/broadcast/${what}`)).status, 403);
    t.equal((await curl(...json({ message: 'x' }), `${base}/broadcast/${what}`)).status, 401);
    t.equal((await curl(...admin, ...json({}), `${base}/broadcast/${what}`)).status, 400);
  }
});

t.test('J10: who reconnects goes on with the jobs; a second window does not begin with them', async (t) => {
  const { url, notifier, app } = await start(t);
  const first = await open(t, url, 'ann');
  first.say({ type: 'subscribe_job', jobId: 'job-1' });
  first.say({ type: 'subscribe_job', jobId: 'job-2' });
  t.match(await first.messages.next('the refusal'), { type: 'error', jobId: 'job-2' });
  await settled(first);
  const second = await open(t, url, 'ann');
  await settled(second);
  await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 1 });
  t.match(await first.messages.next('the update'), { data: { progress: 1 } });
  t.equal(second.messages.length, 0);
  first.socket.close();
  second.socket.close();
  while (app.broker.users.get('ann') !== undefined) await new Promise((resolve) => setImmediate(resolve));
  const back = await open(t, url, 'ann');
  back.say({ type: 'ping' });
  t.match(await back.messages.next('pong'), { type: 'pong' }, 'what was refused is not tried again');
  await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 2 });
  t.match(await back.messages.next('the update'), { data: { progress: 2 } });
});

t.test('J13: a result that is not acknowledged comes again on the next connection', async (t) => {
  const { url, notifier, app } = await start(t);
  const acknowledging = async (): Promise<Client> => {
    const address = `${url.replace('http', 'ws')}/ws/job-status-native?ack=true&token=${await tokenOf('ann')}`;
    const client = follow(t, new WebSocket(address));
    t.match(await client.messages.next('the greeting'), { type: 'connection_established' });
    return client;
  };
  const gone = async (client: Client): Promise<void> => {
    client.socket.close();
    await until('the user to be gone', () => app.broker.users.get('ann') === undefined);
  };
  const first = await acknowledging();
  await notifier.sendJobCompletionNotification('ann', 'job-1', true, { contentId: 'c1', title: 'Song' });
  t.match(await first.messages.next('the result'), { type: 'job_completed', ackId: String });
  await gone(first);
  const second = await acknowledging();
  const { ackId } = await second.messages.next('the result again');
  second.say({ type: 'ack', ackId });
  await settled(second);
  second.say({ type: 'ack', ackId });
  t.match(await second.messages.next('the answer'), { type: 'error', code: 'ack-unknown' });
  await gone(second);
  const third = await acknowledging();
  await settled(third);
  t.equal(third.messages.length, 0);
});

t.test('J13: debug lines of the components that are asked for, and of no other', async (t) => {
  for (const debug of [['jobs'], ['websocket'], []] as const) {
    const lines: { component?: string; level: number }[] = [];
    const logStream = { write: (line: string) => lines.push(JSON.parse(line) as { level: number }) };
    const { url, notifier } = await start(t, { logLevel: 'info', logStream, debug });
    const client = await open(t, url, 'ann');
    client.say({ type: 'dance' });
    await settled(client);
    await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 1 });
    const components = lines.filter(({ level }) => level < 30).map(({ component }) => component);
    t.strictSame([...new Set(components)], [...debug]);
  }
});

t.test('J14: a result waits on disk for its owner; a filter; a rate', async (t) => {
  const data = t.testdir();
  const before = await createJobStatusApp({ secret: SECRET, logLevel: 'silent', data });
  await before.app.ready();
  await before.notifier.sendJobErrorNotification('ann', 'job-9', 'The disk was full');
  await before.app.close();
  const { url, notifier } = await start(t, { data, messagesPerSecond: 0.01 });
  const client = await open(t, url, 'ann');
  t.match(await client.messages.next('the result'), { type: 'job_error', jobId: 'job-9' });
  client.say({ type: 'subscribe_job', jobId: 'job-1', filter: "status <> 'PROCESSING'" });
  client.say({ type: 'ping' });
  t.match(await client.messages.next('the refusal'), { type: 'error', code: 'rate-limited' });
  await notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 40 });
  await notifier.sendJobStatusUpdate('job-1', 'UPLOADED', { progress: 99 });
  t.match(await client.messages.next('the update'), { data: { status: 'UPLOADED' } });
});

t.test('J14: jobs and their watchers on two nodes over Redis', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const relay = { type: 'redis', url: (await RedisProcess.start(t)).url } as const;
  const [one, two] = [await start(t, { relay }), await start(t, { relay })];
  const client = await open(t, two.url, 'ann');
  client.say({ type: 'subscribe_job', jobId: 'job-1' });
  await settled(client);
  await until('the update of the other node', async () => {
    await one.notifier.sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 7 });
    return client.messages.length > 0;
  });
  t.match(await client.messages.next('the update'), { data: { progress: 7 } });
});

t.test('J11: pages of the configured origins may connect and call, others not', async (t) => {
  const { url } = await start(t);
  const address = `${url}/ws/job-status-native?token=${await tokenOf('ann')}`;
  const client = await WebSocketClient.open(address, { origin: 'http://localhost:5173' });
  t.match(JSON.parse((await client.next()).text), { type: 'connection_established' });
  client.close();
  t.equal((await WebSocketClient.refusal(address, { origin: 'https://evil.example' })).status, 403);
  const preflight = await curl(
    '--include',
    '--request',
    'OPTIONS',
    '--header',
    'Origin: http://localhost:3000',
    '--header',
    'Access-Control-Request-Method: DELETE',
    `${url}/api/v1/websocket/stats`,
  );
  t.match(preflight.body, /access-control-allow-origin: http:\/\/localhost:3000/i);
  t.match(preflight.body, /access-control-allow-credentials: true/i);
  t.match(preflight.body, /access-control-allow-methods: GET, ?POST, ?PUT, ?DELETE, ?OPTIONS/i);
});

t.test('J15: the page shows jobs that run, one that is done, and a notice', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const { url, notifier } = await start(t, { demo: true });
  const browser = await Browser.start(t);
  const { page, complaints } = await browser.open(url);
  await page.locator('#status[data-state=online]').waitFor({ timeout: DEADLINE_MS });
  const bar = page.getByLabel('job-1');
  // The page subscribes a moment after it is connected.
  const shown = bar.waitFor({ timeout: DEADLINE_MS });
  const isShown = shown.then(() => true);
  while (
    !(await Promise.race([
      isShown,
      notifier
        .sendJobStatusUpdate('job-1', 'PROCESSING', { progress: 40, message: 'Rendering' })
        .then(() => page.waitForTimeout(50))
        .then(() => false),
    ]))
  );
  t.equal(await bar.getAttribute('value'), '40');
  await page.getByLabel('Notice to everybody').fill('Tea is ready');
  await page.getByRole('button', { name: 'Send as administrator' }).click();
  await page.locator('.notice', { hasText: 'Tea is ready' }).waitFor({ timeout: DEADLINE_MS });
  t.ok((await picture(page, 'job-status')).fitsPhone);
  await notifier.sendJobCompletionNotification('ann', 'job-1', true, { contentId: 'c', title: 'Song' });
  await page.locator('#done li', { hasText: 'job-1: Song' }).waitFor({ timeout: DEADLINE_MS });
  // A refusal of a job of another user's is an answer, no error of the page.
  t.strictSame(complaints, []);
});
