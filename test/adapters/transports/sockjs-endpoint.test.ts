/** SockJS paths as proxies, health checks and old clients ask for them. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { inTime } from '../../helpers/inbox.js';
import { http, StreamingRequest } from '../../helpers/sockjs-http.js';
import { startEchoServer } from '../../helpers/transport-echo-server.js';

const echo = await startEchoServer();
t.teardown(() => echo.close());

/** One request, octet by octet; resolves to everything until the server ends the connection. */
async function exchange(head: readonly string[], body = ''): Promise<string> {
  const socket = connect({ port: echo.port, host: '127.0.0.1' });
  let text = '';
  socket.on('data', (part) => (text += part.toString()));
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  await inTime(once(socket, 'close'), `the end of the answer to ${head[0] ?? ''}`);
  return text;
}

t.test('the whole URL in place of the path is understood, queries included', async (t) => {
  const host = ['Host: broker.example', 'Connection: close', 'Content-Length: 0'];
  const base = 'http://broker.example/echo';
  t.match(await exchange([`GET ${base} HTTP/1.1`, ...host]), 'Welcome to SockJS!\n');
  t.match(await exchange([`GET ${base}/info?t=1 HTTP/1.1`, ...host]), '"entropy":');
  t.match(await exchange([`GET ${base}/0/${randomUUID()}/jsonp?c=cb HTTP/1.1`, ...host]), '/**/cb("o");');
  t.match(await exchange([`POST ${base}/0/${randomUUID()}/xhr HTTP/1.1`, ...host]), /\r\no\n/);
  t.match(await exchange(['GET http://broker.example HTTP/1.1', ...host]), /^HTTP\/1\.1 426 /, 'it has no path at all');
});

t.test('a client of HTTP/1.0 polls and sends', async (t) => {
  const path = `/echo/0/${randomUUID()}`;
  t.match(await exchange([`POST ${path}/xhr HTTP/1.0`]), /^HTTP\/1\.1 200 [^]*\r\n\r\no\n$/);
  const sent = await exchange([`POST ${path}/xhr_send HTTP/1.0`, 'Content-Length: 5'], '["x"]');
  t.match(sent, /^HTTP\/1\.1 204 /);
  const answer = await exchange([`POST ${path}/xhr HTTP/1.0`, 'Connection: keep-alive']);
  t.match(answer, /\r\n\r\na\["x"\]\n$/);
  t.notMatch(answer, /transfer-encoding/i);
});

t.test('HEAD is answered as GET, without a body', async (t) => {
  for (const path of ['', '/', '/info', '/iframe.html']) {
    const { status, headers, text } = await http('HEAD', `${echo.url}/echo${path}`);
    const got = await http('GET', `${echo.url}/echo${path}`);
    t.same([status, text, headers['content-type']], [200, '', got.headers['content-type']], `HEAD ${path}`);
  }
  t.equal((await http('HEAD', `${echo.url}/echo/0/0/xhr`)).status, 405, 'it must not open a session');
});

t.test('streams ask the proxy not to gather them', async (t) => {
  for (const [method, path] of [
    ['POST', 'xhr_streaming'],
    ['GET', 'eventsource'],
    ['GET', 'htmlfile?c=cb'],
  ] as const) {
    const stream = new StreamingRequest(method, `${echo.url}/echo/0/${randomUUID()}/${path}`);
    t.equal((await stream.head).headers['x-accel-buffering'], 'no', path);
    stream.abort();
  }
  const polled = await http('POST', `${echo.url}/echo/0/${randomUUID()}/xhr`);
  t.notOk(polled.headers['x-accel-buffering']);
});

t.test('an answer without a body has no type', async (t) => {
  const plain = await http('POST', `${echo.url}/echo/0/0/websocket`);
  t.match(plain, { status: 405, text: '', headers: { allow: 'GET' } });
  t.notOk(plain.headers['content-type']);
  const upgrade = ['Host: x', 'Upgrade: websocket', 'Connection: Upgrade', 'Content-Length: 0'];
  const refused = await exchange(['POST /echo/0/0/websocket HTTP/1.1', ...upgrade]);
  t.match(refused, /^HTTP\/1\.1 405 /);
  t.notMatch(refused, /content-type/i);
});
