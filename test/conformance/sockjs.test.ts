/** Group K: SockJS (the SockJS protocol tests, and what sockjs-node leaves open), over raw HTTP and WebSocket. */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import { RawWebSocket } from '../helpers/raw-websocket.js';
import { http, messagesOf, StreamingRequest } from '../helpers/sockjs-http.js';
import { startStompHttpServer, type StompHttpServerOptions } from '../helpers/stomp-http-server.js';
import { CONNECT, frame, parseFrame } from '../helpers/stomp-text.js';
import { startEchoServer, type EchoServerOptions } from '../helpers/transport-echo-server.js';
import { until } from '../helpers/until.js';
import { WebSocketClient, type ClientSettings } from '../helpers/websocket-client.js';

const echo = await startEchoServer();
const stomp = await startStompHttpServer();
t.teardown(() => Promise.all([echo.close(), stomp.close()]));

const ECHO = `${echo.url}/echo`;
const YEAR_S = 31_536_000;
/** Time-outs short enough to wait for. */
const SHORT_DELAY_MS = 150;

/** A session nobody else has. */
const session = (base = ECHO): string => `${base}/000/${randomUUID()}`;
const send = (url: string, ...messages: unknown[]) =>
  http('POST', `${url}/xhr_send`, { body: JSON.stringify(messages) });

async function poll(url: string): Promise<string> {
  const { status, text } = await http('POST', `${url}/xhr`);
  if (status !== 200 || !text.endsWith('\n')) throw new Error(`a poll was answered ${String(status)} ${text}`);
  return text.slice(0, -1);
}

async function opened(base?: string): Promise<string> {
  const url = session(base);
  const first = await poll(url);
  if (first !== 'o') throw new Error(`the first frame is ${first}`);
  return url;
}

async function serveEcho(t: Test, options: EchoServerOptions) {
  const server = await startEchoServer(options);
  t.teardown(() => server.close());
  return server;
}

async function serveStomp(t: Test, options: StompHttpServerOptions = {}) {
  const server = await startStompHttpServer(options);
  t.teardown(() => server.close());
  return server;
}

async function webSocket(t: Test, url: string, settings: ClientSettings = {}): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(url, settings);
  t.teardown(() => {
    client.close();
  });
  return client;
}

function stream(t: Test, method: string, url: string): StreamingRequest {
  const request = new StreamingRequest(method, url);
  t.teardown(() => {
    request.abort();
  });
  return request;
}

/** Opens a STOMP session over polling; returns its URL. */
async function connectedByPolling(base: string): Promise<string> {
  const url = await opened(base);
  await send(url, CONNECT);
  const [connected = ''] = messagesOf(await poll(url));
  if (parseFrame(connected).command !== 'CONNECTED') throw new Error(connected);
  return url;
}

t.test('K-01 the greeting stands on the bare path only', async (t) => {
  for (const path of ['', '/']) {
    const { status, headers, text } = await http('GET', ECHO + path);
    t.equal(status, 200);
    t.equal(headers['content-type'], 'text/plain; charset=UTF-8');
    t.equal(headers['set-cookie'], undefined);
    t.equal(text, 'Welcome to SockJS!\n');
  }
  for (const path of ['/a', '/a.html', '//', '///', '/a/a', '/a/a/', '/a/']) {
    t.equal((await http('GET', ECHO + path)).status, 404, path);
  }
});

t.test('K-02 the iframe page is served under its names and cached for a year', async (t) => {
  let etag = '';
  for (const path of ['/iframe.html', '/iframe-a.html', '/iframe-0.1.2.abc-dirty.2144.html', '/iframe-a.html?t=1']) {
    const { status, headers, text } = await http('GET', ECHO + path);
    t.equal(status, 200, path);
    t.equal(headers['content-type'], 'text/html; charset=UTF-8');
    t.match(headers['cache-control'], new RegExp(`public.*max-age=${String(YEAR_S)}`));
    t.ok(headers.expires);
    t.equal(headers['last-modified'], undefined);
    t.match(text, /SockJS\.bootstrap_iframe\(\)/);
    etag = headers.etag ?? '';
  }
  const cached = await http('GET', `${ECHO}/iframe.html`, { headers: { 'If-None-Match': etag } });
  t.equal(cached.status, 304);
  t.equal(cached.text, '');
  t.equal(cached.headers['content-type'], undefined);
  for (const path of ['/iframe.htm', '/iframe', '/IFRAME.HTML', '/iframe.HTML', '/iframe.xml', '/iframe-/.html']) {
    t.equal((await http('GET', ECHO + path)).status, 404, path);
  }
});

