/** Conformance F-50 to F-59: limits, and what happens around the end of a stream that went wrong. */
import t, { type Test } from 'tap';
import { DEFAULT_BROKER_OPTIONS } from '../../broker/index.js';
import { frameHead, openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';

const FRAME = { maxHeaders: 20, maxHeaderLineBytes: 200, maxBodyBytes: 1_000 };
const BEFORE_CONNECTED = { maxHeaders: 10, maxHeaderLineBytes: 100, maxBodyBytes: 0 };
const server = await startTestServer({
  http: false,
  broker: { limits: { frame: FRAME, beforeConnected: BEFORE_CONNECTED } },
});
const port = server.tcpPort;
t.teardown(() => server.stop());

async function refuses(t: Test, version: Version, octets: string, code: string): Promise<void> {
  const client = await openConnected(t, port, version);
  await client.send(octets);
  await client.expectError(code);
  t.pass(`${version} refuses ${octets.length} octets with ${code}`);
}

/** `count` header lines, SEND's destination included; every line but that has the same name when `same`. */
function sendWithHeaders(count: number, same: boolean): string {
  const lines = Array.from({ length: count - 1 }, (_, index) => `${same ? 'x' : `x${index}`}:1\n`);
  return `SEND\ndestination:/topic/limits\n${lines.join('')}`;
}

t.test('F-50 more header lines than the limit are answered by ERROR, repeats counted', async (t) => {
  for (const version of VERSIONS) {
    for (const same of [false, true]) {
      const client = await openConnected(t, port, version);
      await client.send(`${sendWithHeaders(FRAME.maxHeaders, same)}\n\0`);
      await client.fence();
      await refuses(t, version, `${sendWithHeaders(FRAME.maxHeaders + 1, same)}\n\0`, 'headers-too-many');
    }
  }
});

t.test('F-51 a header line over the limit is answered by ERROR before its end', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.send(`SEND\ndestination:/topic/limits\nx:${'v'.repeat(FRAME.maxHeaderLineBytes - 2)}\n\n\0`);
    await client.send(`SEND\ndestination:/topic/limits\nx:${'v'.repeat(FRAME.maxHeaderLineBytes - 2)}\r\n\n\0`);
    await client.fence();
    await refuses(t, version, `SEND\nx:${'v'.repeat(FRAME.maxHeaderLineBytes)}`, 'header-too-long');
    await refuses(t, version, `SEND\n${'n'.repeat(FRAME.maxHeaderLineBytes + 2)}`, 'header-too-long');
  }
});

t.test('F-52 an overlong command line is answered by ERROR before its end', async (t) => {
  for (const version of VERSIONS) await refuses(t, version, 'S'.repeat(64), 'command-unknown');
  const client = await RawClient.openFor(t, port);
  await client.send('C'.repeat(64));
  await client.expectError('command-unknown');
});

t.test('F-53 a body over the limit is answered by ERROR as soon as that is known', async (t) => {
  const head = 'SEND\ndestination:/topic/limits\n';
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.send(`${head}\n${'b'.repeat(FRAME.maxBodyBytes)}\0`);
    await client.send(`${head}content-length:${FRAME.maxBodyBytes}\n\n${'b'.repeat(FRAME.maxBodyBytes)}\0`);
    await client.fence();
    await refuses(t, version, `${head}content-length:${FRAME.maxBodyBytes + 1}\n\n`, 'body-too-long');
    await refuses(t, version, `${head}\n${'b'.repeat(FRAME.maxBodyBytes + 1)}`, 'body-too-long');
  }
});

