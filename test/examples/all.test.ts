/** All five systems in one process on one port, each with its own kind of client at the same time. */
import type { AddressInfo } from 'node:net';
import { io } from 'socket.io-client';
import t from 'tap';
import { createAllExamples } from '../../examples/all/server.js';
import { signToken } from '../../examples/shared/demo-tokens.js';
import { Browser } from '../helpers/chromium.js';
import { connectLegacy, curl, subscribeLegacy } from '../helpers/example.js';
import { DEADLINE_MS, inTime } from '../helpers/inbox.js';
import { requireProgram } from '../helpers/programs.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

const SECRET = 'the secret of all five examples together';
const { server, close } = await createAllExamples({ tcpPort: false, logLevel: 'silent', secret: SECRET });
t.teardown(() => close());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const token = await signToken({ userId: 'ann', username: 'Ann', roles: ['ADMIN', 'admin'] }, SECRET);

t.test('five clients of four kinds at once, each with its own system', async (t) => {
  const auction = await connectLegacy(t, `${url}/auction/ws`, { 'X-User-ID': '123' });
  const proxy = await connectLegacy(t, `${url}/user-proxy/ws/user-proxy`);
  const updates = subscribeLegacy(auction, '/topic/auctions/updates');
  const answers = subscribeLegacy(proxy, '/user/queue/register-response');
  auction.send('/app/auctions/subscribe');
  proxy.send('/app/user-proxy/register', {}, JSON.stringify({ userId: '1', proxyUrl: '' }));
  t.match(await updates.next('the list'), { type: 'AUCTION_LIST' });
  t.strictSame(await answers.next('the answer'), { status: 'registered', userId: '1' });

  const job = await WebSocketClient.open(`${url}/job-status/ws/job-status-native?token=${token}`);
  t.match(JSON.parse((await job.next()).text), { type: 'connection_established', userId: 'ann' });
  const room = await WebSocketClient.open(`${url}/project-rooms/ws/connect?token=${token}`);
  t.match(JSON.parse((await room.next()).text), { type: 'auth_success', data: { user_id: 'ann' } });

  const login = await curl(
    '--include',
    '--header',
    'Content-Type: application/json',
    '--data',
    '{"user":"ann"}',
    `${url}/market-chat/api/login`,
  );
  const cookie = /set-cookie: ([^;\s]+)/i.exec(String(login.body))?.[1] ?? '';
  const socket = io(url, { path: '/market-chat/ws', extraHeaders: { Cookie: cookie }, forceNew: true });
  t.teardown(() => {
    socket.close();
  });
  const joined = await inTime(socket.emitWithAck('clientJoinRoom', 'clock-42') as Promise<unknown>, 'the room');
  t.strictSame(joined, { status: 'ok' });

  const admin = ['--header', `Authorization: Bearer ${token}`];
  const path = 'api/v1/websocket/stats';
  t.match(await curl(...admin, `${url}/job-status/${path}`), { status: 200, body: { data: { activeConnections: 1 } } });
  t.match(await curl(...admin, `${url}/project-rooms/${path}`), { status: 200, body: { active_connections: 1 } });
  t.match(await curl(`${url}/user-proxy/api/proxy/user/count`), { status: 200, body: { connectedUserCount: 1 } });
  t.match(await curl(`${url}/auction/api/ws-stats/connections`), { status: 200, body: { active: 1 } });
  for (const client of [job, room]) client.close();
  t.equal((await curl(`${url}/nothing`)).status, 404);
  t.equal((await curl(`${url}/auction`)).status, 302);
});

t.test('their pages work under their paths', async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  const browser = await Browser.start(t);
  const { page, complaints } = await browser.open(`${url}/`);
  t.equal(await page.locator('a').count(), 5);
  for (let k = 0; k < 5; k++) {
    await page.goto(`${url}/`);
    const name = (await page.locator('a').nth(k).getAttribute('href')) ?? '';
    await page.locator('a').nth(k).click();
    await page.locator('.state[data-state=online]').first().waitFor({ timeout: DEADLINE_MS });
    t.pass(name);
  }
  t.strictSame(complaints, []);
});
