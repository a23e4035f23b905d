/** S1, and what of S9 and S10 only a real connection shows: endpoints, handshake, SockJS, close codes. */
import t, { type Test } from 'tap';
import type { Handshake } from '../../adapters/index.js';
import { RawClient } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { http, messagesOf, StreamingRequest } from '../helpers/sockjs-http.js';
import { CONNECT, frame, parseFrame } from '../helpers/stomp-text.js';
import { overSockJs, overWebSocket, StompjsClient } from '../helpers/stompjs-client.js';
import { WebSocketClient, type ClientSettings } from '../helpers/websocket-client.js';

/** Both kinds of endpoint, and two with origins of their own. */
const ENDPOINTS = [
  { path: '/ws', sockjs: true },
  { path: '/plain', sockjs: false, allowedOrigins: [] },
  { path: '/listed', sockjs: false, allowedOrigins: ['https://shop.example/'] },
  { path: '/matched', sockjs: true, allowedOriginPatterns: ['https://*.shop.example:[8443,9443]'] },
] as const;

let server: TestServer;
let url: string;
t.before(async () => {
  server = await startTestServer({ http: { endpoints: ENDPOINTS } });
  url = `http://127.0.0.1:${server.httpPort}`;
});
t.teardown(() => server.stop());

async function open(t: Test, path: string, settings: ClientSettings = {}): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(`${url}${path}`, settings);
  t.teardown(() => {
    client.close();
  });
  return client;
}

t.test('S1.1 endpoints share one broker: what is sent on one is received on the others', async (t) => {
  const native = await StompjsClient.connect(t, overWebSocket(server.httpPort, '/plain'));
  const sockjs = await StompjsClient.connect(t, overSockJs(server.httpPort, 'xhr-streaming'));
  const tcp = await RawClient.openFor(t, server.tcpPort);
  await tcp.connect();
  const inboxes = [await native.subscribe('/topic/shared'), await sockjs.subscribe('/topic/shared')];
  await tcp.send(frame('SEND', { destination: '/topic/shared' }, 'from TCP'));
  for (const inbox of inboxes) t.equal((await inbox.next()).body, 'from TCP');
});

t.test(
  'S1.2 an endpoint without SockJS is exactly its path; raw WebSocket under SockJS is at /websocket',
  async (t) => {
    t.equal((await WebSocketClient.refusal(`${url}/plain/websocket`)).status, 404);
    t.equal((await WebSocketClient.refusal(`${url}/plains`)).status, 404);
    t.equal((await http('GET', `${url}/plain/info`)).status, 404);
    const client = await open(t, '/ws/websocket');
    client.send(CONNECT);
    t.equal(parseFrame((await client.next()).text).command, 'CONNECTED');
  },
);

t.test('S1.3 one path serves native WebSocket and SockJS', async (t) => {
  const native = await StompjsClient.connect(t, overWebSocket(server.httpPort));
  const sockjs = await StompjsClient.connect(t, overSockJs(server.httpPort, 'xhr-polling'));
  const inbox = await sockjs.subscribe('/topic/both');
  native.client.publish({ destination: '/topic/both', body: 'm' });
  t.equal((await inbox.next()).body, 'm');
});

t.test("S1.4 a STOMP subprotocol of the client's list is echoed as it was spelt; none is no failure", async (t) => {
  const chosen = async (...protocols: string[]): Promise<string> => (await open(t, '/ws', { protocols })).ws.protocol;
  t.equal(await chosen('v12.stomp', 'v11.stomp'), 'v12.stomp');
  t.equal(await chosen('other', 'V11.STOMP'), 'V11.STOMP');
  t.equal(await chosen(), '');
});

t.test('S1.5 the subprotocol does not bind the version: accept-version alone decides', async (t) => {
  const client = await open(t, '/ws', { protocols: ['v10.stomp'] });
  client.send(frame('CONNECT', { 'accept-version': '1.2,1.1', host: 'h' }));
  t.equal(parseFrame((await client.next()).text).headers['version'], '1.2');
});

