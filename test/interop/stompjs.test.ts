/** @stomp/stompjs 7 over the WebSocket of `ws`, in each version it speaks. */
import type { IMessage } from '@stomp/stompjs';
import t, { type Test } from 'tap';
import { Inbox, inTime } from '../helpers/inbox.js';
import { startTestServer } from '../helpers/server.js';
import { overWebSocket, StompjsClient, versions, type StompjsConfig } from '../helpers/stompjs-client.js';

const server = await startTestServer();
const { httpPort } = server;
t.teardown(() => server.stop());

function connect(t: Test, config: StompjsConfig = {}): Promise<StompjsClient> {
  return StompjsClient.connect(t, { ...overWebSocket(httpPort), ...config });
}

/** Every octet value, so nothing that is valid UTF-8. */
const ALL_OCTETS = Uint8Array.from({ length: 256 }, (_, value) => value);

for (const version of ['1.0', '1.1', '1.2']) {
  t.test(`stompjs talks ${version}: subscribes, publishes, gets receipts, unsubscribes and leaves`, async (t) => {
    const client = await connect(t, { stompVersions: versions(version) });
    t.equal(client.client.connectedVersion, version);
    const destination = `/topic/hello.${version}`;
    const messages = await client.subscribe(destination, { id: 'greetings' });
    client.client.publish({ destination, body: 'grüße, 世界 🐎', headers: { kind: 'greeting' } });
    const message = await messages.next('the greeting');
    t.equal(message.body, 'grüße, 世界 🐎');
    t.match(message.headers, { destination, kind: 'greeting', subscription: 'greetings' });

    const receipt = await client.receipt('SEND', (id) => {
      client.client.publish({ destination, body: 'second', headers: { receipt: id } });
    });
    t.equal(receipt.command, 'RECEIPT');
    t.equal((await messages.next('the second message')).body, 'second');

    await client.receipt('UNSUBSCRIBE', (id) => client.client.unsubscribe('greetings', { receipt: id }));
    client.client.publish({ destination, body: 'nobody hears this' });
    await client.fence();
    t.equal(messages.length, 0);
    t.match(await client.deactivate(), { code: 1000, wasClean: true });
  });

  t.test(`stompjs asks and answers through temporary queues on ${version}`, async (t) => {
    const [worker, asker] = [await connect(t), await connect(t, { stompVersions: versions(version) })];
    const queue = `/queue/questions.${version}`;
    const questions = await worker.subscribe(queue);
    const ask = async (name: string): Promise<void> => {
      asker.client.publish({ destination: queue, headers: { 'reply-to': `/temp-queue/${name}` }, body: name });
      const { headers, body } = await questions.next('the question');
      worker.client.publish({ destination: headers['reply-to'] ?? '', body: `re ${body}` });
    };
    // ActiveMQ's way: the client subscribes.
    const answers = await asker.subscribe('/temp-queue/subscribed');
    await ask('subscribed');
    t.equal((await answers.next('the answer')).body, 're subscribed');
    // RabbitMQ's: messages come on a subscription that stompjs knows nothing of.
    const unhandled = new Inbox<IMessage>();
    asker.client.onUnhandledMessage = (message) => unhandled.push(message);
    await ask('implied');
    const answer = await unhandled.next('the answer without SUBSCRIBE');
    t.equal(answer.body, 're implied');
    t.equal(answer.headers['subscription'], '/temp-queue/implied');
    // Subscribed now, the next one is handled.
    const later = await asker.subscribe('/temp-queue/implied', { id: '/temp-queue/implied' });
    await ask('implied');
    t.equal((await later.next('the second answer')).body, 're implied');
    t.equal(unhandled.length, 0);
  });

  t.test(`stompjs acknowledges in mode client-individual on ${version}`, async (t) => {
    const consumer = await connect(t, { stompVersions: versions(version) });
    const queue = `/queue/individual.${version}`;
    const messages = await consumer.subscribe(queue, { id: 'work', ack: 'client-individual' });
    for (const body of ['one', 'two', 'three']) consumer.client.publish({ destination: queue, body });
    await messages.next('message one');
    const two = await messages.next('message two');
    await messages.next('message three');
    await consumer.receipt('ACK', (receipt) => two.ack({ receipt }));
    await consumer.deactivate();

    const heir = await connect(t);
    const rest = await heir.subscribe(queue, { ack: 'client-individual' });
    for (const expected of ['one', 'three']) {
      const message = await rest.next(`message ${expected} again`);
      t.equal(message.body, expected);
      t.equal(message.headers['redelivered'], 'true');
      message.ack();
    }
    await heir.fence();
    t.equal(rest.length, 0);
  });

  t.test(`stompjs acknowledges in mode client, cumulatively, on ${version}`, async (t) => {
    const consumer = await connect(t, { stompVersions: versions(version) });
    const queue = `/queue/cumulative.${version}`;
    const messages = await consumer.subscribe(queue, { ack: 'client' });
    for (const body of ['one', 'two', 'three']) consumer.client.publish({ destination: queue, body });
    await messages.next('message one');
    const two = await messages.next('message two');
    await consumer.receipt('ACK', (receipt) => two.ack({ receipt }));
    await consumer.deactivate();

    const heir = await connect(t);
    const rest = await heir.subscribe(queue);
    t.equal((await rest.next('message three again')).body, 'three');
    await heir.fence();
    t.equal(rest.length, 0);
  });

  t.test(`stompjs commits and aborts transactions on ${version}`, async (t) => {
    const client = await connect(t, { stompVersions: versions(version) });
    const destination = `/topic/transactions.${version}`;
    const messages = await client.subscribe(destination);
    const aborted = client.client.begin();
    client.client.publish({ destination, body: 'never', headers: { transaction: aborted.id } });
    aborted.abort();
    const committed = client.client.begin('tx');
    client.client.publish({ destination, body: 'first', headers: { transaction: committed.id } });
    client.client.publish({ destination, body: 'second', headers: { transaction: committed.id } });
    client.client.publish({ destination, body: 'outside' });
    t.equal((await messages.next('the message outside')).body, 'outside');
    await client.fence();
    t.equal(messages.length, 0, 'nothing before COMMIT');
    committed.commit();
    t.equal((await messages.next('the first message')).body, 'first');
    t.equal((await messages.next('the second message')).body, 'second');
    await client.fence();
    t.equal(messages.length, 0);
  });
}

