/**
 * COMING-FROM-BROKERS.md: its configurations are started as they stand, and clients do there what their own brokers'
 * tests do. What those tests want and the document says is different is tested to be as it says.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { parseConfig } from '../../adapters/config/index.js';
import { openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer, type TestServer } from '../helpers/server.js';
import { nextBodies, sendAll, settle } from '../helpers/settling.js';

const NAME = 'COMING-FROM-BROKERS.md';
const DOCUMENT = readFileSync(path.resolve(import.meta.dirname, '../../..', NAME), 'utf8');
const CONFIGURATIONS = [...DOCUMENT.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = '']) => parseConfig(yaml, NAME));

const GUEST = { login: 'guest', passcode: 'guest', host: '/' };
const SYSTEM = { login: 'system', passcode: 'manager' };
/** What their tests end most frames with: a line end before the NUL is no body. */
const END = '\n\n\n\0';

async function start(t: Test, configuration: ServerOptions | undefined): Promise<TestServer> {
  const server = await startTestServer({ ...configuration, http: false, tcp: { port: 0 } });
  t.teardown(() => server.stop());
  return server;
}

const rabbit = await start(t, CONFIGURATIONS[0]);
const activemq = await start(t, CONFIGURATIONS[1]);

const asGuest = (t: Test, version: Version = '1.2', more: Readonly<Record<string, string>> = {}) =>
  openConnected(t, rabbit.tcpPort, version, { ...GUEST, ...more });
const asSystem = (t: Test, version: Version = '1.2') => openConnected(t, activemq.tcpPort, version, SYSTEM);

t.test('their ports and paths are those the clients expect', async (t) => {
  t.match(CONFIGURATIONS, [
    { tcp: { port: 61_613 }, http: { port: 15_674, endpoints: [{ path: '/ws' }] } },
    { tcp: { port: 61_613 }, http: { port: 61_614, endpoints: [{ path: '/stomp' }] } },
  ]);
});

t.test('RabbitMQ: logins and virtual hosts are checked', async (t) => {
  for (const [headers, code] of [
    [{ ...GUEST, login: 'gust' }, 'authentication-failed'],
    [{ ...GUEST, passcode: 'gust' }, 'authentication-failed'],
    [{ ...GUEST, host: '//' }, 'host-unknown'],
  ] as const) {
    const client = await RawClient.openFor(t, rabbit.tcpPort);
    client.sendFrame('CONNECT', { 'accept-version': '1.1', ...headers });
    await client.expectError(code);
  }
});

t.test('RabbitMQ: exchanges are topics, words are separated by dots', async (t) => {
  for (const version of VERSIONS) {
    const client = await asGuest(t, version);
    for (const [id, destination] of ['/exchange/amq.fanout', '/topic/a.*.c', '/topic/a.#'].entries()) {
      await client.subscribe(destination, String(id));
    }
    sendAll(client, '/exchange/amq.fanout', ['fan-out']);
    t.strictSame(await nextBodies(client, 1), ['fan-out'], version);
    sendAll(client, '/topic/a.b.c', ['both']);
    t.strictSame(await nextBodies(client, 2), ['both', 'both'], version);
    sendAll(client, '/topic/a.b.c.d', ['one']);
    t.strictSame(await nextBodies(client, 1), ['one'], version);
    client.sendFrame('SEND', { destination: '/something/interesting' });
    await client.expectError('destination-unknown');
  }
});

t.test('RabbitMQ: a heart-beat of a second is kept, and a client that misses its own is gone', async (t) => {
  const listening = await asGuest(t, '1.1', { 'heart-beat': '0,1000' });
  const silent = await asGuest(t, '1.1', { 'heart-beat': '1000,0' });
  await listening.nextHeartBeats(2);
  await silent.expectError('heart-beat-timeout');
});

