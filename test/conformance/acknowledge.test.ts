/** Conformance: acknowledgement, redelivery and prefetch. */
import t, { type Test } from 'tap';
import { openConnected, RawClient, VERSIONS, type ReceivedFrame, type Version } from '../helpers/raw-client.js';
import { startTestServer } from '../helpers/server.js';
import { NACK_VERSIONS, nextBodies, sendAll, settle, settlingHeaders } from '../helpers/settling.js';

const QUIET = { sendMs: 0, receiveMs: 0 };
/** What is refused comes again at once: how long it may wait is tested with a clock that stands still. */
const AT_ONCE = { backoff: { baseMs: 0 } };
const server = await startTestServer({ http: false, broker: { heartBeat: QUIET, queueDefaults: AT_ONCE } });
const port = server.tcpPort;
t.teardown(() => server.stop());

const INDIVIDUAL = { ack: 'client-individual' };
const CUMULATIVE = { ack: 'client' };

let lastQueue = 0;
function newQueue(): string {
  return `/queue/a-${++lastQueue}`;
}

interface Pending {
  readonly client: RawClient;
  readonly queue: string;
  readonly messages: readonly ReceivedFrame[];
}

/** A client with a message pending for each body. */
async function pending(t: Test, version: Version, bodies: string, headers: Record<string, string>): Promise<Pending> {
  const queue = newQueue();
  const client = await openConnected(t, port, version);
  await client.subscribe(queue, 's', headers);
  sendAll(client, queue, Array.from(bodies));
  return { client, queue, messages: await client.messages(bodies.length) };
}

/** What another consumer gets once `client` is gone. */
async function leftBehind(t: Test, { client, queue }: Pending, count: number): Promise<string> {
  client.destroy();
  const other = await openConnected(t, port);
  await other.subscribe(queue, 'other');
  return (await nextBodies(other, count)).join('');
}

function named(message: ReceivedFrame | undefined, name: string): string {
  return message?.getRaw(name) ?? '';
}

t.test('A-01 1.0: ACK needs message-id, and no more', async (t) => {
  const one = await pending(t, '1.0', 'ab', CUMULATIVE);
  one.client.sendFrame('ACK', { 'message-id': named(one.messages[0], 'message-id'), receipt: 'r' });
  await one.client.receipt('r');
  t.equal(await leftBehind(t, one, 1), 'b');
  const none = await pending(t, '1.0', 'a', CUMULATIVE);
  none.client.sendFrame('ACK', { receipt: 'r' });
  t.equal((await none.client.expectError('header-missing')).get('receipt-id'), 'r');
});

t.test('A-02 1.1: ACK and NACK need message-id and subscription', async (t) => {
  for (const verb of ['ACK', 'NACK'] as const) {
    for (const missing of ['message-id', 'subscription']) {
      const { client, messages } = await pending(t, '1.1', 'a', INDIVIDUAL);
      const headers = settlingHeaders(client, messages[0] as ReceivedFrame);
      client.sendFrame(verb, Object.fromEntries(Object.entries(headers).filter(([name]) => name !== missing)));
      t.match((await client.expectError('header-missing')).get('message'), `"${missing}"`, verb);
    }
  }
});

t.test('A-03 1.2: ACK and NACK name the ack header of MESSAGE in id', async (t) => {
  const one = await pending(t, '1.2', 'ab', INDIVIDUAL);
  one.client.sendFrame('ACK', { id: named(one.messages[0], 'ack'), receipt: 'r' });
  await one.client.receipt('r');
  t.equal(await leftBehind(t, one, 1), 'b');
  for (const verb of ['ACK', 'NACK']) {
    const { client, messages } = await pending(t, '1.2', 'a', INDIVIDUAL);
    client.sendFrame(verb, { id: named(messages[0], 'message-id') });
    await client.expectError('ack-unknown');
  }
});