t.test('stompjs gets the highest version when it offers all', async (t) => {
  const client = await connect(t);
  t.equal(client.client.connectedVersion, '1.2');
  t.match(await client.connected, { headers: { version: '1.2', 'heart-beat': '1000,1000' } });
});

t.test('stompjs hands a message back with nack() and another consumer gets it', async (t) => {
  for (const version of ['1.1', '1.2']) {
    const queue = `/queue/nack.${version}`;
    const refuser = await connect(t, { stompVersions: versions(version) });
    const refused = await refuser.subscribe(queue, { id: 'refuser', ack: 'client-individual', 'prefetch-count': '1' });
    refuser.client.publish({ destination: queue, body: 'hot potato' });
    const potato = await refused.next('the message');
    const taker = await connect(t, { stompVersions: versions(version) });
    const taken = await taker.subscribe(queue, { ack: 'client-individual' });
    potato.nack();
    refuser.client.unsubscribe('refuser');
    const again = await taken.next('the message after nack()');
    t.equal(again.body, 'hot potato');
    t.equal(again.headers['redelivered'], 'true');
    await taker.receipt('ACK', (receipt) => again.ack({ receipt }));
  }
});

t.test('stompjs acknowledges inside a transaction: abort undoes it, commit makes it stick', async (t) => {
  const client = await connect(t);
  const queue = '/queue/acks.in.transactions';
  const messages = await client.subscribe(queue, { id: 'work', ack: 'client-individual' });
  client.client.publish({ destination: queue, body: 'job' });
  const job = await messages.next('the job');
  const aborted = client.client.begin();
  job.ack({ transaction: aborted.id });
  aborted.abort();
  const committed = client.client.begin();
  job.ack({ transaction: committed.id });
  client.client.publish({ destination: '/topic/acks.done', headers: { transaction: committed.id } });
  committed.commit();
  await client.fence();
  t.equal(client.errors.length, 0, 'the second ACK was no error');
  await client.deactivate();
  const heir = await connect(t);
  const rest = await heir.subscribe(queue);
  await heir.fence();
  t.equal(rest.length, 0, 'settled');
});

t.test('stompjs sends and receives a binary body of all octet values', async (t) => {
  const client = await connect(t);
  const messages = await client.subscribe('/topic/binary');
  client.client.publish({ destination: '/topic/binary', binaryBody: ALL_OCTETS });
  const message = await messages.next('the binary body');
  t.same([...message.binaryBody], [...ALL_OCTETS]);
  t.equal(message.headers['content-length'], '256');
});

t.test('stompjs sends 1 MiB with splitLargeFrames, in text and in binary', async (t) => {
  const body = 'Ein Pferd! – '.repeat(90_000).slice(0, 1024 * 1024);
  for (const forceBinaryWSFrames of [false, true]) {
    const client = await connect(t, { splitLargeFrames: true, forceBinaryWSFrames });
    const messages = await client.subscribe('/topic/large');
    client.client.publish({ destination: '/topic/large', body });
    const message = await messages.next('1 MiB');
    t.ok(message.body === body, `arrives unchanged, forceBinaryWSFrames ${String(forceBinaryWSFrames)}`);
    t.equal(message.headers['content-length'], String(Buffer.byteLength(body)));
    await client.deactivate();
  }
});

