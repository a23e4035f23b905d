import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { MemoryConnection } from '../helpers/memory-connection.js';
import { Message } from '../../broker/message.js';
import { Outbox, type OutboxOwner } from '../../broker/outbox.js';
import { Subscription, type AckMode } from '../../broker/subscription.js';
import { FrameParser } from '../../protocol/index.js';

const LIMITS = {
  highWaterBytes: 1_000,
  softLimitBytes: 2_000,
  softLimitMs: 1_000,
  hardLimitBytes: 4_000,
  policies: [],
};

function setUp() {
  const clock = new FakeClock();
  const connection = new MemoryConnection((task) => clock.soon(task));
  const slow: number[] = [];
  const soft: boolean[] = [];
  const owner: OutboxOwner = {
    interceptMessage: () => null,
    onControlWritten: () => undefined,
    onGivenWay: () => undefined,
    onSlowConsumer: (bytes: number) => slow.push(bytes),
    onSoftLimit: (isOver: boolean) => soft.push(isOver),
  };
  const marked: Outbox[] = [];
  const outbox = new Outbox(connection, LIMITS, owner, {
    markDirty: (dirty) => marked.push(dirty),
    flushNow: () => undefined,
  });
  let number = 0;
  const subscribe = (ackMode: AckMode = 'auto') => {
    number++;
    const head = Buffer.from(`MESSAGE\nsubscription:${number}\nmessage-id:n-`);
    return new Subscription({
      number,
      id: String(number),
      destination: '/queue/q',
      ackMode,
      window: 100,
      isExclusive: false,
      selector: null,
      durableKey: null,
      head,
      outbox,
      sessionId: 's',
    });
  };
  return { outbox, connection, slow, soft, marked, subscribe };
}

const NO_MESSAGE = Message.fromHeaders(0, [], Buffer.alloc(0));

/** A message whose octets lie in a read chunk. */
function borrowed(id: number, body = 'x', withLength = true): Message {
  const messages: Message[] = [];
  const length = withLength ? `content-length:${body.length}\n` : '';
  new FrameParser().pushRaw(Buffer.from(`SEND\ndestination:/queue/q\n${length}\n${body}\0`), {
    onRawFrame: (raw) => messages.push(Message.fromPlain(id, raw)) > 0,
  });
  return messages[0] as Message;
}

t.test('an outbox is marked once until it is flushed', async (t) => {
  const { outbox, marked, subscribe } = setUp();
  const subscription = subscribe();
  for (let k = 0; k < 5; k++) subscription.deliver(borrowed(k), 1);
  t.equal(marked.length, 1);
  t.notOk(outbox.isEmpty);
});

t.test('queued octets are counted in and out to nothing, whatever the order', async (t) => {
  const { outbox, subscribe } = setUp();
  const [a, b] = [subscribe(), subscribe('client')];
  for (let k = 0; k < 3_000; k++) {
    (k % 3 === 0 ? b : a).deliver(borrowed(k, 'x'.repeat(k % 7), k % 2 === 0), 1);
    if (k % 10 === 0) outbox.enqueueControl(Buffer.from('RECEIPT\n\n\0'));
    if (k % 100 === 50) outbox.settleAfterFlush();
    if (k % 2 === 1) outbox.shift();
  }
  t.ok(outbox.queuedBytes > 0);
  while (!outbox.isEmpty) outbox.shift();
  t.equal(outbox.queuedBytes, 0);
  t.equal(outbox.peekHead(), undefined);
});

t.test(
  'takeUnsent takes out one subscription: auto messages come back oldest first, pending ones are dropped',
  async (t) => {
    const { outbox, subscribe } = setUp();
    const [auto, client, other] = [subscribe(), subscribe('client'), subscribe()];
    for (let k = 0; k < 4; k++) for (const subscription of [auto, client, other]) subscription.deliver(borrowed(k), 1);
    outbox.enqueueControl(Buffer.from('\n'));
    outbox.shift();
    t.strictSame(
      outbox.takeUnsent(auto).map(({ message }) => message.id),
      [1, 2, 3],
    );
    t.strictSame(outbox.takeUnsent(auto), []);
    const [first, second] = [borrowed(8), borrowed(9)];
    for (const message of [first, second]) auto.deliver(message, 1);
    t.strictSame(
      outbox.takeUnsent(auto, new Set([second])).map(({ message }) => message.id),
      [9],
      'only these',
    );
    t.strictSame(
      outbox.takeUnsent(auto).map(({ message }) => message.id),
      [8],
    );
    t.strictSame(outbox.takeUnsent(client), [], 'they are pending elsewhere');
    const left: unknown[] = [];
    for (let head = outbox.peekHead(); head !== undefined; head = outbox.peekHead()) {
      left.push(head === null ? null : head.owner);
      outbox.shift();
    }
    t.ok(left.length === 5 && left.slice(0, 4).every((owner) => owner === other) && left[4] === null);
    t.equal(outbox.queuedBytes, 0);
  },
);

