/** The user-proxy example, row by row (U1 to U12), with the clients it was written for. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { createTestBroker, type TestBroker, type TestSubscription } from '../../adapters/testing/index.js';
import { type LogLine, recordingLogger } from '../../adapters/testing/recorded-log.js';
import { BROKER_OPTIONS, createUserProxyApp, nameGuests, registerUserProxy } from '../../examples/user-proxy/server.js';
import { UserPool } from '../../examples/user-proxy/user-pool.js';
import { pickFreePort } from '../../adapters/workers/free-port.js';
import { Browser } from '../helpers/chromium.js';
import { connectLegacy, curl, listen, picture, subscribeLegacy } from '../helpers/example.js';
import { DEADLINE_MS, Inbox } from '../helpers/inbox.js';
import { PYTHON, requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { Typist } from '../helpers/wscat.js';

const TASK = { taskId: 'T1', trackUrl: 'https://music.example/1', quantity: 3 };

async function createPool(): Promise<{ test: TestBroker; pool: UserPool; log: LogLine[] }> {
  const log: LogLine[] = [];
  const test = await createTestBroker({
    options: BROKER_OPTIONS,
    authenticator: { authenticate: (request) => nameGuests(request) as never },
  });
  const pool = new UserPool(test.broker, { clock: test.clock, logger: recordingLogger(log) });
  registerUserProxy(test.broker, pool);
  return { test, pool, log };
}

type Client = Awaited<ReturnType<TestBroker['connect']>>;

async function work(client: Client, registration: object): Promise<TestSubscription> {
  const tasks = await client.subscribe('/user/queue/tasks');
  await client.send('/app/user-proxy/register', registration);
  return tasks;
}

t.test('U2, U3: the answer to register goes to the one who asked; a task to the pool and to everybody', async (t) => {
  const { test } = await createPool();
  const [ann, bob] = [await test.connect(), await test.connect()];
  const answers = await ann.subscribe('/user/queue/register-response');
  const others = await bob.subscribe('/user/queue/register-response');
  const tasks = await work(ann, { userId: 7, proxyUrl: 'http://proxy.example' });
  t.strictSame((await ann.nextMessage(answers)).payload, { status: 'registered', userId: '7' });
  t.strictSame(bob.messages(others), []);
  const broadcast = await bob.subscribe('/topic/user-tasks');
  await bob.send('/app/user-proxy/task', { ...TASK, userId: 7 });
  t.strictSame((await ann.nextMessage(tasks)).payload, { ...TASK, userId: '7' });
  t.strictSame((await bob.nextMessage(broadcast)).payload, { ...TASK, userId: '7' });
});

t.test('U1: /queue/user-proxy is fanned out, as by a simple broker', async (t) => {
  const { test } = await createPool();
  const clients = [await test.connect(), await test.connect()];
  const heard = await Promise.all(clients.map((client) => client.subscribe('/queue/user-proxy/news')));
  await test.broker.convertAndSend('/queue/user-proxy/news', 'all');
  for (const [k, client] of clients.entries()) {
    const subscription = heard[k];
    t.equal(subscription && (await client.nextMessage(subscription)).payload, 'all');
  }
});

t.test('U4: each healthy session in turn, by geo target; nobody is null; sendTask reaches a user', async (t) => {
  const { test, pool } = await createPool();
  t.equal(pool.nextHealthyUser(), null);
  const [ann, bob] = [await test.connect(), await test.connect()];
  const annTasks = await work(ann, { userId: 'ann', proxyUrl: 'a', geo: 'de' });
  await work(bob, { userId: 'bob', proxyUrl: 'b', geo: 'fr' });
  t.strictSame([pool.nextHealthyUser(), pool.nextHealthyUser(), pool.nextHealthyUser()], ['ann', 'bob', 'ann']);
  t.strictSame(
    [pool.nextHealthyUser('fr'), pool.nextHealthyUser('fr'), pool.nextHealthyUser('it')],
    ['bob', 'bob', null],
  );
  t.equal(await pool.sendTask('ann', TASK), true);
  t.strictSame((await ann.nextMessage(annTasks)).payload, TASK);
  t.equal(await pool.sendTask('nobody', TASK), false);
  t.equal(pool.getConnectedUserCount(), 2);
  t.equal(pool.activeSessionCount, 2);
});

t.test('U5, U6: silence of 60 s removes a session, and its tasks go to the next healthy one', async (t) => {
  const { test, pool, log } = await createPool();
  const heartBeat = { headers: { 'heart-beat': '30000,0' } };
  const ann = await test.connect(heartBeat);
  const bob = await test.connect();
  await work(ann, { userId: 'ann', proxyUrl: 'a' });
  const bobTasks = await work(bob, { userId: 'bob', proxyUrl: 'b' });
  t.ok(await pool.sendTask('ann', TASK));
  await test.advance(59_000);
  await pool.sweep();
  t.equal(pool.activeSessionCount, 2, 'not yet');
  await test.advance(2_000);
  await pool.sweep();
  t.equal(pool.activeSessionCount, 1, 'bob promised no heart-beats, so his silence means nothing');
  t.strictSame((await bob.nextMessage(bobTasks)).payload, TASK);
  t.equal(ann.closedWith === null, false);
  const lines = log.map(({ message }) => message);
  t.ok(lines.includes('worker connected'));
  t.ok(lines.includes('worker disconnected'));
});

t.test('U6: what is done is not given again; a task without a worker waits for one', async (t) => {
  const { test, pool } = await createPool();
  const ann = await test.connect();
  await work(ann, { userId: 'ann', proxyUrl: 'a' });
  await ann.send('/app/user-proxy/task', TASK);
  await ann.send('/app/user-proxy/task', { ...TASK, taskId: 'T2' });
  await ann.send('/app/user-proxy/done', { taskId: 'T1' });
  await ann.disconnect();
  t.equal(pool.activeSessionCount, 0);
  const bob = await test.connect();
  const tasks = await work(bob, { userId: 'bob', proxyUrl: 'b' });
  t.match((await bob.nextMessage(tasks)).payload, { taskId: 'T2' });
  t.equal(bob.messages(tasks).length, 1);
});

async function start(t: Test): Promise<{
  url: string;
  tcpPort: number;
  pool: UserPool;
  app: Awaited<ReturnType<typeof createUserProxyApp>>['app'];
}> {
  const tcpPort = await pickFreePort('0.0.0.0');
  const { app, pool } = await createUserProxyApp({ logLevel: 'silent', tcpPort });
  return { url: await listen(t, app), tcpPort, pool, app };
}

t.test('U7, U10: SockJS and Stomp.over register and get tasks; the count by curl', async (t) => {
  const { url, pool } = await start(t);
  const client = await connectLegacy(t, `${url}/ws/user-proxy`);
  const answers = subscribeLegacy(client, '/user/queue/register-response');
  const tasks = subscribeLegacy(client, '/user/queue/tasks');
  client.send('/app/user-proxy/register', {}, JSON.stringify({ userId: '1', proxyUrl: 'http://localhost:3128' }));
  t.strictSame(await answers.next('the answer'), { status: 'registered', userId: '1' });
  t.strictSame(await curl(`${url}/api/proxy/user/count`), { status: 200, body: { connectedUserCount: 1 } });
  await pool.sendTask('1', TASK);
  t.strictSame(await tasks.next('the task'), TASK);
});

t.test('U8: stomp.py over TCP connects, subscribes, and gets tasks', async (t) => {
  if (!requireProgram(t, 'python3-stomp')) return;
  const { url, tcpPort } = await start(t);
  const script = path.resolve(import.meta.dirname, '../../../examples/user-proxy/worker.py');
  const child = spawn(PYTHON, [script, '127.0.0.1', String(tcpPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = new Inbox<string>();
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
  });
  t.equal(await lines.next('the worker to start'), 'listening');
  const client = await connectLegacy(t, `${url}/ws/user-proxy`);
  const broadcast = subscribeLegacy(client, '/topic/user-tasks');
  client.send('/app/user-proxy/task', {}, JSON.stringify(TASK));
  t.strictSame(await broadcast.next('the broadcast'), TASK);
  t.strictSame(JSON.parse(await lines.next('the task')), TASK);
});

t.test('U9: CONNECT typed into wscat on the bare path is answered', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const { url } = await start(t);
  const typist = await Typist.open(t, `${url.replace('http', 'ws')}/ws/user-proxy`);
  typist.types('CONNECT', 'accept-version:1.2', '', '^@');
  await typist.reads(/CONNECTED\n/);
});

t.test('U11: two nodes over Redis are one pool', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const relay = { type: 'redis', url: (await RedisProcess.start(t)).url } as const;
  const create = async (): Promise<string> => {
    const { app } = await createUserProxyApp({ logLevel: 'silent', tcpPort: false, relay });
    return listen(t, app);
  };
  const [one, two] = [await create(), await create()];
  const worker = await connectLegacy(t, `${one}/ws/user-proxy`);
  const tasks = subscribeLegacy(worker, '/user/queue/tasks');
  const answers = subscribeLegacy(worker, '/user/queue/register-response');
  worker.send('/app/user-proxy/register', {}, JSON.stringify({ userId: '1', proxyUrl: '' }));
  await answers.next('the registration');
  const control = await connectLegacy(t, `${two}/ws/user-proxy`);
  const broadcast = subscribeLegacy(control, '/topic/user-tasks');
  control.send('/app/user-proxy/task', {}, JSON.stringify(TASK));
  t.strictSame(await tasks.next('the task'), TASK, 'a worker of the other node');
  t.strictSame(await broadcast.next('the broadcast'), TASK);
  t.strictSame((await curl(`${two}/api/proxy/user/count`)).body, { connectedUserCount: 2 });
});

t.test('U12: the pool in a browser: three workers, a task, a worker that stops', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const { url } = await start(t);
  const browser = await Browser.start(t);
  const { page, complaints } = await browser.open(url);
  await page.locator('.worker .badge', { hasText: 'healthy' }).nth(2).waitFor({ timeout: DEADLINE_MS });
  await page.getByRole('button', { name: 'Send a task' }).click();
  await page.locator('.dots span').first().waitFor({ timeout: DEADLINE_MS });
  const { fitsPhone } = await picture(page, 'user-proxy');
  t.ok(fitsPhone);
  await page.getByRole('button', { name: 'Stop worker 102' }).click();
  await page.getByRole('button', { name: 'Stop worker 102' }).waitFor({ state: 'detached', timeout: DEADLINE_MS });
  t.strictSame(complaints, []);
});
