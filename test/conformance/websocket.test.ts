/** Group W: STOMP over WebSocket (RFC 6455), on real sockets. */
import { deflateRawSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { CLOSE_CODES, closeReason } from '../../broker/close-reason.js';
import { inTime } from '../helpers/inbox.js';
import { RawWebSocket } from '../helpers/raw-websocket.js';
import {
  BREAKS_THE_SERVER,
  startStompHttpServer,
  type StompHttpServer,
  type StompHttpServerOptions,
} from '../helpers/stomp-http-server.js';
import { CONNECT, frame, parseFrame, type TextFrame } from '../helpers/stomp-text.js';
import { startEchoServer } from '../helpers/transport-echo-server.js';
import { until } from '../helpers/until.js';
import { WebSocketClient, type ClientSettings } from '../helpers/websocket-client.js';

const echo = await startEchoServer();
const stomp = await startStompHttpServer();
t.teardown(() => Promise.all([echo.close(), stomp.close()]));

const ECHO = `${echo.url}/ws-echo`;
const VERSIONS = ['v10.stomp', 'v11.stomp', 'v12.stomp'];

async function serve(t: Test, options: StompHttpServerOptions): Promise<StompHttpServer> {
  const server = await startStompHttpServer(options);
  t.teardown(() => server.close());
  return server;
}

async function open(t: Test, url = `${stomp.url}/native`, settings: ClientSettings = {}): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(url, settings);
  t.teardown(() => {
    client.close();
  });
  return client;
}

async function connected(t: Test, url?: string, settings?: ClientSettings): Promise<WebSocketClient> {
  const client = await open(t, url, settings);
  client.send(CONNECT);
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  return client;
}

async function nextFrame(client: WebSocketClient): Promise<TextFrame> {
  return parseFrame((await client.next('a STOMP frame')).text);
}

async function raw(t: Test, path = '/ws-echo', port = echo.port): Promise<RawWebSocket> {
  const client = await RawWebSocket.open(port, path);
  t.teardown(() => {
    client.close();
  });
  return client;
}

/** Subscribes with a receipt, so that what is sent next is sure to be delivered. */
async function subscribe(client: WebSocketClient, destination: string, id = 's1'): Promise<void> {
  client.send(frame('SUBSCRIBE', { id, destination, receipt: `sub-${id}` }));
  const { command } = await nextFrame(client);
  if (command !== 'RECEIPT') throw new Error(`SUBSCRIBE was answered ${command}`);
}

t.test('W-01 the highest offered STOMP subprotocol is answered, as the client spelt it', async (t) => {
  t.equal((await open(t, undefined, { protocols: VERSIONS })).ws.protocol, 'v12.stomp');
  t.equal((await open(t, undefined, { protocols: ['v11.stomp', 'v10.stomp'] })).ws.protocol, 'v11.stomp');
  t.equal((await open(t, undefined, { protocols: ['other', 'V11.Stomp'] })).ws.protocol, 'V11.Stomp');
  t.equal((await open(t)).ws.protocol, '', 'none offered, none answered');
});

t.test('W-02 foreign subprotocols are never answered, and the handshake succeeds', async (t) => {
  const client = new RawWebSocket(stomp.port);
  t.teardown(() => {
    client.close();
  });
  const head = await client.handshake('/native', { 'Sec-WebSocket-Protocol': 'mqtt, stomp' });
  t.match(head, /^HTTP\/1\.1 101 /);
  t.notMatch(head, /sec-websocket-protocol/i);
});

t.test('W-03 the STOMP version comes from accept-version, whatever the subprotocol', async (t) => {
  const client = await open(t, undefined, { protocols: ['v11.stomp'] });
  client.send(CONNECT);
  t.equal((await nextFrame(client)).headers['version'], '1.2');
});

t.test('W-04 text and binary messages are both accepted, mixed', async (t) => {
  const client = await open(t);
  client.send(Buffer.from(CONNECT));
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  await subscribe(client, '/topic/w-04');
  client.send(Buffer.from(frame('SEND', { destination: '/topic/w-04' }, 'binary')));
  client.send(frame('SEND', { destination: '/topic/w-04' }, 'text'));
  t.equal((await nextFrame(client)).body, 'binary');
  t.equal((await nextFrame(client)).body, 'text');
});

