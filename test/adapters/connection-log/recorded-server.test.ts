/** Whole servers with a connection log: every way to have one, addresses behind proxies, kill -9, and a full disk. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import Database from 'better-sqlite3';
import fastify from 'fastify';
import t, { type Test } from 'tap';
import {
  type ConnectionLog,
  type ConnectionRecord,
  createBroker,
  createStompServer,
  hoofbeat,
  MemoryConnectionSink,
  type ServerOptions,
} from '../../../adapters/index.js';
import { RunningCommand } from '../../helpers/cli.js';
import { inTime } from '../../helpers/inbox.js';
import { openConnected, type RawClient } from '../../helpers/raw-client.js';
import { settle } from '../../helpers/settle.js';
import { startTestServer } from '../../helpers/server.js';
import { overSockJs, overWebSocket, StompjsClient } from '../../helpers/stompjs-client.js';
import { WebSocketClient } from '../../helpers/websocket-client.js';
import { http } from '../../helpers/sockjs-http.js';

const CONNECT = 'CONNECT\naccept-version:1.2\nhost:test\n\n\0';
/** Long enough for a machine that has other things to do. */
const LONG_MS = 30_000;

function logOf({ connectionLog }: { readonly connectionLog: ConnectionLog | null }): ConnectionLog {
  if (connectionLog === null) throw new Error('there is no connection log');
  return connectionLog;
}

/** Asks until `isDone` holds for the rows. */
async function rowsWhen(
  log: ConnectionLog,
  isDone: (rows: readonly ConnectionRecord[]) => boolean,
): Promise<readonly ConnectionRecord[]> {
  const asked = async (): Promise<readonly ConnectionRecord[]> => {
    for (;;) {
      const rows = await log.list({ limit: 10_000 });
      if (isDone(rows)) return rows;
      await settle();
    }
  };
  return inTime(asked(), 'the rows', LONG_MS);
}

/** Looks at the file of a server in another process, which has started, until it has so many rows of each status. */
async function rowsInFile(t: Test, file: string, expected: Readonly<Record<string, number>>): Promise<void> {
  const database = new Database(file, { readonly: true });
  t.teardown(() => database.close());
  const select = database.prepare<[], { status: string; rows: number }>(
    'SELECT status, count(*) AS rows FROM websocket_connections GROUP BY status ORDER BY status',
  );
  const look = async (): Promise<void> => {
    const isThere = (): boolean =>
      isDeepStrictEqual(Object.fromEntries(select.all().map(({ status, rows }) => [status, rows])), expected);
    while (!isThere()) await settle();
  };
  await inTime(look(), `rows ${JSON.stringify(expected)}`, LONG_MS);
}

t.test('a server of its own: TCP, WebSocket and SockJS are rows; off unless it is asked for', async (t) => {
  const plain = await startTestServer();
  t.teardown(plain.stop);
  t.equal(plain.server.connectionLog, null);
  const { server, tcpPort, httpPort, stop } = await startTestServer({ connectionLog: true });
  t.teardown(stop);
  const log = logOf(server);
  await openConnected(t, tcpPort, '1.2', { 'user-agent': 'raw/1' });
  for (const config of [
    overWebSocket(httpPort),
    overSockJs(httpPort, 'websocket'),
    overSockJs(httpPort, 'xhr-polling'),
  ]) {
    await StompjsClient.connect(t, config);
  }
  const rows = await log.list();
  t.equal(rows.length, 4);
  t.ok(rows.every(({ ipAddress, status }) => ipAddress === '127.0.0.1' && status === 'CONNECTED'));
  t.equal(rows.at(-1)?.userAgent, 'raw/1');
  t.match(await log.statistics(), { total: 4, active: 4, byStatus: { CONNECTED: 4 } });
});

t.test('a socket that just drops is DISCONNECTED', async (t) => {
  const { server, tcpPort, stop } = await startTestServer({ connectionLog: true });
  t.teardown(stop);
  const client = await openConnected(t, tcpPort);
  client.destroy();
  const [row] = await rowsWhen(logOf(server), ([first]) => first?.status !== 'CONNECTED');
  t.equal(row?.status, 'DISCONNECTED');
});

t.test('a connection that the network resets is an ERROR', async (t) => {
  const { server, tcpPort, stop } = await startTestServer({ connectionLog: true });
  t.teardown(stop);
  const client = await openConnected(t, tcpPort);
  client.socket.resetAndDestroy();
  const [row] = await rowsWhen(logOf(server), ([first]) => first?.status !== 'CONNECTED');
  t.equal(row?.status, 'ERROR');
});