t.test('K-03 info tells of the transports, with new entropy each time', async (t) => {
  const entropies = new Set<number>();
  for (let n = 0; n < 3; n++) {
    const { status, headers, text } = await http('GET', `${ECHO}/info`);
    t.equal(status, 200);
    t.match(headers['content-type'], /^application\/json/);
    t.match(headers['cache-control'], /no-store/);
    const info = JSON.parse(text) as Record<string, unknown>;
    t.match(info, { websocket: true, cookie_needed: false, origins: ['*:*'], entropy: Number });
    entropies.add(info['entropy'] as number);
  }
  t.equal(entropies.size, 3);
});

t.test('K-04 preflights are answered and cached for a year', async (t) => {
  const paths = { '/info': 'GET', '/0/k04/xhr': 'POST', '/0/k04/xhr_send': 'POST', '/0/k04/xhr_streaming': 'POST' };
  for (const [path, method] of Object.entries(paths)) {
    const { status, headers, text } = await http('OPTIONS', ECHO + path, {
      headers: { Origin: 'http://page.example' },
    });
    t.equal(status, 204, path);
    t.equal(text, '');
    t.match(headers['cache-control'], new RegExp(`max-age=${String(YEAR_S)}`));
    t.ok(Number(headers['access-control-max-age']) > 1_000_000);
    t.match(headers['access-control-allow-methods'], new RegExp(`OPTIONS.*${method}`));
  }
});

t.test('K-05 cross-origin answers name the origin that asked', async (t) => {
  const url = session();
  for (const [path, method] of [
    ['/info', 'GET'],
    ['', 'POST'],
  ] as const) {
    const target = path === '' ? `${url}/xhr` : ECHO + path;
    const asked = { Origin: 'http://page.example', 'Access-Control-Request-Headers': 'a, b' };
    const { headers } = await http(method, target, { headers: asked });
    t.equal(headers['access-control-allow-origin'], 'http://page.example');
    t.equal(headers['access-control-allow-credentials'], 'true');
    t.equal(headers['access-control-allow-headers'], 'a, b');
    t.equal(headers.vary, 'Origin');
  }
  t.equal(
    (await http('GET', `${ECHO}/info`, { headers: { Origin: 'null' } })).headers['access-control-allow-origin'],
    'null',
  );
  const plain = await http('GET', `${ECHO}/info`);
  t.equal(plain.headers['access-control-allow-origin'], '*');
  t.equal(plain.headers['access-control-allow-credentials'], undefined);
});

t.test('K-06 session paths have three segments, and the server segment means nothing', async (t) => {
  for (const path of [
    '//a/xhr',
    '/a//xhr',
    '/a/a./xhr',
    '/a.b/a/xhr',
    '/a/a/',
    '/a/a/unknown',
    '/a/a/xhr/x',
    '/./a/xhr',
  ]) {
    t.equal((await http('POST', ECHO + path)).status, 404, path);
  }
  const id = randomUUID();
  t.equal(await poll(`${ECHO}/000/${id}`), 'o');
  await send(`${ECHO}/some-other/${id}`, 'x');
  t.equal(await poll(`${ECHO}/999/${id}`), 'a["x"]');
});

t.test('K-07 a wrong method is answered 405, naming the right ones', async (t) => {
  for (const [method, path, allow] of [
    ['GET', '/0/k07/xhr', 'POST, OPTIONS'],
    ['GET', '/0/k07/xhr_send', 'POST, OPTIONS'],
    ['PUT', '/0/k07/xhr_streaming', 'POST, OPTIONS'],
    ['POST', '/0/k07/eventsource', 'GET'],
    ['POST', '/0/k07/htmlfile?c=x', 'GET'],
    ['POST', '/0/k07/jsonp?c=x', 'GET'],
    ['GET', '/0/k07/jsonp_send', 'POST'],
    ['POST', '/info', 'OPTIONS, GET'],
  ] as const) {
    const { status, headers, text } = await http(method, ECHO + path);
    t.equal(status, 405, `${method} ${path}`);
    t.same(headers.allow?.split(', ').sort(), allow.split(', ').sort());
    t.equal(text, '');
  }
});

t.test('K-08 the first frame of a session is the open frame', async (t) => {
  t.equal(await poll(session()), 'o');
  t.equal((await (await webSocket(t, `${session()}/websocket`)).next()).text, 'o');
  t.match(await stream(t, 'POST', `${session()}/xhr_streaming`).until('o\n'), /^h{2048}\no\n$/);
});