t.test('W-05 one message may hold several frames and part of one', async (t) => {
  const client = await open(t);
  const send = frame('SEND', { destination: '/topic/w-05' }, 'second');
  const subscription = frame('SUBSCRIBE', { id: '1', destination: '/topic/w-05', receipt: 'r' });
  client.send(CONNECT + subscription + frame('SEND', { destination: '/topic/w-05' }, 'first') + send.slice(0, 9));
  client.send(send.slice(9));
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  t.equal((await nextFrame(client)).command, 'RECEIPT');
  t.equal((await nextFrame(client)).body, 'first');
  t.equal((await nextFrame(client)).body, 'second');
});

t.test('W-06 a frame split over many messages is put together', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/w-06');
  const body = 'é☃'.repeat(50_000);
  const whole = Buffer.from(frame('SEND', { destination: '/topic/w-06' }, body));
  for (let at = 0; at < whole.length; at += 8192) client.send(whole.subarray(at, at + 8192));
  t.equal((await nextFrame(client)).body, body);
});

t.test('W-07 a text message may end inside a body with content-length, and empty messages are nothing', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/w-07');
  client.send(`SEND\ndestination:/topic/w-07\ncontent-length:8\n\nhalf`);
  client.send('');
  client.send('half\0');
  client.send('');
  t.equal((await nextFrame(client)).body, 'halfhalf');
  client.send(frame('SEND', { destination: '/topic/w-07' }, 'on'));
  t.equal((await nextFrame(client)).body, 'on');
});

t.test('W-08 an outgoing message is exactly one STOMP frame, or one line end', async (t) => {
  const server = await serve(t, { broker: { heartBeat: { sendMs: 200, receiveMs: 0 } } });
  const client = await open(t, `${server.url}/native`);
  client.send(frame('CONNECT', { 'accept-version': '1.2', host: 'x', 'heart-beat': '0,200' }));
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  await subscribe(client, '/topic/w-08');
  client.send(Array.from({ length: 50 }, (_, n) => frame('SEND', { destination: '/topic/w-08' }, String(n))).join(''));
  for (let n = 0; n < 50; n++) t.equal((await nextFrame(client)).body, String(n));
  t.equal((await client.next('a heart-beat')).text, '\n');
});

t.test('W-09 a frame that is not UTF-8 leaves as binary, others as text', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/w-09');
  const head = 'SEND\ndestination:/topic/w-09\ncontent-length:3\n\n';
  client.send(Buffer.concat([Buffer.from(head), Buffer.from([0x00, 0xff, 0x01, 0x00])]));
  client.send(Buffer.from(`${head}\u2603\0`));
  const binary = await client.next();
  t.ok(binary.isBinary);
  t.same([...binary.data.subarray(-4)], [0x00, 0xff, 0x01, 0x00]);
  const text = await client.next();
  t.notOk(text.isBinary);
  t.equal(parseFrame(text.text).body, '\u2603');
});

t.test('W-10 fragmented messages are joined, with control frames between the fragments', async (t) => {
  const client = await raw(t);
  client.send(
    { opcode: 1, payload: 'one ', fin: false },
    { opcode: 9, payload: 'p' },
    { opcode: 0, payload: 'tw', fin: false },
  );
  client.send({ opcode: 0, payload: '', fin: false }, { opcode: 0, payload: 'o' });
  t.match(await client.next(), { opcode: 10, payload: Buffer.from('p') });
  t.match(await client.next(), { opcode: 1, fin: true, payload: Buffer.from('one two') });
});

t.test('W-11 frames that break the protocol close with 1002', async (t) => {
  const faults = {
    unmasked: { opcode: 1, payload: 'x', masked: false },
    'reserved bit 1 without an extension': { opcode: 1, payload: 'x', reserved: 0x40 },
    'reserved bit 2': { opcode: 1, payload: 'x', reserved: 0x20 },
    'reserved data opcode': { opcode: 3, payload: 'x' },
    'reserved control opcode': { opcode: 11 },
    'fragmented ping': { opcode: 9, payload: 'x', fin: false },
    'ping over 125 octets': { opcode: 9, payload: 'x'.repeat(126) },
    'continuation of nothing': { opcode: 0, payload: 'x' },
  };
  for (const [name, fault] of Object.entries(faults)) {
    const client = await raw(t);
    client.send(fault);
    t.equal(await client.closeStatus(), 1002, name);
  }
});

t.test('W-12 invalid UTF-8 in a text message closes with 1007', async (t) => {
  const whole = await raw(t);
  whole.send({ opcode: 1, payload: Buffer.from([0x61, 0xff]) });
  t.equal(await whole.closeStatus(), 1007);
  const cut = await raw(t);
  cut.send({ opcode: 1, payload: Buffer.from([0xe2, 0x98]) });
  t.equal(await cut.closeStatus(), 1007, 'a character that is not finished');
  const joined = await raw(t);
  joined.send(
    { opcode: 1, payload: Buffer.from([0xe2, 0x98]), fin: false },
    { opcode: 0, payload: Buffer.from([0x83]) },
  );
  t.equal((await joined.next()).payload.toString(), '☃', 'cut between fragments it is valid');
});

