import t from 'tap';
import { MemoryStore } from '../../../adapters/stores/index.js';
import type { BrokerOptions, HistoryRule, Partially } from '../../../broker/index.js';
import { BrokerError } from '../../../broker/errors.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { LastingStore } from '../../helpers/lasting-store.js';
import { header } from '../../helpers/server-frames.js';

const RULE: HistoryRule = { pattern: '/topic/**', durable: true };

/** A store, and brokers on it one after the other. */
class Bed {
  readonly clock = new FakeClock();
  readonly store = new LastingStore(this.clock);

  /** The next process: what the one before it had in memory is gone. */
  async start(options: Partially<BrokerOptions> = { history: [RULE] }): Promise<BrokerFixture> {
    const fixture = new BrokerFixture(options, undefined, undefined, null, { clock: this.clock, store: this.store });
    await fixture.settle();
    await fixture.started;
    return fixture;
  }
}

/** What arrived, in short: `RECEIPT id recovered=true offset=2`, `ERROR code`, or offset and body of a MESSAGE. */
function heard(client: FixtureClient): string[] {
  return client.frames().map((frame) => {
    const recovered = header(frame, 'recovered');
    const note = recovered === undefined ? '' : ` recovered=${recovered}`;
    if (frame.command === 'ERROR') return `ERROR ${header(frame, 'code') ?? ''}`;
    if (frame.command === 'MESSAGE') return `${header(frame, 'offset') ?? 'none'} ${frame.body.toString()}${note}`;
    const offset = header(frame, 'offset');
    return `RECEIPT ${header(frame, 'receipt-id') ?? ''}${note}${offset === undefined ? '' : ` offset=${offset}`}`;
  });
}

async function epochOf(fixture: BrokerFixture, topic: string): Promise<string> {
  const client = fixture.connect();
  client.subscribe('s', topic, { receipt: 'r' });
  await fixture.settle();
  return header(client.frames()[0], 'epoch') ?? '';
}

async function publish(fixture: BrokerFixture, client: FixtureClient, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) client.publish('/topic/a', body);
  await fixture.settle();
}

function resume(epoch: string, offset: number): Record<string, string> {
  return { 'resume-epoch': epoch, 'resume-offset': String(offset), receipt: 's' };
}

t.test('a message is seen, and its SEND receipted, once it is stored', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/topic/a');
  bed.store.hold();
  sender.publish('/topic/a', 'x', { receipt: 'r' });
  await fixture.settle();
  t.strictSame([heard(sender), heard(client)], [[], []]);
  const late = fixture.connect();
  late.subscribe('s', '/topic/a', { replay: 'all', receipt: 's' });
  await fixture.settle();
  t.strictSame(heard(late), ['RECEIPT s recovered=true offset=0'], 'it has not been published yet');
  bed.store.release();
  await fixture.settle();
  t.strictSame([heard(sender), heard(client)], [['RECEIPT r'], ['1 x']]);
  t.strictSame(heard(late), ['1 x recovered=true']);
});

t.test('epoch, offsets and messages survive a restart', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  const epoch = await epochOf(first, '/topic/a');
  await publish(first, first.connect(), 'a', 'b', 'c');

  const second = await bed.start();
  const client = second.connect();
  client.subscribe('s', '/topic/a', resume(epoch, 1));
  await second.settle();
  t.strictSame(heard(client), ['RECEIPT s recovered=true offset=3', '2 b recovered=true', '3 c']);
  await publish(second, second.connect(), 'd');
  t.strictSame(heard(client), ['4 d']);
  t.equal(await epochOf(second, '/topic/a'), epoch);
  t.match(second.broker.stats().history, { topics: 1, messages: 4 });
});

