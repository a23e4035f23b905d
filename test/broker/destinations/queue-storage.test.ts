/** What queues promise of stored messages, on stores that tests hold in their hands; the real ones are in test/crash. */
import t from 'tap';
import { BrokerError } from '../../../broker/index.js';
import { MemoryStore } from '../../../adapters/stores/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { ScriptedStore } from '../../helpers/scripted-store.js';
import { header } from '../../helpers/server-frames.js';

const FULL = new BrokerError('store-full', 'the disk is full');
const PERSISTENT = { persistent: 'true' };
const INDIVIDUAL = { ack: 'client-individual' };

/** A broker whose store does what the test says; what a start asks of it is done. */
async function scripted(options = {}) {
  const store = new ScriptedStore();
  const fixture = await BrokerFixture.storing(store, options);
  const commit = async (error?: Error): Promise<void> => {
    await fixture.settled();
    const commits = store.commits.splice(0);
    for (const each of commits) {
      if (error === undefined) each.succeed();
      else each.fail(error);
    }
    await fixture.settled();
  };
  await commit();
  return { store, fixture, commit };
}

function said(client: FixtureClient): string[] {
  return client.frames().map((frame) => {
    if (frame.command === 'MESSAGE') return frame.body.toString();
    return `${frame.command} ${header(frame, 'receipt-id') ?? header(frame, 'code') ?? ''}`;
  });
}

function ackOf(client: FixtureClient): Map<string, string> {
  const messages = client.frames().filter(({ command }) => command === 'MESSAGE');
  return new Map(messages.map((frame) => [frame.body.toString(), header(frame, 'ack') ?? '']));
}

t.test('a persistent message is delivered and receipted once it is stored; the sender goes on meanwhile', async (t) => {
  const { store, fixture, commit } = await scripted();
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/queue/q');
  sender.publish('/queue/q', 'stored', { ...PERSISTENT, receipt: '1' });
  sender.publish('/topic/t', 'other', { receipt: '2' });
  await fixture.settled();
  t.strictSame([said(sender), said(reader)], [[], []], 'RECEIPTs keep the order of their frames');
  t.match(store.commits[0]?.operations, [{ kind: 'append', stream: 'queue:/queue/q' }]);
  await commit();
  t.strictSame([said(sender), said(reader)], [['RECEIPT 1', 'RECEIPT 2'], ['stored']]);
});

t.test('what is not persistent waits for nothing', async (t) => {
  const { store, fixture } = await scripted();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q');
  client.publish('/queue/q', 'memory', { receipt: '1' });
  client.publish('/queue/q', 'memory too', { persistent: 'false', receipt: '2' });
  t.strictSame(said(client), ['memory', 'RECEIPT 1', 'memory too', 'RECEIPT 2']);
  t.equal(store.commits.length, 0);
});

t.test('a durable queue stores what asks for nothing', async (t) => {
  const { store, fixture, commit } = await scripted({ queues: [{ pattern: '/queue/d/**', durable: true }] });
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/queue/d/1');
  sender.publish('/queue/d/1', 'stored');
  await fixture.settled();
  t.match(store.commits[0]?.operations, [{ kind: 'append', stream: 'queue:/queue/d/1' }]);
  t.strictSame(said(reader), []);
  await commit();
  t.strictSame(said(reader), ['stored']);
});

t.test('a store that fails: ERROR for the publisher, nothing delivered, and the broker goes on', async (t) => {
  const { fixture, commit } = await scripted();
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/queue/q');
  sender.publish('/queue/q', 'lost', { ...PERSISTENT, receipt: '1' });
  await commit(FULL);
  const error = sender.frames().find(({ command }) => command === 'ERROR');
  t.equal(header(error, 'code'), 'store-full');
  t.equal(header(error, 'receipt-id'), '1');
  t.strictSame(said(reader), []);
  t.match(fixture.broker.health(), { isOk: false, problems: [{ part: 'store', message: 'the disk is full' }] });
  const second = fixture.connect();
  second.publish('/queue/q', 'kept', { ...PERSISTENT, receipt: '2' });
  await commit();
  t.strictSame([said(second), said(reader)], [['RECEIPT 2'], ['kept']]);
  t.strictSame(fixture.broker.health(), { isOk: true, problems: [] });
});

t.test('with soft refusals the session lives on, and RECEIPTs behind the refused frame are given', async (t) => {
  const { fixture, commit } = await scripted({ refusals: 'soft' });
  const sender = fixture.connect();
  sender.subscribe('errors', '/user/queue/errors');
  sender.publish('/queue/q', 'lost', { ...PERSISTENT, receipt: '1' });
  sender.publish('/topic/t', 'other', { receipt: '2' });
  await commit(FULL);
  const [refusal, receipt] = sender.frames();
  t.equal(header(refusal, 'code'), 'store-full');
  t.equal(header(refusal, 'receipt-id'), '1');
  t.equal(header(receipt, 'receipt-id'), '2');
});

