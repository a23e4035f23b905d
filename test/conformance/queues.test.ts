/** Conformance, as far as it is about queues: what other brokers add to STOMP, and hoofbeat has too. */
import t from 'tap';
import { openConnected, VERSIONS } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { NACK_VERSIONS, nextBodies, sendAll, settle } from '../helpers/settling.js';

const server = await startTestServer({
  http: false,
  broker: {
    queueDefaults: { backoff: { baseMs: 0 } },
    queues: [
      { pattern: '/queue/watched/**', onExpiry: 'dead-letter', deadLetter: '/queue/late' },
      { pattern: '/queue/fan/**', mode: 'broadcast' },
    ],
  },
});
const port = server.tcpPort;
t.teardown(() => server.stop());

let last = 0;
function newQueue(): string {
  return `/queue/x-${++last}`;
}

t.test('X-01 a queue gives each message to one subscriber and keeps it while nobody listens', async (t) => {
  for (const version of VERSIONS) {
    const queue = newQueue();
    const [sender, reader] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    sendAll(sender, queue, ['kept']);
    await sender.fence();
    await sender.subscribe(queue);
    await reader.subscribe(queue);
    t.strictSame(await nextBodies(sender, 1), ['kept'], version);
    await reader.fence();
  }
});

t.test('X-02 a topic gives a copy to every subscriber of the moment', async (t) => {
  for (const version of VERSIONS) {
    const topic = `/topic/x02.${version}`;
    const [sender, reader] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    sendAll(sender, topic, ['missed']);
    await sender.fence();
    for (const client of [sender, reader]) await client.subscribe(topic);
    sendAll(sender, topic, ['both']);
    for (const client of [sender, reader]) t.strictSame(await nextBodies(client, 1), ['both'], version);
  }
});

t.test('X-05 a queue goes round its consumers, among those whose window has room', async (t) => {
  for (const version of NACK_VERSIONS) {
    const queue = newQueue();
    const clients = [];
    for (const prefetch of ['1', '4', '4']) {
      const client = await openConnected(t, port, version);
      await client.subscribe(queue, 's', { ack: 'client', 'prefetch-count': prefetch });
      clients.push(client);
    }
    const sender = await openConnected(t, port, version);
    sendAll(sender, queue, Array.from('abcdefg'));
    await sender.fence();
    const got = [];
    for (const [k, count] of [1, 3, 3].entries()) {
      const client = clients[k];
      if (client !== undefined) got.push((await nextBodies(client, count)).join(''));
    }
    t.strictSame(got, ['a', 'bdf', 'ceg'], version);
  }
});

t.test('X-07 expires: a message whose time is over is not delivered; 0 is never', async (t) => {
  for (const version of VERSIONS) {
    const queue = newQueue();
    const client = await openConnected(t, port, version);
    for (const headers of [{ expires: '1' }, { expires: '0' }, { expires: String(Date.now() + 3_600_000) }]) {
      sendAll(client, queue, [headers.expires], headers);
    }
    await client.subscribe(queue);
    const messages = await client.messages(2);
    t.equal(messages[0]?.get('expires'), '0', 'told to the receiver');
    t.ok(Number(messages[1]?.get('expires')) > Date.now(), version);
    await client.fence();
    sendAll(client, queue, ['gone'], { expires: String(Date.now() - 1) });
    await client.fence();
    sendAll(client, queue, ['x'], { expires: 'tomorrow' });
    await client.expectError('header-invalid');
  }
});

t.test('X-08 expiration and x-message-ttl: so many ms from now, while nobody takes the message', async (t) => {
  for (const version of VERSIONS) {
    const late = await openConnected(t, port, version);
    await late.subscribe('/queue/late');
    const client = await openConnected(t, port, version);
    for (const name of ['expiration', 'x-message-ttl']) {
      const queue = `/queue/watched/${name}.${version}`;
      sendAll(client, queue, [name], { [name]: '1' });
      const letter = await late.frame('MESSAGE');
      t.equal(letter.text, name);
      t.equal(letter.get('dead-letter-reason'), 'expired');
      t.equal(letter.get('original-destination'), queue);
      t.equal(letter.get(name), undefined, 'or it would expire again');
      await client.subscribe(queue, name);
      await client.fence();
      sendAll(client, queue, ['soon enough'], { [name]: '60000' });
      t.strictSame(await nextBodies(client, 1), ['soon enough']);
    }
    late.sendFrame('UNSUBSCRIBE', { id: '0', receipt: 'u' });
    await late.receipt('u');
  }
});

