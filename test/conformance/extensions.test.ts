/** Conformance X-03 to X-30, as far as it is about headers and names that other brokers' clients bring along. */
import t from 'tap';
import { openConnected, RawClient, VERSIONS, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { NACK_VERSIONS, nextBodies, sendAll, settle } from '../helpers/settling.js';

const auth = {
  anonymous: true,
  users: [
    { login: 'ann', passcode: 'x', roles: [] },
    { login: 'bob/b', passcode: 'x', roles: [] },
  ],
};
const server = await startTestServer({
  http: false,
  auth,
  broker: {
    destinations: { queuePrefixes: ['/queue', 'jobs'], composite: true },
    history: [{ pattern: '/topic/kept/**' }],
    queues: [
      { pattern: '/queue/fan/**', mode: 'broadcast' },
      { pattern: '/queue/small/**', maxMessages: 1 },
    ],
  },
});
const port = server.tcpPort;
t.teardown(() => server.stop());

let last = 0;
function newName(prefix: string): string {
  return `${prefix}/e-${++last}`;
}

/** A client of a user; anonymous ones are opened by `openConnected`. */
async function openAs(login: string, version: Version, at = port): Promise<RawClient> {
  const client = await RawClient.open(at);
  t.teardown(() => {
    client.destroy();
  });
  await client.connect(version, { login, passcode: 'x' });
  return client;
}

t.test('X-03 a name without prefix is a queue where the options say so; an unknown prefix is refused', async (t) => {
  const strict = await startTestServer({ http: false, broker: { compat: 'strict' } });
  t.teardown(() => strict.stop());
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    sendAll(client, `jobs.${version}`, ['kept']);
    await client.subscribe(`jobs.${version}`);
    t.strictSame(await nextBodies(client, 1), ['kept'], version);
    for (const command of ['SEND', 'SUBSCRIBE']) {
      const other = await openConnected(t, strict.tcpPort, version);
      other.sendFrame(command, { destination: '/elsewhere/a', id: 's' });
      await other.expectError('destination-unknown');
    }
  }
});

t.test('X-04 wildcards count by dots, in the words of RabbitMQ and of ActiveMQ', async (t) => {
  const wanted = {
    amqp: { '/news/*.b': ['a.b'], '/news/a.#': ['a', 'a.b', 'a.b.c'], '/news/#': ['a', 'a.b', 'a.b.c'] },
    activemq: { '/news/*.b': ['a.b'], '/news/a.>': ['a', 'a.b', 'a.b.c'], '/news/>': ['a', 'a.b', 'a.b.c'] },
  };
  for (const [wildcards, patterns] of Object.entries(wanted) as ['amqp' | 'activemq', Record<string, string[]>][]) {
    const dotted = await startTestServer({
      http: false,
      broker: { destinations: { separator: '.', wildcards, topicPrefixes: ['/topic', '/news'] } },
    });
    t.teardown(() => dotted.stop());
    for (const version of VERSIONS) {
      for (const [pattern, topics] of Object.entries(patterns)) {
        const client = await openConnected(t, dotted.tcpPort, version);
        await client.subscribe(pattern);
        for (const name of ['a', 'a.b', 'a.b.c']) {
          sendAll(client, `/news/${name}`, [name]);
        }
        t.strictSame(await nextBodies(client, topics.length), topics, `${version} ${pattern}`);
        client.sendFrame('UNSUBSCRIBE', { id: '0', destination: pattern, receipt: 'u' });
        await client.receipt('u');
        client.destroy();
      }
    }
  }
});

t.test('X-04 rules are asked about the pattern that is meant, however it is written', async (t) => {
  const guarded = await startTestServer({
    http: false,
    auth: {
      anonymous: true,
      rules: [
        { action: 'connect', allow: true },
        { destination: '/topic/secret.**', allow: false },
        { destination: '/topic/**', allow: true },
      ],
    },
    broker: { destinations: { wildcards: 'amqp' } },
  });
  t.teardown(() => guarded.stop());
  const client = await openConnected(t, guarded.tcpPort);
  client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/#' });
  await client.expectError('access-denied');
});

t.test('X-12 JMSXUserID is the user who sent the message, and nobody can pretend it', async (t) => {
  const naming = await startTestServer({ http: false, auth, broker: { userIdHeader: true } });
  t.teardown(() => naming.stop());
  for (const version of VERSIONS) {
    for (const [at, says] of [
      [naming.tcpPort, 'ann'],
      [port, undefined],
    ] as const) {
      for (const destination of [newName('/queue'), newName('/topic')]) {
        const ann = await openAs('ann', version, at);
        const nobody = await openConnected(t, at, version);
        await nobody.subscribe(destination);
        sendAll(ann, destination, ['plain']);
        sendAll(ann, destination, ['pretended'], { JMSXUserID: 'bob' });
        ann.sendFrame('BEGIN', { transaction: 't' });
        sendAll(ann, destination, ['in a transaction'], { JMSXUserID: 'bob', transaction: 't' });
        ann.sendFrame('COMMIT', { transaction: 't' });
        await ann.fence();
        sendAll(nobody, destination, ['anonymous'], { JMSXUserID: 'bob' });
        t.strictSame(
          (await nobody.messages(4)).map((message) => [message.text, message.get('JMSXUserID')]),
          [
            ['plain', says],
            ['pretended', says],
            ['in a transaction', says],
            ['anonymous', undefined],
          ],
          `${version} ${destination}`,
        );
      }
    }
  }
});