t.test('W-13 a message over the limit closes with 1009, its inflated size included', async (t) => {
  const server = await serve(t, {
    broker: { limits: { frame: { maxBodyBytes: 2000 } } },
    endpoints: [
      { path: '/small', maxMessageBytes: 1000 },
      { path: '/deflate', maxMessageBytes: 1000, compression: true },
    ],
  });
  const large = await open(t, `${server.url}/small`);
  large.send('x'.repeat(1001));
  t.equal((await inTime(large.closed, 'the close')).code, 1009);

  const fragmented = await raw(t, '/small', server.port);
  fragmented.send({ opcode: 1, payload: 'x'.repeat(600), fin: false }, { opcode: 0, payload: 'x'.repeat(600) });
  t.equal(await fragmented.closeStatus(), 1009);

  const inflating = new RawWebSocket(server.port);
  t.teardown(() => {
    inflating.close();
  });
  t.match(await inflating.handshake('/deflate', { 'Sec-WebSocket-Extensions': 'permessage-deflate' }), / 101 /);
  inflating.send({ opcode: 2, payload: deflateRawSync(Buffer.alloc(1_000_000)), reserved: 0x40 });
  t.equal(await inflating.closeStatus(), 1009);

  const split = await connected(t, `${server.url}/small`);
  split.send('SEND\ndestination:/topic/w-13\n\n');
  for (let sent = 0; sent < 3; sent++) split.send(Buffer.alloc(900, 'x'));
  t.equal((await nextFrame(split)).command, 'ERROR', 'the sum of a split STOMP frame');
});

t.test('W-14 a ping is answered with its payload, and is no sign of life of the STOMP client', async (t) => {
  const client = await raw(t);
  client.send({ opcode: 9, payload: 'are you there' });
  t.match(await client.next(), { opcode: 10, payload: Buffer.from('are you there') });

  const server = await serve(t, { broker: { heartBeat: { sendMs: 0, receiveMs: 300, tolerance: 1 } } });
  const silent = await open(t, `${server.url}/native`);
  silent.send(frame('CONNECT', { 'accept-version': '1.2', host: 'x', 'heart-beat': '300,0' }));
  t.equal((await nextFrame(silent)).command, 'CONNECTED');
  const pings = setInterval(() => {
    silent.ws.ping();
  }, 50);
  t.teardown(() => {
    clearInterval(pings);
  });
  const error = await nextFrame(silent);
  t.match(error, { command: 'ERROR', headers: { code: 'heart-beat-timeout' } });
});

t.test('W-15 a close frame is answered with close, then the server ends TCP', async (t) => {
  const client = await raw(t);
  client.send({ opcode: 8, payload: Buffer.from([0x0b, 0xb9, 0x68, 0x69]) });
  t.equal(await client.closeStatus(), 3001, 'the status is given back');
  await client.untilEnd();

  const bare = await raw(t);
  bare.send({ opcode: 8 });
  t.equal(await bare.closeStatus(), 1005, 'no status for none');
  await bare.untilEnd();
});

t.test('W-16 the close status tells why', async (t) => {
  const done = await connected(t);
  done.send(frame('DISCONNECT'));
  t.equal((await inTime(done.closed, 'the close')).code, 1000, 'after DISCONNECT');

  const wrong = await connected(t);
  wrong.send('NONSENSE\n\n\0');
  t.equal((await inTime(wrong.closed, 'the close')).code, 1002, 'after ERROR');

  const broken = await open(t);
  broken.send(frame('CONNECT', { 'accept-version': '1.2', host: 'x', login: BREAKS_THE_SERVER }));
  t.equal((await inTime(broken.closed, 'the close')).code, 1011, 'after a fault of the server');

  const server = await serve(t, {});
  const survivor = await connected(t, `${server.url}/native`);
  void server.broker.stop();
  t.equal((await inTime(survivor.closed, 'the close')).code, 1001, 'at shutdown');

  for (const code of CLOSE_CODES) t.ok(Buffer.byteLength(closeReason(code).text) <= 123, code);
  const unsayable = CLOSE_CODES.filter((code) => [1005, 1006].includes(closeReason(code).webSocketStatus));
  t.same(unsayable, ['client-gone', 'linger-expired'], 'only connections that are cut have an unsayable status');
});