t.test('X-09 priority: higher first, in order within one, 4 when there is none', async (t) => {
  for (const version of VERSIONS) {
    const queue = newQueue();
    const client = await openConnected(t, port, version);
    for (const [body, priority] of ['a1', 'b9', 'c-', 'd4', 'e5', 'f9', 'g0'].map((each) => [each, each[1] ?? ''])) {
      sendAll(client, queue, [body ?? ''], priority === '-' ? {} : { priority: priority ?? '' });
    }
    await client.subscribe(queue);
    t.strictSame(await nextBodies(client, 7), ['b9', 'f9', 'e5', 'c-', 'd4', 'a1', 'g0'], version);
    sendAll(client, queue, ['x'], { priority: '10' });
    await client.expectError('header-invalid');
  }
});

t.test('X-10 correlation-id, type, timestamp, reply-to and their like are relayed', async (t) => {
  const headers = {
    'correlation-id': '7',
    type: 'order',
    timestamp: '1',
    'content-encoding': 'gzip',
    'app-id': 'shop',
  };
  for (const version of VERSIONS) {
    for (const destination of [newQueue(), `/topic/x10.${version}`]) {
      const client = await openConnected(t, port, version);
      await client.subscribe(destination);
      sendAll(client, destination, ['a'], headers);
      const message = await client.frame('MESSAGE');
      for (const [name, value] of Object.entries(headers)) t.equal(message.get(name), value, name);
    }
  }
});

t.test('X-11 MESSAGE says whether it is redelivered, and priority, expires and timestamp as sent', async (t) => {
  for (const version of NACK_VERSIONS) {
    const queue = newQueue();
    const client = await openConnected(t, port, version);
    await client.subscribe(queue, 's', { ack: 'client' });
    const headers = { priority: '7', expires: '0', timestamp: '1' };
    sendAll(client, queue, ['a'], { ...headers, redelivered: 'true' });
    const first = await client.frame('MESSAGE');
    t.equal(first.get('redelivered'), 'false', 'no matter what the sender says');
    settle(client, 'NACK', first);
    const again = await client.frame('MESSAGE');
    t.equal(again.get('redelivered'), 'true', version);
    for (const [name, value] of Object.entries(headers)) t.equal(again.get(name), value, name);
  }
});

t.test('X-13 AMQ_SCHEDULED_DELAY and AMQ_SCHEDULED_TIME: not before; repetition is refused', async (t) => {
  for (const version of VERSIONS) {
    const queue = newQueue();
    const client = await openConnected(t, port, version);
    await client.subscribe(queue);
    sendAll(client, queue, ['later'], { AMQ_SCHEDULED_DELAY: '60' });
    sendAll(client, queue, ['at a time'], { AMQ_SCHEDULED_TIME: String(Date.now() + 300) });
    sendAll(client, queue, ['now']);
    sendAll(client, queue, ['never'], { AMQ_SCHEDULED_DELAY: '3600000' });
    t.strictSame(await nextBodies(client, 3), ['now', 'later', 'at a time'], version);
    for (const [name, value] of [
      ['AMQ_SCHEDULED_DELAY', 'soon'],
      ['AMQ_SCHEDULED_PERIOD', '1000'],
      ['AMQ_SCHEDULED_REPEAT', '3'],
      ['AMQ_SCHEDULED_CRON', '* * * * *'],
    ] as const) {
      const other = await openConnected(t, port, version);
      sendAll(other, queue, ['x'], { [name]: value });
      await other.expectError('header-invalid');
    }
  }
});

t.test('X-15 prefetch-count and activemq.prefetchSize bound what is unsettled', async (t) => {
  for (const version of VERSIONS) {
    for (const name of ['prefetch-count', 'activemq.prefetchSize']) {
      const queue = newQueue();
      const client = await openConnected(t, port, version);
      sendAll(client, queue, Array.from('abc'));
      await client.subscribe(queue, 's', { ack: 'client', [name]: '2' });
      const [, second] = await client.messages(2);
      await client.fence();
      settle(client, 'ACK', second);
      t.strictSame(await nextBodies(client, 1), ['c'], `${version} ${name}`);
      client.sendFrame('SUBSCRIBE', { id: 'x', destination: queue, [name]: 'many' });
      await client.expectError('header-invalid');
    }
  }
});

