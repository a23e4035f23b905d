import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { BrokerError, resolveBrokerOptions, type BrokerOptions, type Partially } from '../../broker/index.js';
import type { Store } from '../../broker/ports.js';
import { BrokerStats } from '../../broker/stats.js';
import { MessageKeys } from '../../broker/message-keys.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { MemoryStore } from '../../adapters/stores/memory-store.js';
import { SteppingClock } from '../helpers/stepping-clock.js';
import { WriteUnit } from '../../broker/storage/write-unit.js';
import { TransactionTable } from '../../broker/transaction.js';
import type { Subscription } from '../../broker/subscription.js';

const begin = (client: FixtureClient, transaction = 't') => client.send(frameText('BEGIN', { transaction }));
const commit = (client: FixtureClient, transaction = 't', more = {}) =>
  client.send(frameText('COMMIT', { transaction, ...more }));
const abort = (client: FixtureClient, transaction = 't') => client.send(frameText('ABORT', { transaction }));

/** The ack ids of the MESSAGEs that arrived, by body. */
function pendingOf(client: FixtureClient): Map<string, string> {
  return new Map(
    client
      .frames()
      .filter(({ command }) => command === 'MESSAGE')
      .map((frame) => [frame.body.toString(), header(frame, 'ack') ?? '']),
  );
}

t.test('T-04 T-05 SENDs become visible at COMMIT, at once and in order', async (t) => {
  const fixture = new BrokerFixture();
  const [client, other] = [fixture.connect(), fixture.connect()];
  other.subscribe('s', '/topic/a');
  begin(client);
  client.publish('/topic/a', '1', { transaction: 't' });
  client.publish('/topic/a', 'outside');
  client.publish('/topic/a', '2', { transaction: 't' });
  t.strictSame(other.bodies(), ['outside']);
  commit(client, 't', { receipt: 'c' });
  t.strictSame(other.bodies(), ['1', '2']);
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id')),
    ['c'],
  );
});

t.test('T-06 T-09 ABORT drops the SENDs and makes the ACKs undone', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  for (const body of ['a', 'b', 'c']) client.publish('/queue/q', body);
  const ids = pendingOf(client);
  begin(client);
  client.publish('/queue/q', 'dropped', { transaction: 't' });
  for (const body of ['c', 'a']) client.send(frameText('ACK', { id: ids.get(body) ?? '', transaction: 't' }));
  abort(client);
  t.strictSame(client.bodies(), []);
  for (const body of ['a', 'b', 'c']) client.send(frameText('ACK', { id: ids.get(body) ?? '', receipt: body }));
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id')),
    ['a', 'b', 'c'],
  );
});

t.test('after ABORT a cumulative ACK covers what it covered before', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client' });
  for (const body of ['a', 'b', 'c']) client.publish('/queue/q', body);
  const ids = pendingOf(client);
  begin(client);
  client.send(frameText('ACK', { id: ids.get('b') ?? '', transaction: 't' }));
  abort(client);
  client.send(frameText('ACK', { id: ids.get('b') ?? '' }));
  client.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['c']);
});

t.test('T-13 a second ACK of a message taken in a transaction is refused', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  client.publish('/queue/q', 'a');
  const id = pendingOf(client).get('a') ?? '';
  begin(client);
  client.send(frameText('ACK', { id, transaction: 't' }));
  client.send(frameText('ACK', { id }));
  t.equal(client.error(), 'ack-unknown');
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['a'], 'T-10');
});

t.test('T-08 T-10 a lost socket aborts: nothing is delivered, acks are undone in order', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  for (const body of ['a', 'b', 'c']) client.publish('/queue/q', body);
  const ids = pendingOf(client);
  begin(client);
  client.send(frameText('ACK', { id: ids.get('b') ?? '', transaction: 't' }));
  client.publish('/queue/q', 'never', { transaction: 't' });
  client.connection.vanish();
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  const frames = other.frames();
  t.strictSame(
    frames.map(({ body }) => body.toString()),
    ['a', 'b', 'c'],
  );
});