t.test('whatever stays after a flush owns its octets, mixed with what owned them before', async (t) => {
  const { outbox, subscribe } = setUp();
  const subscription = subscribe();
  const messages: Message[] = [];
  for (let turn = 0; turn < 20; turn++) {
    for (let k = 0; k < 7; k++) {
      const message = borrowed(turn * 10 + k, 'x', k % 3 !== 0);
      messages.push(message);
      subscription.deliver(message, 1);
      if (k === 4) outbox.enqueueControl(Buffer.from('\n'));
    }
    for (let k = 0; k < turn % 5; k++) outbox.shift();
    if (turn === 10) outbox.takeUnsent(subscribe());
    outbox.settleAfterFlush();
    const isWaiting = new Set(messages.slice(-7));
    t.ok(
      [...isWaiting].every(({ isOwned }) => isOwned),
      `turn ${turn}`,
    );
  }
});

t.test('the owner is told of the soft limit as it is passed, both ways', async (t) => {
  const { outbox, soft, subscribe } = setUp();
  const subscription = subscribe();
  subscription.deliver(borrowed(1, 'x'.repeat(3_000)), 1);
  outbox.settleAfterFlush();
  outbox.settleAfterFlush();
  t.strictSame(soft, [true]);
  outbox.shift();
  outbox.settleAfterFlush();
  t.strictSame(soft, [true, false]);
});

t.test('a closed outbox takes nothing more and keeps what is queued, unless told to drop it', async (t) => {
  const { outbox, subscribe } = setUp();
  const subscription = subscribe();
  subscription.deliver(borrowed(1), 1);
  outbox.close(false);
  subscription.deliver(borrowed(2), 1);
  outbox.enqueueControl(Buffer.from('\n'));
  t.notOk(outbox.hasRoom);
  t.strictSame(
    outbox.takeUnsent(subscription).map(({ message }) => message.id),
    [1],
  );
  subscription.deliver(borrowed(3), 1);
  outbox.close(true);
  t.ok(outbox.isEmpty);
  t.equal(outbox.queuedBytes, 0);
});

t.test('a reader that is frozen is judged by the hard limit at once', async (t) => {
  const fixture = new BrokerFixture({
    outbox: { highWaterBytes: 100_000, softLimitBytes: 200_000, hardLimitBytes: 300_000 },
  });
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.connection.freeze();
  const sender = fixture.connect();
  let sent = 0;
  while (!client.isGone && sent < 100) {
    sender.publish('/topic/a', 'x'.repeat(10_000));
    sent++;
    fixture.clock.turn();
  }
  t.ok(sent >= 39 && sent <= 50, `after ${sent} messages of 10 KB: 100 KB in the transport, 300 KB here`);
  t.ok(Buffer.concat(client.connection.parts).length < 200_000, 'above the mark nothing is handed over');
  t.equal(client.connection.closedWith?.webSocketStatus, 1008);
  t.match(fixture.broker.stats(), { subscriptions: 0, closed: { 'slow-consumer': 1 } });
  t.ok(fixture.log.some(({ fields, level }) => level === 'warn' && fields['code'] === 'slow-consumer'));
  t.notOk(sender.isGone);
});

t.test('a hard limit below what is flushed early is judged at the end of the turn', async (t) => {
  const fixture = new BrokerFixture({
    outbox: { highWaterBytes: 1_000, softLimitBytes: 2_000, hardLimitBytes: 5_000 },
  });
  const [frozen, reader] = [fixture.connect(), fixture.connect()];
  for (const client of [frozen, reader]) client.subscribe('s', '/topic/a');
  fixture.clock.turn();
  frozen.connection.freeze();
  const sender = fixture.connect();
  sender.publish('/topic/a', 'x'.repeat(1_000));
  fixture.clock.turn();
  for (let k = 0; k < 9; k++) sender.publish('/topic/a', 'x'.repeat(1_000));
  fixture.clock.turn();
  t.ok(frozen.isGone);
  t.notOk(reader.isGone);
  t.equal(reader.bodies().length, 10, 'a burst within one turn harms nobody who reads');
});