t.test('K-09 messages that wait leave in one array', async (t) => {
  const url = await opened();
  await send(url, 'one', 'two');
  await send(url, 'three');
  t.equal(await poll(url), 'a["one","two","three"]');
});

t.test('K-10 a heart-beat follows silence', async (t) => {
  const server = await serveEcho(t, { sockjs: { heartBeatDelayMs: SHORT_DELAY_MS } });
  const base = `${server.url}/echo`;
  const client = await webSocket(t, `${session(base)}/websocket`);
  t.equal((await client.next()).text, 'o');
  t.equal((await client.next()).text, 'h');
  t.equal((await client.next()).text, 'h');
  const url = await opened(base);
  t.equal(await poll(url), 'h', 'a poll that waits is answered by it');
  await stream(t, 'POST', `${session(base)}/xhr_streaming`).until('o\nh\nh\n');
});

t.test('K-11 a close by the server is a frame that later requests get again', async (t) => {
  const base = `${echo.url}/close`;
  const url = await opened(base);
  t.equal(await poll(url), 'c[3000,"Go away!"]');
  t.equal(await poll(url), 'c[3000,"Go away!"]');
  const client = await webSocket(t, `${session(base)}/websocket`);
  t.equal((await client.next()).text, 'o');
  t.equal((await client.next()).text, 'c[3000,"Go away!"]');
  t.same(await inTime(client.closed, 'the close'), { code: 3000, reason: 'Go away!' });
});

t.test('K-12 a second receiver is turned away and the first unharmed', async (t) => {
  const url = session();
  const first = stream(t, 'POST', `${url}/xhr_streaming`);
  await first.until('o\n');
  const second = stream(t, 'POST', `${url}/xhr_streaming`);
  await second.until('c[2010,"Another connection still open"]\n');
  await second.untilEnd();
  await send(url, 'still here');
  await first.until('a["still here"]\n');
});

t.test('K-13 a receiver that is lost ends its session', async (t) => {
  for (const transport of ['xhr_streaming', 'xhr']) {
    const server = await serveStomp(t);
    const url = await opened(`${server.url}/ws`);
    const receiver = new StreamingRequest('POST', `${url}/${transport}`);
    await receiver.sent;
    t.equal(server.broker.stats().connections.current, 1);
    receiver.abort();
    await until('the session to end', () => server.broker.stats().connections.current === 0);
    t.equal(await poll(url), 'o', `${transport}: the next request opens another`);
  }
});

t.test('K-14 a session without a receiver is gone after a while', async (t) => {
  const endpoints = [{ path: '/ws', sockjs: { disconnectDelayMs: SHORT_DELAY_MS } }];
  const server = await serveStomp(t, { endpoints });
  const url = await opened(`${server.url}/ws`);
  t.equal(server.broker.stats().connections.current, 1);
  await until('the session to expire', () => server.broker.stats().connections.current === 0);
  t.equal(server.broker.stats().closed['client-gone'], 1);
  t.equal((await send(url, 'x')).status, 404);
});

t.test('K-15 xhr is answered with one frame, uncached', async (t) => {
  const { status, headers, text } = await http('POST', `${session()}/xhr`);
  t.equal(status, 200);
  t.equal(text, 'o\n');
  t.equal(headers['content-type'], 'application/javascript; charset=UTF-8');
  t.match(headers['cache-control'], /no-store.*no-cache/);
});

t.test('K-16 xhr_send takes an array of strings and says what is wrong with others', async (t) => {
  const url = await opened();
  const sent = await send(url, 'x');
  t.equal(sent.status, 204);
  t.equal(sent.text, '');
  t.equal(sent.headers['content-type'], 'text/plain; charset=UTF-8');
  t.equal((await send(`${ECHO}/000/nobody`, 'x')).status, 404);
  t.match(await http('POST', `${url}/xhr_send`, { body: '["x' }), { status: 500, text: 'Broken JSON encoding.' });
  t.match(await http('POST', `${url}/xhr_send`), { status: 500, text: 'Payload expected.' });
  t.match(await http('POST', `${url}/xhr_send`, { body: '{}' }), { status: 500, text: 'Payload expected.' });
  t.equal((await send(url)).status, 204, 'an empty array');
  const types = [
    'text/plain',
    'T',
    'application/json',
    'application/xml',
    'text/xml',
    '',
    'application/json; charset=utf-8',
  ];
  for (const type of types) {
    const answer = await http('POST', `${url}/xhr_send`, { body: '["y"]', headers: { 'Content-Type': type } });
    t.equal(answer.status, 204, type);
  }
  t.same(messagesOf(await poll(url)), ['x', ...types.map(() => 'y')]);
});