t.test('a process that dies before the commit leaves nothing that was seen', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  const [sender, client] = [first.connect(), first.connect()];
  client.subscribe('s', '/topic/a');
  await publish(first, sender, 'a');
  bed.store.hold();
  await publish(first, sender, 'b');
  t.strictSame(heard(client), ['1 a'], 'nobody has seen the second');
  bed.store.lose();

  const second = await bed.start();
  await publish(second, second.connect(), 'c');
  const late = second.connect();
  late.subscribe('s', '/topic/a', { replay: 'all' });
  await second.settle();
  t.strictSame(heard(late), ['1 a recovered=true', '2 c'], 'an offset that nobody saw is given again');
});

t.test('what a store refuses was never published: its offset goes to the next', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start();
  const [sender, client] = [fixture.connect(), fixture.connect()];
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  await publish(fixture, sender, 'a');
  bed.store.failures.push(new BrokerError('store-full', 'no room'));
  sender.publish('/topic/a', 'b', { receipt: 'r' });
  await fixture.settle();
  t.strictSame(heard(sender), ['ERROR store-full']);
  fixture.clock.advance(2_000);
  await fixture.settle();
  await publish(fixture, fixture.connect(), 'c');
  t.strictSame(heard(client), ['RECEIPT r offset=0', '1 a', '2 c']);
});

t.test('an offset that was refused while later ones were on their way is left out', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start();
  const [bad, good, client] = [fixture.connect(), fixture.connect(), fixture.connect()];
  client.subscribe('s', '/topic/a', { receipt: 'r' });
  await publish(fixture, good, 'a');
  const epoch = await epochOf(fixture, '/topic/a');
  bed.store.hold();
  bed.store.failures.push(new BrokerError('store-failed', 'once'));
  await publish(fixture, bad, 'b');
  await publish(fixture, good, 'c');
  bed.store.release();
  await fixture.settle();
  fixture.clock.advance(2_000);
  await publish(fixture, good, 'd');
  t.strictSame(heard(client), ['RECEIPT r offset=0', '1 a', '3 c', '4 d']);
  const late = fixture.connect();
  late.subscribe('s', '/topic/a', resume(epoch, 1));
  await fixture.settle();
  t.strictSame(heard(late), ['RECEIPT s recovered=true offset=4', '3 c recovered=true', '4 d'], 'nothing is lost');

  const second = await bed.start();
  const again = second.connect();
  again.subscribe('s', '/topic/a', resume(epoch, 2));
  await second.settle();
  t.strictSame(heard(again), ['RECEIPT s recovered=true offset=4', '3 c recovered=true', '4 d']);
});

t.test('messages of a transaction become visible together, with what else it stores', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start();
  const [client, other] = [fixture.connect(), fixture.connect()];
  other.subscribe('s', '/topic/a');
  client.send(frameText('BEGIN', { transaction: 't' }));
  for (const body of ['t1', 't2']) client.publish('/topic/a', body, { transaction: 't' });
  client.publish('/queue/q', 'q', { transaction: 't', persistent: 'true' });
  await publish(fixture, other, 'before');
  client.send(frameText('COMMIT', { transaction: 't', receipt: 'r' }));
  await fixture.settle();
  t.strictSame(heard(client), ['RECEIPT r']);
  t.strictSame(heard(other), ['1 before', '2 t1', '3 t2']);

  client.send(frameText('BEGIN', { transaction: 'u' }));
  client.publish('/topic/a', 'u1', { transaction: 'u' });
  bed.store.failures.push(new BrokerError('store-failed', 'once'));
  client.send(frameText('COMMIT', { transaction: 'u' }));
  await fixture.settle();
  t.strictSame(heard(client), ['ERROR store-failed']);
  fixture.clock.advance(2_000);
  await publish(fixture, other, 'behind');
  t.strictSame(heard(other), ['4 behind']);
});

