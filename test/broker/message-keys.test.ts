import t from 'tap';
import { DEFAULT_IDEMPOTENCY_OPTIONS, MessageKeys, type IdempotencyOptions } from '../../broker/message-keys.js';
import { BrokerStats } from '../../broker/stats.js';
import { WriteUnit } from '../../broker/storage/write-unit.js';
import { BrokerError } from '../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { LastingStore } from '../helpers/lasting-store.js';
import { header } from '../helpers/server-frames.js';

/** Ids of the RECEIPTs among what arrived, in order; an ERROR shows as its code. */
function answers(client: FixtureClient): (string | undefined)[] {
  return client
    .frames()
    .filter(({ command }) => command !== 'MESSAGE')
    .map((frame) => header(frame, 'code') ?? header(frame, 'receipt-id'));
}

function begin(options = {}): { fixture: BrokerFixture; ann: FixtureClient; reader: FixtureClient } {
  const fixture = new BrokerFixture(options);
  const reader = fixture.connect({ login: 'reader' });
  for (const destination of ['/topic/a', '/topic/b', '/queue/q']) reader.subscribe(destination, destination);
  return { fixture, ann: fixture.connect({ login: 'ann' }), reader };
}

t.test('the second message of a key has its RECEIPT and is not delivered; the key stays on the first', async (t) => {
  const { fixture, ann, reader } = begin();
  for (const destination of ['/topic/a', '/queue/q']) {
    ann.publish(destination, '1', { 'message-key': 'k', receipt: '1' });
    ann.publish(destination, '2', { 'message-key': 'k', receipt: '2' });
    ann.publish(destination, '3', { 'message-key': 'l', receipt: '3' });
    t.strictSame(answers(ann), ['1', '2', '3']);
    const messages = reader.frames().filter(({ command }) => command === 'MESSAGE');
    t.strictSame(
      messages.map((frame) => [frame.body.toString(), header(frame, 'message-key')]),
      [
        ['1', 'k'],
        ['3', 'l'],
      ],
    );
  }
  t.equal(fixture.broker.stats().duplicates, 2);
});

t.test('a key is of one sender and one destination', async (t) => {
  const { fixture, ann, reader } = begin();
  const bob = fixture.connect({ login: 'bob' });
  const [nobody, other] = [fixture.connect(), fixture.connect()];
  const sameKey = { 'message-key': 'k' };
  ann.publish('/topic/a', 'ann', sameKey);
  ann.publish('/topic/b', 'ann b', sameKey);
  bob.publish('/topic/a', 'bob', sameKey);
  nobody.publish('/topic/a', 'anonymous', sameKey);
  other.publish('/topic/a', 'anonymous again', sameKey);
  fixture.connect({ login: 'ann' }).publish('/topic/a', 'ann again', sameKey);
  fixture.connect({ login: 'anonymous' }).publish('/topic/a', 'called so', sameKey);
  await fixture.broker.convertAndSend('/topic/a', 'application', sameKey);
  await fixture.broker.convertAndSend('/topic/a', 'application again', sameKey);
  t.strictSame(reader.bodies(), ['ann', 'ann b', 'bob', 'anonymous', 'called so', 'application']);
});

t.test('a key is forgotten after the window, and the oldest one when there are too many', async (t) => {
  const { fixture, ann, reader } = begin({ idempotency: { windowMs: 1_000, maxKeys: 2 } });
  const send = (key: string): void => {
    ann.publish('/topic/a', key, { 'message-key': key });
  };
  send('a');
  fixture.clock.advance(600);
  for (const key of ['b', 'a', 'b']) send(key);
  t.strictSame(reader.bodies(), ['a', 'b']);
  fixture.clock.advance(400);
  for (const key of ['a', 'b']) send(key);
  t.strictSame(reader.bodies(), ['a'], 'a is past its window, b not yet');
  for (const key of ['c', 'a', 'b']) send(key);
  t.strictSame(reader.bodies(), ['c', 'b'], 'c pushed b out, which was the oldest');
});