t.test('F-54 limits are lower until CONNECTED', async (t) => {
  const early = async (octets: string, code: string): Promise<void> => {
    const client = await RawClient.openFor(t, port);
    await client.send(octets);
    await client.expectError(code);
  };
  await early(`CONNECT\n${'x:1\n'.repeat(BEFORE_CONNECTED.maxHeaders + 1)}`, 'headers-too-many');
  await early(`CONNECT\nx:${'v'.repeat(BEFORE_CONNECTED.maxHeaderLineBytes)}`, 'header-too-long');
  const { beforeConnected, frame } = DEFAULT_BROKER_OPTIONS.limits;
  t.ok(beforeConnected.maxHeaders < frame.maxHeaders);
  t.ok(beforeConnected.maxHeaderLineBytes < frame.maxHeaderLineBytes);
  t.ok(beforeConnected.maxBodyBytes < frame.maxBodyBytes);
  const client = await openConnected(t, port, '1.2');
  await client.send(`${sendWithHeaders(FRAME.maxHeaders, false)}\n\0`);
  await client.fence();
});

t.test('F-54 a SEND pipelined behind CONNECT is read by the limits of a connected session', async (t) => {
  const client = await RawClient.openFor(t, port);
  const body = 'b'.repeat(FRAME.maxBodyBytes);
  await client.send(`CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/topic/a\nreceipt:1\n\n${body}\0`);
  await client.frame('CONNECTED');
  await client.receipt('1');
});

t.test('F-55 a client that goes on sending after its oversized frame still gets ERROR and FIN', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const error = client.expectError('body-too-long');
    await client.send(`SEND\ndestination:/topic/limits\ncontent-length:${64 * 1024 * 1024}\n\n`);
    const piece = Buffer.alloc(64 * 1024, 'x');
    let sentBytes = 0;
    while (!client.hasEnded && sentBytes < 64 * 1024 * 1024) {
      await client.send(piece);
      sentBytes += piece.length;
    }
    t.equal((await error).command, 'ERROR', `after ${sentBytes} octets`);
  }
});

t.test('F-56 header names of object prototypes are names like any other', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/f56');
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    await client.send(
      frameHead('SEND', { destination: '/topic/f56' }).replace(/\n$/, names.map((n) => `${n}:v\n`).join('') + '\n\0'),
    );
    const message = await client.frame('MESSAGE');
    for (const name of names) t.equal(message.get(name), 'v', name);
    await client.send('SEND\n__proto__:x\nconstructor:y\n\n\0');
    await client.expectError('header-missing');
  }
});

t.test('F-57 octets behind a fatal error are not processed', async (t) => {
  for (const version of VERSIONS) {
    const watcher = await openConnected(t, port, version);
    await watcher.subscribe('/topic/f57');
    const follow = 'SEND\ndestination:/topic/f57\n\nnever\0';
    const sameChunk = await openConnected(t, port, version);
    await sameChunk.send(`WRONG\n\n\0${follow}`);
    await sameChunk.expectError('command-unknown');
    const laterChunk = await openConnected(t, port, version);
    await laterChunk.send('SEND\nno colon\n');
    const error = await laterChunk.frame('ERROR');
    t.equal(error.get('code'), 'header-malformed');
    await laterChunk.send(`\n\0${follow}`);
    await laterChunk.closed();
    await watcher.fence();
  }
});

t.test('F-58 a TLS hello and an HTTP request are answered and closed at once', async (t) => {
  const hello = Buffer.from('1603010200010001fc0303', 'hex');
  for (const octets of [hello, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'POST /ws HTTP/1.1\r\n\r\n']) {
    const client = await RawClient.openFor(t, port);
    await client.send(octets);
    await client.frame('ERROR');
    await client.closed(1_000);
    t.pass('closed');
  }
});

t.test('F-59 no line feed follows the NUL of server frames', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await client.subscribe('/topic/f59');
    client.sendFrame('SEND', { destination: '/topic/f59', receipt: '1' }, 'x');
    client.sendFrame('DISCONNECT', { receipt: '2' });
    const commands = [await client.frame(), await client.frame(), await client.frame()].map(({ command }) => command);
    t.same(commands.sort(), ['MESSAGE', 'RECEIPT', 'RECEIPT']);
    await client.closed();
    t.equal(client.heartBeats, 0);
  }
});