t.test('W-17 ERROR or RECEIPT is delivered before the close frame', async (t) => {
  const wrong = await connected(t);
  wrong.send(frame('SEND', { receipt: 'r1' }, 'no destination'));
  t.match(await nextFrame(wrong), { command: 'ERROR', headers: { 'receipt-id': 'r1' } });
  await inTime(wrong.closed, 'the close');

  const done = await connected(t);
  done.send(frame('DISCONNECT', { receipt: 'bye' }));
  t.match(await nextFrame(done), { command: 'RECEIPT', headers: { 'receipt-id': 'bye' } });
  t.equal((await inTime(done.closed, 'the close')).code, 1000);
});

t.test('W-18 another WebSocket version is answered 426 with the right one', async (t) => {
  for (const version of ['8', '12', '14', '']) {
    const client = new RawWebSocket(stomp.port);
    const head = await client.handshake('/native', { 'Sec-WebSocket-Version': version });
    t.match(head, /^HTTP\/1\.1 426 /, `version ${version}`);
    t.match(head, /^Sec-WebSocket-Version: 13\r?$/m);
    await client.untilEnd();
  }
});

t.test('W-19 a page of a foreign origin is refused with 403', async (t) => {
  const server = await serve(t, {
    endpoints: [
      { path: '/default' },
      { path: '/local', allowedOrigins: 'loopback' },
      { path: '/listed', allowedOrigins: ['https://app.example'] },
      { path: '/matched', sockjs: true, allowedOriginPatterns: ['https://*.example:[*]'] },
    ],
  });
  t.equal((await WebSocketClient.refusal(`${server.url}/default`, { origin: 'https://evil.example' })).status, 403);
  t.equal((await WebSocketClient.refusal(`${server.url}/listed`, { origin: 'http://app.example' })).status, 403);
  t.equal((await WebSocketClient.refusal(`${server.url}/matched`, { origin: 'https://evil.test' })).status, 403);
  await open(t, `${server.url}/default`);
  await open(t, `${server.url}/default`, { origin: server.url });
  await open(t, `${server.url}/local`, { origin: 'http://localhost:5173' });
  t.equal((await WebSocketClient.refusal(`${server.url}/default`, { origin: 'http://localhost:5173' })).status, 403);
  await open(t, `${server.url}/listed`, { origin: 'https://app.example' });
  await open(t, `${server.url}/listed`, { origin: server.url });
  await open(t, `${server.url}/matched`, { origin: 'https://a.example:8443' });
});

t.test('W-20 an upgrade on a wrong path is answered 404, a plain GET on an endpoint 426', async (t) => {
  for (const path of ['/nowhere', '/native/x', '/NATIVE', '/%6eative', '/x/../native', '//native']) {
    const client = new RawWebSocket(stomp.port);
    t.match(await client.handshake(path), /^HTTP\/1\.1 404 /, path);
    await client.untilEnd();
  }
  const answer = await fetch(`${stomp.url}/native`);
  t.equal(answer.status, 426);
  t.equal(answer.headers.get('upgrade'), 'websocket');
  t.match(await answer.text(), /WebSocket/);
  await open(t, `${stomp.url}/native/`);
  await open(t, `${stomp.url}/native?token=x`);
});

t.test('W-21 a WebSocket closed without DISCONNECT is a lost client', async (t) => {
  const server = await serve(t, {});
  const client = await connected(t, `${server.url}/native`);
  await subscribe(client, '/topic/w-21');
  client.ws.close(1000);
  const cut = await connected(t, `${server.url}/native`);
  cut.close();
  await until('both sessions to end', () => server.broker.stats().connections.current === 0);
  t.equal(server.broker.stats().closed['client-gone'], 2);
  t.equal(server.broker.stats().subscriptions, 0);
});

t.test('W-22 a client that stops reading is cut before it costs more than its limit', async (t) => {
  const limitBytes = 1024 * 1024;
  const server = await serve(t, {
    broker: { outbox: { highWaterBytes: 64 * 1024, softLimitBytes: limitBytes / 2, hardLimitBytes: limitBytes } },
  });
  const frozen = await connected(t, `${server.url}/native`);
  await subscribe(frozen, '/topic/w-22');
  frozen.ws.pause();
  const publisher = await connected(t, `${server.url}/native`);
  const message = frame('SEND', { destination: '/topic/w-22' }, 'x'.repeat(32 * 1024));
  const isCut = (): boolean => server.broker.stats().closed['slow-consumer'] === 1;
  for (let sent = 0; sent < 2000 && !isCut(); sent++) {
    publisher.send(message.replace('SEND\n', `SEND\nreceipt:${String(sent)}\n`));
    t.equal((await nextFrame(publisher)).command, 'RECEIPT');
  }
  await until('the slow consumer to be cut', isCut);
  t.equal(server.broker.stats().connections.current, 1, 'the publisher lives on');
});

