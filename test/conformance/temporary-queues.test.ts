/** Conformance: temporary reply queues, in RabbitMQ's way and in ActiveMQ's. */
import t, { type Test } from 'tap';
import { openConnected, VERSIONS, type RawClient, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { NACK_VERSIONS, nextBodies, sendAll, settle } from '../helpers/settling.js';

const OPTIONS: Parameters<typeof startTestServer>[0] = {
  http: false,
  auth: { anonymous: true, users: [{ login: 'ann', passcode: 'x', roles: [] }] },
  broker: { queueDefaults: { backoff: { baseMs: 0 } } },
};
const server = await startTestServer(OPTIONS);
const strict = await startTestServer({ http: false, broker: { compat: 'strict' } });
const port = server.tcpPort;
t.teardown(() => Promise.all([server.stop(), strict.stop()]));
server.server.broker.message('/ask', ({ headers }) => headers.get('reply-to') ?? 'none', {
  sendToUser: '/queue/asked',
});

const ADDRESS = /^\/reply-queue\/[A-Za-z0-9_-]{22}$/;

let last = 0;

/** A client that subscribes to a queue of its own, one that is connected, and that queue. */
async function openPair(
  t: Test,
  version: Version,
  to = port,
): Promise<{ worker: RawClient; asker: RawClient; queue: string }> {
  const [worker, asker] = [await openConnected(t, to, version), await openConnected(t, to, version)];
  const queue = `/queue/work-${++last}`;
  await worker.subscribe(queue);
  return { worker, asker, queue };
}

/** Sends a request; returns where the worker is to send the reply. */
async function ask(worker: RawClient, asker: RawClient, queue: string, name: string): Promise<string> {
  sendAll(asker, queue, ['ping'], { 'reply-to': name, 'correlation-id': '7' });
  const request = await worker.frame('MESSAGE');
  return request.get('reply-to') ?? '';
}

function named({ headers }: ReceivedFrame): Record<string, string> {
  return Object.fromEntries(headers);
}

t.test('X-22 reply-to /temp-queue/x makes a queue, and a subscription of that id', async (t) => {
  for (const version of VERSIONS) {
    const { worker, asker, queue } = await openPair(t, version);
    const address = await ask(worker, asker, queue, '/temp-queue/foo');
    t.match(address, ADDRESS, `${version}: opaque to the receiver`);
    sendAll(worker, address, ['pong'], { 'correlation-id': '7' });
    const reply = await asker.frame('MESSAGE');
    t.equal(reply.text, 'pong');
    t.match(named(reply), {
      subscription: '/temp-queue/foo',
      destination: '/temp-queue/foo',
      'correlation-id': '7',
    });
    t.equal(reply.get('ack'), undefined, 'in auto mode');
    t.equal(await ask(worker, asker, queue, '/temp-queue/foo'), address, 'the same name, the same queue');
    t.not(await ask(worker, asker, queue, '/temp-queue/bar'), address);
    sendAll(worker, address, ['still there']);
    t.strictSame(await nextBodies(asker, 1), ['still there']);
    asker.sendFrame('UNSUBSCRIBE', { id: '/temp-queue/foo', receipt: 'u' });
    await asker.receipt('u');
    sendAll(worker, address, ['kept']);
    await worker.fence();
    await asker.fence();
    await ask(worker, asker, queue, '/temp-queue/foo');
    t.strictSame(await nextBodies(asker, 1), ['kept'], 'asked again, subscribed again');
  }
});

t.test('X-22 whatever the SEND goes to, its receivers see the address', async (t) => {
  for (const version of VERSIONS) {
    const asker = await openConnected(t, port, version);
    const receiver = await openConnected(t, port, version, { login: 'ann', passcode: 'x' });
    await receiver.subscribe('/topic/x22', 'topic');
    await receiver.subscribe('/user/queue/mine', 'mine');
    await asker.subscribe('/user/queue/asked', 'asked');
    const addresses = new Set<string>();
    for (const destination of ['/topic/x22', '/user/ann/queue/mine']) {
      sendAll(asker, destination, ['ping'], { 'reply-to': '/temp-queue/foo' });
      addresses.add((await receiver.frame('MESSAGE')).get('reply-to') ?? '');
    }
    sendAll(asker, '/app/ask', ['ping'], { 'reply-to': '/temp-queue/foo' });
    addresses.add((await asker.frame('MESSAGE')).text);
    t.equal(addresses.size, 1, version);
    for (const address of addresses) t.match(address, ADDRESS);
  }
});

t.test('X-22 any other reply-to is relayed as it is', async (t) => {
  for (const version of VERSIONS) {
    const { worker, asker, queue } = await openPair(t, version);
    for (const other of ['/queue/answers', '/reply-queue/forwarded', 'ann', '/temp-queue']) {
      t.equal(await ask(worker, asker, queue, other), other, version);
    }
    await asker.fence();
  }
});

t.test('X-22 /temp-queue cannot be sent to, /reply-queue not subscribed', async (t) => {
  for (const version of VERSIONS) {
    const sender = await openConnected(t, port, version);
    await sender.subscribe('/temp-queue/foo');
    sendAll(sender, '/temp-queue/foo', ['x']);
    t.match((await sender.expectError('destination-invalid')).get('message'), /reply-to/, version);
    const thief = await openConnected(t, port, version);
    thief.sendFrame('SUBSCRIBE', { id: '1', destination: '/reply-queue/token' });
    t.match((await thief.expectError('destination-invalid')).get('message'), /only be sent to/);
    for (const wrong of ['/temp-queue/', '/temp-queue/*']) {
      const client = await openConnected(t, port, version);
      sendAll(client, '/topic/x22', ['x'], { 'reply-to': wrong });
      await client.expectError('destination-invalid');
    }
  }
});

t.test('X-22 in a transaction: subscribed at SEND, sent at COMMIT', async (t) => {
  for (const version of VERSIONS) {
    const { worker, asker, queue } = await openPair(t, version);
    asker.sendFrame('BEGIN', { transaction: 't' });
    sendAll(asker, queue, ['ping'], { 'reply-to': '/temp-queue/foo', transaction: 't' });
    await asker.fence();
    await worker.fence();
    const early = await openConnected(t, port, version);
    const address = await ask(worker, asker, queue, '/temp-queue/foo');
    sendAll(early, address, ['pong']);
    t.equal((await asker.frame('MESSAGE')).get('subscription'), '/temp-queue/foo');
    asker.sendFrame('COMMIT', { transaction: 't' });
    t.equal((await worker.frame('MESSAGE')).get('reply-to'), address, version);
    worker.sendFrame('BEGIN', { transaction: 'u' });
    sendAll(worker, address, ['a', 'b'], { transaction: 'u' });
    await worker.fence();
    await asker.fence();
    worker.sendFrame('COMMIT', { transaction: 'u' });
    t.strictSame(await nextBodies(asker, 2), ['a', 'b']);
  }
});

t.test('X-23 a client that subscribes to /temp-queue/x itself gets replies there, and no other way', async (t) => {
  for (const version of VERSIONS) {
    const { worker, asker, queue } = await openPair(t, version);
    await asker.subscribe('/temp-queue/foo', 'mine');
    const address = await ask(worker, asker, queue, '/temp-queue/foo');
    t.match(address, ADDRESS, version);
    sendAll(worker, address, ['pong']);
    const reply = await asker.frame('MESSAGE');
    t.match(named(reply), { subscription: 'mine', destination: '/temp-queue/foo' });
    await asker.fence();
  }
});

t.test('X-23 SUBSCRIBE takes the place of the subscription that a SEND made, under the same id too', async (t) => {
  for (const version of VERSIONS) {
    for (const id of ['mine', '/temp-queue/foo']) {
      const { worker, asker, queue } = await openPair(t, version);
      const address = await ask(worker, asker, queue, '/temp-queue/foo');
      await asker.subscribe('/temp-queue/foo', id, { ack: 'client' });
      sendAll(worker, address, ['a', 'b']);
      const [first, second] = await asker.messages(2);
      t.equal(first?.get('subscription'), id, version);
      settle(asker, 'ACK', second);
      await asker.fence();
      asker.sendFrame('SUBSCRIBE', { id, destination: '/temp-queue/foo' });
      await asker.expectError('subscription-exists');
    }
  }
});

t.test('X-23 all ack modes; what the window has no room for waits in the queue', async (t) => {
  for (const version of NACK_VERSIONS) {
    for (const ack of ['client', 'client-individual']) {
      const { worker, asker, queue } = await openPair(t, version);
      await asker.subscribe('/temp-queue/foo', 'mine', { ack, 'prefetch-count': '1' });
      const address = await ask(worker, asker, queue, '/temp-queue/foo');
      sendAll(worker, address, ['a', 'b']);
      await worker.fence();
      const [first] = await asker.messages(1);
      await asker.fence();
      settle(asker, 'NACK', first);
      const [again] = await asker.messages(1);
      t.match(named(again as ReceivedFrame), { redelivered: 'true' }, `${version} ${ack}`);
      settle(asker, 'ACK', again);
      t.strictSame(await nextBodies(asker, 1), ['b']);
    }
  }
});

t.test('X-24 names are private to their connection', async (t) => {
  for (const version of VERSIONS) {
    const { worker, asker, queue } = await openPair(t, version);
    const other = await openConnected(t, port, version);
    const address = await ask(worker, asker, queue, '/temp-queue/foo');
    await other.subscribe('/temp-queue/foo');
    t.not(await ask(worker, other, queue, '/temp-queue/foo'), address, version);
    sendAll(worker, address, ['for one alone']);
    t.strictSame(await nextBodies(asker, 1), ['for one alone']);
    await other.fence();
  }
});

t.test('X-24 a temporary queue ends with its connection: what comes later is dropped', async (t) => {
  for (const version of VERSIONS) {
    // Of its own: what clients of other tests leave behind when they end is dropped and counted, too.
    const own = await startTestServer(OPTIONS);
    t.teardown(() => own.stop());
    const { worker, asker, queue } = await openPair(t, version, own.tcpPort);
    await asker.subscribe('/temp-queue/foo', 'mine', { ack: 'client', 'prefetch-count': '1' });
    const address = await ask(worker, asker, queue, '/temp-queue/foo');
    sendAll(worker, address, ['unsettled', 'waiting']);
    await asker.frame('MESSAGE');
    await worker.fence();
    const before = own.server.broker.stats().messagesDropped;
    asker.sendFrame('DISCONNECT', { receipt: 'bye' });
    await asker.receipt('bye');
    await asker.closed();
    sendAll(worker, address, ['too late'], { receipt: 'dropped' });
    await worker.receipt('dropped');
    t.equal(own.server.broker.stats().messagesDropped - before, 3, version);
    const heir = await openConnected(t, own.tcpPort, version);
    await heir.subscribe('/temp-queue/foo');
    await heir.fence();
  }
});

t.test('X-24 compat strict answers a reply to a queue that is gone with ERROR', async (t) => {
  for (const version of VERSIONS) {
    const worker = await openConnected(t, strict.tcpPort, version);
    sendAll(worker, '/reply-queue/nobody-has-this', ['x']);
    await worker.expectError('destination-unknown');
    const other = await openConnected(t, strict.tcpPort, version);
    other.sendFrame('BEGIN', { transaction: 't' });
    sendAll(other, '/reply-queue/nobody-has-this', ['x'], { transaction: 't' });
    await other.expectError('destination-unknown');
  }
});
