/** What real clients do that specifications and other brokers do not expect, each reduced to the octets that matter. */
import type { IMessage } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import t, { type Test } from 'tap';
import { inTime, type Inbox } from '../helpers/inbox.js';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { StreamingRequest } from '../helpers/sockjs-http.js';
import { frame, parseFrame, type TextFrame } from '../helpers/stomp-text.js';
import { overSockJs, overWebSocket, StompjsClient, versions } from '../helpers/stompjs-client.js';
import { WebSocketClient } from '../helpers/websocket-client.js';

const server = await startTestServer();
const { tcpPort, httpPort } = server;
t.teardown(() => server.stop());
const URL = `ws://127.0.0.1:${httpPort}/ws`;

async function webSocket(t: Test, url = URL): Promise<WebSocketClient> {
  const client = await WebSocketClient.open(url);
  t.teardown(() => {
    client.close();
  });
  return client;
}

/** A WebSocket on which a session of 1.2 is open. */
async function connected(t: Test): Promise<WebSocketClient> {
  const client = await webSocket(t);
  client.send(frame('CONNECT', { 'accept-version': '1.2' }));
  await nextFrame(client, 'CONNECTED');
  return client;
}

async function nextFrame(client: WebSocketClient, command: string): Promise<TextFrame> {
  const next = parseFrame((await client.next(`a ${command} frame`)).text);
  if (next.command !== command) throw new Error(`expected ${command}, got ${JSON.stringify(next)}`);
  return next;
}

async function subscribe(client: WebSocketClient, destination: string): Promise<void> {
  client.send(frame('SUBSCRIBE', { id: '0', destination, receipt: 'subscribed' }));
  await nextFrame(client, 'RECEIPT');
}

/** Every octet value: not UTF-8, and with a NUL in it. */
const ALL_OCTETS = Uint8Array.from({ length: 256 }, (_, value) => value);

t.test('trap: Net::Stomp waits for the RECEIPT of a SEND in a transaction before it sends COMMIT', async (t) => {
  const client = await openConnected(t, tcpPort, '1.0');
  await client.subscribe('/queue/trap.transaction');
  client.sendFrame('BEGIN', { transaction: 't' });
  client.sendFrame('SEND', { destination: '/queue/trap.transaction', transaction: 't', receipt: 'r' }, 'x');
  await client.receipt('r');
  await client.fence();
  client.sendFrame('COMMIT', { transaction: 't' });
  t.equal((await client.frame('MESSAGE')).text, 'x');
});

t.test('trap: session ids go into receipt ids that are compared raw, so they hold nothing to escape', async (t) => {
  const seen = new Set<string>();
  for (let k = 0; k < 60; k++) {
    const version = VERSIONS[k % 3];
    const client = await RawClient.open(tcpPort);
    const session = (await client.connect(version)).get('session') ?? '';
    t.match(session, /^[A-Za-z0-9_.-]+$/);
    seen.add(session);
    client.sendFrame('SEND', { destination: '/topic/none', receipt: `${session}-1` });
    t.equal((await client.frame('RECEIPT')).getRaw('receipt-id'), `${session}-1`);
    client.destroy();
  }
  t.equal(seen.size, 60, 'and none comes twice');
});

t.test('trap: ACK of 1.0 names no subscription', async (t) => {
  const client = await openConnected(t, tcpPort, '1.0');
  client.sendFrame('SUBSCRIBE', { destination: '/queue/trap.ack', ack: 'client' });
  client.sendFrame('SEND', { destination: '/queue/trap.ack' }, 'x');
  const message = await client.frame('MESSAGE');
  t.equal(message.get('subscription'), undefined);
  client.sendFrame('ACK', { 'message-id': message.get('message-id') ?? '', receipt: 'acked' });
  await client.receipt('acked');
});

t.test('trap: stompit writes headers, body and NUL apart, an LF after NUL, and ACK with every id', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, tcpPort, version);
    const destination = `/queue/trap.stompit.${version}`;
    const settle = async (verb: string, message: ReceivedFrame): Promise<void> => {
      const [messageId = '', id = 'undefined'] = [message.get('message-id'), message.get('ack')];
      const head = `${verb}\nsubscription:1\nmessage-id:${messageId}\nid:${id}\n`;
      for (const part of [head, `receipt:${verb}\n\n`, '\0\n']) await client.send(part);
    };
    await client.subscribe(destination, '1', { ack: 'client-individual' });
    for (const part of [`SEND\ndestination:${destination}\n\n`, 'bo', 'dy', '\0\n']) await client.send(part);
    let message = await client.frame('MESSAGE');
    t.equal(message.text, 'body');
    if (version !== '1.0') {
      await settle('NACK', message);
      // RECEIPT follows the effect: the message is back before it.
      message = await client.frame('MESSAGE');
      t.equal(message.get('redelivered'), 'true');
      await client.receipt('NACK');
    }
    await settle('ACK', message);
    await client.receipt('ACK');
  }
});