t.test('A-04 1.2: message-id is no replacement for id; beside id it is ignored', async (t) => {
  for (const verb of ['ACK', 'NACK']) {
    const { client, messages } = await pending(t, '1.2', 'a', INDIVIDUAL);
    client.sendFrame(verb, { 'message-id': named(messages[0], 'message-id'), subscription: 's' });
    t.match((await client.expectError('header-missing')).get('message'), '"id"', verb);
  }
  const one = await pending(t, '1.2', 'ab', INDIVIDUAL);
  const id = named(one.messages[0], 'ack');
  one.client.sendFrame('ACK', { id, 'message-id': 'nonsense', subscription: 'nobody', receipt: 'r' });
  await one.client.receipt('r');
  t.equal(await leftBehind(t, one, 1), 'b');
});

t.test('A-05 1.2: MESSAGE has an ack header in the client modes, and none in auto mode', async (t) => {
  for (const mode of ['auto', 'client', 'client-individual']) {
    const { messages } = await pending(t, '1.2', 'a', { ack: mode });
    t.equal(messages[0]?.get('ack') !== undefined, mode !== 'auto', mode);
  }
});

t.test('A-06 1.1: the wrong subscription for a message-id is refused', async (t) => {
  for (const verb of ['ACK', 'NACK']) {
    const { client, messages } = await pending(t, '1.1', 'a', INDIVIDUAL);
    await client.subscribe(newQueue(), 'other', INDIVIDUAL);
    client.sendFrame(verb, { 'message-id': named(messages[0], 'message-id'), subscription: 'other' });
    await client.expectError('ack-unknown');
  }
});

t.test('A-07 auto: a message counts as consumed once sent', async (t) => {
  for (const version of VERSIONS) {
    for (const headers of [{}, { ack: 'auto' }]) {
      const one = await pending(t, version, 'ab', headers);
      t.equal(await leftBehind(t, one, 0), '', version);
    }
  }
});

t.test('A-08 ACK or NACK of a message of an auto subscription is refused', async (t) => {
  for (const version of VERSIONS) {
    for (const verb of version === '1.0' ? ['ACK'] : ['ACK', 'NACK']) {
      const { client, messages } = await pending(t, version, 'a', {});
      const headers = settlingHeaders(client, messages[0] as ReceivedFrame);
      client.sendFrame(verb, version === '1.2' ? { id: named(messages[0], 'message-id') } : headers);
      await client.expectError('ack-unknown');
    }
  }
});

t.test('A-09 an id that is unknown, settled already or of another connection is refused', async (t) => {
  for (const version of VERSIONS) {
    const unknown = await pending(t, version, 'a', CUMULATIVE);
    unknown.client.sendFrame('ACK', { id: '1-99', 'message-id': 'x-99', subscription: 's' });
    await unknown.client.expectError('ack-unknown');

    const twice = await pending(t, version, 'a', CUMULATIVE);
    settle(twice.client, 'ACK', twice.messages[0]);
    settle(twice.client, 'ACK', twice.messages[0]);
    await twice.client.expectError('ack-unknown');

    const holder = await pending(t, version, 'ab', CUMULATIVE);
    const thief = await pending(t, version, '', CUMULATIVE);
    settle(thief.client, 'ACK', holder.messages[1]);
    await thief.client.expectError('ack-unknown');
    t.equal(await leftBehind(t, holder, 2), 'ab', version);
  }
});

t.test('A-10 client: ACK covers that message and all earlier ones of its subscription', async (t) => {
  for (const version of VERSIONS) {
    const one = await pending(t, version, 'abcd', CUMULATIVE);
    settle(one.client, 'ACK', one.messages[2], { receipt: 'r' });
    await one.client.receipt('r');
    t.equal(await leftBehind(t, one, 1), 'd', version);
  }
});

t.test('A-11 client: ACK does not touch other subscriptions of the connection', async (t) => {
  for (const version of NACK_VERSIONS) {
    const one = await pending(t, version, 'ab', CUMULATIVE);
    const queue = newQueue();
    await one.client.subscribe(queue, 'later', CUMULATIVE);
    sendAll(one.client, queue, ['x', 'y']);
    const [, second] = await one.client.messages(2);
    settle(one.client, 'ACK', second, { receipt: 'r' });
    await one.client.receipt('r');
    t.equal(await leftBehind(t, one, 2), 'ab', version);
    t.equal(await leftBehind(t, { ...one, queue }, 0), '', version);
  }
});

