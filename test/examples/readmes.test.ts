/** What the READMEs of the five systems show is what happens: scripts, calls by curl with their answers, lines typed into wscat. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { FastifyInstance } from 'fastify';
import { io, type Socket } from 'socket.io-client';
import SockJS from 'sockjs-client';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { AuctionHouse } from '../../examples/auction/auction-house.js';
import { createAuctionApp } from '../../examples/auction/server.js';
import { createJobStatusApp } from '../../examples/job-status/server.js';
import { Chats } from '../../examples/market-chat/chats.js';
import { createMarketChatApp } from '../../examples/market-chat/server.js';
import { createProjectRoomsApp } from '../../examples/project-rooms/server.js';
import { signToken } from '../../examples/shared/demo-tokens.js';
import { createUserProxyApp } from '../../examples/user-proxy/server.js';
import { connectLegacy, curl, listen, Stomp, subscribeLegacy } from '../helpers/example.js';
import { Inbox, inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { Typist } from '../helpers/wscat.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const SECRET = 'the secret of all that READMEs show';
const logLevel = 'silent';
const run = promisify(execFile);

const readme = (name: string): string => readFileSync(path.join(ROOT, 'examples', name, 'README.md'), 'utf8');
const tokenOf = (userId: string, ...roles: string[]): Promise<string> =>
  signToken({ userId, username: userId, roles }, SECRET);

/** With what stands for any value, or for more of the same, as JSON. */
function documented(text: string): unknown {
  const json = text
    .replaceAll(/([\]}"\d]),…/g, '$1')
    .replaceAll(/([:[])…/g, '$1"…"')
    .replaceAll('{…}', '{"…":0}');
  return JSON.parse(json) as unknown;
}

/** Where an answer is of another shape than the documented one; null where it is of the same. */
function difference(answer: unknown, shown: unknown, at = ''): string | null {
  if (shown === '…') return null;
  if (Array.isArray(shown) && Array.isArray(answer)) {
    if (shown.length > 0 && shown[0] !== '…' && answer.length === 0) return `${at}: is empty`;
    return answer.map((each, k) => difference(each, shown[0], `${at}[${k}]`)).find((found) => found !== null) ?? null;
  }
  if (typeof shown !== 'object' || shown === null || typeof answer !== 'object' || answer === null) {
    return typeof answer === typeof shown
      ? null
      : `${at}: ${JSON.stringify(answer)}, shown as ${JSON.stringify(shown)}`;
  }
  const [ours, theirs] = [Object.keys(answer).sort().join(), Object.keys(shown).sort().join()];
  if (ours !== theirs) return `${at}: has ${ours}, shown with ${theirs}`;
  for (const [name, value] of Object.entries(shown)) {
    const found = difference((answer as Record<string, unknown>)[name], value, `${at}.${name}`);
    if (found !== null) return found;
  }
  return null;
}

t.test('answers are compared by their shape', async (t) => {
  const shown = documented('{"a":1,"list":[{"id":"x","more":…},…],"none":[]}');
  t.equal(difference({ a: 2, list: [{ id: 'y', more: {} }], none: [] }, shown), null);
  t.equal(difference({ a: '2', list: [{ id: 'y', more: 1 }], none: [] }, shown), '.a: "2", shown as 1');
  t.equal(difference({ a: 2, list: [{ id: 'y' }], none: [] }, shown), '.list[0]: has id, shown with id,more');
  t.equal(difference({ a: 2, list: [], none: [] }, shown), '.list: is empty');
});

/** Runs each `$ curl …` and `$ NAME=$(…)` of a README, and compares the line behind it. */
async function runCalls(t: Test, name: string, url: string): Promise<number> {
  const folder = t.testdir();
  const lines = readme(name).split('\n');
  const env: Record<string, string | undefined> = { ...process.env };
  let count = 0;
  for (const [k, line] of lines.entries()) {
    const [, command] = /^ {4}\$ ((?:curl|\w+=\$\(curl) .*)/.exec(line) ?? [];
    if (command === undefined) continue;
    count++;
    const [, variable] = /^(\w+)=/.exec(command) ?? [];
    const quiet = command.replace(/^curl /, 'curl --silent --show-error --max-time 5 ');
    const script = variable === undefined ? quiet : `${quiet}; echo "$${variable}"`;
    const { stdout } = await run('bash', ['-c', script.replaceAll('http://localhost:8080', url)], { cwd: folder, env });
    if (variable !== undefined) env[variable] = stdout.trim();
    else {
      const answer = lines[k + 1]?.trim() ?? '';
      t.equal(difference(JSON.parse(stdout), documented(answer)), null, command);
    }
  }
  return count;
}

/** Types what stands behind `>` into wscat, and reads what stands behind `<`. */
async function typeLines(t: Test, name: string, url: string, token: string): Promise<void> {
  const [, address = '', lines = ''] = /\$ npx wscat -c "?(ws:[^"\n]+)"?\n((?: {4}[<>].*\n)+)/.exec(readme(name)) ?? [];
  const typist = await Typist.open(
    t,
    address.replace('ws://localhost:8080', url.replace('http', 'ws')).replace('$ADMIN', token),
  );
  for (const line of lines.trimEnd().split('\n')) {
    const [, direction, text = ''] = /^ {4}([<>]) ?(.*)$/.exec(line) ?? [];
    if (direction === '>') typist.types(text);
    else {
      const pattern = text.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
      await typist.reads(new RegExp(pattern.join('[^\\n]+')));
    }
  }
  t.pass(`wscat: ${lines.trim().split('\n').length} lines`);
}

/** Runs the script of a README, unchanged but for the URL and what a page loads. @returns what it writes to the console */
function runScript(name: string, url: string, given: Record<string, unknown> = {}): Inbox<unknown> {
  const [, code = ''] = /```js\n([^]*?)```/.exec(readme(name)) ?? [];
  const written = new Inbox<unknown>();
  const log = (value: unknown): void => {
    written.push(value);
  };
  const quiet = { over: (socket: unknown) => Object.assign(Stomp.over(socket), { debug: null }) };
  const scope: Record<string, unknown> = { SockJS, Stomp: quiet, WebSocket, console: { log }, ...given };
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- a page runs it in the same way
  const script = new Function(...Object.keys(scope), code.replaceAll('localhost:8080', url.replace('http://', '')));
  (script as (...values: unknown[]) => void)(...Object.values(scope));
  return written;
}

async function start(t: Test, app: Promise<FastifyInstance>): Promise<string> {
  return listen(t, await app);
}

t.test('auction', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const house = new AuctionHouse();
  house.add({ name: 'Clock', description: '', startPrice: 100, startsEpochMs: 0, endsEpochMs: Date.now() + 600_000 });
  house.tick(Date.now());
  const url = await start(t, createAuctionApp({ logLevel, house }));
  const written = runScript('auction', url);
  t.match(await written.next('the list'), { type: 'AUCTION_LIST', data: [{ id: 1 }] });
  t.match(await written.next('the bid'), { type: 'AUCTION_LIST', data: [{ currentPrice: 130 }] });
  const client = await connectLegacy(t, `${url}/ws`, { 'X-User-ID': '123' });
  const pongs = subscribeLegacy(client, '/user/queue/pong');
  client.send('/app/connection/ping', {}, '{"roundTripMs":1.5}');
  await pongs.next('the pong');
  t.equal(await runCalls(t, 'auction', url), 2);
  await typeLines(t, 'auction', url, '');
});

