/** Endpoints on HTTP servers, ours and others'. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { mock } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { attachEndpoints, HttpTransport, type EndpointOptions } from '../../../adapters/transports/index.js';
import { closeReason, type CloseCode } from '../../../broker/close-reason.js';
import type { AcceptConnection, Connection } from '../../../broker/ports.js';
import { createCertificate } from '../../helpers/certificate.js';
import { Inbox, inTime } from '../../helpers/inbox.js';
import { RawWebSocket } from '../../helpers/raw-websocket.js';
import { http } from '../../helpers/sockjs-http.js';
import { WebSocketClient } from '../../helpers/websocket-client.js';

const logger = pino({ level: 'silent' });

function collector(): { accept: AcceptConnection; connections: Inbox<Connection> } {
  const connections = new Inbox<Connection>();
  const accept: AcceptConnection = (connection) => {
    connections.push(connection);
    return { onBytes() {}, onDrain() {}, onClose() {} };
  };
  return { accept, connections };
}

async function listen(t: Test, endpoints: readonly EndpointOptions[], accept: AcceptConnection = collector().accept) {
  const transport = new HttpTransport({ port: 0, endpoints, logger });
  const address = await transport.listen(accept);
  t.teardown(() => transport.close());
  return { transport, address, url: `http://127.0.0.1:${String(address.port)}` };
}

t.test('the root page says what runs here and how to connect', async (t) => {
  const { url, address } = await listen(t, [{ path: '/ws', sockjs: true }, { path: '/native' }]);
  t.same(address.endpoints.toSorted(), ['/native', '/ws']);
  const { status, headers, text } = await http('GET', `${url}/`);
  t.equal(status, 200);
  t.match(headers['content-type'], /^text\/plain/);
  t.match(text, 'STOMP');
  t.match(text, url.replace('http', 'ws') + '/native');
  t.match(text, `${url}/ws  (SockJS)`);
  t.equal((await http('GET', `${url}/nowhere`)).status, 404);
});

t.test('an upgrade to something else than WebSocket is ignored, as HTTP allows', async (t) => {
  const { address } = await listen(t, [{ path: '/ws', sockjs: true }]);
  const socket = connect({ port: address.port, host: '127.0.0.1' });
  t.teardown(() => socket.destroy());
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n';
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${offer}\r\nGET /ws HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let text = '';
  socket.on('data', (part) => (text += part.toString()));
  await inTime(once(socket, 'end'), 'both answers');
  t.match(text, /^HTTP\/1\.1 200 [^]*a STOMP message broker[^]*HTTP\/1\.1 200 [^]*Welcome to SockJS!\n/);
});

t.test('while draining new connections are answered 503 and open ones live on', async (t) => {
  const { accept, connections } = collector();
  const { transport, url } = await listen(t, [{ path: '/ws', sockjs: true }], accept);
  const client = await WebSocketClient.open(`${url}/ws`);
  const session = `${url}/ws/000/drain`;
  t.equal((await http('POST', `${session}/xhr`)).text, 'o\n');
  const native = await connections.next();
  await transport.stopAccepting();
  t.match(await WebSocketClient.refusal(`${url}/ws`), { status: 503, headers: { 'retry-after': '1' } });
  t.equal((await WebSocketClient.refusal(`${url}/ws/0/0/websocket`)).status, 503);
  t.equal((await http('POST', `${url}/ws/0/other/xhr`)).status, 503);
  t.equal((await http('POST', `${session}/xhr_send`, { body: '["x"]' })).status, 204);
  native.write(Buffer.from([0x81, 1, 0x78]));
  t.equal((await client.next()).text, 'x');
  await transport.close();
  await inTime(client.closed, 'the client to be cut');
});

t.test('a connection that is refused hears 1013', async (t) => {
  const { url } = await listen(t, [{ path: '/ws', sockjs: true }], () => null);
  const native = await WebSocketClient.open(`${url}/ws`);
  t.equal((await inTime(native.closed, 'the close')).code, 1013);
  const sockjs = await WebSocketClient.open(`${url}/ws/0/0/websocket`);
  t.equal((await inTime(sockjs.closed, 'the close')).code, 1013);
  t.equal((await http('POST', `${url}/ws/0/1/xhr`)).text, 'o\n');
  t.match((await http('POST', `${url}/ws/0/1/xhr`)).text, /^c\[/);
});

t.test('who does not answer a close is cut after five seconds, but of a stop, whose deadline counts', async (t) => {
  const { accept, connections } = collector();
  const { address, url } = await listen(t, [{ path: '/ws' }], accept);
  const closing = async (
    code: CloseCode,
    passMs: number,
  ): Promise<{ client: RawWebSocket; hasEnded: () => boolean }> => {
    const client = await RawWebSocket.open(address.port, '/ws');
    const connection = await connections.next();
    let hasEnded = false;
    void client.ended.then(() => (hasEnded = true));
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      connection.close(closeReason(code));
      mock.timers.tick(passMs);
    } finally {
      mock.timers.reset();
    }
    // Another connection comes and goes: what was done to this one has arrived.
    (await WebSocketClient.open(`${url}/ws`)).close();
    await connections.next();
    return { client, hasEnded: () => hasEnded };
  };
  const cut = await closing('closed-by-server', 5_000);
  t.equal(await cut.client.closeStatus(), 1000);
  await cut.client.untilEnd();
  const waiting = await closing('closed-by-server', 4_999);
  t.equal(waiting.hasEnded(), false);
  const leaving = await closing('server-shutdown', 60_000);
  t.equal(await leaving.client.closeStatus(), 1001);
  t.equal(leaving.hasEnded(), false);
});

t.test('on a server with other work only our paths are taken', async (t) => {
  const server = createServer();
  const answer = (text: string) => (_request: IncomingMessage, response: ServerResponse) => {
    if (!response.headersSent) response.end(text);
  };
  server.on('request', answer('before'));
  const attached = attachEndpoints(
    server,
    [{ path: '/a/ws', sockjs: true }, { path: '/b' }],
    collector().accept,
    logger,
  );
  server.on('request', answer('after'));
  const upgrades: string[] = [];
  server.on('upgrade', (request: IncomingMessage, socket) => {
    upgrades.push(request.url ?? '');
    socket.end('HTTP/1.1 418 theirs\r\nContent-Length: 0\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${String(port)}`;
  t.equal((await http('GET', `${url}/other`)).text, 'before');
  t.equal((await http('GET', `${url}/a/ws`)).text, 'Welcome to SockJS!\n');
  t.equal((await http('GET', `${url}/a/wsx`)).text, 'before', 'a longer name is another path');
  t.equal((await http('GET', `${url}/b`)).status, 426);
  t.equal((await http('GET', `${url}/b/c`)).text, 'before', 'an endpoint without SockJS is one path');
  const client = await WebSocketClient.open(`${url}/b`);
  t.match(await new RawWebSocket(port).handshake('/theirs'), /^HTTP\/1\.1 418 /);
  t.same(upgrades, ['/theirs']);
  attached.detach();
  await inTime(client.closed, 'the client to be cut');
  t.equal((await http('GET', `${url}/b`)).text, 'before', 'detached, the paths are the application’s');
});

t.test('an endpoint path that could not be matched as received is refused', async (t) => {
  for (const path of ['ws', '/ws/', '/a b', '/%61', '/../x', '/x/./y', '', '//', '/x?y', '/.hidden']) {
    t.throws(() => attachEndpoints(createServer(), [{ path }], () => null, logger), TypeError, path);
  }
  const twice = [{ path: '/ws' }, { path: '/ws', sockjs: true }, { path: '/ws' }];
  t.same(
    attachEndpoints(createServer(), twice, () => null, logger).paths,
    ['/ws'],
    'the same path twice is one endpoint',
  );
});

t.test('an idle WebSocket keeps no request', async (t) => {
  const { accept, connections } = collector();
  const { url } = await listen(t, [{ path: '/ws' }], accept);
  const client = await WebSocketClient.open(`${url}/ws?token=x`, { headers: { 'X-Mine': '1' } });
  t.teardown(() => {
    client.close();
  });
  const connection = await connections.next();
  t.match(connection.takeHandshake(), { url: '/ws?token=x', headers: { 'x-mine': '1' } });
  t.equal(connection.takeHandshake(), null, 'it is given away once');
  t.equal(connection.remoteAddress, '127.0.0.1');
});

t.test('over TLS the same endpoints are served, and a handshake under way does not delay the end', async (t) => {
  const { accept, connections } = collector();
  const tls = createCertificate();
  const transport = new HttpTransport({ port: 0, endpoints: [{ path: '/ws', sockjs: true }], logger, tls });
  const { port, transport: kind } = await transport.listen(accept);
  t.equal(kind, 'https');
  const client = await WebSocketClient.open(`wss://127.0.0.1:${String(port)}/ws`, { rejectUnauthorized: false });
  (await connections.next()).write(Buffer.from([0x81, 1, 0x78]));
  t.equal((await client.next()).text, 'x');
  const own = { rejectUnauthorized: false, origin: `https://127.0.0.1:${String(port)}` };
  (await WebSocketClient.open(`wss://127.0.0.1:${String(port)}/ws`, own)).close();

  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  let text = '';
  socket.on('data', (part: Buffer) => (text += part.toString()));
  socket.write('GET /ws/info HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  while (!text.includes('entropy')) await inTime(once(socket, 'data'), 'the answer without upgrade');
  t.match(text, /^HTTP\/1\.1 200 /);

  const silent = connect({ port, host: '127.0.0.1' });
  await once(silent, 'connect');
  const cut = inTime(once(silent, 'close'), 'the silent client to be cut');
  await inTime(transport.close(), 'the transport to close');
  await cut;
});

t.test('lenientNul off tells the listener that no message end means anything', async (t) => {
  for (const lenientNul of [true, false]) {
    const flags = new Inbox<boolean>();
    const accept: AcceptConnection = () => ({
      onBytes: (_chunk, endsMessage) => {
        flags.push(endsMessage);
      },
      onDrain() {},
      onClose() {},
    });
    const { url } = await listen(t, [{ path: '/ws', lenientNul }], accept);
    const client = await WebSocketClient.open(`${url}/ws`);
    client.send('text');
    client.send(Buffer.from('binary'));
    t.equal(await flags.next(), lenientNul);
    t.equal(await flags.next(), false);
    client.close();
  }
});