t.test('a subscription that ends before COMMIT: ACK settles, NACK and ABORT give back', async (t) => {
  for (const [verb, end, wanted] of [
    ['ACK', 'COMMIT', ['b']],
    ['NACK', 'COMMIT', ['a', 'b']],
    ['ACK', 'ABORT', ['a', 'b']],
  ] as const) {
    const fixture = new BrokerFixture();
    const client = fixture.connect();
    client.subscribe('s', '/queue/q', { ack: 'client-individual' });
    client.publish('/queue/q', 'a');
    client.publish('/queue/q', 'b');
    const id = pendingOf(client).get('a') ?? '';
    begin(client);
    client.send(frameText(verb, { id, transaction: 't' }));
    client.send(frameText('UNSUBSCRIBE', { id: 's' }));
    client.send(frameText(end, { transaction: 't', receipt: 'r' }));
    t.strictSame(
      client.frames().map(({ command }) => command),
      ['RECEIPT'],
    );
    const other = fixture.connect();
    other.subscribe('s', '/queue/q');
    t.strictSame(other.bodies(), wanted, `${verb} ${end}`);
  }
});

t.test('T-16 a COMMIT that fails has no effect: nothing published, nothing settled', async (t) => {
  const fixture = new BrokerFixture({ queueDefaults: { maxMessages: 2 } });
  const client = fixture.connect();
  client.publish('/queue/full', '1');
  client.publish('/queue/full', '2');
  client.subscribe('s', '/queue/in', { ack: 'client-individual' });
  client.publish('/queue/in', 'work');
  const id = pendingOf(client).get('work') ?? '';
  const watcher = fixture.connect();
  watcher.subscribe('s', '/topic/out');
  begin(client);
  client.publish('/topic/out', 'early', { transaction: 't' });
  client.publish('/queue/full', '3', { transaction: 't' });
  client.send(frameText('ACK', { id, transaction: 't' }));
  commit(client, 't', { receipt: 'r' });
  const [error] = client.frames();
  t.equal(header(error, 'code'), 'queue-full');
  t.equal(header(error, 'receipt-id'), 'r');
  t.strictSame(watcher.bodies(), []);
  const other = fixture.connect();
  other.subscribe('s', '/queue/in');
  t.strictSame(other.bodies(), ['work'], 'the message it would have acknowledged comes again');
});

t.test('T-01 T-02 T-03 T-07 ids', async (t) => {
  const fixture = new BrokerFixture();
  const errorOf = (...frames: string[]): string | undefined => {
    const client = fixture.connect();
    for (const frame of frames) client.send(frame);
    return client.error();
  };
  for (const command of ['BEGIN', 'COMMIT', 'ABORT']) {
    t.equal(errorOf(frameText(command, {})), 'header-missing');
    t.equal(errorOf(frameText(command, { transaction: '' })), 'header-missing');
  }
  const start = frameText('BEGIN', { transaction: 't' });
  t.equal(errorOf(start, start), 'transaction-exists');
  t.equal(
    errorOf(start, frameText('COMMIT', { transaction: 't' }), start, frameText('ABORT', { transaction: 't' }), start),
    undefined,
  );
  for (const command of ['COMMIT', 'ABORT'])
    t.equal(errorOf(frameText(command, { transaction: 'x' })), 'transaction-unknown');
  t.equal(errorOf(frameText('SEND', { destination: '/topic/a', transaction: 'x' })), 'transaction-unknown');
  t.equal(errorOf(frameText('ACK', { id: '1-1', transaction: 'x' })), 'transaction-unknown');
});