t.test('job-status', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const { app } = await createJobStatusApp({ logLevel, secret: SECRET, demo: true });
  const url = await listen(t, app);
  const token = await tokenOf('ann', 'ADMIN');
  const written = runScript('job-status', url, { token });
  t.match(await written.next('the greeting'), { type: 'connection_established', userId: 'ann' });
  t.equal(await runCalls(t, 'job-status', url), 5);
  await typeLines(t, 'job-status', url, await tokenOf('root', 'ADMIN'));
});

t.test('user-proxy', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const { app, pool } = await createUserProxyApp({ logLevel, tcpPort: false });
  const url = await listen(t, app);
  const written = runScript('user-proxy', url);
  const body = (frame: unknown): unknown => JSON.parse((frame as { body: string }).body);
  t.strictSame(body(await written.next('the registration')), { status: 'registered', userId: '1' });
  await pool.sendTask('1', { taskId: 'T1', trackUrl: '', quantity: 3 });
  t.match(body(await written.next('the task')), { taskId: 'T1', quantity: 3 });
  t.equal(await runCalls(t, 'user-proxy', url), 1);
  await typeLines(t, 'user-proxy', url, '');
});

t.test('market-chat', async (t) => {
  const chats = new Chats();
  chats.add({ id: 'clock-42', title: 'Brass carriage clock', members: ['ann', 'bob'] });
  const url = await start(t, createMarketChatApp({ logLevel, chats }));
  const cookieOf = async (user: string): Promise<string> => {
    const { body } = await curl('--include', '--json', JSON.stringify({ user }), `${url}/api/login`);
    return /set-cookie: ([^;\s]+)/i.exec(String(body))?.[1] ?? '';
  };
  const open: Socket[] = [];
  t.teardown(() => {
    for (const socket of open) socket.close();
  });
  // A page has its cookie, this process has not.
  const asUser = (cookie: string) => (address: string, options: object) => {
    const socket = io(address, { ...options, extraHeaders: { Cookie: cookie }, forceNew: true });
    open.push(socket);
    return socket;
  };
  const bob = await cookieOf('bob');
  const written = [
    runScript('market-chat', url, { io: asUser(await cookieOf('ann')) }),
    runScript('market-chat', url, { io: asUser(bob) }),
  ];
  // Events keep their order: behind this both have joined.
  for (const socket of open)
    await inTime(socket.emitWithAck('clientJoinRoom', 'clock-42') as Promise<unknown>, 'the room');
  t.equal(await runCalls(t, 'market-chat', url), 5);
  for (const each of written) t.match(await each.next('the message'), { chatId: 'clock-42', sender: 'ann' });
});

