import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { header } from '../../helpers/server-frames.js';
import { BrokerError } from '../../../broker/index.js';

const INBOX = { rules: [{ pattern: '/queue/**', maxMessages: 5, ttlMs: 100_000 }] };

/** A broker on a store, where bob has been before. */
async function start(
  store = new LastingStore(new FakeClock()),
  clock = new FakeClock(),
  inbox: object = INBOX,
): Promise<{ fixture: BrokerFixture; store: LastingStore; clock: FakeClock; ann: FixtureClient }> {
  const fixture = new BrokerFixture({ inbox }, undefined, 'info', null, { clock, store });
  await fixture.started;
  fixture.connect({ login: 'bob' }).connection.vanish();
  await fixture.settle();
  return { fixture, store, clock, ann: fixture.connect({ login: 'ann' }) };
}

/** The process is gone, and another runs on the same store: nothing is told to the first one any more. */
async function restart(
  { fixture, store, clock }: { fixture: BrokerFixture; store: LastingStore; clock: FakeClock },
  inbox: object = INBOX,
): Promise<BrokerFixture> {
  await fixture.settle();
  const next = new BrokerFixture({ inbox }, undefined, 'info', null, { clock, store });
  await next.started;
  return next;
}

function bobWith(fixture: BrokerFixture, destination = '/user/queue/x', headers = {}): FixtureClient {
  const bob = fixture.connect({ login: 'bob' });
  bob.subscribe('s', destination, headers);
  return bob;
}

function received(client: FixtureClient): string[] {
  return client
    .frames()
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) => `${frame.body.toString()}${header(frame, 'redelivered') === 'true' ? '#' : ''}`);
}

function receipts(client: FixtureClient): (string | undefined)[] {
  return client.frames().map((frame) => header(frame, 'code') ?? header(frame, 'receipt-id'));
}

function lanes(store: LastingStore): string[] {
  return store.contents().lanes.map(({ stream, messages }) => `${stream.replace('\0', ' ')} ${messages}`);
}

t.test('RECEIPT says that the message is stored; a store that fails keeps nothing', async (t) => {
  const { fixture, store, ann } = await start();
  store.hold();
  ann.publish('/user/bob/queue/x', 'a', { receipt: 'a' });
  await fixture.settle();
  t.strictSame([receipts(ann), lanes(store)], [[], []]);
  store.release();
  await fixture.settle();
  t.strictSame([receipts(ann), lanes(store)], [['a'], ['inbox:bob /queue/x 1']]);
  store.failures.push(new BrokerError('store-full', 'no room'));
  ann.publish('/user/bob/queue/x', 'b', { receipt: 'b' });
  await fixture.settle();
  t.strictSame(receipts(ann), ['store-full']);
  t.equal(fixture.broker.stats().inbox.messages, 1);
  const refused = fixture.broker.convertAndSendToUser('bob', '/queue/x', 'c');
  store.failures.push(new BrokerError('store-failed', 'no'));
  fixture.clock.turn();
  await t.rejects(refused, { code: 'store-failed' });
  t.strictSame(received(bobWith(fixture)), ['a']);
});

t.test('who subscribes while messages are on their way to the store gets them before what is published', async (t) => {
  for (const fails of [false, true]) {
    const { fixture, store, ann } = await start();
    ann.publish('/user/bob/queue/x', 'a');
    await fixture.settle();
    store.hold();
    ann.publish('/user/bob/queue/x', 'b');
    await fixture.settle();
    const bob = bobWith(fixture);
    const second = fixture.connect({ login: 'ann' });
    second.publish('/user/bob/queue/x', 'c');
    await fixture.settle();
    t.strictSame(received(bob), ['a']);
    if (fails) store.failures.push(new BrokerError('store-failed', 'no'));
    store.release();
    await fixture.settle();
    t.strictSame(received(bob), fails ? ['c'] : ['b', 'c']);
    second.publish('/user/bob/queue/x', 'd');
    t.strictSame(received(bob), ['d']);
  }
});

t.test('who subscribes and leaves while a message is on its way leaves it to the next', async (t) => {
  const { fixture, store, ann } = await start();
  store.hold();
  ann.publish('/user/bob/queue/x', 'a');
  await fixture.settle();
  bobWith(fixture).connection.vanish();
  const second = bobWith(fixture);
  const third = bobWith(fixture);
  second.connection.vanish();
  store.release();
  await fixture.settle();
  t.strictSame(received(third), ['a']);
});

t.test(
  'what waits outlives the process, with its order, and leaves nothing in the store once it is delivered',
  async (t) => {
    const first = await start();
    for (const [body, rest] of [
      ['a', 'x'],
      ['b', 'y'],
      ['c', 'x'],
    ] as const)
      first.ann.publish(`/user/bob/queue/${rest}`, body);
    const second = await restart(first);
    t.match(second.broker.stats().inbox, { users: 1, messages: 3 });
    const ann = second.connect({ login: 'ann' });
    ann.publish('/user/bob/queue/y', 'd');
    await second.settle();
    t.strictSame(received(bobWith(second, '/user/queue/**')), ['a', 'b', 'c', 'd']);
    await second.settle();
    t.strictSame(lanes(first.store), []);
    t.equal((await restart({ ...first, fixture: second })).broker.stats().inbox.messages, 0);
    const drops = first.store.operations.filter(({ kind }) => kind === 'drop');
    t.equal(drops.length, 2, 'an empty stream is dropped: there may be any number of them');
  },
);