t.test('K-17 xhr_streaming ends at its limit and nothing is lost', async (t) => {
  const url = session();
  const messages = Array.from({ length: 100 }, (_, n) => `${String(n)} ${'x'.repeat(128)}`);
  const received: string[] = [];
  let responses = 0;
  while (received.length < messages.length) {
    const receiver = stream(t, 'POST', `${url}/xhr_streaming`);
    if (responses++ === 0) {
      await receiver.until('o\n');
      for (const message of messages) await send(url, message);
    }
    const last = receiver.until(`${messages.at(-1) ?? ''}"]\n`).catch(() => undefined);
    await inTime(Promise.race([receiver.ended, last]), 'the response to end, or the last message');
    t.match(receiver.text, /^h{2048}\n/, 'the prelude that makes browsers read');
    const frames = receiver.text.split('\n').filter((each) => each.startsWith('a['));
    received.push(...frames.flatMap(messagesOf));
    receiver.abort();
  }
  t.same(received, messages);
  t.ok(responses >= 4, `${String(responses)} responses of about 4096 octets`);
});

t.test('K-18 eventsource sends events', async (t) => {
  const url = session();
  const receiver = stream(t, 'GET', `${url}/eventsource`);
  t.equal((await receiver.head).headers['content-type'], 'text/event-stream');
  await receiver.until('\r\ndata: o\r\n\r\n');
  await send(url, 'a\r\n\0 %');
  t.equal(receiver.text.slice(0, 2), '\r\n');
  await receiver.until('data: a["a\\r\\n\\u0000 %25"]\r\n\r\n');
  await send(url, 'x'.repeat(4096));
  await receiver.untilEnd();
});

t.test('K-19 htmlfile sends scripts to a callback', async (t) => {
  t.match(await http('GET', `${session()}/htmlfile`), { status: 500, text: '"callback" parameter required' });
  for (const callback of ['%20', '*', 'abc(', 'abc%28']) {
    const { status, text } = await http('GET', `${session()}/htmlfile?c=${callback}`);
    t.equal(status, 500, callback);
    t.equal(text, 'invalid "callback" parameter');
  }
  const url = session();
  const receiver = stream(t, 'GET', `${url}/htmlfile?c=cb.x-1_`);
  t.equal((await receiver.head).headers['content-type'], 'text/html; charset=UTF-8');
  await receiver.until('<script>\np("o");\n</script>\r\n');
  t.ok(receiver.text.indexOf('<script>\np(') > 1024);
  t.match(receiver.text, /var c = parent\.cb\.x-1_;/);
  await send(url, 'x');
  await receiver.until('<script>\np("a[\\"x\\"]");\n</script>\r\n');
  await send(url, 'x'.repeat(4096));
  await receiver.untilEnd();
});

t.test('K-20 jsonp receives by script and sends by form', async (t) => {
  const url = session();
  const first = await http('GET', `${url}/jsonp?c=cb.1`);
  t.match(first, { status: 200, text: '/**/cb.1("o");\r\n' });
  t.equal(first.headers['content-type'], 'application/javascript; charset=UTF-8');
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  const sendForm = (body: string) => http('POST', `${url}/jsonp_send`, { body, headers: form });
  t.match(await sendForm(`d=${encodeURIComponent('["x","\u2603"]')}`), { status: 200, text: 'ok' });
  t.match(await http('POST', `${url}/jsonp_send`, { body: '["raw"]', headers: { 'Content-Type': 'text/plain' } }), {
    status: 200,
    text: 'ok',
  });
  t.equal((await http('GET', `${url}/jsonp?c=cb`)).text, '/**/cb("a[\\"x\\",\\"\u2603\\",\\"raw\\"]");\r\n');
  t.match(await sendForm('d='), { status: 500, text: 'Payload expected.' });
  t.match(await sendForm('d=["x'), { status: 500, text: 'Broken JSON encoding.' });
  t.match(await sendForm(''), { status: 500, text: 'Payload expected.' });
  t.match(await http('GET', `${session()}/jsonp`), { status: 500, text: '"callback" parameter required' });
  t.equal((await http('GET', `${session()}/jsonp?c=${'x'.repeat(33)}`)).status, 500);
  t.equal((await http('POST', `${session()}/jsonp_send`, { body: 'd=["x"]', headers: form })).status, 404);
  t.equal(
    (await http('GET', `${session(`${stomp.url}/ws`)}/jsonp?c=cb`)).status,
    404,
    'not where origins are restricted',
  );
});

