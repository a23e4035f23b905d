/** The Fastify plugin in real Fastify applications: mounting, the logger, `localhost`, closing. */
import fastify, { type FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import defaultPlugin from '../../../adapters/embedding/fastify-plugin.js';
import { hoofbeat, type HoofbeatPluginOptions } from '../../../adapters/index.js';
import { inTime } from '../../helpers/inbox.js';
import { overSockJs, overWebSocket, StompjsClient } from '../../helpers/stompjs-client.js';

const OPEN: HoofbeatPluginOptions = { auth: { anonymous: true } };

function portOf(app: FastifyInstance): number {
  return (app.server.address() as AddressInfo).port;
}

/** Resolves when the connection is there. */
async function dial(t: Test, port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
}

async function listening(t: Test, options: HoofbeatPluginOptions = OPEN): Promise<FastifyInstance> {
  const app = fastify();
  t.teardown(() => app.close());
  await app.register(hoofbeat, options);
  app.get('/prices', async () => 'of the application');
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app;
}

t.test('endpoints and routes share the port; handlers are registered on app.broker', async (t) => {
  const app = await listening(t);
  app.broker.message('/hello', ({ payload }) => `Hello, ${String(payload)}!`, { sendTo: '/topic/greetings' });
  for (const config of [overWebSocket(portOf(app)), overSockJs(portOf(app), 'xhr-streaming')]) {
    const client = await StompjsClient.connect(t, config);
    const greetings = await client.subscribe('/topic/greetings');
    client.client.publish({ destination: '/app/hello', body: 'Ann' });
    t.equal((await greetings.next()).body, 'Hello, Ann!');
    await client.deactivate();
  }
  t.equal(await (await fetch(`http://127.0.0.1:${portOf(app)}/prices`)).text(), 'of the application');
  t.equal((await fetch(`http://127.0.0.1:${portOf(app)}/nowhere`)).status, 404);
});

t.test('app.broker is seen by plugins registered later and by those around it', async (t) => {
  const app = fastify();
  t.teardown(() => app.close());
  let seen: unknown;
  await app.register(async (outer) => {
    await outer.register(defaultPlugin, OPEN);
    await outer.register(async (inner) => {
      seen = inner.broker;
    });
    t.equal(outer.broker, seen);
  });
  t.ok(seen);
  t.notOk(app.hasDecorator('broker'), 'encapsulated where the application says so');
});

t.test('both addresses of localhost serve SockJS and WebSocket', async (t) => {
  const app = fastify();
  t.teardown(() => app.close());
  await app.register(hoofbeat, OPEN);
  await app.listen({ port: 0, host: 'localhost' });
  const addresses = app.addresses() as AddressInfo[];
  if (addresses.length < 2) t.comment('localhost has one address here');
  for (const { address, family } of addresses) {
    const host = family === 'IPv6' ? `[${address}]` : address;
    const info = await fetch(`http://${host}:${portOf(app)}/ws/info`);
    t.match(await info.json(), { websocket: true }, host);
    await StompjsClient.connect(t, { brokerURL: `ws://${host}:${portOf(app)}/ws` });
  }
  t.equal(app.broker.stats().connections.current, addresses.length);
});

t.test('closing the application ends sessions with 1001 and then closes the server', async (t) => {
  const app = await listening(t);
  const overNative = await StompjsClient.connect(t, overWebSocket(portOf(app)));
  const overPolling = await StompjsClient.connect(t, overSockJs(portOf(app), 'xhr-polling'));
  await inTime(app.close(), 'close()');
  t.match(await inTime(overNative.closed, 'the close of the WebSocket'), { code: 1001 });
  t.match(await inTime(overPolling.closed, 'the close of the polling session'), { code: 1001 });
  t.notOk(app.server.listening);
});

t.test('the tcp listener opens when the application is ready and closes with it', async (t) => {
  const lines: { msg: string; transport?: string; port?: number }[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) };
  const app = fastify({ loggerInstance: pino({}, stream) });
  t.teardown(() => app.close());
  await app.register(hoofbeat, { ...OPEN, tcp: { port: 0 } });
  const address = (): (typeof lines)[number] | undefined => lines.find(({ transport }) => transport === 'tcp');
  t.equal(address(), undefined);
  await app.ready();
  const port = address()?.port ?? 0;
  t.ok(port > 0, "the listener is in the application's log");
  await dial(t, port);
  await inTime(app.close(), 'close()');
  await t.rejects(dial(t, port), { code: 'ECONNREFUSED' });
});

t.test('a tcp port that is taken fails ready with one line', async (t) => {
  const first = await listening(t);
  const app = fastify();
  t.teardown(() => app.close());
  const port = portOf(first);
  await app.register(hoofbeat, { ...OPEN, tcp: { port } });
  await t.rejects(
    async () => {
      await app.ready();
    },
    { message: `port ${port} on 127.0.0.1 is in use` },
  );
});

t.test('registering fails with the options named, and when done twice', async (t) => {
  const wrong = fastify();
  t.teardown(() => wrong.close());
  const options = { ...OPEN, prefix: '/v1', endpoints: [{ path: 'ws' }] };
  wrong.register(hoofbeat, options);
  await t.rejects(
    async () => {
      await wrong.ready();
    },
    {
      message: /^endpoints\.0\.path: got "ws".*\nprefix: unknown option$/,
    },
  );
  const twice = fastify();
  t.teardown(() => twice.close());
  twice.register(hoofbeat, OPEN).register(hoofbeat, OPEN);
  await t.rejects(
    async () => {
      await twice.ready();
    },
    { code: 'FST_ERR_DEC_ALREADY_PRESENT' },
  );
});

t.test('an authenticator and an authorizer are options of the plugin', async (t) => {
  const app = await listening(t, {
    authenticator: { authenticate: ({ login }) => ({ name: login ?? null, roles: [] }) },
    authorizer: { isAllowed: ({ action, principal }) => action !== 'connect' || principal.name === 'ann' },
  });
  await StompjsClient.connect(t, { ...overWebSocket(portOf(app)), connectHeaders: { login: 'ann' } });
  t.equal(app.broker.users.count(), 1);
  const refused = StompjsClient.connect(t, { ...overWebSocket(portOf(app)), connectHeaders: { login: 'bob' } });
  await t.rejects(refused, /Not allowed to connect/);
});
