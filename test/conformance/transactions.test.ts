/** Conformance T-01 to T-19: BEGIN, COMMIT, ABORT, and what happens inside. */
import t, { type Test } from 'tap';
import { openConnected, VERSIONS, type RawClient, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { NACK_VERSIONS, nextBodies, sendAll, settle } from '../helpers/settling.js';

const server = await startTestServer(
  { http: false, broker: { queueDefaults: { backoff: { baseMs: 0 } } } },
  { authorizer: { isAllowed: ({ destination }) => destination !== '/queue/forbidden' } },
);
const port = server.tcpPort;
t.teardown(() => server.stop());

const IN_T = { transaction: 't' };
let last = 0;
function newName(): string {
  return `t-${++last}`;
}

/** Sends a frame and waits until its effect is there. */
async function done(client: RawClient, command: string, headers: Readonly<Record<string, string>>): Promise<void> {
  const receipt = `done-${command}-${newName()}`;
  client.sendFrame(command, { ...headers, receipt });
  await client.receipt(receipt);
}

/** A client with `bodies` pending on a queue of its own. */
async function pending(
  t: Test,
  version: Version,
  ack: string,
  bodies: string,
): Promise<{ client: RawClient; queue: string; messages: ReceivedFrame[] }> {
  const queue = `/queue/${newName()}`;
  const client = await openConnected(t, port, version);
  await client.subscribe(queue, 's', { ack });
  sendAll(client, queue, Array.from(bodies));
  return { client, queue, messages: await client.messages(bodies.length) };
}

/** What a new consumer of the queue gets. */
async function takeAll(t: Test, queue: string, count: number): Promise<string> {
  const client = await openConnected(t, port);
  await client.subscribe(queue, 'all');
  const bodies = await nextBodies(client, count);
  await done(client, 'UNSUBSCRIBE', { id: 'all' });
  return bodies.join('');
}

t.test('T-01 BEGIN, COMMIT and ABORT without a transaction header are refused', async (t) => {
  for (const version of VERSIONS) {
    for (const command of ['BEGIN', 'COMMIT', 'ABORT']) {
      const client = await openConnected(t, port, version);
      client.sendFrame(command, {});
      await client.expectError('header-missing');
    }
  }
});

t.test('T-02 BEGIN with an id that is open on this connection is refused', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await done(client, 'BEGIN', IN_T);
    client.sendFrame('BEGIN', IN_T);
    await client.expectError('transaction-exists');
  }
});

t.test('T-03 an id is free again after COMMIT or ABORT, and on another connection', async (t) => {
  for (const version of VERSIONS) {
    const queue = `/queue/${newName()}`;
    const [one, other] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    for (const client of [one, other]) await done(client, 'BEGIN', IN_T);
    sendAll(one, queue, ['a'], IN_T);
    await done(one, 'COMMIT', IN_T);
    await done(one, 'BEGIN', IN_T);
    sendAll(one, queue, ['b'], IN_T);
    await done(one, 'ABORT', IN_T);
    await done(one, 'BEGIN', IN_T);
    sendAll(other, queue, ['c'], IN_T);
    await done(other, 'COMMIT', IN_T);
    t.equal(await takeAll(t, queue, 2), 'ac', version);
  }
});

t.test('T-04 SEND is invisible until COMMIT, then all are there in order', async (t) => {
  for (const version of VERSIONS) {
    for (const kind of ['topic', 'queue']) {
      const destination = `/${kind}/${newName()}`;
      const [sender, reader] = [await openConnected(t, port, version), await openConnected(t, port, version)];
      await reader.subscribe(destination);
      await done(sender, 'BEGIN', IN_T);
      sendAll(sender, destination, ['a', 'b', 'c'], IN_T);
      await sender.fence();
      await reader.fence();
      await done(sender, 'COMMIT', IN_T);
      const messages = await reader.messages(3);
      t.equal(messages.map(({ text }) => text).join(''), 'abc', `${version} ${kind}`);
      t.ok(messages.every((message) => message.get('transaction') === undefined));
      await reader.fence();
    }
  }
});

t.test('T-05 SEND outside a transaction is visible at once while one is open', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const topic = `/topic/${newName()}`;
    await client.subscribe(topic);
    await done(client, 'BEGIN', IN_T);
    sendAll(client, topic, ['held'], IN_T);
    sendAll(client, topic, ['free']);
    t.strictSame(await nextBodies(client, 1), ['free'], version);
  }
});

t.test('T-06 ABORT drops the SENDs and undoes ACK and NACK', async (t) => {
  for (const version of NACK_VERSIONS) {
    const { client, queue, messages } = await pending(t, version, 'client-individual', 'ab');
    await done(client, 'BEGIN', IN_T);
    sendAll(client, queue, ['dropped'], IN_T);
    settle(client, 'ACK', messages[0], IN_T);
    settle(client, 'NACK', messages[1], IN_T);
    await done(client, 'ABORT', IN_T);
    await client.fence();
    client.destroy();
    t.equal(await takeAll(t, queue, 2), 'ab', version);
  }
});