t.test('T-17 transactions are bounded in number, frames and octets', async (t) => {
  const limits = { maxTransactionsPerSession: 2, maxTransactionFrames: 3, maxTransactionBytes: 1_000 };
  const fixture = new BrokerFixture({ limits });
  const many = fixture.connect();
  for (const id of ['a', 'b', 'c']) begin(many, id);
  t.equal(many.error(), 'limit-exceeded');
  const frames = fixture.connect();
  begin(frames);
  for (let k = 0; k < 4; k++) frames.publish('/topic/a', '', { transaction: 't' });
  t.equal(frames.error(), 'limit-exceeded');
  const octets = fixture.connect();
  begin(octets);
  for (let k = 0; k < 3; k++) octets.publish('/topic/a', 'x'.repeat(400), { transaction: 't' });
  t.equal(octets.error(), 'limit-exceeded');
  const headers = fixture.connect();
  begin(headers);
  for (let k = 0; k < 3; k++) headers.publish('/topic/a', '', { transaction: 't', long: 'x'.repeat(400) });
  t.equal(headers.error(), 'limit-exceeded', 'those of headers count');
});

t.test('an ACK over the limit is undone', async (t) => {
  const fixture = new BrokerFixture({ limits: { maxTransactionFrames: 1 } });
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  client.publish('/queue/q', 'a');
  const id = pendingOf(client).get('a') ?? '';
  begin(client);
  client.publish('/topic/x', '', { transaction: 't' });
  client.send(frameText('ACK', { id, transaction: 't' }));
  t.equal(client.error(), 'limit-exceeded');
  const other = fixture.connect();
  other.subscribe('s', '/queue/q');
  t.strictSame(other.bodies(), ['a']);
});

t.test('a COMMIT that waits for a handler and is refused undoes its ACKs', async (t) => {
  for (const refuses of [true, false]) {
    const calls: string[] = [];
    const source = {
      settled: () => calls.push('settled'),
      returned: () => calls.push('returned'),
      refused: () => void calls.push('refused'),
      ready: () => undefined,
    };
    const { limits, idempotency } = resolveBrokerOptions();
    const clock = new FakeClock();
    const table = new TransactionTable(
      limits,
      new MessageKeys(idempotency, { clock, stats: new BrokerStats(), journal: null }),
    );
    table.begin('t');
    const publish = () => (refuses ? Promise.reject(new Error('no')) : Promise.resolve());
    table.get('t').add({ destination: '/app/x', bytes: 0, key: null, publish });
    const subscription = { source: null } as unknown as Subscription;
    table.get('t').addSettlement({ refusal: null, subscription, source, deliveries: [] });
    const unit = new WriteUnit(null, { holdsBack: true });
    const committed = table.commit('t', { checkRoom: () => undefined }, unit);
    t.strictSame(calls, [], 'nothing before the handler has answered');
    if (refuses) await t.rejects(Promise.resolve(committed), { message: 'no' });
    else await committed;
    await unit.submit();
    t.strictSame(calls, [refuses ? 'returned' : 'settled']);
  }
});

t.test('T-16 a COMMIT that a handler refuses publishes nothing, before that frame or behind it', async (t) => {
  for (const refuse of [
    (): never => {
      throw new BrokerError('payload-invalid', 'not this');
    },
    (): Promise<never> => Promise.reject(new BrokerError('payload-invalid', 'not this')),
  ]) {
    const fixture = new BrokerFixture();
    fixture.broker.message('/echo', () => 'answered');
    fixture.broker.message('/refuse', refuse);
    const [client, watcher] = [fixture.connect({ login: 'ann' }), fixture.connect({ login: 'bob' })];
    const destinations = ['/topic/a', '/queue/a', '/user/bob/queue/a'];
    for (const destination of destinations) {
      watcher.subscribe(destination, destination.replace('/bob', ''));
    }
    watcher.subscribe('echo', '/topic/echo');
    begin(client);
    for (const destination of destinations) client.publish(destination, 'before', { transaction: 't' });
    client.publish('/app/echo', '', { transaction: 't' });
    client.publish('/app/refuse', '', { transaction: 't', receipt: 'joined' });
    client.publish('/topic/a', 'behind', { transaction: 't' });
    commit(client, 't', { receipt: 'c' });
    await fixture.settled();
    const frames = client.frames();
    t.strictSame(
      frames.map(({ command }) => command),
      ['RECEIPT', 'ERROR'],
    );
    t.match([header(frames[1], 'code'), header(frames[1], 'receipt-id')], ['payload-invalid', 'c']);
    t.strictSame(watcher.bodies(), ['answered'], 'what a handler has done, it has done');
  }
});