t.test('X-Forwarded-For counts where the endpoint trusts its proxy, over each kind of HTTP connection', async (t) => {
  const endpoints = [{ path: '/proxied', trustProxy: true }, { path: '/direct' }];
  const { server, httpPort, stop } = await startTestServer({ http: { endpoints }, connectionLog: true });
  t.teardown(stop);
  const log = logOf(server);
  const headers = { 'X-Forwarded-For': '203.0.113.7, 10.0.0.1', 'User-Agent': 'Browser/1' };
  const addressOf = async (count: number): Promise<unknown> => {
    const [row] = await rowsWhen(log, (rows) => rows.length === count);
    return [row?.ipAddress, row?.userAgent];
  };
  let count = 0;
  for (const [endpoint, address] of [
    ['/proxied', '203.0.113.7'],
    ['/direct', '127.0.0.1'],
  ]) {
    const base = `http://127.0.0.1:${httpPort}${endpoint ?? ''}`;
    const native = await WebSocketClient.open(base, { headers });
    t.teardown(() => native.ws.terminate());
    native.ws.send(CONNECT);
    t.strictSame(await addressOf(++count), [address, 'Browser/1'], `WebSocket at ${base}`);
    const sockJs = await WebSocketClient.open(`${base}/000/websocket1/websocket`, { headers });
    t.teardown(() => sockJs.ws.terminate());
    sockJs.ws.send(JSON.stringify([CONNECT]));
    t.strictSame(await addressOf(++count), [address, 'Browser/1'], `SockJS over WebSocket at ${base}`);
    await http('POST', `${base}/000/polling1/xhr`, { headers });
    await http('POST', `${base}/000/polling1/xhr_send`, { body: JSON.stringify([CONNECT]) });
    t.strictSame(await addressOf(++count), [address, 'Browser/1'], `SockJS over HTTP at ${base}`);
  }
});

t.test('in an http.Server and in Fastify it is there as well, and with a sink of the application', async (t) => {
  const open = { auth: { anonymous: true }, log: { level: 'silent' }, data: false, connectionLog: true } as const;
  const connectionSink = new MemoryConnectionSink();
  const embedded = createBroker(open, { connectionSink });
  const server = createServer();
  await embedded.attach(server);
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const portOf = (address: AddressInfo | string | null): number => (address as AddressInfo).port;
  await StompjsClient.connect(t, overWebSocket(portOf(server.address())));
  t.equal((await logOf(embedded).statistics()).active, 1);
  t.match(await connectionSink.list({ limit: 1, offset: 0 }), [{ status: 'CONNECTED' }]);
  await embedded.stop(200);
  t.match(await connectionSink.list({ limit: 1, offset: 0 }), [{ status: 'DISCONNECTED' }]);

  const app = fastify();
  const { auth, data, connectionLog } = open;
  const fastifySink = new MemoryConnectionSink();
  await app.register(hoofbeat, { auth, data, connectionLog, connectionSink: fastifySink });
  await app.listen({ port: 0, host: '127.0.0.1' });
  await StompjsClient.connect(t, overWebSocket(portOf(app.server.address())));
  t.match(await app.connectionLog?.statistics(), { total: 1, active: 1 });
  await app.close();
  t.match(await fastifySink.list({ limit: 1, offset: 0 }), [{ status: 'DISCONNECTED' }]);
});

t.test('a sink without a connection log is told', async (t) => {
  t.throws(() => createStompServer({ connectionLog: false }, { connectionSink: new MemoryConnectionSink() }), {
    message: 'connectionLog: got false, wants true or an object, since a connectionSink is given',
  });
});

t.test('stop writes everything; the file is in the data directory unless another is named', async (t) => {
  const directory = t.testdir();
  const options: ServerOptions[] = [
    { data: directory, connectionLog: true },
    { connectionLog: { file: path.join(directory, 'mine.db') } },
  ];
  for (const [k, file] of ['connections.db', 'mine.db'].entries()) {
    const { tcpPort, stop } = await startTestServer(options[k]);
    await openConnected(t, tcpPort);
    await stop();
    const database = new Database(path.join(directory, file), { readonly: true });
    t.teardown(() => database.close());
    t.strictSame(database.prepare('SELECT status FROM websocket_connections').all(), [{ status: 'DISCONNECTED' }]);
  }
});

t.test('a file that is no log keeps the server from starting, in one line', async (t) => {
  const file = path.join(t.testdir(), 'connections.db');
  writeFileSync(file, 'no database at all, and longer than the header of one would be. '.repeat(20));
  const server = createStompServer({
    http: false,
    tcp: { port: 0 },
    data: false,
    log: { level: 'silent' },
    connectionLog: { file },
  });
  await t.rejects(server.start(), { message: /connections\.db cannot be used: file is not a database/ });
  t.strictSame(server.addresses, []);
  await server.stop();
});