t.test('W-23 a client that sends no CONNECT in time is closed', async (t) => {
  const server = await serve(t, { broker: { limits: { connectTimeoutMs: 100 } } });
  const client = await open(t, `${server.url}/native`);
  t.match(await nextFrame(client), { command: 'ERROR', headers: { code: 'connect-timeout' } });
  t.equal((await inTime(client.closed, 'the close')).code, 1002);
});

t.test('W-24 URL, cookies and Authorization of the handshake reach the authenticator', async (t) => {
  for (const path of ['/native', '/ws', '/ws/websocket', '/ws/000/w24/websocket']) {
    const headers = { Cookie: 'session=abc', Authorization: 'Basic dTpw' };
    const client = await open(t, `${stomp.url}${path}?token=x`, { headers });
    const isSockJs = path.includes('w24');
    if (isSockJs) t.equal((await client.next()).text, 'o');
    client.send(isSockJs ? JSON.stringify([CONNECT]) : CONNECT);
    await client.next('CONNECTED');
    const handshake = stomp.requests.at(-1)?.handshake;
    t.equal(handshake?.url, `${path}?token=x`);
    t.match(handshake?.headers, { cookie: 'session=abc', authorization: 'Basic dTpw' });
  }
});

t.test('W-25 frames cut at every octet, each its own message, are the same frames', async (t) => {
  const client = await open(t);
  const frames = CONNECT + frame('SUBSCRIBE', { id: '1', destination: '/topic/w-25', receipt: 'r' });
  const whole = Buffer.from(frames + frame('SEND', { destination: '/topic/w-25', 'content-length': '5' }, 'a\u2603b'));
  for (const octet of whole) client.send(Buffer.from([octet]));
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  t.equal((await nextFrame(client)).command, 'RECEIPT');
  t.equal((await nextFrame(client)).body, 'a\u2603b');

  // As text, and cut in two at every place, the place behind the command included.
  for (let cut = 1; cut < CONNECT.length; cut++) {
    const each = await WebSocketClient.open(`${stomp.url}/native`);
    each.send(CONNECT.slice(0, cut));
    each.send(CONNECT.slice(cut));
    const { command } = await nextFrame(each);
    if (command !== 'CONNECTED') t.fail(`cut at ${String(cut)}: ${command}`);
    each.close();
  }
});

t.test('frames typed by hand, line by line, connect', async (t) => {
  const client = await open(t);
  for (const line of ['CONNECT', 'accept-version:1.2', '', '^@']) client.send(line);
  t.equal((await nextFrame(client)).command, 'CONNECTED');
  for (const line of ['SUBSCRIBE', 'id:1', 'destination:/topic/typed', 'receipt:r', '', '^@']) client.send(line);
  t.equal((await nextFrame(client)).command, 'RECEIPT');
  for (const line of ['SEND', 'destination:/topic/typed', '', 'hello', 'world', '^@']) client.send(line);
  t.equal((await nextFrame(client)).body, 'hello\nworld');
});

t.test('text and binary messages of every length are echoed as they came', async (t) => {
  const client = await open(t, ECHO);
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 3_000_000]) {
    client.send('x'.repeat(length));
    client.send(Buffer.alloc(length, 0xff));
    const text = await client.next();
    t.ok(!text.isBinary && text.text === 'x'.repeat(length), `text of ${String(length)}`);
    const binary = await client.next();
    t.ok(binary.isBinary && binary.data.equals(Buffer.alloc(length, 0xff)), `binary of ${String(length)}`);
  }
});

t.test('with compression negotiated messages keep their order and kind', async (t) => {
  const server = await startEchoServer({ endpoint: { compression: true } });
  t.teardown(() => server.close());
  const client = await open(t, `${server.url}/ws-echo`, { perMessageDeflate: true });
  t.equal(client.ws.extensions, 'permessage-deflate');
  const messages = ['', 'short', 'x'.repeat(100_000), Buffer.from([0, 255]), 'end'];
  for (const message of messages) client.send(message);
  for (const message of messages) {
    const { data, isBinary } = await client.next();
    t.ok(data.equals(Buffer.from(message as string)));
    t.equal(isBinary, typeof message !== 'string');
  }
});