t.test('trap: any address may stand in `host`', async (t) => {
  for (const host of ['127.0.0.1', '::1', 'localhost:61613', 'broker.example.com', '/', 'my vhost']) {
    const client = await RawClient.openFor(t, tcpPort);
    t.equal((await client.connect('1.2', { host })).command, 'CONNECTED', host);
  }
});

t.test('trap: UNSUBSCRIBE straight after SUBSCRIBE is no error, whatever is on its way', async (t) => {
  const publisher = await openConnected(t, tcpPort);
  const client = await openConnected(t, tcpPort);
  for (let k = 0; k < 50; k++) {
    publisher.sendFrame('SEND', { destination: '/topic/trap.unsubscribe' }, String(k));
    const pair =
      frame('SUBSCRIBE', { id: 'x', destination: '/topic/trap.unsubscribe' }) + frame('UNSUBSCRIBE', { id: 'x' });
    await client.send(pair);
  }
  await publisher.fence();
  // Messages may come in between, ERROR may not.
  client.sendFrame('SEND', { destination: '/topic/none', receipt: 'last' });
  for (;;) {
    const next = await client.frame();
    if (next.command === 'RECEIPT') break;
    t.equal(next.command, 'MESSAGE');
  }
  await client.fence();
});

t.test('trap: `subscription` in MESSAGE is escaped like any header', async (t) => {
  const client = await openConnected(t, tcpPort);
  await client.send(frame('SUBSCRIBE', { id: 'a\\cb\\\\c\\nd', destination: '/topic/trap.id' }));
  client.sendFrame('SEND', { destination: '/topic/trap.id' }, 'x');
  const message = await client.frame('MESSAGE');
  t.equal(message.getRaw('subscription'), 'a\\cb\\\\c\\nd');
  t.equal(message.get('subscription'), 'a:b\\c\nd');
});

t.test('trap: DISCONNECT with receipt over WebSocket gets its RECEIPT before the close', async (t) => {
  const client = await connected(t);
  client.send(frame('DISCONNECT', { receipt: 'bye' }));
  t.equal((await nextFrame(client, 'RECEIPT')).headers['receipt-id'], 'bye');
  t.match(await inTime(client.closed, 'the close'), { code: 1000 });
});

t.test('trap: what was sent right before DISCONNECT and close is still published', async (t) => {
  const listener = await connected(t);
  await subscribe(listener, '/topic/trap.hasty');
  const hasty = await connected(t);
  for (let k = 0; k < 1000; k++) hasty.send(frame('SEND', { destination: '/topic/trap.hasty' }, String(k)));
  hasty.send(frame('DISCONNECT'));
  hasty.ws.close();
  const bodies: string[] = [];
  while (bodies.length < 1000) bodies.push((await nextFrame(listener, 'MESSAGE')).body);
  t.same(
    bodies,
    Array.from({ length: 1000 }, (_, k) => String(k)),
  );
});

t.test('trap: 1 MiB in text messages of 16 KiB, as old stompjs sends it', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/trap.pieces');
  const body = 'ä horse '.repeat(1 << 17);
  for (const counted of [true, false]) {
    const length: Record<string, string> = counted ? { 'content-length': String(Buffer.byteLength(body)) } : {};
    const whole = frame('SEND', { destination: '/topic/trap.pieces', ...length }, body);
    for (let at = 0; at < whole.length; at += 16 * 1024) client.send(whole.slice(at, at + 16 * 1024));
    t.ok((await nextFrame(client, 'MESSAGE')).body === body, counted ? 'with content-length' : 'without');
  }
});

t.test('trap: stompjs in binary pieces may cut a character, and an emoji survives it', async (t) => {
  const config = { ...overWebSocket(httpPort), splitLargeFrames: true, forceBinaryWSFrames: true };
  const client = await StompjsClient.connect(t, config);
  const messages = await client.subscribe('/topic/trap.emoji');
  for (const body of ['🐎'.repeat(30_000), `x${'🐎'.repeat(30_000)}`]) {
    client.client.publish({ destination: '/topic/trap.emoji', body });
    t.ok((await messages.next('the horses')).body === body);
  }
});