interface JsonLine {
  readonly addresses: readonly { readonly transport: string; readonly port: number }[];
}

function tcpPortOf(line: string): number {
  return (JSON.parse(line) as JsonLine).addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0;
}

t.test('after kill -9 rows are still CONNECTED; the next server ends them, and not its own', async (t) => {
  const directory = t.testdir();
  const config = path.join(directory, 'hoofbeat.yaml');
  writeFileSync(config, 'connectionLog: { file: log/connections.db, flushIntervalMs: 10 }\n');
  const file = path.join(directory, 'log', 'connections.db');
  const args = ['serve', '--json', '--memory', '--config', config, '--http-port', '0', '--tcp-port', '0'];
  const child = new RunningCommand(t, args);
  await child.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  const port = tcpPortOf(child.stdout);
  for (let k = 0; k < 5; k++) await openConnected(t, port, '1.2', { 'user-agent': `client ${k}` });
  const polite = await openConnected(t, port);
  polite.sendFrame('DISCONNECT', { receipt: 'bye' });
  await polite.receipt('bye');
  await polite.closed();
  await rowsInFile(t, file, { CONNECTED: 5, DISCONNECTED: 1 });
  child.child.kill('SIGKILL');
  await child.ended;

  const { server, tcpPort, stop } = await startTestServer({ connectionLog: { file, staleAfterMs: 1 } });
  t.teardown(stop);
  const log = logOf(server);
  await openConnected(t, tcpPort, '1.2', { 'user-agent': 'mine' });
  await log.statistics();
  await log.cleanUp();
  await log.cleanUp();
  const rows = await log.list();
  t.strictSame(
    rows.map(({ userAgent, status }) => [userAgent, status]),
    [['mine', 'CONNECTED'], [null, 'DISCONNECTED'], ...[4, 3, 2, 1, 0].map((k) => [`client ${k}`, 'DISCONNECTED'])],
  );
  t.ok(rows.slice(1).every((row) => (row.disconnectedEpochMs ?? 0) >= row.connectedEpochMs));
  t.match(await log.statistics(), { total: 7, active: 1, byStatus: { CONNECTED: 1, DISCONNECTED: 6, ERROR: 0 } });
});

/** Writing beyond so many octets fails, as on a full disk; null lifts it. */
function limitFileSize(pid: number, lengthBytes: number | null): Promise<unknown> {
  const limit = lengthBytes === null ? 'unlimited' : `${lengthBytes}:unlimited`;
  return once(spawn('prlimit', ['--pid', String(pid), `--fsize=${limit}`], { stdio: 'inherit' }), 'exit');
}

t.test('on a full disk the broker goes on; one warning; with room again every row is there', async (t) => {
  const file = path.join(t.testdir(), 'connections.db');
  const config = `${file}.yaml`;
  writeFileSync(config, `connectionLog: { file: ${file}, flushIntervalMs: 10 }\nlog: { level: info }\n`);
  const args = ['serve', '--json', '--memory', '--config', config, '--http-port', '0', '--tcp-port', '0'];
  // Without what tap puts into every Node program that a test starts: it would take SIGXFSZ, which Node ignores.
  const server = new RunningCommand(t, args, {}, ['/usr/bin/env', '-u', 'NODE_OPTIONS']);
  await server.until(({ stdout }) => stdout.includes('\n'), 'the JSON line');
  const port = tcpPortOf(server.stdout);
  const pid = server.child.pid ?? 0;
  const clients: RawClient[] = [await openConnected(t, port)];
  await rowsInFile(t, file, { CONNECTED: 1 });
  await limitFileSize(pid, 4_096);
  clients.push(await openConnected(t, port));
  await server.until(({ stderr }) => stderr.includes('cannot be written'), 'the warning');
  for (let k = 0; k < 20; k++) clients.push(await openConnected(t, port));
  const [reader, writer] = clients;
  await reader?.subscribe('/topic/a');
  writer?.sendFrame('SEND', { destination: '/topic/a' }, 'still here');
  t.equal((await reader?.frame('MESSAGE'))?.text, 'still here');
  await limitFileSize(pid, null);
  await server.until(({ stderr }) => stderr.includes('is written again'), 'the recovery');
  await rowsInFile(t, file, { CONNECTED: clients.length });
  t.equal(server.stderr.split('cannot be written').length, 2, 'one warning');
  server.child.kill('SIGTERM');
  t.equal((await server.ended).exitCode, 0);
});