t.test('what was delivered and not acknowledged comes again after a crash, and says so', async (t) => {
  const first = await start();
  for (const body of ['a', 'b', 'c', 'd']) first.ann.publish('/user/bob/queue/x', body);
  await first.fixture.settle();
  const bob = bobWith(first.fixture, '/user/queue/x', { ack: 'client-individual', 'prefetch-count': '3' });
  const messages = bob.frames();
  bob.send(frameText('ACK', { id: header(messages[0], 'ack') ?? '', receipt: 'r' }));
  await first.fixture.settle();
  const second = await restart(first);
  t.strictSame(received(bobWith(second)), ['b#', 'c#', 'd#']);
});

t.test('what was not written before a crash comes unmarked, what was does not come', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a');
  await first.fixture.settle();
  t.strictSame(received(bobWith(first.fixture)), ['a']);
  first.ann.publish('/user/bob/queue/y', 'b');
  const second = await restart(first);
  t.strictSame(received(bobWith(second, '/user/queue/**')), ['b']);
});

t.test('an ACK is receipted when it is stored, and is not lost to a store that fails', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a');
  await first.fixture.settle();
  const bob = bobWith(first.fixture, '/user/queue/x', { ack: 'client' });
  const id = header(bob.frames()[0], 'ack') ?? '';
  first.store.failures.push(new BrokerError('store-failed', 'no'));
  bob.send(frameText('ACK', { id, receipt: 'r' }));
  await first.fixture.settle();
  t.strictSame(receipts(bob), []);
  first.fixture.clock.advance(1_100);
  await first.fixture.settle();
  t.strictSame(receipts(bob), ['r']);
  t.strictSame(lanes(first.store), []);
});

t.test('a NACK that gives up is undone when the store fails', async (t) => {
  const { fixture, store, ann } = await start();
  ann.publish('/user/bob/queue/x', 'a');
  await fixture.settle();
  const bob = bobWith(fixture, '/user/queue/x', { ack: 'client' });
  const id = header(bob.frames()[0], 'ack') ?? '';
  await fixture.settle();
  store.failures.push(new BrokerError('store-failed', 'no'));
  bob.send(frameText('NACK', { id, requeue: 'false', receipt: 'r' }));
  await fixture.settle();
  t.strictSame(receipts(bob), ['store-failed']);
  t.strictSame(received(bobWith(fixture)), ['a#']);
});

t.test('what is refused keeps its delay and its count over a restart', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a');
  await first.fixture.settle();
  const bob = bobWith(first.fixture, '/user/queue/x', { ack: 'client' });
  bob.send(frameText('NACK', { id: header(bob.frames()[0], 'ack') ?? '', delay: '10000' }));
  await first.fixture.settle();
  first.clock.advance(5_000);
  const second = await restart(first);
  const again = bobWith(second);
  t.strictSame(received(again), []);
  second.clock.advance(5_050);
  t.strictSame(received(again), ['a#']);
});

t.test('time goes on while the process is gone', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a');
  await first.fixture.settle();
  first.clock.advance(99_000);
  first.ann.publish('/user/bob/queue/x', 'b');
  await first.fixture.settle();
  first.clock.advance(2_000);
  const second = await restart(first);
  t.strictSame(received(bobWith(second)), ['b']);
  const third = await start();
  third.ann.publish('/user/bob/queue/x', 'c');
  const fourth = await restart(third);
  fourth.clock.advance(100_050);
  await fourth.settle();
  t.strictSame([lanes(third.store), received(bobWith(fourth))], [[], []]);
});

t.test('what gives way leaves the store, and bounds that have shrunk hold from the start', async (t) => {
  const first = await start();
  for (const body of ['a', 'b', 'c', 'd', 'e', 'f']) first.ann.publish('/user/bob/queue/x', body);
  await first.fixture.settle();
  t.strictSame(lanes(first.store), ['inbox:bob /queue/x 5']);
  const second = await restart(first, { rules: [{ pattern: '/queue/**', maxMessages: 2 }] });
  await second.settle();
  t.strictSame(lanes(first.store), ['inbox:bob /queue/x 2']);
  t.strictSame(received(bobWith(second)), ['e', 'f']);
});

t.test('what the application sends while the store is read comes behind what is stored', async (t) => {
  const first = await start();
  for (const body of ['a', 'b']) first.ann.publish('/user/bob/queue/x', body);
  await first.fixture.settle();
  const { store, clock } = first;
  const second = new BrokerFixture({ inbox: INBOX }, undefined, 'info', null, { clock, store });
  // The store is open by then, and not read yet.
  const sent = Promise.resolve().then(() => second.broker.convertAndSendToUser('bob', '/queue/x', 'c'));
  await second.started;
  await second.settle();
  await sent;
  t.strictSame(received(bobWith(second)), ['a', 'b', 'c']);
});