t.test('T-07 an unknown transaction is refused in SEND, ACK, NACK, COMMIT and ABORT', async (t) => {
  for (const version of VERSIONS) {
    for (const command of ['SEND', 'ACK', 'NACK', 'COMMIT', 'ABORT']) {
      if (command === 'NACK' && version === '1.0') continue;
      const { client, messages } = await pending(t, version, 'client', 'a');
      if (command === 'ACK' || command === 'NACK') settle(client, command, messages[0], IN_T);
      else client.sendFrame(command, { destination: '/topic/t07', ...IN_T });
      await client.expectError('transaction-unknown');
    }
  }
});

t.test(
  'T-08 ACK in a transaction settles at COMMIT only: a consumer that dies before leaves the message',
  async (t) => {
    for (const version of VERSIONS) {
      for (const commits of [false, true]) {
        const { client, queue, messages } = await pending(t, version, 'client', 'a');
        await done(client, 'BEGIN', IN_T);
        settle(client, 'ACK', messages[0], IN_T);
        await client.fence();
        if (commits) await done(client, 'COMMIT', IN_T);
        client.destroy();
        t.equal(await takeAll(t, queue, commits ? 0 : 1), commits ? '' : 'a', version);
      }
    }
  },
);

t.test('T-09 after ABORT a message is pending on the same consumer and can be settled again', async (t) => {
  for (const version of NACK_VERSIONS) {
    for (const ack of ['client', 'client-individual']) {
      for (const verb of ['ACK', 'NACK'] as const) {
        const { client, queue, messages } = await pending(t, version, ack, 'a');
        await done(client, 'BEGIN', IN_T);
        settle(client, verb, messages[0], IN_T);
        await done(client, 'ABORT', IN_T);
        await client.fence();
        settle(client, 'ACK', messages[0], { receipt: 'again' });
        await client.receipt('again');
        client.destroy();
        t.equal(await takeAll(t, queue, 0), '', `${version} ${ack} ${verb}`);
      }
    }
  }
});

t.test('T-10 DISCONNECT and a lost socket abort open transactions', async (t) => {
  for (const version of VERSIONS) {
    for (const end of ['DISCONNECT', 'lost socket']) {
      const { client, queue, messages } = await pending(t, version, 'client', 'ab');
      await done(client, 'BEGIN', IN_T);
      settle(client, 'ACK', messages[1], IN_T);
      sendAll(client, queue, ['never'], IN_T);
      await client.fence();
      if (end === 'DISCONNECT') await done(client, 'DISCONNECT', {});
      else client.destroy();
      t.equal(await takeAll(t, queue, 2), 'ab', `${version} ${end}`);
    }
  }
});

t.test('T-11 SEND and ACK in one transaction take effect together', async (t) => {
  for (const version of VERSIONS) {
    const { client, queue, messages } = await pending(t, version, 'client', 'a');
    const out = `/queue/${newName()}`;
    await done(client, 'BEGIN', IN_T);
    sendAll(client, out, ['A'], IN_T);
    settle(client, 'ACK', messages[0], IN_T);
    const reader = await openConnected(t, port, version);
    await reader.subscribe(out);
    await reader.fence();
    await done(client, 'COMMIT', IN_T);
    t.strictSame(await nextBodies(reader, 1), ['A'], version);
    client.destroy();
    t.equal(await takeAll(t, queue, 0), '', version);
  }
});

t.test('T-12 a frame that is wrong is refused at once inside a transaction', async (t) => {
  for (const version of VERSIONS) {
    for (const [headers, code] of [
      [{}, 'header-missing'],
      [{ destination: '/queue/forbidden' }, 'access-denied'],
      [{ destination: `/queue/${'x'.repeat(2_000)}` }, 'destination-invalid'],
      [{ destination: '/queue/x', priority: 'high' }, 'header-invalid'],
    ] as const) {
      const client = await openConnected(t, port, version);
      await done(client, 'BEGIN', IN_T);
      client.sendFrame('SEND', { ...headers, ...IN_T });
      await client.expectError(code);
    }
  }
});

t.test('T-13 a cumulative ACK fixes its range when it arrives; a second ACK of the message is refused', async (t) => {
  for (const version of NACK_VERSIONS) {
    const { client, queue, messages } = await pending(t, version, 'client', 'ab');
    await done(client, 'BEGIN', IN_T);
    settle(client, 'ACK', messages[1], IN_T);
    sendAll(client, queue, ['c']);
    await client.frame('MESSAGE');
    await done(client, 'COMMIT', IN_T);
    client.destroy();
    t.equal(await takeAll(t, queue, 1), 'c', version);
    for (const second of [{}, IN_T]) {
      const twice = await pending(t, version, 'client', 'ab');
      await done(twice.client, 'BEGIN', IN_T);
      settle(twice.client, 'ACK', twice.messages[1], IN_T);
      settle(twice.client, 'ACK', twice.messages[0], second);
      await twice.client.expectError('ack-unknown');
    }
  }
});

t.test('T-14 SEND inside a transaction is receipted at once', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    await done(client, 'BEGIN', IN_T);
    await done(client, 'SEND', { destination: '/topic/t14', ...IN_T });
    await done(client, 'COMMIT', IN_T);
    t.pass(version);
  }
});