t.test('with a window of 0 keys mean nothing', async (t) => {
  const { ann, reader } = begin({ idempotency: { windowMs: 0 } });
  for (const body of ['1', '2']) ann.publish('/topic/a', body, { 'message-key': 'x'.repeat(1_000) });
  t.strictSame(reader.bodies(), ['1', '2']);
});

t.test('a key that is empty or too long is refused', async (t) => {
  for (const [key, fits] of [
    ['', false],
    ['x'.repeat(256), true],
    ['é'.repeat(128), true],
    ['é'.repeat(129), false],
  ] as const) {
    const { fixture, ann } = begin();
    ann.publish('/topic/a', '1', { 'message-key': key, receipt: 'r' });
    if (fits) t.strictSame(answers(ann), ['r']);
    else t.equal(ann.error(), 'header-invalid');
    const sent = fixture.broker.convertAndSend('/topic/a', '', { 'message-key': key });
    if (fits) await t.resolves(sent);
    else await t.rejects(sent, { code: 'header-invalid' });
  }
});

t.test('a message that is refused leaves its key free', async (t) => {
  const { fixture, ann } = begin({ queueDefaults: { maxMessages: 1 }, refusals: 'soft' });
  const full = { 'message-key': 'k', receipt: 'r' };
  ann.publish('/queue/full', '1');
  ann.publish('/queue/full', '2', full);
  t.strictSame(answers(ann), [], 'refused softly');
  t.equal(fixture.broker.stats().queueFull, 1);
  const reader = fixture.connect();
  reader.subscribe('s', '/queue/full');
  ann.publish('/queue/full', '3', full);
  t.strictSame(answers(ann), ['r']);
  t.strictSame(reader.bodies(), ['1', '3']);
});

t.test('a handler is called once for a key, unless it fails', async (t) => {
  for (const receipt of [{}, { receipt: 'r' }]) {
    for (const waits of [false, true]) {
      const { fixture, ann } = begin({ refusals: 'receipt' in receipt ? 'soft' : 'close' });
      const calls: unknown[] = [];
      fixture.broker.message('/work', ({ payload }) => {
        calls.push(payload);
        if (payload !== 'bad') return waits ? Promise.resolve() : undefined;
        if (waits) return Promise.reject(new Error('no'));
        throw new Error('no');
      });
      for (const body of ['bad', 'good', 'twice']) {
        ann.publish('/app/work', body, { 'message-key': 'k', ...receipt });
        await fixture.settle();
      }
      t.strictSame(calls, ['bad', 'good']);
    }
  }
});

t.test('a second message waits while the handler of the first is at work, and is called when that fails', async (t) => {
  for (const fails of [true, false]) {
    const { fixture, ann } = begin();
    const again = fixture.connect({ login: 'ann' });
    const calls: unknown[] = [];
    const ends: (() => void)[] = [];
    fixture.broker.message('/work', ({ payload }) => {
      calls.push(payload);
      return new Promise<void>((resolve, reject) => {
        ends.push(() => {
          if (fails) reject(new Error('no'));
          else resolve();
        });
      });
    });
    ann.publish('/app/work', '1', { 'message-key': 'k', receipt: '1' });
    again.publish('/app/work', '2', { 'message-key': 'k', receipt: '2' });
    await fixture.settle();
    t.strictSame([calls, answers(again)], [['1'], []]);
    ends[0]?.();
    await fixture.settle();
    t.strictSame(calls, fails ? ['1', '2'] : ['1']);
    t.strictSame(answers(ann), [fails ? 'handler-failed' : '1']);
    t.strictSame(answers(again), fails ? [] : ['2']);
  }
});

t.test('a key reaches users once, whichever way the message was named', async (t) => {
  const { fixture, ann, reader } = begin();
  reader.subscribe('u', '/user/queue/x');
  for (const body of ['1', '2']) ann.publish('/user/reader/queue/x', body, { 'message-key': 'k' });
  for (const body of ['3', '4'])
    await fixture.broker.convertAndSendToUser('reader', '/queue/x', body, { 'message-key': 'k' });
  t.strictSame(reader.bodies(), ['1', '3']);
});

