/** `broker.quotas` hold for clients of gateways as for anybody. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { io } from 'socket.io-client';
import t, { type Test } from 'tap';
import { createBroker, type EmbeddedOptions, JsonGateway, SocketIoGateway } from '../../../adapters/index.js';
import { curl } from '../../helpers/example.js';
import { inTime } from '../../helpers/inbox.js';
import { WebSocketClient } from '../../helpers/websocket-client.js';

async function start(t: Test, quotas: NonNullable<EmbeddedOptions['broker']>['quotas']) {
  const json = new JsonGateway({
    paths: { '/json': true },
    mapping: {
      opened: ({ user }) => `hello ${String(user.name)}`,
      receive: ({ n }) => ({ type: 'reply', message: n }),
      render: ({ payload }) => payload,
      refused: ({ code }) => code,
    },
  });
  const socketIo = new SocketIoGateway({
    io: new Server({ path: '/io', serveClient: false }),
    mapping: { events: { say: () => undefined }, render: () => undefined },
    trustProxy: true,
  });
  const { broker, attach, stop } = createBroker(
    { log: { level: 'silent' }, broker: { quotas } },
    { gateways: [json, socketIo], authenticate: () => ({ name: 'ann', roles: [] }) },
  );
  const server = createServer();
  await attach(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(async () => {
    await stop(0);
    server.close();
  });
  return { broker, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Its connection, or why there is none. */
function socketIoAnswer(t: Test, url: string, address: string): Promise<string> {
  const socket = io(url, {
    path: '/io',
    forceNew: true,
    reconnection: false,
    extraHeaders: { 'X-Forwarded-For': address },
  });
  t.teardown(() => socket.close());
  const answer = new Promise<string>((resolve) => {
    socket.once('connect', () => {
      resolve('connected');
    });
    socket.once('connect_error', ({ message }) => {
      resolve(message);
    });
  });
  return inTime(answer, 'an answer');
}

t.test('an address with too many connections: 429 before the upgrade, connect_error for Socket.IO', async (t) => {
  const { url, broker } = await start(t, { address: { maxConnections: 1 } });
  const first = await WebSocketClient.open(`${url}/json`);
  t.equal((await first.next()).text, '"hello ann"');
  for (const path of ['/json', '/json/000/abc/websocket']) {
    const { status, headers } = await WebSocketClient.refusal(`${url}${path}`);
    t.equal(status, 429, path);
    t.equal(headers['retry-after'], '10');
  }
  t.equal(await socketIoAnswer(t, url, '203.0.113.1'), 'connected', 'another address');
  t.equal(await socketIoAnswer(t, url, '203.0.113.1'), 'Too many connections of address 203.0.113.1');
  t.equal(broker.stats().connections.refused, 3);
});

t.test('a user with too many connections is told so and closed', async (t) => {
  const { url } = await start(t, { user: { maxConnections: 1 } });
  const first = await WebSocketClient.open(`${url}/json`);
  await first.next();
  const second = await WebSocketClient.open(`${url}/json`);
  t.equal((await second.next()).text, '"connection-limit"');
  t.match(await inTime(second.closed, 'the close'), { code: 1008 });
  t.equal(await socketIoAnswer(t, url, '203.0.113.1'), 'Too many connections of user "ann"');
});

t.test('what a user may say is one measure for all connections, over every way in', async (t) => {
  const { url, broker } = await start(t, { user: { messagesPerSecond: 0.01, messageBurst: 3 } });
  const [first, second] = [await WebSocketClient.open(`${url}/json`), await WebSocketClient.open(`${url}/json`)];
  for (const client of [first, second]) await client.next();
  for (const [client, answer] of [
    [first, '1'],
    [second, '2'],
    [first, '3'],
    [second, '"rate-limited"'],
  ] as const) {
    client.send(`{"n":${answer.replace(/\D/g, '') || '4'}}`);
    t.equal((await client.next()).text, answer);
  }
  const socket = io(url, { path: '/io', forceNew: true });
  t.teardown(() => socket.close());
  t.match(await inTime(socket.emitWithAck('say') as Promise<unknown>, 'the answer'), { code: 'rate-limited' });
  t.equal(broker.stats().rateLimited, 2);
  t.equal((await curl(`${url}/json/info`)).status, 200);
});