t.test('trap: a body that is not UTF-8 leaves as a binary WebSocket message, any other as text', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/trap.octets');
  const head = 'SEND\ndestination:/topic/trap.octets\ncontent-length:256\n\n';
  client.send(Buffer.concat([Buffer.from(head), ALL_OCTETS, Buffer.alloc(1)]));
  const binary = await client.next('the binary message');
  t.ok(binary.isBinary);
  t.same([...binary.data.subarray(-257, -1)], [...ALL_OCTETS]);
  client.send(Buffer.from(frame('SEND', { destination: '/topic/trap.octets' }, 'ünïcode')));
  t.notOk((await client.next('the text message')).isBinary);
});

t.test('trap: SockJS carries text only, so octets that are none are replaced and counted anew', async (t) => {
  const publisher = await StompjsClient.connect(t, overWebSocket(httpPort));
  for (const transport of ['websocket', 'xhr-streaming'] as const) {
    const client = await StompjsClient.connect(t, overSockJs(httpPort, transport));
    const messages = await client.subscribe('/topic/trap.text');
    publisher.client.publish({ destination: '/topic/trap.text', binaryBody: ALL_OCTETS });
    const expected = Buffer.from(ALL_OCTETS).toString('utf8');
    const message = await messages.next('the replaced octets');
    t.equal(message.body, expected);
    t.equal(message.headers['content-length'], String(Buffer.byteLength(expected)));
    publisher.client.publish({ destination: '/topic/trap.text', body: 'next' });
    t.equal((await messages.next('the next message')).body, 'next', 'the session lives');
    await client.deactivate();
  }
});

t.test('trap: stompjs on 1.1 never escapes header values', async (t) => {
  const old = await StompjsClient.connect(t, { ...overWebSocket(httpPort), stompVersions: versions('1.1') });
  const current = await StompjsClient.connect(t, overWebSocket(httpPort));
  const raw = await openConnected(t, tcpPort, '1.1');
  const destination = '/topic/trap.unescaped:colons';
  const messages = await current.subscribe(destination);
  await raw.send(frame('SUBSCRIBE', { id: '0', destination: destination.replace(':', '\\c'), receipt: 'r' }));
  await raw.receipt('r');
  old.client.publish({ destination, body: 'x', headers: { at: '12:30:59', json: '{"a":1,"b":[2]}' } });
  const message: IMessage = await messages.next('the message');
  t.match(message.headers, { destination, at: '12:30:59', json: '{"a":1,"b":[2]}' });
  t.equal((await raw.frame('MESSAGE')).getRaw('at'), '12\\c30\\c59', 'a 1.1 receiver gets what the specification says');
});

t.test('trap: stompjs on 1.1 with a lone backslash in a header is told why it is refused', async (t) => {
  const old = await StompjsClient.connect(t, { ...overWebSocket(httpPort), stompVersions: versions('1.1') });
  old.client.publish({ destination: '/topic/x', headers: { path: 'C:\\temp' } });
  t.match(await old.errors.next('ERROR'), { headers: { message: /\\t|escape/i } });
  t.match(await inTime(old.closed, 'the close'), { code: 1002 });
});

t.test('trap: a background tab that beats far too rarely is kept by a wide tolerance', async (t) => {
  const patient = await startTestServer({ broker: { heartBeat: { sendMs: 100, receiveMs: 100, tolerance: 8 } } });
  t.teardown(() => patient.stop());
  const client = await RawClient.openFor(t, patient.tcpPort);
  await client.connect('1.2', { 'heart-beat': '100,100' });
  // Once where six were promised: what browsers make of 10 s in a page that nobody looks at.
  const timer = setInterval(() => void client.send('\n'), 600);
  t.teardown(() => {
    clearInterval(timer);
  });
  await client.nextHeartBeats(20);
  await client.fence();
});