/** More subscriptions to a topic than one look at the clock is worth: with the clock below each message takes a turn. */
const CROWD = 600;

async function crowded(options: Partially<BrokerOptions> = {}, store?: Store) {
  const clock = new SteppingClock();
  const fixture = new BrokerFixture({ limits: { turnBudgetMs: 1 }, ...options }, undefined, 'info', null, {
    clock,
    store,
  });
  await fixture.started;
  const [client, other, watcher, crowd] = [fixture.connect(), fixture.connect(), fixture.connect(), fixture.connect()];
  watcher.subscribe('w', '/topic/a');
  for (let k = 0; k < CROWD; k++) crowd.subscribe(String(k), '/topic/a');
  begin(client);
  for (const body of ['1', '2', '3', '4']) client.publish('/topic/a', body, { transaction: 't' });
  await fixture.settle();
  watcher.frames();
  return { fixture, clock, client, other, watcher };
}

t.test('a large COMMIT takes effect in portions: others go on in between, its session behind it', async (t) => {
  const { fixture, client, other, watcher } = await crowded();
  commit(client, 't', { receipt: 'c' });
  client.publish('/topic/a', 'behind', { receipt: 'd' });
  other.publish('/topic/a', 'other');
  await fixture.settle();
  t.strictSame(watcher.bodies(), ['1', '2', 'other', '3', '4', 'behind']);
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id')),
    ['c', 'd'],
  );
  t.not(fixture.broker.stats().turnsWaited, 0);
});

t.test('what a COMMIT has begun is done also when its client is gone', async (t) => {
  const { fixture, client, watcher } = await crowded();
  commit(client);
  client.connection.vanish();
  await fixture.settle();
  t.strictSame(watcher.bodies(), ['1', '2', '3', '4']);
  t.equal(fixture.broker.stats().connections.current, 3);
});

t.test('a broker that stops lets a COMMIT that has begun reach everybody first', async (t) => {
  const { fixture, clock, client, watcher } = await crowded();
  commit(client);
  const stopped = fixture.broker.stop(60_000);
  await fixture.settle();
  t.strictSame(watcher.bodies(), ['1', '2', '3', '4']);
  t.equal(watcher.isGone, false);
  clock.advance(1_000);
  await fixture.settle();
  clock.advance(60_000);
  await fixture.finish(stopped);
});

t.test('what is stored keeps its order while a COMMIT takes effect in portions', async (t) => {
  const history = [{ pattern: '/topic/**', durable: true }];
  const { fixture, client, other, watcher } = await crowded({ history }, new MemoryStore());
  commit(client, 't', { receipt: 'c' });
  other.publish('/topic/a', 'other', { receipt: 'o' });
  client.publish('/topic/a', 'behind', { receipt: 'd' });
  await fixture.settle();
  const frames = watcher.frames();
  t.strictSame(
    frames.map(({ body }) => body.toString()),
    ['1', '2', '3', '4', 'other', 'behind'],
  );
  t.strictSame(
    frames.map((frame) => header(frame, 'offset')),
    ['1', '2', '3', '4', '5', '6'],
  );
  t.strictSame(
    client.frames().map((frame) => header(frame, 'receipt-id')),
    ['c', 'd'],
  );
});

t.test('ABORT puts back what several ACKs took, each in its place', async (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.subscribe('s', '/queue/q', { ack: 'client-individual' });
  const bodies = Array.from({ length: 6 }, (_, k) => String(k));
  for (const body of bodies) client.publish('/queue/q', body);
  const ids = pendingOf(client);
  begin(client);
  for (const body of ['4', '1', '2']) client.send(frameText('ACK', { id: ids.get(body) ?? '', transaction: 't' }));
  abort(client);
  client.connection.vanish();
  const next = fixture.connect();
  next.subscribe('s', '/queue/q');
  t.strictSame(next.bodies(), bodies);
});