t.test('a reader above the soft limit is judged when it stays there, forgiven when it does not', async (t) => {
  const outbox = { highWaterBytes: 100_000, softLimitBytes: 150_000, softLimitMs: 5_000, hardLimitBytes: 10_000_000 };
  for (const recovers of [true, false]) {
    const fixture = new BrokerFixture({ outbox });
    const client = fixture.connect();
    client.subscribe('s', '/topic/a');
    client.connection.freeze();
    const sender = fixture.connect();
    for (let k = 0; k < 40; k++) {
      sender.publish('/topic/a', 'x'.repeat(10_000));
      fixture.clock.turn();
    }
    fixture.clock.advance(4_900);
    t.notOk(client.isGone);
    if (recovers) client.connection.thaw();
    fixture.clock.advance(300);
    t.equal(client.isGone, !recovers);
    if (recovers) t.equal(client.bodies().length, 40);
    else t.equal(client.connection.closedWith?.code, 'slow-consumer');
    fixture.clock.advance(100_000);
    t.equal(client.isGone, !recovers, 'and not later');
  }
});

t.test('S-26 while one reader is frozen the others receive everything in order', async (t) => {
  const fixture = new BrokerFixture();
  const clients = Array.from({ length: 5 }, () => fixture.connect());
  for (const client of clients) client.subscribe('s', '/topic/a');
  clients[2]?.connection.freeze();
  const sender = fixture.connect();
  const got: string[][] = clients.map(() => []);
  for (let k = 0; k < 300; k++) {
    sender.publish('/topic/a', `${k}:${'x'.repeat(5_000)}`);
    if (k % 7 === 0) clients.forEach((client, c) => got[c]?.push(...client.bodies()));
  }
  clients[2]?.connection.thaw();
  clients.forEach((client, c) => got[c]?.push(...client.bodies()));
  const wanted = Array.from({ length: 300 }, (_, k) => String(k));
  for (const bodies of got)
    t.strictSame(
      bodies.map((body) => body.split(':')[0]),
      wanted,
    );
});

t.test('ack ids are unique on the connection', async (t) => {
  const { subscribe } = setUp();
  const subscriptions = [subscribe('client'), subscribe('client-individual')];
  const ids = new Set<string>();
  for (let k = 0; k < 20; k++) {
    for (const { pending } of subscriptions) ids.add(pending?.add(borrowed(1), 1).ackId ?? '');
  }
  t.equal(ids.size, 40);
  t.ok(
    [...ids].every((id) => /^\d+-\d+$/.test(id)),
    'A-26',
  );
});

t.test('a client that sends faster than it reads its receipts is bounded too', async (t) => {
  const fixture = new BrokerFixture({
    outbox: { highWaterBytes: 70_000, softLimitBytes: 80_000, hardLimitBytes: 100_000 },
  });
  const client = fixture.connect();
  client.connection.freeze();
  const send = frameText('SEND', { destination: '/topic/a', receipt: 'x'.repeat(1_000) });
  for (let k = 0; k < 400; k++) {
    client.send(send);
    fixture.clock.turn();
  }
  t.equal(client.connection.closedWith?.code, 'slow-consumer');
});

t.test('a note goes with the next message of its subscription, and with no other', async (t) => {
  const { outbox, subscribe } = setUp();
  const [auto, client, other] = [subscribe(), subscribe('client'), subscribe()];
  outbox.noteNext(auto, true);
  outbox.noteNext(client, true);
  outbox.noteNext(client, false);
  for (let k = 0; k < 2; k++) for (const subscription of [auto, client, other]) subscription.deliver(borrowed(k), 1);
  const bytes = outbox.queuedBytes;
  const extras: string[] = [];
  for (let head = outbox.peekHead(); head; head = outbox.peekHead()) {
    extras.push(`${head.owner.number} ${JSON.stringify(head.extra?.toString() ?? '')}`);
    outbox.shift();
  }
  t.strictSame(extras, [
    String.raw`1 "\nrecovered:true"`,
    String.raw`2 "\nack:2-1\nredelivered:false\nrecovered:false"`,
    '3 ""',
    '1 ""',
    String.raw`2 "\nack:2-2\nredelivered:false"`,
    '3 ""',
  ]);
  t.ok(bytes > 0);
  t.equal(outbox.queuedBytes, 0);
});

t.test('a note of a subscription that ended is forgotten', async (t) => {
  const { outbox, subscribe } = setUp();
  const subscription = subscribe();
  outbox.noteNext(subscription, true);
  outbox.forget(subscription);
  subscription.deliver(borrowed(1), 1);
  t.equal(outbox.peekHead(), subscription);
});