t.test('RabbitMQ: redelivered is false, then true, in the client modes alone', async (t) => {
  for (const version of VERSIONS) {
    const queue = `/queue/redelivered-test-${version}`;
    const first = await asGuest(t, version);
    await first.subscribe(queue, 's', { ack: 'client' });
    sendAll(first, queue, ['test1']);
    t.equal((await first.frame('MESSAGE')).get('redelivered'), 'false', version);
    first.sendFrame('DISCONNECT', { receipt: 'd' });
    await first.receipt('d');
    const second = await asGuest(t, version);
    await second.subscribe(queue, 's', { ack: 'client' });
    const again = await second.frame('MESSAGE');
    t.equal(again.get('redelivered'), 'true', version);
    settle(second, 'ACK', again);
    await second.subscribe('/topic/plain', 'plain');
    sendAll(second, '/topic/plain', ['x']);
    t.equal((await second.frame('MESSAGE')).get('redelivered'), undefined, version);
  }
});

t.test('RabbitMQ: RECEIPT of a SEND in a transaction does not wait for COMMIT', async (t) => {
  const client = await asGuest(t);
  client.sendFrame('BEGIN', { transaction: 'receipt.tx' });
  client.sendFrame('SEND', { destination: '/queue/tx', transaction: 'receipt.tx', receipt: 'joined' }, 'x');
  await client.receipt('joined');
});

t.test('RabbitMQ: headers of the server on SEND are left out', async (t) => {
  const client = await asGuest(t);
  await client.subscribe('/topic/forged', 's');
  client.sendFrame('SEND', { destination: '/topic/forged', 'message-id': '1', 'x-custom-header-1': 'value1' }, 'x');
  const message = await client.frame('MESSAGE');
  t.not(message.get('message-id'), '1');
  t.equal(message.get('x-custom-header-1'), 'value1');
});

t.test('ActiveMQ: frames as its own clients write them', async (t) => {
  for (const version of VERSIONS) {
    const client = await asSystem(t, version);
    const queue = `/queue/org.example.Stomp${version}Test`;
    // Its clients acknowledge with all headers of the MESSAGE.
    await client.send(`SUBSCRIBE\ndestination:${queue}\nid:12345\nack:client\nreceipt: s${END}`);
    t.match(await client.frame('RECEIPT'), { command: 'RECEIPT' });
    await client.send(`SEND\ndestination:${queue}\ncontent-length:5 \n\n\u0001\u0002\0\u0004\u0005\0`);
    const message = await client.frame('MESSAGE');
    t.equal(message.get('content-length'), '5', version);
    t.equal(message.get('JMSXUserID'), 'system', version);
    settle(client, 'ACK', message, { 'content-length': '8511', receipt: 'a' });
    await client.receipt('a');
    await client.send(`UNSUBSCRIBE\nid:12345\nreceipt:u${END}DISCONNECT\nreceipt:d${END}`);
    await client.receipt('u');
    await client.receipt('d');
  }
});

t.test('ActiveMQ: its dead letters, patterns and composite destinations', async (t) => {
  const client = await asSystem(t);
  await client.subscribe('/queue/ActiveMQ.DLQ', 'dead');
  sendAll(client, '/queue/late', ['expired'], { expires: String(Date.now() - 100) });
  const letter = await client.frame('MESSAGE');
  t.equal(letter.get('original-destination'), '/queue/late');
  await client.subscribe('/topic/prices.>', 'rest');
  sendAll(client, '/queue/one,/topic/prices.eu.oil', ['to both']);
  t.strictSame(await nextBodies(client, 1), ['to both']);
  await client.subscribe('/queue/one', 'one');
  t.strictSame(await nextBodies(client, 1), ['to both']);
});

t.test('ActiveMQ: an unknown escape of STOMP 1.1 is an error, patterns of queues are refused', async (t) => {
  const escaping = await asSystem(t, '1.1');
  await escaping.send('SEND\ndestination:/queue/q\nfoo:a\\bc\n\nx\0');
  await escaping.expectError('header-escape-unknown');
  const pattern = await asSystem(t);
  pattern.sendFrame('SUBSCRIBE', { id: '1', destination: '/queue/a.*' });
  await pattern.expectError('destination-invalid');
});