t.test('A-12 client-individual: acking number 3 leaves 1 and 2 pending', async (t) => {
  for (const version of NACK_VERSIONS) {
    const one = await pending(t, version, 'abcd', INDIVIDUAL);
    settle(one.client, 'ACK', one.messages[2], { receipt: 'r' });
    await one.client.receipt('r');
    t.equal(await leftBehind(t, one, 3), 'abd', version);
  }
});

t.test('A-13 NACK: that and all earlier ones in client mode, that one in client-individual', async (t) => {
  for (const version of NACK_VERSIONS) {
    for (const [headers, again] of [
      [CUMULATIVE, 'abc'],
      [INDIVIDUAL, 'c'],
    ] as const) {
      const { client, messages } = await pending(t, version, 'abcd', headers);
      settle(client, 'NACK', messages[2]);
      t.equal((await nextBodies(client, again.length)).join(''), again, `${version} ${headers.ack}`);
    }
  }
});

t.test('A-14 NACK is no command of 1.0', async (t) => {
  const { client, messages } = await pending(t, '1.0', 'a', CUMULATIVE);
  settle(client, 'NACK', messages[0]);
  await client.expectError('header-invalid');
});

t.test('A-15 NACK gives a message to any consumer again, or with requeue:false to nobody', async (t) => {
  for (const version of NACK_VERSIONS) {
    const { client, queue, messages } = await pending(t, version, 'a', INDIVIDUAL);
    const other = await openConnected(t, port, version);
    // Behind the one who has had a message the newcomer is next.
    await other.subscribe(queue, 'o', INDIVIDUAL);
    settle(client, 'NACK', messages[0]);
    const bounced = await other.frame('MESSAGE');
    settle(other, 'NACK', bounced);
    const back = await client.frame('MESSAGE');
    t.equal(back.text, 'a', 'it bounces between two');
    const letters = await openConnected(t, port);
    await letters.subscribe('/queue/DLQ', 'd');
    // Python's stomp module writes the value as Python does.
    settle(client, 'NACK', back, { requeue: version === '1.1' ? 'False' : 'false' });
    const letter = await letters.frame('MESSAGE');
    t.equal(letter.get('original-destination'), queue);
    t.equal(letter.get('dead-letter-reason'), 'rejected');
    await client.fence();
    await other.fence();
    letters.sendFrame('UNSUBSCRIBE', { id: 'd', receipt: 'u' });
    await letters.receipt('u');
  }
  for (const [name, value] of [
    ['requeue', 'perhaps'],
    ['delay', '-1'],
  ] as const) {
    const { client, messages } = await pending(t, '1.2', 'a', INDIVIDUAL);
    settle(client, 'NACK', messages[0], { [name]: value });
    await client.expectError('header-invalid');
  }
});

t.test('A-16 a redelivered message has redelivered:true, the first delivery redelivered:false', async (t) => {
  for (const version of NACK_VERSIONS) {
    const { client, messages } = await pending(t, version, 'a', INDIVIDUAL);
    t.equal(messages[0]?.get('redelivered'), 'false');
    t.equal(messages[0]?.get('delivery-count'), undefined);
    settle(client, 'NACK', messages[0]);
    const again = await client.frame('MESSAGE');
    t.equal(again.get('redelivered'), 'true');
    t.equal(again.get('delivery-count'), '2');
  }
});

t.test('A-17 requeued messages return to the head in their original order', async (t) => {
  for (const version of NACK_VERSIONS) {
    const { client, messages } = await pending(t, version, 'abc', { ...INDIVIDUAL, 'prefetch-count': '3' });
    sendAll(client, named(messages[0], 'destination'), ['d', 'e']);
    // Given back while no place is free but the ones that this frees.
    client.sendFrame('BEGIN', { transaction: 't' });
    for (const k of [2, 0, 1]) settle(client, 'NACK', messages[k], { transaction: 't' });
    await client.fence();
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    client.sendFrame('COMMIT', { transaction: 't', receipt: 'c' });
    await client.receipt('c');
    await client.subscribe(named(messages[0], 'destination'), 's2');
    t.equal((await nextBodies(client, 5)).join(''), 'abcde', version);
  }
});