t.test('project-rooms, its table of calls included', async (t) => {
  if (!requireProgram(t, 'script')) return;
  const { app } = await createProjectRoomsApp({ logLevel, secret: SECRET, demo: true });
  const url = await listen(t, app);
  const [ann, admin] = [await tokenOf('ann'), await tokenOf('root', 'admin')];
  const written = runScript('project-rooms', url, { token: ann });
  t.match(await written.next('the greeting'), { type: 'auth_success' });
  t.match(await written.next('the room'), { type: 'subscription', data: { users: ['ann'] } });
  t.equal(await runCalls(t, 'project-rooms', url), 2);
  await typeLines(t, 'project-rooms', url, admin);

  const tokens = { everybody: null, users: ann, administrators: admin };
  const rows = [...readme('project-rooms').matchAll(/^\| (`(?:GET|POST) .*?`) +\| `(\{.*?\})` +\| (\w+) +\|$/gm)];
  t.equal(rows.length, 10);
  for (const [, calls = '', answer = '', who = ''] of rows) {
    const method = calls.startsWith('`POST') ? 'POST' : 'GET';
    const token = tokens[who as keyof typeof tokens];
    for (const [, shown = ''] of calls.matchAll(/`(?:GET |POST )?(.*?)`/g)) {
      const id = shown.includes('/users/') ? 'ann' : '7';
      const target = `${url}${shown.replace(/^…/, '/api/v1/websocket').replace('{id}', id)}`;
      const body = method === 'POST' ? ['--json', '{"type":"status_changed","data":{}}'] : [];
      const given = token === null ? [] : ['--header', `Authorization: Bearer ${token}`];
      const result = await curl('--request', method, ...body, ...given, target);
      t.equal(result.status, 200, shown);
      t.equal(difference(result.body, documented(answer)), null, shown);
      if (token !== null)
        t.equal((await curl('--request', method, ...body, target)).status, 401, `${shown} without a token`);
    }
  }
});
