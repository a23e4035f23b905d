/** A broker on a bare http.Server, as under Express or NestJS: what it takes, what it leaves, how it ends. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { createBroker, type EmbeddedOptions } from '../../../adapters/index.js';
import type { CompositionPorts } from '../../../adapters/composition.js';
import type { Logger } from '../../../broker/ports.js';
import { inTime } from '../../helpers/inbox.js';
import { overSockJs, overWebSocket, StompjsClient } from '../../helpers/stompjs-client.js';
import { WebSocketClient } from '../../helpers/websocket-client.js';

const OPEN: EmbeddedOptions = { auth: { anonymous: true }, log: { level: 'silent' }, data: false };

/** What an application answers to everything that reaches it. */
function application(request: IncomingMessage, response: ServerResponse): void {
  response.end(`application: ${request.url ?? ''}`);
}

function listen(t: Test, server: Server): Promise<number> {
  t.teardown(() => server.close());
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** An application's server with a broker in it. */
async function embed(t: Test, options: EmbeddedOptions = {}, ports: CompositionPorts = {}) {
  const embedded = createBroker({ ...OPEN, ...options }, ports);
  const server = createServer(application);
  await embedded.attach(server);
  t.teardown(() => embedded.stop(200));
  return { embedded, server, port: await listen(t, server) };
}

/** Resolves when the connection is there. */
async function dial(t: Test, port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
}

function recordingLogger(lines: string[]): Logger {
  const record = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
  return { level: 'info', debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
}

t.test('STOMP over WebSocket and SockJS lives beside the application on its port', async (t) => {
  const { embedded, port } = await embed(t);
  embedded.broker.message('/hello', ({ payload }) => ({ content: `Hello, ${String(payload)}!` }), {
    sendTo: '/topic/greetings',
  });
  for (const config of [overWebSocket(port), overSockJs(port, 'websocket'), overSockJs(port, 'xhr-polling')]) {
    const client = await StompjsClient.connect(t, config);
    const greetings = await client.subscribe('/topic/greetings');
    client.client.publish({ destination: '/app/hello', body: 'Ann' });
    t.equal((await greetings.next()).body, '{"content":"Hello, Ann!"}');
    await client.deactivate();
  }
  const answer = await fetch(`http://127.0.0.1:${port}/prices?of=oats`);
  t.equal(await answer.text(), 'application: /prices?of=oats');
});

t.test('a server that listens already can be attached to', async (t) => {
  const embedded = createBroker({ ...OPEN, endpoints: [{ path: '/stomp', sockjs: false }] });
  const server = createServer(application);
  const port = await listen(t, server);
  t.equal(await (await fetch(`http://127.0.0.1:${port}/stomp`)).text(), 'application: /stomp');
  await embedded.attach(server);
  t.teardown(() => embedded.stop(200));
  await StompjsClient.connect(t, overWebSocket(port, '/stomp'));
  t.equal(embedded.broker.stats().connections.current, 1);
});

t.test('several servers share one broker', async (t) => {
  const { embedded, port } = await embed(t);
  const second = createServer(application);
  await embedded.attach(second);
  const secondPort = await listen(t, second);
  const receiver = await StompjsClient.connect(t, overWebSocket(port));
  const inbox = await receiver.subscribe('/topic/news');
  const sender = await StompjsClient.connect(t, overWebSocket(secondPort));
  sender.client.publish({ destination: '/topic/news', body: 'across' });
  t.equal((await inbox.next()).body, 'across');
});

t.test('a server is attached to once, and not after stop', async (t) => {
  const { embedded, server } = await embed(t);
  await t.rejects(embedded.attach(server), { message: 'the broker is attached to this server already' });
  await embedded.stop(200);
  await t.rejects(embedded.attach(createServer()), { message: 'the broker was stopped' });
});

t.test('stop ends sessions with 1001 and gives the paths back to the application', async (t) => {
  const { embedded, port } = await embed(t);
  const client = await StompjsClient.connect(t, overWebSocket(port));
  await Promise.all([embedded.stop(), embedded.stop()]);
  t.match(await inTime(client.closed, 'the close'), { code: 1001 });
  t.equal(await (await fetch(`http://127.0.0.1:${port}/ws/info`)).text(), 'application: /ws/info');
});

t.test('a tcp listener opens with attach and is gone after stop', async (t) => {
  const { embedded } = await embed(t, { tcp: { port: 0 } });
  const [address] = embedded.addresses;
  t.match(address, { transport: 'tcp', host: '127.0.0.1' });
  await dial(t, address?.port ?? 0);
  await embedded.stop(200);
  t.strictSame(embedded.addresses, []);
  await t.rejects(dial(t, address?.port ?? 0), { code: 'ECONNREFUSED' });
});

t.test('a tcp port that is taken is one line, and clients are not let in', async (t) => {
  const { embedded: other } = await embed(t, { tcp: { port: 0 } });
  const taken = other.addresses[0]?.port ?? 0;
  const embedded = createBroker({ ...OPEN, tcp: { port: taken } });
  const server = createServer(application);
  await t.rejects(embedded.attach(server), { message: `port ${taken} on 127.0.0.1 is in use` });
  const port = await listen(t, server);
  await t.rejects(StompjsClient.connect(t, overWebSocket(port)));
  await embedded.stop(200);
});

t.test('anonymous clients and pages of other origins are let in only when the options say so', async (t) => {
  const lines: string[] = [];
  const { port } = await embed(t, { auth: {} }, { logger: recordingLogger(lines) });
  t.match(lines[0], /^warn nobody can connect/);
  await t.rejects(StompjsClient.connect(t, overWebSocket(port)), /login/i);
  await t.rejects(WebSocketClient.open(`ws://127.0.0.1:${port}/ws`, { origin: 'http://localhost:3000' }), /403/);
  const named = await embed(t, { endpoints: [{ path: '/ws', allowedOrigins: ['https://shop.example'] }] });
  const client = await WebSocketClient.open(`ws://127.0.0.1:${named.port}/ws`, { origin: 'https://shop.example' });
  client.ws.terminate();
});

t.test('an application brings its own authenticator, authorizer and logger', async (t) => {
  const lines: string[] = [];
  const ports: CompositionPorts = {
    authenticator: { authenticate: ({ handshake }) => ({ name: handshake?.url ?? '', roles: [] }) },
    authorizer: { isAllowed: ({ action, destination }) => action !== 'subscribe' || destination === '/topic/open' },
    logger: recordingLogger(lines),
  };
  const { embedded, port } = await embed(t, {}, ports);
  const client = await StompjsClient.connect(t, overWebSocket(port, '/ws?user=ann'));
  t.ok(embedded.broker.users.get('/ws?user=ann'));
  await client.subscribe('/topic/open');
  client.client.subscribe('/topic/closed', () => undefined);
  t.equal((await client.errors.next()).headers['code'], 'access-denied');
  t.ok(lines.includes('info STOMP endpoints attached'));
  t.ok(lines.includes('info connected'));
});

t.test('options that are wrong are named as they were given', (t) => {
  const wrong: EmbeddedOptions = { endpoints: [{ path: 'ws' }], broker: { heartBeat: { sendMs: -1 } } };
  t.throws(() => createBroker(wrong), {
    code: 'invalid-option',
    message: /^broker\.heartBeat\.sendMs: got -1.*\nendpoints\.0\.path: got "ws"/,
  });
  t.throws(() => createBroker({ http: { port: 1 } } as EmbeddedOptions), { message: /^http: unknown option/ });
  t.end();
});