t.test('A-18 after so many deliveries a message goes to the dead-letter queue', async (t) => {
  const own = await startTestServer({
    http: false,
    broker: { queueDefaults: { ...AT_ONCE, maxDeliveries: 3, deadLetter: '/queue/graveyard' } },
  });
  t.teardown(() => own.stop());
  for (const version of NACK_VERSIONS) {
    const queue = `/queue/a18.${version}`;
    const client = await openConnected(t, own.tcpPort, version);
    await client.subscribe(queue, 's', INDIVIDUAL);
    sendAll(client, queue, ['poison'], { kept: 'yes' });
    for (let k = 0; k < 3; k++) settle(client, 'NACK', await client.frame('MESSAGE'));
    await client.fence();
    await client.subscribe('/queue/graveyard', 'd');
    const letter = await client.frame('MESSAGE');
    t.equal(letter.text, 'poison');
    t.equal(letter.get('destination'), '/queue/graveyard');
    t.equal(letter.get('original-destination'), queue);
    t.equal(letter.get('dead-letter-reason'), 'max-deliveries');
    t.equal(letter.get('dead-letter-deliveries'), '3');
    t.equal(letter.get('kept'), 'yes');
    client.sendFrame('UNSUBSCRIBE', { id: 'd', receipt: 'u' });
    await client.receipt('u');
  }
});

t.test('A-19 what a client leaves unacknowledged becomes available to others, however it leaves', async (t) => {
  const own = await startTestServer({
    http: false,
    broker: { heartBeat: { sendMs: 0, receiveMs: 100, tolerance: 1 } },
  });
  t.teardown(() => own.stop());
  for (const version of VERSIONS) {
    for (const end of ['lost socket', 'DISCONNECT', 'silence']) {
      // 1.0 has no heart-beats.
      if (end === 'silence' && version === '1.0') continue;
      const queue = newQueue();
      const client = await openConnected(t, own.tcpPort, version, end === 'silence' ? { 'heart-beat': '100,0' } : {});
      await client.subscribe(queue, 's', CUMULATIVE);
      sendAll(client, queue, ['a', 'b']);
      await client.messages(2);
      const other = await openConnected(t, own.tcpPort);
      await other.subscribe(queue, 'o');
      if (end === 'lost socket') client.destroy();
      else if (end === 'DISCONNECT') client.sendFrame('DISCONNECT');
      t.equal((await nextBodies(other, 2)).join(''), 'ab', `${version} ${end}`);
    }
  }
});

t.test('A-20 redelivery starts at FIN and at RST: nobody promised a heart-beat that could run out', async (t) => {
  for (const end of ['FIN', 'RST'] as const) {
    const { client, queue } = await pending(t, '1.2', 'a', INDIVIDUAL);
    const other = await openConnected(t, port);
    await other.subscribe(queue, 'o');
    if (end === 'FIN') client.end();
    else client.socket.resetAndDestroy();
    t.equal((await other.frame('MESSAGE')).text, 'a', end);
  }
});

t.test('A-21 an unacknowledged message is not given to a second consumer while the first is connected', async (t) => {
  for (const version of VERSIONS) {
    const { client, queue } = await pending(t, version, 'ab', CUMULATIVE);
    const other = await openConnected(t, port, version);
    await other.subscribe(queue, 'o', CUMULATIVE);
    await other.fence();
    await client.fence();
    t.equal(other.unread, 0, version);
  }
});

t.test('A-22 auto: what was not yet handed to the socket is not lost with it', async (t) => {
  const COUNT = 400;
  const queue = newQueue();
  const stuck = await openConnected(t, port);
  await stuck.subscribe(queue, 's');
  stuck.socket.pause();
  const sender = await openConnected(t, port);
  const padding = 'x'.repeat(64 * 1024);
  for (let k = 0; k < COUNT; k++) sender.sendFrame('SEND', { destination: queue }, `${k} ${padding}`);
  await sender.fence();
  stuck.destroy();
  const other = await openConnected(t, port);
  await other.subscribe(queue, 's');
  const first = Number.parseInt((await other.frame('MESSAGE')).text, 10);
  t.ok(first < COUNT / 2, `${first} of ${COUNT} were with the system`);
  const rest = await nextBodies(other, COUNT - first - 1);
  t.strictSame(
    rest.map((text) => Number.parseInt(text, 10)),
    Array.from({ length: COUNT - first - 1 }, (_, k) => first + 1 + k),
  );
});