t.test('X-16 no-local: what a session sends does not come to it', async (t) => {
  for (const version of VERSIONS) {
    for (const header of ['no-local', 'activemq.noLocal']) {
      for (const [topic, pattern] of [
        [newName('/topic'), null],
        [newName('/topic/kept'), null],
        [newName('/topic/wild'), '/topic/wild/*'],
        [newName('/queue/fan'), null],
      ] as const) {
        const [picky, plain] = [await openConnected(t, port, version), await openConnected(t, port, version)];
        sendAll(picky, topic, ['before anybody listens']);
        await picky.fence();
        await picky.subscribe(pattern ?? topic, 's', { [header]: 'true' });
        await plain.subscribe(topic);
        sendAll(picky, topic, ['own']);
        sendAll(picky, topic, ['own, on the strict path'], { priority: '1' });
        t.strictSame(await nextBodies(plain, 2), ['own', 'own, on the strict path'], `${version} ${topic}`);
        sendAll(plain, topic, ['of another']);
        t.strictSame(await nextBodies(plain, 1), ['of another'], 'who did not ask gets its own');
        t.strictSame(await nextBodies(picky, 1), ['of another']);
        picky.destroy();
      }
    }
    const queue = await openConnected(t, port, version);
    queue.sendFrame('SUBSCRIBE', { id: 'q', destination: newName('/queue'), 'no-local': 'true' });
    await queue.expectError('header-invalid');
    const durable = await openConnected(t, port, version);
    const headers = { id: 'd', destination: newName('/topic'), 'no-local': 'true', durable: 'true' };
    durable.sendFrame('SUBSCRIBE', headers);
    await durable.expectError('header-invalid');
  }
});

t.test('X-16 no-local beside a selector, and for a user destination', async (t) => {
  const topic = newName('/topic');
  const [ann, other] = [await openAs('ann', '1.2'), await openAs('ann', '1.2')];
  await ann.subscribe(topic, 's', { 'no-local': 'true', selector: 'a = 1' });
  for (const client of [ann, other]) {
    sendAll(client, topic, ['wanted'], { a: '1' });
    sendAll(client, topic, ['not wanted'], { a: '2' });
    await client.fence();
    t.strictSame(await nextBodies(ann, client === ann ? 0 : 1), client === ann ? [] : ['wanted']);
  }
  await ann.subscribe('/user/queue/x', 'u', { 'no-local': 'true' });
  sendAll(ann, '/user/ann/queue/x', ['own']);
  await ann.fence();
  sendAll(await openConnected(t, port), '/user/ann/queue/x', ['of another']);
  t.strictSame(await nextBodies(ann, 1), ['of another']);
});

t.test('X-21 browser:true shows what waits, consumes nothing and tells the end', async (t) => {
  for (const version of NACK_VERSIONS) {
    const queue = newName('/queue');
    const [sender, reader] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    sendAll(sender, queue, ['a', 'b'], { kind: 'x' });
    sendAll(sender, queue, ['first'], { priority: '9' });
    sendAll(sender, queue, ['later'], { AMQ_SCHEDULED_DELAY: '3600000' });
    await sender.fence();
    await reader.subscribe(queue, 'b', { browser: 'true', ack: 'client' });
    const shown = await reader.messages(4);
    t.strictSame(
      shown.map((message) => [message.text, message.get('browser')]),
      [
        ['first', undefined],
        ['a', undefined],
        ['b', undefined],
        ['', 'end'],
      ],
      version,
    );
    t.equal(shown.at(-1)?.get('destination'), queue);
    t.equal(shown.at(-1)?.get('subscription'), 'b');
    sendAll(sender, queue, ['after the end']);
    await sender.fence();
    await reader.fence();
    reader.sendFrame('UNSUBSCRIBE', { id: 'b', receipt: 'u' });
    await reader.receipt('u');
    await reader.subscribe(queue, 'c', { browser: 'true', selector: "kind = 'x'" });
    t.strictSame(await nextBodies(reader, 3), ['a', 'b', '']);
    await sender.subscribe(queue);
    t.strictSame(await nextBodies(sender, 4), ['first', 'a', 'b', 'after the end'], 'all are still there');
    await reader.subscribe(queue, 'd', { browser: 'true' });
    t.strictSame(await nextBodies(reader, 1), [''], 'an empty queue has an end too');
  }
});