t.test('S1.7 no Origin and the own origin are accepted; others must be listed or match, else 403', async (t) => {
  const answer = async (path: string, origin: string | undefined): Promise<number> => {
    const headers = origin === undefined ? {} : { origin };
    const client = await WebSocketClient.open(`${url}${path}`, { headers }).catch(() => null);
    client?.close();
    return client === null ? (await WebSocketClient.refusal(`${url}${path}`, { headers })).status : 101;
  };
  t.equal(await answer('/plain', undefined), 101);
  t.equal(await answer('/plain', url), 101);
  t.equal(await answer('/plain', 'https://evil.example'), 403);
  t.equal(
    await answer('/listed', 'https://SHOP.example'),
    101,
    'S1.8: letter case and a slash at the end do not count',
  );
  t.equal(await answer('/listed', 'https://shop.example.evil'), 403);
  t.equal(await answer('/listed', 'null'), 403);
  t.equal(await answer('/matched', 'https://a.shop.example:8443'), 101);
  t.equal(await answer('/matched', 'https://a.shop.example:8444'), 403);
  t.equal((await http('GET', `${url}/matched/info`, { headers: { origin: 'https://evil.example' } })).status, 403);
});

t.test('S1.13 the user may come from the HTTP request that opened the connection', async (t) => {
  let seen: Handshake | null = null;
  const own = await startTestServer(
    { tcp: false },
    {
      authenticator: {
        authenticate: ({ handshake }) => {
          seen = handshake;
          const name =
            new URLSearchParams(handshake?.url.split('?')[1]).get('who') ?? String(handshake?.headers['x-user']);
          return { name, roles: [] };
        },
      },
    },
  );
  t.teardown(() => own.stop());
  const connect = async (path: string, settings: ClientSettings = {}): Promise<string | undefined> => {
    const client = await WebSocketClient.open(`http://127.0.0.1:${own.httpPort}${path}`, settings);
    t.teardown(() => {
      client.close();
    });
    client.send(CONNECT);
    return parseFrame((await client.next()).text).headers['user-name'];
  };
  t.equal(await connect('/ws?who=alice'), 'alice');
  t.equal(await connect('/ws', { headers: { 'X-User': 'bob' } }), 'bob');
  t.match(seen, { url: '/ws' });
});

t.test('S1.14 every session has an id of its own, which CONNECTED tells', async (t) => {
  const ids = new Set<string | undefined>();
  for (let k = 0; k < 3; k++) {
    const client = await open(t, '/ws');
    client.send(CONNECT);
    const id = parseFrame((await client.next()).text).headers['session'] ?? '';
    t.match(id, /^[\w-]{20,}$/, 'without ":" or "\\", which some clients compare unescaped');
    ids.add(id);
  }
  t.equal(ids.size, 3);
});

t.test('S1.20 SockJS greets', async (t) => {
  for (const path of ['/ws', '/ws/']) {
    const { status, headers, text } = await http('GET', `${url}${path}`);
    t.strictSame([status, text], [200, 'Welcome to SockJS!\n']);
    t.match(headers['content-type'], /^text\/plain; ?charset=UTF-8$/i);
  }
});

t.test('S1.21 /info tells what the endpoint can do, and is not cached', async (t) => {
  const { status, headers, text } = await http('GET', `${url}/ws/info`);
  const info = JSON.parse(text) as Record<string, unknown>;
  t.equal(status, 200);
  t.match(headers['content-type'], /^application\/json/);
  t.match(headers['cache-control'], /no-store/);
  t.match(info, { origins: ['*:*'], websocket: true, cookie_needed: Boolean, entropy: Number });
  t.not((JSON.parse((await http('GET', `${url}/ws/info`)).text) as typeof info)['entropy'], info['entropy']);
  const preflight = await http('OPTIONS', `${url}/ws/info`, { headers: { origin: url } });
  t.equal(preflight.status, 204);
  t.match(preflight.headers['cache-control'], /max-age=31536000/);
  t.equal((await http('PUT', `${url}/ws/info`)).status, 405);
});

t.test('S1.22 transports are at <path>/<server>/<session>/<transport>', async (t) => {
  t.equal((await http('POST', `${url}/ws/000/id-a/xhr`)).text, 'o\n');
  for (const path of [
    '/ws/a.b/id/xhr',
    '/ws/000/i.d/xhr',
    '/ws/000//xhr',
    '/ws/000/xhr',
    '/ws/0/1/2/xhr',
    '/ws/0/1/unknown',
  ]) {
    t.equal((await http('POST', `${url}${path}`)).status, 404, path);
  }
});