t.test(
  'A-23 prefetch: at most so many are unsettled, each settlement frees its places; none in auto mode',
  async (t) => {
    for (const version of NACK_VERSIONS) {
      const queue = newQueue();
      const client = await openConnected(t, port, version);
      sendAll(client, queue, Array.from('abcdefgh'));
      await client.subscribe(queue, 's', { ...CUMULATIVE, 'prefetch-count': '3' });
      const first = await client.messages(3);
      await client.fence();
      settle(client, 'ACK', first[0]);
      t.equal((await nextBodies(client, 1)).join(''), 'd', 'one freed');
      settle(client, 'ACK', first[2]);
      t.equal((await nextBodies(client, 2)).join(''), 'ef', 'two freed by a cumulative ACK');
      const auto = await openConnected(t, port, version);
      await auto.subscribe(queue, 's', { 'prefetch-count': '1' });
      t.equal((await nextBodies(auto, 2)).join(''), 'gh');
    }
  },
);

t.test('A-24 prefetch 1: a stuck consumer holds one message, the other gets the rest', async (t) => {
  for (const version of NACK_VERSIONS) {
    const queue = newQueue();
    const [stuck, busy] = [await openConnected(t, port, version), await openConnected(t, port, version)];
    for (const client of [stuck, busy]) await client.subscribe(queue, 's', { ...INDIVIDUAL, 'prefetch-count': '1' });
    sendAll(stuck, queue, Array.from('abcde'));
    t.equal((await stuck.frame('MESSAGE')).text, 'a');
    let got = '';
    while (got.length < 4) {
      const message = await busy.frame('MESSAGE');
      got += message.text;
      settle(busy, 'ACK', message);
    }
    t.equal(got, 'bcde', version);
    await stuck.fence();
  }
});

t.test('A-25 1.2: the ack id of an earlier delivery does not settle a later one', async (t) => {
  const { client, messages } = await pending(t, '1.2', 'a', INDIVIDUAL);
  settle(client, 'NACK', messages[0]);
  const again = await client.frame('MESSAGE');
  t.not(again.get('ack'), messages[0]?.get('ack'));
  settle(client, 'ACK', messages[0]);
  await client.expectError('ack-unknown');
});

t.test('A-26 generated message-id, ack and session need no escape', async (t) => {
  for (const version of VERSIONS) {
    const client = await RawClient.openFor(t, port);
    const welcome = await client.connect(version);
    const queue = newQueue();
    await client.subscribe(queue, 's', CUMULATIVE);
    sendAll(client, queue, ['a']);
    const message = await client.frame('MESSAGE');
    const ids = [named(welcome, 'session'), named(message, 'message-id')];
    if (version === '1.2') ids.push(named(message, 'ack'));
    for (const id of ids) t.match(id, /^[A-Za-z0-9_.-]+$/, version);
  }
});

t.test('A-27 a message-id is unique per message, an ack id within its connection', async (t) => {
  for (const version of VERSIONS) {
    const client = await openConnected(t, port, version);
    const queues = [newQueue(), newQueue()];
    for (const [k, queue] of queues.entries()) await client.subscribe(queue, `s${k}`, CUMULATIVE);
    for (let k = 0; k < 20; k++) for (const queue of queues) sendAll(client, queue, [String(k)]);
    const messages = await client.messages(40);
    const topic = `/topic/a27.${version}`;
    await client.subscribe(topic, 't', CUMULATIVE);
    sendAll(client, topic, ['x']);
    messages.push(await client.frame('MESSAGE'));
    t.equal(new Set(messages.map((message) => message.get('message-id'))).size, 41, version);
    if (version === '1.2') t.equal(new Set(messages.map((message) => message.get('ack'))).size, 41);
  }
});