t.test('what no rule covers any more stays stored, and is told', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a');
  const second = await restart(first, {});
  t.strictSame(lanes(first.store), ['inbox:bob /queue/x 1']);
  t.match(second.log, [{ level: 'warn', fields: { user: 'bob', rest: '/queue/x' } }]);
  t.strictSame(received(bobWith(await restart({ ...first, fixture: second }))), ['a']);
});

t.test('a stored message that cannot be read is left, and the others are delivered', async (t) => {
  const first = await start();
  for (const body of ['a', 'b']) first.ann.publish('/user/bob/queue/x', body);
  await first.fixture.settle();
  const stored = first.store.operations.find(({ kind }) => kind === 'append');
  if (stored?.kind !== 'append') throw new Error('nothing was stored');
  await first.store.commit([{ ...stored, message: { ...stored.message, octets: Buffer.from([9]) } }]);
  const second = await restart(first);
  t.match(second.log, [{ level: 'error', fields: { user: 'bob', sequence: stored.message.sequence } }]);
  t.strictSame(received(bobWith(second)), ['b']);
});

t.test('who has been there is known after a restart, and is not told to the store at each connection', async (t) => {
  const first = await start();
  const puts = (): number =>
    first.store.operations.filter(({ kind, ...rest }) => kind === 'put' && 'key' in rest && rest.key === 'user:bob')
      .length;
  t.equal(puts(), 1);
  for (let k = 0; k < 3; k++) first.fixture.connect({ login: 'bob' }).connection.vanish();
  await first.fixture.settle();
  t.equal(puts(), 1);
  const second = await restart(first);
  const ann = second.connect({ login: 'ann' });
  for (const user of ['bob', 'eve']) ann.publish(`/user/${user}/queue/x`, user);
  await second.settle();
  t.match(second.broker.stats().inbox, { kept: 1, refused: 1 });
});

t.test('names that are forgotten for others leave the store', async (t) => {
  const { fixture, store } = await start(undefined, undefined, { ...INBOX, maxKnownUsers: 2 });
  for (const login of ['cid', 'dan']) fixture.connect({ login });
  await fixture.settle();
  const names = store.contents().records.map(({ key }) => key);
  t.strictSame(
    names.filter((key) => key.startsWith('user:')),
    ['user:cid', 'user:dan'],
  );
});

t.test('a message sent again with its key is kept once, also after a restart', async (t) => {
  const first = await start();
  first.ann.publish('/user/bob/queue/x', 'a', { 'message-key': 'k', receipt: '1' });
  await first.fixture.settle();
  const second = await restart(first);
  const ann = second.connect({ login: 'ann' });
  ann.publish('/user/bob/queue/x', 'a', { 'message-key': 'k', receipt: '2' });
  await second.settle();
  t.strictSame([receipts(first.ann), receipts(ann)], [['1'], ['2']]);
  t.strictSame(received(bobWith(second)), ['a']);
});

t.test('a COMMIT keeps its messages and its ACKs together, or neither', async (t) => {
  for (const fails of [false, true]) {
    const { fixture, store, ann } = await start();
    ann.publish('/user/bob/queue/x', 'a');
    await fixture.settle();
    const bob = bobWith(fixture, '/user/queue/x', { ack: 'client' });
    const id = header(bob.frames()[0], 'ack') ?? '';
    fixture.connect({ login: 'cid' }).connection.vanish();
    await fixture.settle();
    bob.send(frameText('BEGIN', { transaction: 't' }));
    bob.send(frameText('ACK', { id, transaction: 't' }));
    bob.publish('/user/cid/queue/x', 'b', { transaction: 't' });
    if (fails) store.failures.push(new BrokerError('store-full', 'no'));
    bob.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
    await fixture.settle();
    t.strictSame(receipts(bob), [fails ? 'store-full' : 'c']);
    t.strictSame(received(bobWith(fixture)), fails ? ['a#'] : []);
    const cid = fixture.connect({ login: 'cid' });
    cid.subscribe('s', '/user/queue/x');
    t.strictSame(received(cid), fails ? [] : ['b']);
  }
});

t.test('who leaves while a transaction is on its way has left for what is sent then', async (t) => {
  const { fixture, store, ann } = await start();
  const bob = bobWith(fixture);
  store.hold();
  ann.send(frameText('BEGIN', { transaction: 't' }));
  ann.publish('/queue/q', 'stored', { transaction: 't', persistent: 'true' });
  ann.publish('/user/bob/queue/x', 'a', { transaction: 't' });
  ann.send(frameText('COMMIT', { transaction: 't' }));
  bob.send(frameText('UNSUBSCRIBE', { id: 's' }));
  ann.publish('/user/bob/queue/x', 'b');
  store.release();
  await fixture.settle();
  bob.subscribe('s', '/user/queue/x');
  t.strictSame(received(bob), ['b'], 'a was sent to who was there');
});