t.test('a COMMIT that waits for a handler takes its offsets when it is through', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start();
  let go: () => void = () => undefined;
  fixture.broker.message('/slow', () => new Promise<void>((resolve) => (go = resolve)));
  const [client, other] = [fixture.connect(), fixture.connect()];
  other.subscribe('s', '/topic/a');
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.publish('/topic/a', 't1', { transaction: 't' });
  client.publish('/app/slow', '', { transaction: 't' });
  client.send(frameText('COMMIT', { transaction: 't' }));
  await publish(fixture, other, 'meanwhile');
  t.strictSame(heard(other), ['1 meanwhile']);
  go();
  await fixture.settle();
  t.strictSame(heard(other), ['2 t1']);
});

t.test('the store lets go of what the history lets go of', async (t) => {
  const bed = new Bed();
  const rule = { ...RULE, maxMessages: 10, maxAgeMs: 60_000 };
  const fixture = await bed.start({ history: [rule] });
  const sender = fixture.connect();
  const lane = () => bed.store.contents().lanes.find(({ stream }) => stream === 'history:/topic/a');
  for (let k = 1; k <= 200; k++) sender.publish('/topic/a', String(k));
  await fixture.settle();
  const messages = lane()?.messages ?? 0;
  t.ok(messages >= 10 && messages < 10 + 64, `${messages} are stored`);
  const epoch = await epochOf(fixture, '/topic/a');

  const second = await bed.start({ history: [rule] });
  t.equal(second.broker.stats().history.messages, 10);
  const client = second.connect();
  client.subscribe('s', '/topic/a', resume(epoch, 189));
  await second.settle();
  t.strictSame(heard(client)[0], 'RECEIPT s recovered=false offset=200');

  second.clock.advance(120_000);
  await second.settle();
  t.equal(lane(), undefined, 'too old');
  const third = await bed.start({ history: [rule] });
  const late = third.connect();
  late.subscribe('s', '/topic/a', resume(epoch, 200));
  late.subscribe('u', '/topic/a', resume(epoch, 199));
  await publish(third, third.connect(), 'next');
  t.strictSame(
    heard(late),
    [
      'RECEIPT s recovered=true offset=200',
      'RECEIPT s recovered=false offset=200',
      '201 next recovered=true',
      '201 next recovered=false',
    ],
    'the place is known though no message is left',
  );
});

t.test('a history that gives way to others is gone from the store too', async (t) => {
  const bed = new Bed();
  const fixture = await bed.start({ history: [RULE], limits: { maxHistoryBytes: 50_000 } });
  const sender = fixture.connect();
  for (const topic of ['/topic/a', '/topic/b']) {
    sender.publish(topic, 'x'.repeat(30_000));
    await fixture.settle();
  }
  const { lanes, records } = bed.store.contents();
  t.strictSame(
    lanes.map(({ stream }) => stream),
    ['history:/topic/b'],
  );
  t.strictSame(
    records.map(({ key }) => key).filter((key) => key.startsWith('epoch:')),
    ['epoch:/topic/b'],
  );
  t.equal(fixture.broker.stats().history.givenWay, 1);
});

t.test('all stored histories together are bounded when they are taken up, the newest stay', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  const sender = first.connect();
  for (const topic of ['/topic/c', '/topic/a', '/topic/b']) {
    sender.publish(topic, 'x'.repeat(30_000));
    await first.settle();
    bed.clock.advance(1_000);
  }
  const second = await bed.start({ history: [RULE], limits: { maxHistoryBytes: 80_000 } });
  t.match(second.broker.stats().history, { topics: 2, messages: 2, givenWay: 1 });
  const client = second.connect();
  for (const topic of ['/topic/a', '/topic/b', '/topic/c']) client.subscribe(topic, topic, { replay: 'last-value' });
  await second.settle();
  t.strictSame(
    client.frames().map((frame) => header(frame, 'destination')),
    ['/topic/a', '/topic/b'],
  );
});