t.test('in a transaction a key counts at COMMIT', async (t) => {
  const { ann, reader } = begin();
  const send = (body: string, transaction: string, key = 'k'): void => {
    ann.publish('/topic/a', body, { 'message-key': key, transaction });
  };
  ann.send(frameText('BEGIN', { transaction: 'aborted' }));
  send('0', 'aborted');
  ann.send(frameText('ABORT', { transaction: 'aborted' }));
  ann.send(frameText('BEGIN', { transaction: 't' }));
  send('1', 't');
  send('2', 't');
  send('3', 't', 'l');
  t.strictSame(reader.bodies(), []);
  ann.publish('/topic/a', 'outside', { 'message-key': 'l' });
  ann.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
  t.strictSame(answers(ann), ['c']);
  t.strictSame(reader.bodies(), ['outside', '1']);
});

t.test('a COMMIT that is refused leaves its keys free', async (t) => {
  const { fixture, ann, reader } = begin({ queueDefaults: { maxMessages: 1 }, refusals: 'soft' });
  ann.publish('/queue/full', '0');
  ann.send(frameText('BEGIN', { transaction: 't' }));
  ann.publish('/topic/a', '1', { 'message-key': 'k', transaction: 't' });
  ann.publish('/queue/full', '2', { 'message-key': 'k', transaction: 't' });
  ann.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
  t.strictSame([answers(ann), reader.bodies()], [[], []]);
  fixture.connect().subscribe('s', '/queue/full');
  ann.send(frameText('COMMIT', { transaction: 't', receipt: 'c' }));
  t.strictSame([answers(ann), reader.bodies()], [['c'], ['1']]);
});

async function beginStored({
  store,
  clock,
  options = {},
}: { store?: LastingStore; clock?: FakeClock; options?: object } = {}): Promise<{
  fixture: BrokerFixture;
  store: LastingStore;
  ann: FixtureClient;
  again: FixtureClient;
}> {
  const time = clock ?? new FakeClock();
  const lasting = store ?? new LastingStore(time);
  const fixture = new BrokerFixture(options, undefined, undefined, undefined, { clock: time, store: lasting });
  await fixture.started;
  const [ann, again] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'ann' })];
  return { fixture, store: lasting, ann, again };
}

const STORED = { persistent: 'true', 'message-key': 'k' };

t.test('while the first is on its way to the store the second waits, and is receipted when it is stored', async (t) => {
  const { fixture, store, ann, again } = await beginStored();
  store.hold();
  ann.publish('/queue/q', '1', { ...STORED, receipt: '1' });
  await fixture.settle();
  again.publish('/queue/q', '2', { ...STORED, receipt: '2' });
  ann.publish('/queue/q', '3', { ...STORED, receipt: '3' });
  await fixture.settle();
  t.strictSame([answers(ann), answers(again)], [[], []]);
  store.release();
  await fixture.settle();
  t.strictSame([answers(ann), answers(again)], [['1', '3'], ['2']]);
  again.subscribe('s', '/queue/q');
  t.strictSame(again.bodies(), ['1']);
  t.equal(fixture.broker.stats().duplicates, 2);
});

t.test('when the first cannot be stored the second is sent in its place', async (t) => {
  const { fixture, store, ann, again } = await beginStored();
  store.hold();
  ann.publish('/queue/q', '1', { ...STORED, receipt: '1' });
  await fixture.settle();
  again.publish('/queue/q', '2', { ...STORED, receipt: '2' });
  await fixture.settle();
  store.failures.push(new BrokerError('store-full', 'no room'));
  store.release();
  await fixture.settle();
  t.strictSame([answers(ann), answers(again)], [['store-full'], ['2']]);
  again.publish('/queue/q', '3', { ...STORED, receipt: '3' });
  again.subscribe('s', '/queue/q');
  await fixture.settle();
  t.strictSame(again.bodies(), ['2']);
});