t.test('K-21 the websocket transport carries arrays of strings', async (t) => {
  const url = session();
  const client = await webSocket(t, `${url}/websocket`);
  const twin = await webSocket(t, `${url}/websocket`);
  t.equal((await client.next()).text, 'o');
  t.equal((await twin.next()).text, 'o', 'the same id is another session');
  client.send('["a","b"]');
  t.equal((await client.next()).text, 'a["a"]');
  t.equal((await client.next()).text, 'a["b"]');
  client.send('');
  client.send('[]');
  client.send('"single"');
  t.equal((await client.next()).text, 'a["single"]');
  client.send('["a');
  t.same(await inTime(client.closed, 'the close'), { code: 3000, reason: 'Broken framing.' });
  twin.send('["on"]');
  t.equal((await twin.next()).text, 'a["on"]');
  t.equal((await (await webSocket(t, `${url}/websocket`)).next()).text, 'o', 'the id may be used again at once');
});

t.test('K-22 websocket paths say what is wrong with other requests', async (t) => {
  const answer = await http('GET', `${ECHO}/0/0/websocket`);
  t.equal(answer.status, 400);
  t.match(answer.text, 'Can "Upgrade" only to "WebSocket".');
  const halfway = await http('GET', `${ECHO}/0/0/websocket`, {
    headers: { Upgrade: 'WebSocket', Connection: 'close' },
  });
  t.equal(halfway.status, 400);
  t.match(halfway.text, '"Connection" must be "Upgrade".');
  const posted = await http('POST', `${ECHO}/0/0/websocket`);
  t.match(posted, { status: 405, text: '', headers: { allow: 'GET' } });
  const upgrading = new RawWebSocket(echo.port);
  t.match(await upgrading.handshake('/echo/0/0/websocket', {}, 'POST'), /^HTTP\/1\.1 405 [^]*^Allow: GET/m);

  const disabled = `${echo.url}/disabled_websocket_echo`;
  t.match(JSON.parse((await http('GET', `${disabled}/info`)).text), { websocket: false });
  for (const path of ['/0/0/websocket', '/websocket']) {
    t.equal((await http('GET', disabled + path)).status, 404);
    t.equal((await WebSocketClient.refusal(disabled + path)).status, 404);
  }
  const draft = new RawWebSocket(echo.port);
  t.teardown(() => {
    draft.close();
  });
  t.match(
    await draft.handshake('/echo/0/0/websocket', { 'Sec-WebSocket-Version': '7' }),
    /^HTTP\/1\.1 101 /,
    'drafts are taken',
  );
});

t.test('K-23 the raw endpoint has no SockJS frames', async (t) => {
  const client = await webSocket(t, `${ECHO}/websocket`);
  client.send('Hello world!\uffff');
  t.equal((await client.next()).text, 'Hello world!\uffff');
  client.send('');
  t.equal((await client.next()).text, '');
  const closed = await webSocket(t, `${echo.url}/close/websocket`);
  t.same(await inTime(closed.closed, 'the close'), { code: 3000, reason: 'Go away!' });
});

t.test('K-24 the raw endpoint negotiates subprotocols and keeps binary', async (t) => {
  const client = await webSocket(t, `${ECHO}/websocket`, { protocols: ['v10.stomp', 'v12.stomp'] });
  t.equal(client.ws.protocol, 'v12.stomp');
  client.send(Buffer.from([0x00, 0xff, 0x01]));
  const { data, isBinary } = await client.next();
  t.same([...data], [0x00, 0xff, 0x01]);
  t.ok(isBinary);
});

t.test('K-25 with the session cookie enabled session URLs set or echo JSESSIONID', async (t) => {
  const base = `${echo.url}/cookie_needed_echo`;
  t.match(JSON.parse((await http('GET', `${base}/info`)).text), { cookie_needed: true });
  for (const path of ['', '/info', '/iframe.html'])
    t.equal((await http('GET', base + path)).headers['set-cookie'], undefined, path);
  const url = session(base);
  t.same((await http('POST', `${url}/xhr`)).headers['set-cookie'], ['JSESSIONID=dummy; path=/']);
  const Cookie = 'other=1; JSESSIONID=abcdef';
  const echoed = await http('POST', `${url}/xhr_send`, { body: '["x"]', headers: { Cookie } });
  t.same(echoed.headers['set-cookie'], ['JSESSIONID=abcdef; path=/']);
  t.equal((await http('POST', `${session()}/xhr`)).headers['set-cookie'], undefined, 'off by default');
});