t.test('without a receipt a failure is told all the same', async (t) => {
  const { fixture, commit } = await scripted();
  const sender = fixture.connect();
  sender.publish('/queue/q', 'lost', PERSISTENT);
  await commit(FULL);
  t.equal(sender.error(), 'store-full');
});

t.test('an ACK frees the window at once; its RECEIPT waits until the message is removed', async (t) => {
  const { store, fixture, commit } = await scripted();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ...INDIVIDUAL, 'prefetch-count': '1' });
  for (const body of ['a', 'b']) client.publish('/queue/q', body, PERSISTENT);
  await commit();
  client.send(frameText('ACK', { id: ackOf(client).get('a') ?? '', receipt: 'acked' }));
  await fixture.settled();
  t.strictSame(said(client), ['b']);
  t.match(
    store.commits[0]?.operations.filter(({ kind }) => kind !== 'mark'),
    [{ kind: 'remove' }],
  );
  await commit();
  t.strictSame(said(client), ['RECEIPT acked']);
});

t.test('an ACK that cannot be stored is receipted when it can', async (t) => {
  const { fixture, commit } = await scripted();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  client.publish('/queue/q', 'a', PERSISTENT);
  await commit();
  client.send(frameText('ACK', { id: ackOf(client).get('a') ?? '', receipt: 'acked' }));
  await commit(FULL);
  t.strictSame(said(client), []);
  fixture.clock.advance(1_000);
  await commit();
  t.strictSame(said(client), ['RECEIPT acked']);
});

t.test('in auto mode a message leaves the store when it has left for the client, not before', async (t) => {
  const { store, fixture, commit } = await scripted({ outbox: { highWaterBytes: 1_000 } });
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/queue/q');
  reader.connection.freeze();
  for (const body of ['a', 'b']) sender.publish('/queue/q', body.repeat(2_000), PERSISTENT);
  await commit();
  await fixture.settled();
  const removed = () =>
    store.commits.flatMap(({ operations }) => operations).filter(({ kind }) => kind === 'remove').length;
  const early = removed();
  t.ok(early < 2, 'what waits in the outbox stays stored');
  await commit();
  reader.connection.thaw();
  await fixture.settled();
  t.equal(early + removed(), 2);
});

t.test('a transaction of stored and other messages and ACKs takes effect as one, or not at all', async (t) => {
  for (const fails of [true, false]) {
    const { fixture, commit } = await scripted();
    const [client, reader] = [fixture.connect(), fixture.connect()];
    client.subscribe('s', '/queue/in', INDIVIDUAL);
    client.publish('/queue/in', 'work', PERSISTENT);
    await commit();
    const id = ackOf(client).get('work') ?? '';
    for (const destination of ['/queue/a', '/queue/b', '/topic/t']) reader.subscribe(destination, destination);
    client.send(frameText('BEGIN', { transaction: 't' }));
    client.publish('/queue/a', 'stored', { ...PERSISTENT, transaction: 't' });
    client.publish('/queue/b', 'memory', { transaction: 't' });
    client.publish('/topic/t', 'live', { transaction: 't' });
    client.send(frameText('ACK', { id, transaction: 't' }));
    client.send(frameText('COMMIT', { transaction: 't', receipt: 'done' }));
    await fixture.settled();
    t.strictSame([said(reader), said(client)], [[], []], 'nothing before it is stored');
    await commit(fails ? FULL : undefined);
    t.strictSame(said(reader), fails ? [] : ['stored', 'memory', 'live']);
    t.strictSame(said(client), [fails ? 'ERROR done' : 'RECEIPT done']);
    const next = fixture.connect();
    next.subscribe('s', '/queue/in');
    t.strictSame(said(next), fails ? ['work'] : [], 'the ACK was undone with the rest');
  }
});

t.test('a message refused for good moves to the dead letters in one step', async (t) => {
  const { store, fixture, commit } = await scripted();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  client.publish('/queue/q', 'bad', PERSISTENT);
  await commit();
  client.send(frameText('NACK', { id: ackOf(client).get('bad') ?? '', requeue: 'false', receipt: 'nacked' }));
  await fixture.settled();
  t.match(
    store.commits[0]?.operations.filter(({ kind }) => kind !== 'mark'),
    [
      { kind: 'append', stream: 'queue:/queue/DLQ' },
      { kind: 'remove', stream: 'queue:/queue/q' },
    ],
  );
  await commit();
  t.strictSame(said(client), ['RECEIPT nacked']);
});