t.test(
  'the keys of stored messages are stored with them, and known after a restart for the rest of the window',
  async (t) => {
    const first = await beginStored();
    const { fixture, store, ann } = first;
    ann.publish('/queue/q', '1', STORED);
    ann.publish('/topic/a', 'not stored', { 'message-key': 'm' });
    ann.send(frameText('BEGIN', { transaction: 't' }));
    ann.publish('/queue/q', '2', { ...STORED, 'message-key': 'l', transaction: 't' });
    ann.send(frameText('COMMIT', { transaction: 't' }));
    await fixture.settle();
    t.equal(store.contents().records.filter(({ key }) => key.startsWith('key:')).length, 2);

    fixture.clock.advance(60_000);
    const second = await beginStored({ store, clock: fixture.clock });
    second.ann.publish('/queue/q', 'again', { ...STORED, receipt: 'r' });
    second.ann.publish('/queue/q', 'again', { ...STORED, 'message-key': 'l' });
    second.ann.publish('/queue/q', 'new', { ...STORED, 'message-key': 'm' });
    await second.fixture.settle();
    t.strictSame(answers(second.ann), ['r']);
    second.again.subscribe('s', '/queue/q', { ack: 'client' });
    await second.fixture.settle();
    t.strictSame(second.again.bodies(), ['1', '2', 'new']);

    fixture.clock.advance(60_000);
    const third = await beginStored({ store, clock: fixture.clock });
    third.ann.publish('/queue/r', 'after the window', STORED);
    third.again.subscribe('s', '/queue/r');
    await third.fixture.settle();
    t.strictSame(third.again.bodies(), ['after the window']);
  },
);

t.test('a key that is forgotten for lack of room is taken out of the store', async (t) => {
  const { fixture, store, ann } = await beginStored({ options: { idempotency: { maxKeys: 2 } } });
  for (const key of ['a', 'b', 'c']) ann.publish('/queue/q', key, { ...STORED, 'message-key': key });
  await fixture.settle();
  t.equal(store.contents().records.filter(({ key }) => key.startsWith('key:')).length, 2);
  const fewer = await beginStored({ store, clock: fixture.clock, options: { idempotency: { maxKeys: 1 } } });
  await fewer.fixture.settle();
  t.equal(store.contents().records.filter(({ key }) => key.startsWith('key:')).length, 1);
});

function keys(options: Partial<IdempotencyOptions> = {}): { keys: MessageKeys; clock: FakeClock } {
  const clock = new FakeClock();
  const parts = { clock, stats: new BrokerStats(), journal: null };
  return { keys: new MessageKeys({ ...DEFAULT_IDEMPOTENCY_OPTIONS, ...options }, parts), clock };
}

t.test('two units that want the same keys in opposite order do not wait for each other', async (t) => {
  const { keys: all } = keys();
  const [first, second, third] = [new WriteUnit(null), new WriteUnit(null), new WriteUnit(null)];
  void all.claim([{ key: 'c' }], first);
  const waiting = [
    all.claim([{ key: 'a' }, { key: 'c' }, { key: 'b' }], second),
    all.claim([{ key: 'b' }, { key: 'c' }, { key: 'a' }], third),
  ];
  first.undoAll();
  t.strictSame(await waiting[0], [{ key: 'a' }, { key: 'c' }, { key: 'b' }]);
  void second.applyAll();
  t.strictSame(await waiting[1], []);
});

t.test('what expired is forgotten when the next key comes', async (t) => {
  const { keys: all, clock } = keys({ windowMs: 1_000 });
  for (let k = 0; k < 100; k++) {
    const unit = new WriteUnit(null);
    t.strictSame(all.claim([{ key: String(k) }], unit), [{ key: String(k) }]);
    void unit.applyAll();
    clock.advance(100);
  }
  t.equal(all.size, 10);
});