const ALL_UNITS = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit)).join('');
const UNSAFE = /[\0-\x1f\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff\ud800-\udfff]/;

t.test('K-26 characters that browsers mangle leave escaped', async (t) => {
  const url = await opened();
  await send(url, ALL_UNITS);
  const polled = await poll(url);
  t.notMatch(polled, UNSAFE);
  t.match(polled, '\\u0000\\u0001');
  t.match(polled, '\\ud83d\\ud83e');
  const client = await webSocket(t, `${session()}/websocket`);
  await client.next();
  client.send(JSON.stringify([ALL_UNITS]));
  const { text } = await client.next();
  t.notMatch(text, UNSAFE);
  t.equal(text, polled, 'alike on every transport');
});

t.test('K-27 all escaped code units decode', async (t) => {
  const escaped = `["${unitEscapes()}"]`;
  const url = await opened();
  await http('POST', `${url}/xhr_send`, { body: escaped });
  t.ok(messagesOf(await poll(url))[0] === ALL_UNITS);
  const client = await webSocket(t, `${session()}/websocket`);
  await client.next();
  client.send(escaped);
  t.ok(messagesOf((await client.next()).text)[0] === ALL_UNITS);
});

t.test('K-28 STOMP over SockJS is a stream: strings are joined in order', async (t) => {
  const url = await connectedByPolling(`${stomp.url}/ws`);
  await send(url, frame('SUBSCRIBE', { id: '1', destination: '/topic/k-28' }));
  const whole = frame('SEND', { destination: '/topic/k-28' }, 'a😀b');
  const cut = whole.indexOf('😀') + 1;
  await send(url, whole.slice(0, 7), whole.slice(7, cut));
  await send(url, ...Array.from({ length: whole.length - cut }, (_, n) => whole.charAt(cut + n)));
  t.equal(parseFrame(messagesOf(await poll(url))[0] ?? '').body, 'a😀b');
});

t.test('K-29 a body that is not UTF-8 arrives with a content-length that fits', async (t) => {
  const subscribers = [await connectedByPolling(`${stomp.url}/ws`)];
  const client = await webSocket(t, `${session(`${stomp.url}/ws`)}/websocket`);
  await client.next();
  client.send(JSON.stringify([CONNECT + frame('SUBSCRIBE', { id: '1', destination: '/topic/k-29', receipt: 'r' })]));
  t.equal(parseFrame(messagesOf((await client.next()).text)[0] ?? '').command, 'CONNECTED');
  t.equal(parseFrame(messagesOf((await client.next()).text)[0] ?? '').command, 'RECEIPT');
  for (const url of subscribers) await send(url, frame('SUBSCRIBE', { id: '1', destination: '/topic/k-29' }));
  const publisher = await webSocket(t, `${stomp.url}/native`);
  publisher.send(CONNECT);
  const head = 'SEND\ndestination:/topic/k-29\ncontent-length:3\n\n';
  publisher.send(Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0x41, 0xfe, 0x00])]));
  const received = [(await client.next()).text, ...(await Promise.all(subscribers.map(poll)))];
  for (const text of received) {
    const message = parseFrame(messagesOf(text)[0] ?? '');
    t.equal(message.command, 'MESSAGE');
    t.equal(message.headers['content-length'], String(Buffer.byteLength(message.body)));
  }
});

t.test('K-30 array items that are not strings close the session', async (t) => {
  for (const item of [1, null, {}, ['x'], true]) {
    const url = await opened();
    t.equal((await send(url, 'first', item)).status, 500, JSON.stringify(item));
    t.equal(await poll(url), 'c[3000,"Broken framing."]');
    const client = await webSocket(t, `${session()}/websocket`);
    await client.next();
    client.send(JSON.stringify([item]));
    t.equal((await inTime(client.closed, 'the close')).code, 3000);
  }
  t.equal(await poll(session()), 'o', 'the server lives on');
});

t.test('K-31 a body over the limit is answered 413, announced or not', async (t) => {
  const server = await serveEcho(t, { sockjs: { maxPostBytes: 10_000 } });
  const url = await opened(`${server.url}/echo`);
  const body = JSON.stringify(['x'.repeat(10_000)]);
  t.equal((await http('POST', `${url}/xhr_send`, { body })).status, 413);
  const chunked = await http('POST', `${url}/xhr_send`, { body, headers: { 'Transfer-Encoding': 'chunked' } });
  t.equal(chunked.status, 413);
  const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
  t.equal((await http('POST', `${url}/jsonp_send`, { body: `d=${body}`, headers: form })).status, 413);
  t.equal((await send(url, 'x'.repeat(9000))).status, 204);
  t.equal(messagesOf(await poll(url))[0]?.length, 9000);
});