t.test('when the dead letter cannot be stored, the message is not lost', async (t) => {
  const { fixture, commit } = await scripted();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', INDIVIDUAL);
  client.publish('/queue/q', 'bad', PERSISTENT);
  await commit();
  client.send(frameText('NACK', { id: ackOf(client).get('bad') ?? '', requeue: 'false', receipt: 'nacked' }));
  await commit(FULL);
  t.strictSame(said(client), ['ERROR nacked']);
  const next = fixture.connect();
  next.subscribe('s', '/queue/q');
  fixture.clock.advance(2_000);
  await commit();
  t.strictSame(said(next), ['bad']);
});

t.test('a publisher of stored messages waits while too much is on its way', async (t) => {
  const { fixture, commit } = await scripted({ store: { maxPendingBytes: 1_000 } });
  const sender = fixture.connect();
  for (let k = 0; k < 3; k++) sender.publish('/queue/q', 'x'.repeat(600), { ...PERSISTENT, receipt: String(k) });
  t.ok(sender.connection.isPaused);
  await commit();
  t.notOk(sender.connection.isPaused);
  await commit();
  t.strictSame(said(sender), ['RECEIPT 0', 'RECEIPT 1', 'RECEIPT 2']);
});

t.test('DISCONNECT and SUBSCRIBE stand behind RECEIPTs that wait', async (t) => {
  const { fixture, commit } = await scripted();
  const client = fixture.connect();
  client.publish('/queue/q', 'a', { ...PERSISTENT, receipt: '1' });
  client.subscribe('s', '/queue/q', { receipt: '2' });
  client.send(frameText('DISCONNECT', { receipt: '3' }));
  await fixture.settled();
  t.strictSame(said(client), []);
  await commit();
  t.strictSame(said(client), ['RECEIPT 1', 'RECEIPT 2', 'RECEIPT 3'], 'the message went back unsent');
});

t.test('the application waits for the store too', async (t) => {
  const { fixture, commit } = await scripted();
  const kept = fixture.broker.convertAndSend('/queue/q', 'a', PERSISTENT);
  await commit();
  await kept;
  const lost = t.rejects(fixture.broker.convertAndSend('/queue/q', 'b', PERSISTENT), { code: 'store-full' });
  await commit(FULL);
  await lost;
});

t.test('a long queue is in memory in part alone, and comes out whole and in order', async (t) => {
  const count = 20_000;
  const fixture = await BrokerFixture.storing(new MemoryStore({ clock: { epochMs: () => 0 } }));
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  for (let k = 0; k < count; k++) {
    sender.publish('/queue/q', String(k), { ...PERSISTENT, priority: k % 2 === 0 ? '4' : '5' });
    if (k % 1_000 === 999) await fixture.settled();
  }
  reader.subscribe('s', '/queue/q', { ack: 'client', 'prefetch-count': '1000' });
  const bodies: string[] = [];
  for (let round = 0; round < 200 && bodies.length < count; round++) {
    await fixture.settled();
    const messages = reader.frames().filter(({ command }) => command === 'MESSAGE');
    bodies.push(...messages.map(({ body }) => body.toString()));
    const last = messages.at(-1);
    if (last !== undefined) reader.send(frameText('ACK', { id: header(last, 'ack') ?? '' }));
  }
  const inOrder = (from: number) => Array.from({ length: count / 2 }, (_, k) => String(2 * k + from));
  t.strictSame(bodies, [...inOrder(1), ...inOrder(0)]);
});

t.test('a stored message that cannot be read is logged once its turn comes, and holds up none behind it', async (t) => {
  const clock = new FakeClock();
  const store = new LastingStore(clock);
  const start = async (): Promise<BrokerFixture> => {
    const fixture = new BrokerFixture({}, undefined, 'info', null, { clock, store });
    await fixture.settled();
    await fixture.started;
    return fixture;
  };
  const first = await start();
  const sender = first.connect();
  for (const body of ['a', 'b', 'c', 'd']) sender.publish('/queue/q', body, PERSISTENT);
  await first.settled();
  const [, b, , d] = await store.read('queue:/queue/q', 4, 0, { maxMessages: 9, maxBytes: 9_999 });
  if (b === undefined || d === undefined) throw new Error('not stored');
  Buffer.from(b.octets.buffer, b.octets.byteOffset, b.octets.byteLength).write('x', 17);
  Buffer.from(d.octets.buffer, d.octets.byteOffset, d.octets.byteLength).writeDoubleBE(1, 1);
  const second = await start();
  const reader = second.connect();
  reader.subscribe('s', '/queue/q');
  await second.settled();
  t.strictSame(reader.bodies(), ['a', 'c']);
  const told = second.log.filter(({ message }) => message === 'a stored message cannot be read: it stays stored');
  t.strictSame([...new Set(told.map(({ fields }) => fields['sequence']))], [b.sequence, d.sequence]);
  t.equal(second.broker.operations.queue('/queue/q')?.details.depth ?? 0, 0, 'nothing waits that cannot be delivered');
});
