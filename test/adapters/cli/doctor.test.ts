/** `hoofbeat doctor` against servers that are well, and such as have something: each check must find what it is for. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import path from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket, WebSocketServer } from 'ws';
import { startAdmin, TOKENS } from '../../helpers/admin.js';
import { CliHost, temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startTestServer } from '../../helpers/server.js';

let host: CliHost;
t.before(() => {
  host = new CliHost(t);
});

interface Finding {
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  readonly check: string;
  readonly text: string;
  readonly advice?: string;
}

interface Found {
  readonly exitCode: number | null;
  readonly stderr: string;
  readonly findings: readonly Finding[];
  /** The first of the checks that begin so. */
  readonly of: (check: string) => Finding | undefined;
}

async function doctor(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Found> {
  const { exitCode, stdout, stderr } = await host.run(['doctor', '--json', ...args], environment);
  const findings = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Finding);
  return { exitCode, stderr, findings, of: (check) => findings.find((each) => each.check.startsWith(check)) };
}

function statuses({ findings }: Found): Record<string, string> {
  return Object.fromEntries(findings.map(({ check, status }) => [check.replace(/ \S+:\/\/.*| \S*:\d+$/, ''), status]));
}

async function listening(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

function configured(t: Test, text: string): string {
  const file = path.join(temporaryDirectory(t), 'hoofbeat.yaml');
  writeFileSync(file, text);
  return file;
}

t.test('a running server that is well has every round trip timed', async (t) => {
  const admin = await startAdmin(t, {}, { workers: 2 });
  const { tcpPort, httpPort, origin } = admin;
  const config = configured(
    t,
    `data: false
tcp: { port: ${tcpPort} }
http: { port: ${httpPort} }
admin: { port: ${new URL(origin).port}, tokens: [{ name: ops, role: admin, token: ${TOKENS.admin} }] }
`,
  );
  const environment = { HOOFBEAT_ADMIN_URL: origin, HOOFBEAT_ADMIN_TOKEN: TOKENS.viewer };
  const found = await doctor(['--config', config], environment);
  t.equal(found.exitCode, 0, found.stderr);
  t.match(statuses(found), {
    'port tcp': 'ok',
    'port http': 'ok',
    'port admin': 'ok',
    TCP: 'ok',
    'SockJS info': 'ok',
    WebSocket: 'ok',
    'SockJS websocket': 'ok',
    'SockJS xhr-streaming': 'ok',
    'SockJS xhr-polling': 'ok',
    origin: 'ok',
    'cut NUL': 'ok',
    'heart-beat': 'ok',
    throttled: 'ok',
    silence: 'skip',
    'admin API': 'ok',
    memory: 'ok',
    'worker 1': 'ok',
    'worker 2': 'ok',
  });
  t.match(found.of('memory')?.text, /^\d+ % of the budget: heap \d+ of \d+ MiB, heap and buffers \d+ of \d+ MiB$/);
  t.match(found.of('worker 2')?.text, /^\d+ connections \(\d+ of \d+ sockets\), \d+ MiB$/);
  t.match(found.of('SockJS xhr-polling')?.text, /^connected in [\d.]+ ms, round trip [\d.]+ ms, hoofbeat\//);
  t.match(found.of('port admin')?.text, /running hoofbeat/);
  t.match(found.of('throttled')?.text, /heartbeatStrategy/);
  const asText = await host.run(['doctor', '--config', config], environment);
  t.match(asText.stdout, /^ok {4}configuration .*\n/);
  t.match(asText.stdout, /\n\d+ ok, 1 to look at, 0 failed, 2 not looked at\n$/);
});

t.test('a configuration with faults, and what an open one asks for', async (t) => {
  const bad = await doctor(['--config', configured(t, 'tcp: { port: many }\nbrokr: {}\n')]);
  t.equal(bad.exitCode, 1);
  t.strictSame(
    bad.findings.filter(({ status }) => status === 'fail').map(({ text }) => text.replace(/^.*yaml: /, '')),
    ['brokr: unknown option', 'tcp.port: got "many", wants a number from 0 to 65535'],
  );
  const none = await doctor(['--config', '/nowhere/hoofbeat.yaml']);
  t.match(none, { exitCode: 1, findings: [{ status: 'fail', text: /no such file/ }, { status: 'skip' }] });
  const wide =
    'data: false\ntcp: { host: 0.0.0.0, port: 0 }\nhttp: false\nauth: { anonymous: true }\nadmin: true\n' +
    'broker: { limits: { maxConnections: 1000000000 } }\n';
  const open = await doctor(['--config', configured(t, wide)]);
  t.match(
    open.findings.filter(({ status }) => status === 'warn').map(({ text }) => text),
    [
      /no token/,
      /without a login/,
      /data: false/,
      ...(process.platform === 'linux' ? [/ulimit -n/] : []),
      ...(open.of('port admin')?.status === 'warn' ? [/./] : []),
    ],
  );
});

t.test('ports: free, taken by somebody else, not of this machine', async (t) => {
  const other = await listening(
    t,
    createServer((socket) => socket.end('220 mail.example ESMTP\r\n')),
  );
  const text = `data: false
tcp: { port: ${other} }
http: { host: 192.0.2.1, port: 18080 }
admin: { port: ${other} }
`;
  const found = await doctor(['--config', configured(t, text)]);
  t.equal(found.exitCode, 1);
  t.match(found.of('port admin'), { status: 'fail', text: 'taken by another program' });
  t.match(found.of('port http'), { status: 'fail', text: /no interface of this machine/ });
  t.match(found.of('TCP'), { status: 'fail', text: /does not speak STOMP|closed the connection/ });
});

t.test('a store that is sound, missing, another program’s, or not ours to write', async (t) => {
  const directory = temporaryDirectory(t);
  const server = await startTestServer({ data: directory });
  const storeOf = async (data: string): Promise<Finding | undefined> =>
    (await doctor(['--config', configured(t, `data: ${data}\ntcp: { port: 0 }\nhttp: { port: 0 }\n`)])).of('store');
  t.match(await storeOf(directory), { status: 'fail', text: /process that answers on none/ });
  await server.stop();
  t.match(await storeOf(directory), { status: 'ok', text: /^sound, \d+ KiB/ });
  t.match(await storeOf(path.join(directory, 'new')), { status: 'ok', text: /will be made/ });
  const foreign = temporaryDirectory(t);
  writeFileSync(path.join(foreign, 'hoofbeat.db'), 'no database at all, but long enough to be looked at'.repeat(50));
  t.match(await storeOf(foreign), { status: 'fail', text: /no SQLite database/ });
  const locked = path.join(temporaryDirectory(t), 'locked');
  mkdirSync(locked);
  chmodSync(locked, 0o500);
  // Root may write everywhere.
  if (process.getuid?.() !== 0) t.match(await storeOf(locked), { status: 'fail', advice: /give the user/ });
});

t.test('a Redis that keeps, one that evicts and forgets, one whose user may not, one that is not there', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const kept = await RedisProcess.start(t, ['--appendonly', 'yes', '--dir', temporaryDirectory(t)]);
  const relayOf = (url: string, more = ''): string =>
    configured(t, `data: false\ntcp: { port: 0 }\nhttp: { port: 0 }\nrelay: { type: redis, url: '${url}'${more} }\n`);
  const well = await doctor(['--config', relayOf(kept.url)]);
  t.match(statuses(well), {
    Redis: 'ok',
    'Redis version': 'ok',
    'Redis eviction': 'ok',
    'Redis durability': 'ok',
    'Redis rights': 'ok',
  });
  const loose = await RedisProcess.start(t, [
    ...['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'],
    ...['--user', 'default', 'off', '--user', 'ann', 'on', '>pw', '~*', '&*', '+@all', '-publish', '-eval', '-evalsha'],
  ]);
  const found = await doctor(['--config', relayOf(`redis://ann:pw@127.0.0.1:${loose.port}`, ', minReplicas: 1')]);
  t.equal(found.exitCode, 1);
  t.match(found.of('Redis eviction'), { status: 'fail', text: /^allkeys-lru/, advice: /noeviction/ });
  t.match(found.of('Redis durability'), { status: 'warn', advice: /appendonly yes/ });
  t.match(found.of('Redis replicas'), { status: 'fail', text: /^0 connected/ });
  t.match(found.of('Redis rights'), { status: 'fail', text: /^not allowed: EVAL on keys \(NOPERM.*PUBLISH \(NOPERM/ });
  const wrong = await doctor(['--config', relayOf(`redis://ann:other@127.0.0.1:${loose.port}`)]);
  t.match(wrong.of('Redis'), { status: 'fail', text: /WRONGPASS/ });
  await kept.stop();
  t.match((await doctor(['--config', relayOf(kept.url)])).of('Redis'), { status: 'fail', text: /ECONNREFUSED/ });
});

t.test('logins and rules: what is refused says what to give', async (t) => {
  const server = await startTestServer({
    auth: {
      users: [{ login: 'ann', passcode: 'x' }],
      rules: [
        { action: 'connect', allow: true },
        { destination: '/topic/open', allow: true },
      ],
    },
  });
  t.teardown(() => server.stop());
  const url = `tcp://127.0.0.1:${server.tcpPort}`;
  t.match((await doctor(['-u', url])).of('TCP'), { status: 'fail', advice: /--login/ });
  const environment = { HOOFBEAT_LOGIN: 'ann', HOOFBEAT_PASSCODE: 'x' };
  t.match((await doctor(['-u', url], environment)).of('TCP'), { status: 'fail', advice: /--destination/ });
  t.match((await doctor(['-u', url, '-d', '/topic/open'], environment)).of('TCP'), { status: 'ok' });
});

t.test('a page of the public host, a client that cuts the NUL, and a heart-beat that is none', async (t) => {
  const { httpPort, stop } = await startTestServer({
    http: {
      endpoints: [{ path: '/ws', allowedOrigins: ['https://elsewhere.example'], lenientNul: false, sockjs: false }],
    },
    broker: { heartBeat: { sendMs: 0, receiveMs: 0 } },
  });
  t.teardown(stop);
  // As behind a proxy that does not pass Host on.
  const proxy = createHttpServer();
  proxy.on('upgrade', (incoming, socket, head) => {
    const out = request({ port: httpPort, path: incoming.url, headers: { ...incoming.headers, host: 'inner:80' } });
    out.on('upgrade', (response, far, rest) => {
      const lines = Object.entries(response.headers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
      socket.write(rest);
      far.write(head);
      socket.pipe(far).pipe(socket);
      for (const end of [socket, far]) end.on('error', () => undefined);
    });
    out.on('response', ({ statusCode }) => {
      socket.end(`HTTP/1.1 ${statusCode ?? 0} No\r\ncontent-length: 0\r\n\r\n`);
    });
    out.end();
  });
  const port = await listening(t, proxy);
  const found = await doctor(['-u', `ws://127.0.0.1:${port}/ws`, '--timeout', '1']);
  t.equal(found.exitCode, 1);
  t.match(found.of('origin'), { status: 'fail', text: /\(403\)/, advice: /X-Forwarded-Proto.*trustProxy/ });
  t.match(found.of('cut NUL'), { status: 'warn', advice: /lenientNul: true/ });
  t.match(found.of('heart-beat'), { status: 'warn', text: /offers none/ });
});

t.test('something in between that drops final NULs, or cuts what is silent', async (t) => {
  const server = await startTestServer();
  t.teardown(() => server.stop());
  const gateway = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  t.teardown(() => {
    gateway.close();
  });
  await new Promise<void>((resolve) => gateway.once('listening', resolve));
  gateway.on('connection', (near, { url }) => {
    const far = new WebSocket(`ws://127.0.0.1:${server.httpPort}${url ?? ''}`, ['v12.stomp']);
    const early: Buffer[] = [];
    near.on('message', (data: Buffer) => {
      if (far.readyState === WebSocket.OPEN) far.send(data.toString());
      else early.push(data);
    });
    far.on('open', () => {
      for (const each of early) far.send(each.toString());
    });
    far.on('message', (data: Buffer) => {
      near.send(data.toString().replace(/\0$/, ''));
    });
    near.on('close', () => {
      far.close();
    });
    far.on('error', () => undefined);
    setTimeout(() => {
      near.close(1001);
    }, 700).unref();
  });
  const { port } = gateway.address() as AddressInfo;
  const found = await doctor(['-u', `ws://127.0.0.1:${port}/ws`, '--idle', '5']);
  t.match(found.of('WebSocket'), { status: 'fail', text: /without their final NUL/ });
  t.match(found.of('cut NUL'), { status: 'skip' });
  t.match(found.of('silence'), { status: 'warn', text: /cut after 0\.\d s/ });
});

t.test('a proxy without upgrade, one that gathers, one that spreads sessions over nodes', async (t) => {
  const nodes = [await startTestServer(), await startTestServer()];
  t.teardown(() => Promise.all(nodes.map((node) => node.stop())));
  let turn = 0;
  const proxy = createHttpServer((incoming, outgoing) => {
    const node = nodes[turn++ % 2];
    const { connection: _connection, upgrade: _upgrade, ...headers } = incoming.headers;
    const out = request({ port: node?.httpPort, path: incoming.url, method: incoming.method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 0, { ...response.headers, server: 'nginx' });
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => outgoing.end(Buffer.concat(parts)));
    });
    out.on('error', () => outgoing.destroy());
    outgoing.on('close', () => out.destroy());
    incoming.pipe(out);
  });
  // Without a listener of its own Node closes the socket of an upgrade; a proxy answers it as a request.
  proxy.on('upgrade', (_incoming, socket) => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
  const port = await listening(t, proxy);
  const found = await doctor(['-u', `http://127.0.0.1:${port}/ws`, '--timeout', '2']);
  t.equal(found.exitCode, 1);
  t.match(found.of('SockJS info'), { status: 'ok', text: 'answered, behind nginx' });
  t.match(found.of('WebSocket'), { status: 'fail', advice: /proxy_http_version 1\.1/ });
  t.match(found.of('SockJS xhr-streaming'), { status: 'fail', advice: /proxy_buffering off/ });
  t.match(found.of('SockJS xhr-polling'), { status: 'fail', text: /404|second time/, advice: /sticky/ });
});

t.test('mistakes are one line and an exit code', async (t) => {
  const free = await new Promise<number>((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
  t.match(await doctor(['-u', `tcp://127.0.0.1:${free}`]), { exitCode: 1, findings: [{ advice: /start the server/ }] });
  t.match(await host.run(['doctor', '-u', 'localhost']), { exitCode: 2, stderr: /wants tcp:\/\// });
  t.match(await host.run(['doctor', '--cafile', '/nowhere', '-u', 'tls://x']), { exitCode: 1, stderr: /ENOENT/ });
  t.match(await host.run(['doctor', '--token-file', '/nowhere', '-u', `tcp://127.0.0.1:${free}`]), {
    exitCode: 1,
    stderr: /^\/nowhere: cannot be read \(ENOENT\)\n$/,
  });
});