t.test('X-17 an exclusive consumer gets everything while it lives, then the next one', async (t) => {
  for (const version of VERSIONS) {
    for (const name of ['exclusive', 'activemq.exclusive']) {
      const queue = newQueue();
      const [plain, first, second] = [
        await openConnected(t, port, version),
        await openConnected(t, port, version),
        await openConnected(t, port, version),
      ];
      await plain.subscribe(queue);
      await first.subscribe(queue, 's', { [name]: 'true' });
      await second.subscribe(queue, 's', { [name]: 'true' });
      sendAll(plain, queue, ['a', 'b']);
      t.strictSame(await nextBodies(first, 2), ['a', 'b'], `${version} ${name}`);
      for (const [gone, heir] of [
        [first, second],
        [second, plain],
      ] as const) {
        gone.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'u' });
        await gone.receipt('u');
        sendAll(gone, queue, ['c', 'd']);
        t.strictSame(await nextBodies(heir, 2), ['c', 'd']);
      }
      plain.sendFrame('SUBSCRIBE', { id: 'x', destination: queue, [name]: 'perhaps' });
      await plain.expectError('header-invalid');
    }
  }
});

t.test('X-29 NACK with requeue:false goes to the dead-letter queue that the options name', async (t) => {
  for (const version of NACK_VERSIONS) {
    const queue = `/queue/watched/x29.${version}`;
    const client = await openConnected(t, port, version);
    await client.subscribe(queue, 's', { ack: 'client' });
    sendAll(client, queue, ['a', 'b']);
    const [, second] = await client.messages(2);
    settle(client, 'NACK', second, { requeue: 'false' });
    const reader = await openConnected(t, port, version);
    await client.fence();
    await reader.subscribe('/queue/late', 'd', { ack: 'client' });
    const letters = await reader.messages(2);
    t.strictSame(
      letters.map((letter) => `${letter.text} ${letter.get('dead-letter-reason') ?? ''}`),
      ['a rejected', 'b rejected'],
      version,
    );
    settle(reader, 'NACK', letters[1], { requeue: 'false', receipt: 'n' });
    await reader.receipt('n');
    await reader.fence();
    reader.sendFrame('UNSUBSCRIBE', { id: 'd', receipt: 'u' });
    await reader.receipt('u');
  }
  t.match(server.server.broker.stats(), { givenUp: { rejected: 8 }, deadLettered: 10 }, 'a dead letter is none twice');
});

t.test('X-33 message-id on SEND is ignored and replaced', async (t) => {
  for (const version of VERSIONS) {
    for (const destination of [newQueue(), `/topic/x33.${version}`]) {
      const client = await openConnected(t, port, version);
      await client.subscribe(destination);
      sendAll(client, destination, ['a', 'b'], { 'message-id': 'mine' });
      const ids = (await client.messages(2)).flatMap(({ raw }) => raw.filter(([name]) => name === 'message-id'));
      t.equal(new Set(ids.map(([, id]) => id)).size, 2, 'one each, and not the same');
      t.notOk(
        ids.some(([, id]) => id === 'mine'),
        version,
      );
    }
  }
});

t.test('a queue in mode broadcast fans out as in Spring, patterns included', async (t) => {
  for (const version of VERSIONS) {
    const queue = `/queue/fan/${version}`;
    const clients = [await openConnected(t, port, version), await openConnected(t, port, version)];
    sendAll(await openConnected(t, port, version), queue, ['nobody was there']);
    for (const client of clients) await client.subscribe(queue);
    const wild = await openConnected(t, port, version);
    await wild.subscribe('/queue/fan/*');
    sendAll(wild, queue, ['a']);
    for (const client of [...clients, wild]) t.strictSame(await nextBodies(client, 1), ['a'], version);
    wild.sendFrame('SUBSCRIBE', { id: 'w', destination: '/queue/*' });
    await wild.expectError('destination-invalid');
  }
});