t.test('K-32 an endpoint knows no session of another', async (t) => {
  const id = randomUUID();
  t.equal(await poll(`${ECHO}/0/${id}`), 'o');
  t.equal((await send(`${echo.url}/amplify/0/${id}`, '3')).status, 404);
  t.equal(await poll(`${echo.url}/amplify/0/${id}`), 'o', 'it may have one of the same name');
  await send(`${echo.url}/amplify/0/${id}`, '3');
  t.equal(await poll(`${echo.url}/amplify/0/${id}`), 'a["xxxxxxxx"]');
  await send(`${ECHO}/0/${id}`, 'mine');
  t.equal(await poll(`${ECHO}/0/${id}`), 'a["mine"]');
});

t.test('K-33 foreign origins are refused on every transport, and the handshake is kept', async (t) => {
  const url = session(`${stomp.url}/ws`);
  const headers = { Origin: 'https://evil.example' };
  for (const [method, path] of [
    ['POST', 'xhr'],
    ['POST', 'xhr_streaming'],
    ['POST', 'xhr_send'],
    ['GET', 'eventsource'],
    ['GET', 'htmlfile?c=x'],
    ['OPTIONS', 'xhr'],
  ] as const) {
    const answer = await http(method, `${url}/${path}`, { headers });
    t.equal(answer.status, 403, path);
    t.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  t.equal((await http('GET', `${stomp.url}/ws/info`, { headers })).status, 403);
  t.equal((await WebSocketClient.refusal(`${url}/websocket`, { headers })).status, 403);
  t.equal((await WebSocketClient.refusal(`${stomp.url}/ws/websocket`, { headers })).status, 403);

  const own = { Origin: stomp.url, Cookie: 'session=k33', Authorization: 'Bearer t' };
  t.equal((await http('POST', `${url}/xhr?token=x`, { headers: own })).text, 'o\n');
  await send(url, CONNECT);
  await poll(url);
  const request = stomp.requests.at(-1);
  t.match(request?.handshake?.headers, { cookie: 'session=k33', authorization: 'Bearer t', origin: stomp.url });
  t.match(request?.handshake?.url, /\/xhr\?token=x$/);
  t.equal(request?.transport, 'sockjs-xhr-polling');
});

t.test('K-34 what a slow or absent receiver is owed stays bounded', async (t) => {
  const limitBytes = 1024 * 1024;
  const server = await serveStomp(t, {
    broker: { outbox: { highWaterBytes: 64 * 1024, softLimitBytes: limitBytes / 2, hardLimitBytes: limitBytes } },
    endpoints: [{ path: '/ws', sockjs: { responseLimitBytes: 2 ** 30, disconnectDelayMs: 60_000 } }],
  });
  const isCut = (count: number): boolean => server.broker.stats().closed['slow-consumer'] === count;
  const publisher = await webSocket(t, `${server.url}/ws`);
  publisher.send(CONNECT);
  await publisher.next();
  const flood = async (destination: string, count: number): Promise<void> => {
    const message = frame('SEND', { destination, receipt: 'r' }, 'x'.repeat(32 * 1024));
    for (let sent = 0; sent < 2000 && !isCut(count); sent++) {
      publisher.send(message);
      await publisher.next();
    }
    await until('the session to be cut', () => isCut(count));
  };

  const absent = await connectedByPolling(`${server.url}/ws`);
  await send(absent, frame('SUBSCRIBE', { id: '1', destination: '/topic/absent' }));
  await flood('/topic/absent', 1);
  t.match(await poll(absent), /^c\[1008,/);

  const frozen = await connectedByPolling(`${server.url}/ws`);
  await send(frozen, frame('SUBSCRIBE', { id: '1', destination: '/topic/frozen' }));
  const receiver = stream(t, 'POST', `${frozen}/xhr_streaming`);
  await receiver.until('h\n');
  await receiver.freeze();
  await flood('/topic/frozen', 2);
});

t.test('K-35 at most one STOMP heart-beat waits for a poll', async (t) => {
  const server = await serveStomp(t, { broker: { heartBeat: { sendMs: 100, receiveMs: 0 } } });
  const connect = frame('CONNECT', { 'accept-version': '1.2', host: 'x', 'heart-beat': '0,100' });
  const url = await opened(`${server.url}/ws`);
  await send(url, connect);
  await poll(url);
  const clock = await webSocket(t, `${server.url}/ws`);
  clock.send(connect);
  await clock.next();
  for (let beats = 0; beats < 6; beats++) t.equal((await clock.next()).text, '\n');
  t.equal(await poll(url), 'a["\\n"]');
});

t.test('K-36 the last STOMP frame comes before the close frame', async (t) => {
  const wrong = await connectedByPolling(`${stomp.url}/ws`);
  await send(wrong, frame('SEND', { receipt: 'r' }, 'no destination'));
  t.match(parseFrame(messagesOf(await poll(wrong))[0] ?? ''), { command: 'ERROR', headers: { 'receipt-id': 'r' } });
  t.match(await poll(wrong), /^c\[1002,"/);
  t.match(await poll(wrong), /^c\[1002,"/, 'and again');

  const done = await connectedByPolling(`${stomp.url}/ws`);
  await send(done, frame('DISCONNECT', { receipt: 'bye' }));
  t.match(parseFrame(messagesOf(await poll(done))[0] ?? ''), { command: 'RECEIPT', headers: { 'receipt-id': 'bye' } });
  t.equal(await poll(done), 'c[1000,"Disconnected"]');

  const streaming = await connectedByPolling(`${stomp.url}/ws`);
  const receiver = stream(t, 'POST', `${streaming}/xhr_streaming`);
  await receiver.until('h\n');
  await send(streaming, frame('DISCONNECT', { receipt: 'bye' }));
  await receiver.until('c[1000,"Disconnected"]\n');
  t.match(receiver.text, /a\["RECEIPT[^]*c\[1000/);

  const client = await webSocket(t, `${session(`${stomp.url}/ws`)}/websocket`);
  await client.next();
  client.send(JSON.stringify([CONNECT + frame('DISCONNECT', { receipt: 'bye' })]));
  t.match((await client.next()).text, /^a\["CONNECTED/);
  t.match((await client.next()).text, /^a\["RECEIPT/);
  t.equal((await client.next()).text, 'c[1000,"Disconnected"]');
  t.equal((await inTime(client.closed, 'the close')).code, 1000);
});

t.test('K-37 refusals tell nothing of the server, and a body needs no Content-Length', async (t) => {
  const url = await opened();
  const answers = [
    await http('GET', `${ECHO}/nowhere`),
    await http('POST', `${url}/xhr_send`, { body: '["x' }),
    await http('POST', `${url}/nowhere`),
    await send(`${ECHO}/0/nobody`, 'x'),
    await http('GET', `${url}/htmlfile?c=%`),
  ];
  for (const { status, text } of answers) {
    t.ok([404, 500].includes(status), String(status));
    t.notMatch(text, /node_modules|\n\s+at |\.js\b|\w+Error\b/);
  }
  t.same(answers.map(({ status }) => status).slice(0, 4), [404, 500, 404, 404]);
  const chunked = { 'Transfer-Encoding': 'chunked' };
  t.equal((await http('POST', `${url}/xhr_send`, { body: '["x"]', headers: chunked })).status, 204);
  const bare = connect({ port: echo.port, host: '127.0.0.1' });
  t.teardown(() => bare.destroy());
  bare.write(`POST ${new URL(url).pathname}/xhr HTTP/1.1\r\nHost: x\r\n\r\n`);
  let text = '';
  await inTime(
    new Promise<void>((resolve) => {
      bare.on('data', (part) => {
        text += part.toString();
        if (text.includes('a["x"]')) resolve();
      });
    }),
    'the answer to a POST without Content-Length',
  );
  t.match(text, /^HTTP\/1\.1 200 /);
});

t.test('a session that sends faster than the broker reads is held, then ended', async (t) => {
  const { InboundBuffer } = await import('../../adapters/transports/sockjs-inbound.js');
  const inbound = new InboundBuffer(10, 'utf-8');
  const got: string[] = [];
  const taken: string[] = [];
  inbound.start({
    onBytes(chunk) {
      got.push(chunk.toString());
      if (got.length === 1) inbound.pause();
    },
    onDrain() {},
    onClose() {},
  });
  t.ok(inbound.receive(['a', 'b'], () => taken.push('first')));
  t.ok(inbound.receive(['0123456789'], () => taken.push('second')));
  t.same([got, taken], [['a'], []], 'nothing is answered while it waits');
  t.notOk(
    inbound.receive(['c'], () => taken.push('third')),
    'too much is held',
  );
  inbound.resume();
  t.same(
    [got, taken],
    [
      ['a', 'b', '0123456789'],
      ['first', 'second'],
    ],
  );
});

function unitEscapes(): string {
  return Array.from({ length: 0x1_0000 }, (_, unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
