/** The configurations of examples/cluster with the real nginx and HAProxy in front of two nodes. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import { HAPROXY, NGINX, requireProgram } from '../helpers/programs.js';
import { RawClient } from '../helpers/raw-client.js';
import { freePort, RedisProcess } from '../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { overSockJs, overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';
import { until } from '../helpers/until.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

const EXAMPLES = path.resolve(import.meta.dirname, '../../../examples/cluster');
/** Not the address that proxies connect from. */
const CLIENT = '127.0.0.2';

async function startNodes(t: Test): Promise<readonly [TestServer, TestServer]> {
  const { url } = await RedisProcess.start(t);
  const start = async (): Promise<TestServer> => {
    const node = await startTestServer({
      http: { endpoints: [{ path: '/ws', sockjs: true, trustProxy: true }] },
      tcp: { proxyProtocol: true },
      connectionLog: true,
      relay: { type: 'redis', url },
    });
    t.teardown(node.stop);
    return node;
  };
  return [await start(), await start()];
}

/** An example with other ports. */
function configure(t: Test, file: string, ports: Readonly<Record<string, number>>, head = ''): string {
  let text = readFileSync(path.join(EXAMPLES, file), 'utf8');
  for (const [own, port] of Object.entries(ports)) {
    const parts = text.split(`127.0.0.1:${own}`);
    t.ok(parts.length > 1, `${file} names port ${own}`);
    text = parts.join(`127.0.0.1:${port}`);
  }
  const written = path.join(t.testdir(), file);
  writeFileSync(written, text.replace('http {', `http {${head}`));
  return written;
}

/** Ended with the test; listening once somebody is answered. */
async function startProxy(t: Test, command: string, args: readonly string[], httpPort: number): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  t.teardown(async () => {
    child.kill('SIGTERM');
    await inTime(ended, `the end of ${command}`);
  });
  const listens = until(`${command} to listen`, async () => (await fetch(`http://127.0.0.1:${httpPort}/ws/info`)).ok);
  const fails = ended.then(() => Promise.reject(new Error(`${command} has ended: ${said}`)));
  fails.catch(() => undefined);
  await Promise.race([listens, fails]);
}

/** Clients of one kind: spread over both nodes, and all of them hear what each says. */
async function talk(t: Test, kind: string, nodes: readonly TestServer[], connect: () => Promise<StompjsClient>) {
  const before = nodes.map(({ server }) => server.broker.stats().connections.current);
  const clients: StompjsClient[] = [];
  for (let k = 0; k < 12; k++) clients.push(await connect());
  const destination = `/topic/${kind}`;
  const inboxes = await Promise.all(clients.map((client) => client.subscribe(destination)));
  for (const [k, client] of clients.entries()) client.client.publish({ destination, body: String(k) });
  for (const inbox of inboxes) {
    const heard: string[] = [];
    while (heard.length < clients.length) heard.push((await inbox.next()).body);
    t.strictSame(
      heard.map(Number).sort((x, y) => x - y),
      [...clients.keys()],
      `${kind}: everybody hears everybody`,
    );
  }
  for (const [k, { server }] of nodes.entries()) {
    t.ok(server.broker.stats().connections.current > (before[k] ?? 0), `${kind}: node ${k + 1} has some`);
  }
}

async function talkHttp(t: Test, nodes: readonly TestServer[], port: number): Promise<void> {
  await talk(t, 'xhr-streaming', nodes, () => StompjsClient.connect(t, overSockJs(port, 'xhr-streaming')));
  await talk(t, 'sockjs-websocket', nodes, () => StompjsClient.connect(t, overSockJs(port, 'websocket')));
  await talk(t, 'websocket', nodes, () => StompjsClient.connect(t, overWebSocket(port)));
}

/** A client at CLIENT's address that says it is somebody else: whether a node has recorded where it really came from. */
async function checkAddress(t: Test, nodes: readonly TestServer[], port: number): Promise<void> {
  const headers = { 'X-Forwarded-For': '203.0.113.9' };
  const client = await WebSocketClient.open(`http://127.0.0.1:${port}/ws`, { headers, localAddress: CLIENT });
  t.teardown(() => client.ws.terminate());
  client.ws.send('CONNECT\naccept-version:1.2\nhost:x\n\n\0');
  await client.messages.next('CONNECTED');
  await until('the record of it', async () => (await addresses(nodes)).includes(CLIENT));
  t.notOk((await addresses(nodes)).includes('203.0.113.9'));
}

async function addresses(nodes: readonly TestServer[]): Promise<(string | null)[]> {
  const found: (string | null)[] = [];
  for (const { server } of nodes) {
    for (const { ipAddress } of (await server.connectionLog?.list({ limit: 100 })) ?? []) found.push(ipAddress);
  }
  return found;
}

t.test('nginx: SockJS sticks by the session in its path, and the address of a client is its own', async (t) => {
  if (!requireProgram(t, 'redis-server') || !requireProgram(t, 'nginx')) return;
  const nodes = await startNodes(t);
  const port = await freePort();
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${kind};`);
  const ports = { 8080: port, 8081: nodes[0].httpPort, 8082: nodes[1].httpPort };
  const file = configure(t, 'nginx.conf', ports, `access_log off; ${places.join(' ')}`);
  const here = ['-p', path.dirname(file), '-c', file, '-e', 'stderr'];
  await startProxy(t, NGINX, [...here, '-g', 'daemon off; pid nginx.pid;'], port);
  await talkHttp(t, nodes, port);
  await checkAddress(t, nodes, port);
});

t.test('HAProxy: the same, and plain STOMP with its PROXY header', async (t) => {
  if (!requireProgram(t, 'redis-server') || !requireProgram(t, 'haproxy')) return;
  const nodes = await startNodes(t);
  const [port, tcpPort] = [await freePort(), await freePort()];
  const http = { 8080: port, 8081: nodes[0].httpPort, 8082: nodes[1].httpPort };
  const tcp = { 61613: tcpPort, 61614: nodes[0].tcpPort, 61615: nodes[1].tcpPort };
  await startProxy(t, HAPROXY, ['-f', configure(t, 'haproxy.cfg', { ...http, ...tcp }), '-db'], port);
  await talkHttp(t, nodes, port);
  await checkAddress(t, nodes, port);
  const before = (await addresses(nodes)).filter((address) => address === CLIENT).length;
  const client = await RawClient.open(tcpPort, { localAddress: CLIENT });
  t.teardown(() => {
    client.destroy();
  });
  await client.connect();
  await until('the record of it', async () => {
    return (await addresses(nodes)).filter((address) => address === CLIENT).length > before;
  });
});