t.test('T-15 the RECEIPT of COMMIT stands behind all of its effects', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const topic = `/topic/${newName()}`;
    const queue = `/queue/${newName()}`;
    await client.subscribe(topic);
    await done(client, 'BEGIN', IN_T);
    sendAll(client, topic, ['a', 'b'], IN_T);
    sendAll(client, queue, ['c'], IN_T);
    client.sendFrame('COMMIT', { ...IN_T, receipt: 'c' });
    const frames = [await client.frame(), await client.frame(), await client.frame()];
    t.strictSame(
      frames.map(({ command }) => command),
      ['MESSAGE', 'MESSAGE', 'RECEIPT'],
      version,
    );
    t.equal(await takeAll(t, queue, 1), 'c');
  }
});

t.test('T-16 a COMMIT that fails is refused and has no effect', async (t) => {
  const own = await startTestServer({ http: false, broker: { queueDefaults: { maxMessages: 1 } } });
  t.teardown(() => own.stop());
  for (const version of VERSIONS) {
    const [full, input] = [`/queue/${newName()}`, `/queue/${newName()}`];
    const client = await openConnected(t, own.tcpPort, version);
    await client.subscribe(input, 's', { ack: 'client' });
    sendAll(client, input, ['work']);
    const message = await client.frame('MESSAGE');
    const watcher = await openConnected(t, own.tcpPort, version);
    await watcher.subscribe('/topic/t16');
    await done(client, 'BEGIN', IN_T);
    sendAll(client, '/topic/t16', ['early'], IN_T);
    sendAll(client, full, ['1', '2'], IN_T);
    settle(client, 'ACK', message, IN_T);
    client.sendFrame('COMMIT', { ...IN_T, receipt: 'c' });
    t.equal((await client.expectError('queue-full')).get('receipt-id'), 'c', version);
    await watcher.fence();
    await watcher.subscribe(full, 'f');
    await watcher.fence();
    await watcher.subscribe(input, 'i');
    t.strictSame(await nextBodies(watcher, 1), ['work'], version);
    await done(watcher, 'DISCONNECT', {});
  }
});

t.test('T-17 transactions are bounded in number, in frames and in octets', async (t) => {
  const limits = { maxTransactionsPerSession: 2, maxTransactionFrames: 3, maxTransactionBytes: 1_000 };
  const own = await startTestServer({ http: false, broker: { limits } });
  t.teardown(() => own.stop());
  for (const version of VERSIONS) {
    const many = await openConnected(t, own.tcpPort, version);
    for (const transaction of ['a', 'b']) await done(many, 'BEGIN', { transaction });
    many.sendFrame('BEGIN', { transaction: 'c' });
    await many.expectError('limit-exceeded');
    for (const [allowed, body] of [
      [3, ''],
      [2, 'x'.repeat(400)],
    ] as const) {
      const client = await openConnected(t, own.tcpPort, version);
      await done(client, 'BEGIN', IN_T);
      for (let k = 0; k < allowed; k++) sendAll(client, '/topic/t17', [body], IN_T);
      await client.fence();
      sendAll(client, '/topic/t17', [body], IN_T);
      await client.expectError('limit-exceeded');
    }
  }
});

t.test('T-18 a transaction header on SUBSCRIBE, UNSUBSCRIBE and DISCONNECT is ignored', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const topic = `/topic/${newName()}`;
    await client.subscribe(topic, 's', { transaction: 'nowhere' });
    sendAll(client, topic, ['a']);
    t.equal((await client.frame('MESSAGE')).text, 'a');
    await done(client, 'BEGIN', IN_T);
    await done(client, 'UNSUBSCRIBE', { id: 's', ...IN_T });
    sendAll(client, topic, ['b']);
    await client.fence();
    await done(client, 'DISCONNECT', { transaction: 'nowhere' });
    await client.closed();
  }
});

t.test('T-19 what a transaction holds does not fill a queue before COMMIT, but counts in memory', async (t) => {
  const own = await startTestServer({
    http: false,
    broker: { queueDefaults: { maxMessages: 2 }, limits: { maxTransactionBytes: 1_000 } },
  });
  t.teardown(() => own.stop());
  for (const version of VERSIONS) {
    const queue = `/queue/${newName()}`;
    const client = await openConnected(t, own.tcpPort, version);
    await done(client, 'BEGIN', IN_T);
    sendAll(client, queue, ['c', 'd'], IN_T);
    sendAll(client, queue, ['a', 'b']);
    await client.fence();
    const reader = await openConnected(t, own.tcpPort, version);
    await reader.subscribe(queue);
    t.strictSame(await nextBodies(reader, 2), ['a', 'b'], 'the queue took both');
    await done(reader, 'UNSUBSCRIBE', { id: '0' });
    await done(client, 'COMMIT', IN_T);
    await reader.subscribe(queue, '1');
    t.strictSame(await nextBodies(reader, 2), ['c', 'd'], version);
    await done(client, 'BEGIN', IN_T);
    sendAll(client, queue, ['x'.repeat(1_001)], IN_T);
    await client.expectError('limit-exceeded');
  }
});