t.test('a history that no rule wants stored any more is forgotten, or it would pass for whole later', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  const epoch = await epochOf(first, '/topic/a');
  await publish(first, first.connect(), 'a');
  const second = await bed.start({ history: [{ ...RULE, durable: false }] });
  await publish(second, second.connect(), 'b');
  t.match(second.log, [{ level: 'warn', message: /forgotten/, fields: { destination: '/topic/a' } }]);
  const third = await bed.start();
  const client = third.connect();
  client.subscribe('s', '/topic/a', resume(epoch, 1));
  await third.settle();
  t.strictSame(heard(client), ['RECEIPT s recovered=false offset=0']);
});

t.test('without a store a durable history is kept in memory', async (t) => {
  const fixture = new BrokerFixture({ history: [RULE] });
  const client = fixture.connect();
  client.publish('/topic/a', 'x');
  client.subscribe('s', '/topic/a', { replay: 'all' });
  t.strictSame(heard(client), ['1 x recovered=true']);
});

t.test('a store that does not last is not given what is in memory anyway', async (t) => {
  const store = new MemoryStore();
  const fixture = new BrokerFixture({ history: [RULE] }, undefined, undefined, null, { store });
  await fixture.settle();
  await fixture.started;
  const before = store.bytes;
  const client = fixture.connect();
  client.subscribe('s', '/topic/a');
  client.publish('/topic/a', 'x');
  t.strictSame(heard(client), ['1 x'], 'at once');
  await fixture.settle();
  t.equal(store.bytes, before);
});

t.test('a last value of each key survives a restart', async (t) => {
  const bed = new Bed();
  const options = { history: [{ ...RULE, keyHeader: 'symbol' }] };
  const first = await bed.start(options);
  const sender = first.connect();
  for (const [symbol, body] of Object.entries({ x: '1', y: '2', z: '3' })) sender.publish('/topic/a', body, { symbol });
  sender.publish('/topic/a', '4', { symbol: 'x' });
  await first.settle();
  const second = await bed.start(options);
  const client = second.connect();
  client.subscribe('s', '/topic/a', { replay: 'last-value' });
  await second.settle();
  t.strictSame(heard(client), ['2 2 recovered=true', '3 3', '4 4']);
});

t.test('what is sent before the start is refused, and does not hide what the store holds', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  await publish(first, first.connect(), 'a');
  const ports = { clock: bed.clock, store: bed.store };
  const second = new BrokerFixture({ history: [RULE] }, undefined, undefined, null, ports);
  await t.rejects(second.broker.convertAndSend('/topic/a', 'too early'), { code: 'store-failed' });
  await second.settle();
  const client = second.connect();
  client.subscribe('s', '/topic/a', { replay: 'all' });
  const sent = second.broker.convertAndSend('/topic/a', 'in time');
  await second.settle();
  await sent;
  t.strictSame(heard(client), ['1 a recovered=true', '2 in time']);
});

t.test('a message-key is stored with a message of a durable history', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  const key = { 'message-key': 'k', receipt: 'r' };
  const sender = first.connect();
  sender.publish('/topic/a', 'once', key);
  await first.settle();
  t.strictSame(heard(sender), ['RECEIPT r']);
  const second = await bed.start();
  const again = second.connect();
  again.publish('/topic/a', 'twice', key);
  await second.settle();
  t.strictSame(heard(again), ['RECEIPT r']);
  t.equal(second.broker.stats().history.messages, 1);
});

t.test('a stored history with a message that cannot be read is refused, by its name', async (t) => {
  const bed = new Bed();
  const first = await bed.start();
  await publish(first, first.connect(), 'a', 'b');
  const [stored] = await bed.store.read('history:/topic/a', 0, 0, { maxMessages: 9, maxBytes: 9_999 });
  if (stored === undefined) throw new Error('not stored');
  stored.octets[0] = 9;
  const ports = { clock: bed.clock, store: bed.store };
  const second = new BrokerFixture({ history: [RULE] }, undefined, undefined, null, ports);
  const refused = t.rejects(second.started, {
    code: 'store-failed',
    message: 'the history of /topic/a: message 1 cannot be read (a stored message of form 9)',
  });
  await second.settle();
  await refused;
});
