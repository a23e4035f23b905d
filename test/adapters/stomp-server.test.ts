/** The composition root: a whole server starts, is reachable, and is gone afterwards. */
import { spawnSync } from 'node:child_process';
import { connect as connectTls } from 'node:tls';
import { connect, createServer, type AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { createStompServer, OptionsError } from '../../adapters/index.js';
import { createLogger } from '../../adapters/logging/index.js';
import { BrokerError } from '../../broker/errors.js';
import { inTime } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';

const SILENT = { level: 'silent' } as const;
const CONNECT = (headers = ''): string => `CONNECT\naccept-version:1.2\nhost:test\n${headers}\n\0`;

/** Sends CONNECT and resolves to the first frame. */
function firstFrame(t: Test, port: number, connectFrame = CONNECT()): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write(connectFrame);
  let text = '';
  const frame = new Promise<string>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.includes('\0')) resolve(text);
    });
  });
  return inTime(frame, 'a frame');
}

/** A port that somebody else has. */
async function takenPort(t: Test): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Listening sockets of this process. */
function openServers(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPServerWrap').length;
}

async function serversAre(count: number): Promise<void> {
  while (openServers() !== count) await new Promise((resolve) => setImmediate(resolve));
}

t.test('a server without options for its listeners speaks STOMP on TCP and WebSocket', async (t) => {
  const { server, tcpPort, httpPort, stop } = await startTestServer();
  t.teardown(stop);
  t.match(await firstFrame(t, tcpPort), /^CONNECTED\nversion:1\.2\n/);
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/ws`, ['v12.stomp']);
  socket.on('open', () => socket.send(CONNECT()));
  const message = await inTime(
    new Promise<string>((resolve) => socket.on('message', (data) => resolve((data as Buffer).toString()))),
    'CONNECTED',
  );
  t.match(message, /^CONNECTED\n/);
  t.equal(server.broker.stats().connections.current, 2);
  const info = await fetch(`http://127.0.0.1:${httpPort}/ws/info`);
  t.match(await info.json(), { websocket: true });
});