t.test('stompjs sends text without content-length', async (t) => {
  const client = await connect(t);
  const messages = await client.subscribe('/topic/uncounted');
  client.client.publish({ destination: '/topic/uncounted', body: 'Zügel', skipContentLengthHeader: true });
  const message = await messages.next('the message');
  t.equal(message.body, 'Zügel');
  t.equal(message.headers['content-length'], '6', 'the server counts');
});

t.test('stompjs works as under React Native: forceBinaryWSFrames and appendMissingNULLonIncoming', async (t) => {
  const client = await connect(t, { forceBinaryWSFrames: true, appendMissingNULLonIncoming: true });
  const messages = await client.subscribe('/topic/native');
  for (const body of ['', 'one', 'two']) client.client.publish({ destination: '/topic/native', body });
  for (const body of ['', 'one', 'two']) t.equal((await messages.next(`"${body}"`)).body, body);
  t.match(await client.deactivate(), { code: 1000 });
});

t.test('stompjs escapes header values on 1.2 and gets them back as they were', async (t) => {
  const client = await connect(t);
  // No backslash before c, n or r: stompjs unescapes in several passes and would take it for an escape.
  const tricky = 'a:b\\:x\nd\re\\';
  const messages = await client.subscribe('/topic/escapes');
  client.client.publish({ destination: '/topic/escapes', headers: { tricky } });
  t.equal((await messages.next('the message')).headers['tricky'], tricky);
});

t.test('stompjs sees an ERROR frame before the connection ends', async (t) => {
  const client = await connect(t);
  client.client.publish({ destination: '/topic/x', headers: { transaction: 'none', receipt: 'r1' } });
  const error = await client.errors.next('ERROR');
  t.match(error.headers, { code: 'transaction-unknown', 'receipt-id': 'r1' });
  t.match(await inTime(client.closed, 'the close'), { code: 1002, wasClean: true });
});

t.test('stompjs and server keep each other alive with heart-beats', async (t) => {
  const beating = await startTestServer({ broker: { heartBeat: { sendMs: 150, receiveMs: 150, tolerance: 6 } } });
  t.teardown(() => beating.stop());
  const beats = new Inbox<true>();
  const client = await StompjsClient.connect(t, {
    ...overWebSocket(beating.httpPort),
    heartbeatIncoming: 150,
    heartbeatOutgoing: 150,
    heartbeatToleranceMultiplier: 6,
    onHeartbeatReceived: () => beats.push(true),
    onHeartbeatLost: () => t.fail('a heart-beat of the server came too late'),
  });
  // Longer than the tolerance of either side, several times over.
  for (let k = 1; k <= 18; k++) await beats.next(`heart-beat ${k}`);
  await client.fence();
  t.match(await client.deactivate(), { code: 1000 });
});

t.test('stompjs that falls silent is told so and closed', async (t) => {
  const beating = await startTestServer({ broker: { heartBeat: { sendMs: 0, receiveMs: 100 } } });
  t.teardown(() => beating.stop());
  // A page that was put to sleep: the timer that sends heart-beats never fires.
  const client = await StompjsClient.connect(t, { ...overWebSocket(beating.httpPort), heartbeatOutgoing: 100 });
  const { _stompHandler: handler } = client.client as unknown as { _stompHandler: { _pinger: { stop(): void } } };
  handler._pinger.stop();
  t.match(await client.errors.next('ERROR'), { headers: { code: 'heart-beat-timeout' } });
  t.match(await inTime(client.closed, 'the close'), { wasClean: true });
});

t.test('stompjs reconnects on its own after the server went away', async (t) => {
  const first = await startTestServer();
  const connects = new Inbox<string>();
  const client = new StompjsClient({ ...overWebSocket(first.httpPort), reconnectDelay: 50 });
  t.teardown(() => client.client.deactivate({ force: true }));
  client.client.onConnect = (frame) => connects.push(frame.headers['session'] ?? '');
  const before = await connects.next('the first CONNECTED');
  await first.stop();
  t.match(await inTime(client.closed, 'the close of the first server'), { code: 1001, wasClean: true });
  const second = await startTestServer({ http: { port: first.httpPort } });
  t.teardown(() => second.stop());
  const after = await connects.next('CONNECTED of the second server');
  t.not(after, before, 'a session of its own');
  await inTime(client.client.deactivate(), 'deactivate()');
});