t.test('X-21 what was browsed cannot be settled; 1.0, topics and values that are no flag are refused', async (t) => {
  for (const version of NACK_VERSIONS) {
    for (const verb of ['ACK', 'NACK'] as const) {
      const queue = newName('/queue');
      const client = await openConnected(t, port, version);
      sendAll(client, queue, ['a']);
      await client.subscribe(queue, 'b', { browser: 'true', ack: 'client-individual' });
      const [message] = await client.messages(2);
      t.equal(message?.get('ack'), undefined);
      settle(client, verb, message, version === '1.2' ? { id: '1-1' } : {});
      await client.expectError('ack-unknown');
    }
    for (const headers of [
      { destination: newName('/topic'), browser: 'true' },
      { destination: newName('/queue/fan'), browser: 'true' },
      { destination: newName('/queue'), browser: 'yes' },
    ]) {
      const client = await openConnected(t, port, version);
      client.sendFrame('SUBSCRIBE', { id: 'b', ...headers });
      await client.expectError('header-invalid');
    }
  }
  const old = await openConnected(t, port, '1.0');
  old.sendFrame('SUBSCRIBE', { id: 'b', destination: newName('/queue'), browser: 'true' });
  await old.expectError('header-invalid');
});

t.test('X-27 %2F stands for a slash in the name of a user; elsewhere a name is what is written', async (t) => {
  for (const version of VERSIONS) {
    const bob = await openAs('bob/b', version);
    const sender = await openConnected(t, port, version);
    const queue = newName('/queue');
    await bob.subscribe('/user/queue/x', 'u');
    sendAll(sender, '/user/bob%2Fb/queue/x', ['for bob']);
    t.strictSame(await nextBodies(bob, 1), ['for bob'], version);
    await bob.subscribe(`${queue}%2Fz`, 'q');
    sendAll(sender, `${queue}%2Fz`, ['as written']);
    sendAll(sender, `${queue}/z`, ['another queue']);
    await sender.fence();
    t.strictSame(await nextBodies(bob, 1), ['as written']);
    bob.destroy();
  }
});

t.test('X-30 SEND to several destinations reaches each of them, or none', async (t) => {
  for (const version of VERSIONS) {
    for (const headers of [{}, { persistent: 'true' }, { transaction: 't' }, { 'message-key': '1' }]) {
      const [queue, topic] = [newName('/queue'), newName('/topic')];
      const client = await openConnected(t, port, version);
      await client.subscribe(queue, 'q');
      await client.subscribe(topic, 't');
      client.sendFrame('BEGIN', { transaction: 't' });
      sendAll(client, `${queue}, ${topic}`, ['both'], headers);
      client.sendFrame('COMMIT', { transaction: 't' });
      const messages = await client.messages(2);
      t.strictSame(
        messages.map((message) => `${message.text} ${message.get('destination') ?? ''}`).sort(),
        [`both ${queue}`, `both ${topic}`],
        version,
      );
      for (const message of messages) t.equal(message.get('original-destination'), `${queue}, ${topic}`);
      await client.fence();
    }
    const topic = newName('/topic');
    const small = newName('/queue/small');
    const [listener, sender] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    await listener.subscribe(topic);
    sendAll(sender, small, ['fills it']);
    await sender.fence();
    sendAll(sender, `${topic},${small}`, ['to none']);
    await sender.expectError('queue-full');
    await listener.fence();
    for (const [command, destination] of [
      ['SEND', `${topic},,${small}`],
      ['SUBSCRIBE', `${topic},${small}`],
    ] as const) {
      const client = await openConnected(t, port, version);
      client.sendFrame(command, { id: 's', destination });
      await client.expectError('destination-invalid');
    }
  }
});

t.test(
  'X-30 a composite destination is a plain name unless the options say otherwise; rules are asked for each',
  async (t) => {
    const plain = await startTestServer({ http: false });
    const guarded = await startTestServer({
      http: false,
      auth: {
        anonymous: true,
        rules: [
          { action: 'connect', allow: true },
          { destination: '/topic/open', allow: true },
        ],
      },
      broker: { destinations: { composite: true } },
    });
    t.teardown(() => Promise.all([plain.stop(), guarded.stop()]));
    const client = await openConnected(t, plain.tcpPort);
    await client.subscribe('/queue/a,/queue/b');
    sendAll(client, '/queue/a,/queue/b', ['one name']);
    t.strictSame(await nextBodies(client, 1), ['one name']);
    const refused = await openConnected(t, guarded.tcpPort);
    sendAll(refused, '/topic/open,/topic/closed', ['x']);
    await refused.expectError('access-denied');
  },
);