t.test('of a closed outbox each subscription takes its own, and nobody looks through it for each', async (t) => {
  const { outbox, subscribe } = setUp();
  const subscriptions = Array.from({ length: 50 }, (_, k) => subscribe(k % 2 === 0 ? 'auto' : 'client'));
  let looks = 0;
  for (const subscription of subscriptions) {
    Object.defineProperty(subscription, 'owner', {
      get: () => {
        looks++;
        return subscription;
      },
    });
  }
  outbox.enqueueControl(Buffer.from('\n'));
  for (let k = 0; k < 20; k++) subscriptions[k % 4]?.deliver(borrowed(k, ''), 1);
  const { queuedBytes } = outbox;
  outbox.close(false);
  looks = 0;
  // The first entry leaves meanwhile, and the first delivery.
  outbox.takeUnsent(subscriptions[49] as Subscription);
  for (let k = 0; k < 2; k++) outbox.shift();
  const taken = subscriptions.map((subscription) =>
    outbox.takeUnsent(subscription, new Set([NO_MESSAGE])).map(({ message }) => message.id),
  );
  t.ok(
    taken.every(({ length }) => length === 0),
    'only what is asked for',
  );
  const all = subscriptions.map((subscription) => outbox.takeUnsent(subscription).map(({ message }) => message.id));
  t.strictSame(all.slice(0, 4), [[4, 8, 12, 16], [], [2, 6, 10, 14, 18], []]);
  t.ok(looks <= 2 * 20, `${looks} looks for 20 messages and 50 subscriptions`);
  t.ok(outbox.queuedBytes < queuedBytes);
  t.equal(outbox.queuedBytes, 0, 'what is pending elsewhere went too');
});

t.test('an outbox that has become empty leaves its list to the next', async (t) => {
  const [a, b] = [setUp(), setUp()];
  const [first, second] = [a.subscribe(), b.subscribe()];
  for (let k = 0; k < 3; k++) {
    first.deliver(borrowed(k), 1);
    second.deliver(borrowed(10 + k), 1);
    for (const { outbox } of [a, b]) outbox.shift();
    t.ok(a.outbox.isEmpty && b.outbox.isEmpty);
  }
  second.deliver(borrowed(20), 1);
  t.equal(a.outbox.peekHead(), undefined);
  t.equal(b.outbox.peekHead(), second);
});

t.test('a long backlog keeps its order and its sums through whatever happens to it', async (t) => {
  const random = new SeededRandom('a long backlog');
  const { outbox, subscribe } = setUp();
  const subscriptions = [subscribe(), subscribe(), subscribe()];
  let model: { readonly id: number; readonly by: Subscription }[] = [];
  let nextId = 0;
  let longest = 0;
  const place = (): boolean => outbox.hasSent(outbox.place);
  for (let round = 0; round < 60; round++) {
    for (let k = random.between(0, round % 20 === 19 ? 12_000 : 1_500); k > 0; k--) {
      const by = subscriptions[random.between(0, 2)] as Subscription;
      by.deliver(borrowed(++nextId, 'x'.repeat(20)), 1);
      model.push({ id: nextId, by });
    }
    longest = Math.max(longest, model.length);
    t.equal(place(), model.length === 0);
    outbox.settleAfterFlush();
    for (let k = Math.min(model.length, random.between(0, round % 10 === 9 ? 20_000 : 1_500)); k > 0; k--) {
      const message = outbox.peekPayload() as Message;
      if (message.id !== model.shift()?.id || !message.isOwned) throw new Error(`wrong at round ${round}`);
      outbox.shift();
    }
    if (round % 7 === 3) {
      const gone = subscriptions[random.between(0, 2)] as Subscription;
      const taken = outbox.takeUnsent(gone).map(({ message }) => message.id);
      t.strictSame(
        taken,
        model.filter(({ by }) => by === gone).map(({ id }) => id),
      );
      model = model.filter(({ by }) => by !== gone);
    }
    t.equal(outbox.isEmpty, model.length === 0);
  }
  t.ok(longest > 10_000);
  outbox.close(false);
  for (const gone of subscriptions) {
    const left = model.filter(({ by }) => by === gone).map(({ id }) => id);
    t.strictSame(
      outbox.takeUnsent(gone).map(({ message }) => message.id),
      left,
    );
  }
  t.equal(outbox.queuedBytes, 0);
});