t.test('stop closes WebSockets with 1001 and frees the ports', async (t) => {
  const { server, tcpPort, httpPort } = await startTestServer();
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/ws`);
  socket.on('open', () => socket.send(CONNECT()));
  await inTime(new Promise((resolve) => socket.on('message', resolve)), 'CONNECTED');
  const closed = new Promise<number>((resolve) => socket.on('close', resolve));
  await Promise.all([server.stop(), server.stop()]);
  t.equal(await inTime(closed, 'the close'), 1001);
  t.strictSame(server.addresses, []);
  await t.rejects(firstFrame(t, tcpPort), { code: 'ECONNREFUSED' });
  await t.rejects(firstFrame(t, httpPort), { code: 'ECONNREFUSED' });
});

t.test('a listener can be off', async (t) => {
  const { server, httpPort, stop } = await startTestServer({ http: false });
  t.teardown(stop);
  t.equal(httpPort, 0);
  t.strictSame(
    server.addresses.map(({ transport }) => transport),
    ['tcp'],
  );
});

t.test('a busy port is one line, and nothing stays open', async (t) => {
  const busy = await takenPort(t);
  for (const [http, tcp] of [
    [busy, 0],
    [0, busy],
  ]) {
    const server = createStompServer({ http: { port: http }, tcp: { port: tcp }, log: SILENT });
    await t.rejects(server.start(), { message: `port ${busy} on 127.0.0.1 is in use` });
    t.strictSame(server.addresses, []);
    // A closed handle is listed until the system has told of its end, some turns later.
    await inTime(serversAre(1), 'none but the one that takes the port');
  }
});

t.test('an address that is not of this machine is one line', async (t) => {
  const server = createStompServer({ http: false, tcp: { host: '192.0.2.1', port: 0 }, log: SILENT });
  await t.rejects(server.start(), { message: /^port 0 on 192\.0\.2\.1 cannot be opened: no interface / });
});

t.test('a server starts once', async (t) => {
  const { server, stop } = await startTestServer();
  t.teardown(stop);
  await t.rejects(server.start(), { message: 'the server was started before' });
});

t.test('stop before start is no fault', async () => {
  await createStompServer({ log: SILENT }).stop();
});

t.test('options that are wrong are refused before anything is opened', async (t) => {
  t.throws(() => createStompServer({ broker: { heartBeat: { tolerance: 0 } } }), {
    code: 'invalid-option',
    message: 'broker.heartBeat.tolerance: got 0, wants 1 or more',
  });
});

t.test('users of the options log in, others are refused with one text', async (t) => {
  const users = [{ login: 'ann', passcode: 'right', roles: [] }];
  const { tcpPort, stop } = await startTestServer({ auth: { anonymous: false, users } });
  t.teardown(stop);
  t.match(await firstFrame(t, tcpPort, CONNECT('login:ann\npasscode:right\n')), /^CONNECTED\n[^]*user-name:ann\n/);
  const refused = await firstFrame(t, tcpPort, CONNECT('login:ann\npasscode:wrong\n'));
  t.match(refused, /^ERROR\n[^]*message:Bad login or passcode\n/);
  t.notMatch(refused, /wrong/);
  t.match(await firstFrame(t, tcpPort), /^ERROR\n/);
});

t.test('an application brings its own authenticator', async (t) => {
  const authenticator = {
    authenticate: () => {
      throw new BrokerError('authentication-failed', 'Not today');
    },
  };
  const { tcpPort, stop } = await startTestServer({}, { authenticator });
  t.teardown(stop);
  t.match(await firstFrame(t, tcpPort), /^ERROR\n[^]*message:Not today\n/);
});

t.test('a server that nobody can enter says so', async (t) => {
  const lines: string[] = [];
  const logger = createLogger({ level: 'warn', pretty: false }, { write: (line) => void lines.push(line) });
  createStompServer({ auth: { anonymous: false } }, { logger });
  t.match(lines, [/nobody can connect/]);
});

t.test('a log of a session holds no passcode, at any level', async (t) => {
  const lines: string[] = [];
  const logger = createLogger({ level: 'trace', pretty: false }, { write: (line) => void lines.push(line) });
  const { tcpPort, stop } = await startTestServer({}, { logger });
  t.teardown(stop);
  await firstFrame(t, tcpPort, CONNECT('login:ann\npasscode:hunter2\n'));
  await stop();
  t.match(lines.join(''), /CONNECT/);
  t.notMatch(lines.join(''), /hunter2/);
});

t.test('TLS serves both listeners; a file that cannot be read is named', async (t) => {
  const directory = t.testdir();
  const certFile = path.join(directory, 'cert.pem');
  const keyFile = path.join(directory, 'key.pem');
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', keyFile, '-out', certFile],
  ]);
  t.equal(made.status, 0, 'openssl makes a certificate');
  const tls = { certFile, keyFile };
  const { server, tcpPort, httpPort, stop } = await startTestServer({ http: { tls }, tcp: { tls } });
  t.teardown(stop);
  t.strictSame(server.addresses.map(({ transport }) => transport).sort(), ['https', 'tls']);
  const ca = readFileSync(certFile);
  const socket = connectTls({ port: tcpPort, host: '127.0.0.1', ca });
  t.teardown(() => socket.destroy());
  socket.write(CONNECT());
  t.match(
    await inTime(
      new Promise<string>((resolve) => socket.on('data', (data: Buffer) => resolve(data.toString()))),
      'CONNECTED',
    ),
    /^CONNECTED/,
  );
  const webSocket = new WebSocket(`wss://127.0.0.1:${httpPort}/ws`, { ca });
  t.teardown(() => webSocket.terminate());
  await inTime(new Promise((resolve) => webSocket.on('open', resolve)), 'the upgrade');
  const broken = createStompServer({
    http: false,
    tcp: { port: 0, tls: { certFile, keyFile: '/nowhere/key.pem' } },
    log: SILENT,
  });
  await t.rejects(
    broken.start(),
    new OptionsError(['tcp.tls.keyFile: got "/nowhere/key.pem", wants a readable PEM file (ENOENT)']),
  );
});