t.test('trap: React Native cuts the NUL off every text message', async (t) => {
  const client = await webSocket(t);
  const cut = (...[command, headers, body]: Parameters<typeof frame>): void => {
    client.send(frame(command, headers, body).slice(0, -1));
  };
  cut('CONNECT', { 'accept-version': '1.2', 'heart-beat': '0,0' });
  await nextFrame(client, 'CONNECTED');
  const destination = '/topic/trap.cut';
  cut('SUBSCRIBE', { id: '0', destination, receipt: 'subscribed' });
  await nextFrame(client, 'RECEIPT');
  cut('SEND', { destination, 'content-length': '5' }, 'hello');
  t.equal((await nextFrame(client, 'MESSAGE')).body, 'hello', 'with content-length: at once');
  cut('SEND', { destination }, 'one\ntwo');
  cut('SEND', { destination }, 'three');
  t.equal((await nextFrame(client, 'MESSAGE')).body, 'one\ntwo', 'without: as soon as the next frame begins');
  client.send('\n');
  t.equal((await nextFrame(client, 'MESSAGE')).body, 'three', 'or a heart-beat comes');
  cut('SEND', { destination, 'content-length': '0' });
  t.equal((await nextFrame(client, 'MESSAGE')).body, '', 'an empty body');
  cut('DISCONNECT', { receipt: 'bye' });
  await nextFrame(client, 'RECEIPT');
  t.match(await inTime(client.closed, 'the close'), { code: 1000 });
});

t.test('trap: many clients read one frame a WebSocket message, so there is never more in one', async (t) => {
  const client = await connected(t);
  await subscribe(client, '/topic/trap.single');
  const publisher = await openConnected(t, tcpPort);
  // One chunk in, so that all leave in one write.
  await publisher.send(frame('SEND', { destination: '/topic/trap.single' }, 'x').repeat(500));
  // `nextFrame` takes nothing but exactly one frame.
  for (let k = 0; k < 500; k++) await nextFrame(client, 'MESSAGE');
  t.equal(client.messages.length, 0);
});

t.test('trap: a client that offers subprotocols fails unless one is answered', async (t) => {
  // `ws` does as browsers do.
  for (const path of ['/ws', '/ws/websocket']) {
    const client = await WebSocketClient.open(`ws://127.0.0.1:${httpPort}${path}`, {
      protocols: ['v10.stomp', 'v11.stomp', 'v12.stomp'],
    });
    t.equal(client.ws.protocol, 'v12.stomp', path);
    client.close();
  }
});

t.test('trap: a SockJS client may use a session id again, over WebSocket even at the same time', async (t) => {
  const options = { server: '000', sessionId: () => 'again', transports: ['websocket'] };
  const webSocketFactory = (): WebSocket => new SockJS(`http://127.0.0.1:${httpPort}/ws`, null, options);
  const first = await StompjsClient.connect(t, { webSocketFactory });
  const second = await StompjsClient.connect(t, { webSocketFactory });
  const messages = await second.subscribe('/topic/trap.again');
  t.match(await first.deactivate(), { code: 1000 });
  const third = await StompjsClient.connect(t, { webSocketFactory });
  third.client.publish({ destination: '/topic/trap.again', body: 'x' });
  t.equal((await messages.next('the message')).body, 'x');
});

t.test('trap: a second receiver on a SockJS session gets c[2010,…] and the first goes on', async (t) => {
  const options = { server: '000', sessionId: () => 'shared', transports: ['xhr-streaming'] };
  const client = await StompjsClient.connect(t, {
    webSocketFactory: () => new SockJS(`http://127.0.0.1:${httpPort}/ws`, null, options),
  });
  const messages = await client.subscribe('/topic/trap.shared');
  const second = new StreamingRequest('POST', `http://127.0.0.1:${httpPort}/ws/000/shared/xhr_streaming`);
  await inTime(second.ended, 'the second receiver to be sent away');
  t.match(second.text, /c\[2010,"Another connection still open"\]/);
  client.client.publish({ destination: '/topic/trap.shared', body: 'x' });
  t.equal((await messages.next('the message')).body, 'x');
});

t.test('trap: a SockJS client that vanishes is noticed, and its messages go to somebody else', async (t) => {
  const quick = await startTestServer({ http: { endpoints: [{ path: '/ws', sockjs: { disconnectDelayMs: 200 } }] } });
  t.teardown(() => quick.stop());
  const vanishing = await StompjsClient.connect(t, overSockJs(quick.httpPort, 'xhr-streaming'));
  const taken = await vanishing.subscribe('/queue/trap.vanish', { ack: 'client-individual' });
  vanishing.client.publish({ destination: '/queue/trap.vanish', body: 'job' });
  await taken.next('the job');
  const heir = await StompjsClient.connect(t, overWebSocket(quick.httpPort));
  const inherited: Inbox<IMessage> = await heir.subscribe('/queue/trap.vanish');
  vanishing.client.forceDisconnect();
  const job = await inherited.next('the job again');
  t.equal(job.body, 'job');
  t.equal(job.headers['redelivered'], 'true');
});