t.test('S1.23 frames are o, a[…] and c[…]; each transport wraps them in its own way', async (t) => {
  const streaming = new StreamingRequest('POST', `${url}/ws/000/id-b/xhr_streaming`);
  await streaming.until('o\n');
  t.equal(streaming.text, `${'h'.repeat(2048)}\no\n`);
  await http('POST', `${url}/ws/000/id-b/xhr_send`, { body: JSON.stringify(['NONSENSE\n\n\0']) });
  await streaming.until(']\n');
  const [, , message, close] = streaming.text.split('\n');
  t.match(messagesOf(message ?? '')[0], /^ERROR\n/);
  t.match(close, /^c\[1002,"/);
  const source = new StreamingRequest('GET', `${url}/ws/000/id-c/eventsource`);
  t.equal(await source.until('o\r\n\r\n'), '\r\ndata: o\r\n\r\n');
  source.abort();
  t.equal((await http('GET', `${url}/ws/000/id-d/htmlfile`)).status, 500);
  t.equal((await http('GET', `${url}/ws/000/id-d/htmlfile?c=%3Cscript%3E`)).status, 500);
});

t.test('S1.24 polling gets everything that waits in one frame, an element for each', async (t) => {
  const base = `${url}/ws/000/id-e`;
  await http('POST', `${base}/xhr`);
  const frames = [CONNECT, frame('SUBSCRIBE', { id: 's', destination: '/topic/poll' })];
  for (const n of ['1', '2', '3']) frames.push(frame('SEND', { destination: '/topic/poll' }, n));
  await http('POST', `${base}/xhr_send`, { body: JSON.stringify(frames) });
  const messages = messagesOf((await http('POST', `${base}/xhr`)).text);
  t.strictSame(
    messages.map((text) => parseFrame(text)).map(({ command, body }) => `${command} ${body}`),
    ['CONNECTED ', 'MESSAGE 1', 'MESSAGE 2', 'MESSAGE 3'],
  );
});

t.test('S1.26 xhr_send answers 204, 404 for an unknown session, 500 for bad JSON', async (t) => {
  const base = `${url}/ws/000/id-f`;
  await http('POST', `${base}/xhr`);
  const sent = await http('POST', `${base}/xhr_send`, { body: '["\\n"]' });
  t.equal(sent.status, 204);
  t.match(sent.headers['content-type'], /^text\/plain; ?charset=UTF-8$/i);
  t.equal((await http('POST', `${url}/ws/000/unknown/xhr_send`, { body: '["x"]' })).status, 404);
  for (const body of ['', '["x', '{}']) t.equal((await http('POST', `${base}/xhr_send`, { body })).status, 500, body);
});

t.test('S2.22 plain TCP serves the same broker', async (t) => {
  const tcp = await RawClient.openFor(t, server.tcpPort);
  t.equal((await tcp.connect()).command, 'CONNECTED');
});

t.test('S9.6 every ERROR is followed by the end of the connection', async (t) => {
  const client = await open(t, '/ws');
  client.send(CONNECT);
  await client.next();
  client.send('NONSENSE\n\n\0');
  t.equal(parseFrame((await client.next()).text).command, 'ERROR');
  t.equal((await client.closed).code, 1002);
});

t.test('S9.8 close codes tell why: 1002 after ERROR, 1001 at shutdown, 1000 after DISCONNECT', async (t) => {
  const own = await startTestServer({ tcp: false });
  const codes: number[] = [];
  const connect = async (): Promise<WebSocketClient> => {
    const client = await WebSocketClient.open(`http://127.0.0.1:${own.httpPort}/ws`);
    client.send(CONNECT);
    await client.next();
    return client;
  };
  const [refused, leaving, staying] = [await connect(), await connect(), await connect()];
  refused.send(frame('UNSUBSCRIBE', { id: 'unknown' }));
  codes.push((await refused.closed).code);
  leaving.send(frame('DISCONNECT'));
  codes.push((await leaving.closed).code);
  const stopped = own.stop();
  codes.push((await staying.closed).code);
  await stopped;
  t.strictSame(codes, [1002, 1000, 1001]);
});

t.test('S10.10 a large MESSAGE is one WebSocket message', async (t) => {
  const client = await open(t, '/ws');
  client.send(CONNECT);
  await client.next();
  client.send(frame('SUBSCRIBE', { id: 's', destination: '/topic/large' }));
  const body = 'x'.repeat(1024 * 1024);
  client.send(frame('SEND', { destination: '/topic/large' }, body));
  t.equal(parseFrame((await client.next()).text).body, body);
});
