import t from 'tap';
import type { BrokerOptions, HistoryRule, Partially } from '../../../broker/index.js';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';

function fixtureWith(rule: Partial<HistoryRule> = {}, options: Partially<BrokerOptions> = {}): BrokerFixture {
  return new BrokerFixture({ history: [{ pattern: '/topic/**', maxMessages: 100_000, ...rule }], ...options });
}

function publish(client: FixtureClient, from: number, to: number, body = '', topic = '/topic/a'): void {
  for (let k = from; k <= to; k++) client.publish(topic, body, { n: String(k) });
}

interface Heard {
  readonly offset: number;
  readonly recovered: string | undefined;
  readonly ack: string;
}

function heard(client: FixtureClient): Heard[] {
  return client
    .frames()
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) => ({
      offset: Number(header(frame, 'offset')),
      recovered: header(frame, 'recovered'),
      ack: header(frame, 'ack') ?? '',
    }));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, k) => from + k);
}

/** The offsets, and which of them carry an answer. */
function summary(all: readonly Heard[]): { offsets: number[]; notes: string[] } {
  const notes = all.filter(({ recovered }) => recovered !== undefined);
  return {
    offsets: all.map(({ offset }) => offset),
    notes: notes.map(({ offset, recovered }) => `${offset} ${recovered ?? ''}`),
  };
}

t.test('a long replay is read a page at a time: others get their turn between', async (t) => {
  const fixture = fixtureWith();
  const [sender, client, other] = [fixture.connect(), fixture.connect(), fixture.connect()];
  publish(sender, 1, 5_000);
  other.subscribe('s', '/topic/b');
  client.subscribe('s', '/topic/a', { replay: 'all' });
  const first = client.connection.take().toString('latin1').split('\0').length - 1;
  t.ok(first < 1_100, `${first} in the first turn`);
  // Published while the replay is under way: it comes in its place.
  publish(sender, 5_001, 5_010);
  const { offsets, notes } = summary(heard(client));
  t.strictSame(offsets, range(first + 1, 5_010));
  t.strictSame(notes, []);
});

t.test('a replay does not overrun the outbox of a client that reads slowly, nor is it cut', async (t) => {
  const outbox = { highWaterBytes: 2_000, softLimitBytes: 20_000, hardLimitBytes: 40_000 };
  const fixture = fixtureWith({}, { outbox });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 1, 1_000, 'x'.repeat(500));
  client.connection.freeze();
  client.subscribe('s', '/topic/a', { replay: 'all' });
  publish(sender, 1_001, 1_500, 'x'.repeat(500));
  fixture.clock.advance(60_000);
  t.notOk(client.isGone);
  t.equal(fixture.broker.stats().closed['slow-consumer'], 0);
  let all: Heard[] = [];
  for (let sips = 0; all.length < 1_500; sips++) {
    if (sips > 1_500) return t.fail('it does not go on');
    t.ok(client.connection.bufferedBytes < 20_000);
    client.connection.sip();
    all = [...all, ...heard(client)];
  }
  t.strictSame(summary(all), { offsets: range(1, 1_500), notes: ['1 true'] });
});

t.test('what is gone before it was read is told with the next message', async (t) => {
  const fixture = fixtureWith({ maxMessages: 10 }, { outbox: { highWaterBytes: 1_000 } });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 1, 10, 'x'.repeat(400));
  client.connection.freeze();
  client.subscribe('s', '/topic/a', { replay: 'all' });
  fixture.clock.turn();
  publish(sender, 11, 40, 'x'.repeat(400));
  let all: Heard[] = [];
  for (let sips = 0; sips < 40; sips++) {
    client.connection.sip();
    all = [...all, ...heard(client)];
  }
  const { offsets, notes } = summary(all);
  const last = offsets.findIndex((offset, k) => offset !== k + 1);
  t.ok(last > 0 && last < 10, 'a part was read in time');
  t.strictSame(offsets, [...range(1, last), ...range(31, 40)]);
  t.strictSame(notes, ['1 true', '31 false']);
  t.equal(fixture.broker.stats().history.gaps, 1);
  client.connection.thaw();
  publish(sender, 41, 41);
  t.strictSame(summary(heard(client)), { offsets: [41], notes: [] }, 'live again');
});

t.test('what grows too old before it was read is told too, with whatever comes next', async (t) => {
  const fixture = fixtureWith({ maxAgeMs: 60_000 }, { outbox: { highWaterBytes: 1_000 } });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 1, 10, 'x'.repeat(400));
  client.connection.freeze();
  client.subscribe('s', '/topic/a', { replay: 'all', receipt: 'r' });
  fixture.clock.advance(120_000);
  t.equal(fixture.broker.stats().history.messages, 0, 'swept though nothing is published');
  client.connection.thaw();
  const read = heard(client).length;
  t.ok(read < 10);
  publish(sender, 11, 12);
  t.strictSame(summary(heard(client)), { offsets: [11, 12], notes: ['11 false'] });
});

t.test('a window holds a replay back; acknowledging goes on with it, then with what is live', async (t) => {
  for (const ack of ['client', 'client-individual']) {
    const fixture = fixtureWith();
    const [sender, client] = [fixture.connect(), fixture.connect()];
    publish(sender, 1, 5);
    client.subscribe('s', '/topic/a', { replay: 'all', ack, 'prefetch-count': '2' });
    let all = heard(client);
    t.strictSame(summary(all), { offsets: [1, 2], notes: ['1 true'] });
    publish(sender, 6, 9);
    t.strictSame(heard(client), [], 'the window is full');
    for (let k = 0; k < 9; k++) {
      const next = all[k];
      if (next === undefined) break;
      client.send(frameText('ACK', { id: next.ack }));
      all = [...all, ...heard(client)];
    }
    t.strictSame(summary(all).offsets, range(1, 9), ack);
    publish(sender, 10, 10);
    t.strictSame(summary(heard(client)).offsets, [10], ack);
  }
});

t.test('what a client refuses of a replay comes again, and the replay goes on', async (t) => {
  const fixture = fixtureWith({}, { queueDefaults: { backoff: { baseMs: 0 } } });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 1, 3);
  client.subscribe('s', '/topic/a', { replay: 'all', ack: 'client-individual', 'prefetch-count': '1' });
  const order: number[] = [];
  for (let [next] = heard(client), k = 0; next !== undefined && k < 10; [next] = heard(client), k++) {
    order.push(next.offset);
    client.send(frameText(k === 1 ? 'NACK' : 'ACK', { id: next.ack }));
  }
  t.strictSame(order, [1, 2, 2, 3]);
});

t.test('an ACK in a transaction opens the window at COMMIT', async (t) => {
  const fixture = fixtureWith();
  const client = fixture.connect();
  publish(client, 1, 2);
  client.subscribe('s', '/topic/a', { replay: 'all', ack: 'client', 'prefetch-count': '1' });
  const [first] = heard(client);
  client.send(frameText('BEGIN', { transaction: 't' }));
  client.send(frameText('ACK', { id: first?.ack ?? '', transaction: 't' }));
  t.strictSame(heard(client), []);
  client.send(frameText('COMMIT', { transaction: 't' }));
  t.strictSame(summary(heard(client)).offsets, [2]);
});

t.test('a replay that nothing of matches its selector ends, and the subscription is live', async (t) => {
  const fixture = fixtureWith();
  const client = fixture.connect();
  publish(client, 1, 3_000);
  client.subscribe('s', '/topic/a', { replay: 'all', selector: 'n > 3000' });
  t.strictSame(heard(client), []);
  publish(client, 3_000, 3_001);
  t.strictSame(summary(heard(client)), { offsets: [3_002], notes: ['3002 true'] });
});

t.test('UNSUBSCRIBE and the end of the session end a replay', async (t) => {
  const fixture = fixtureWith({}, { outbox: { highWaterBytes: 1_000 } });
  const [sender, client, other] = [fixture.connect(), fixture.connect(), fixture.connect()];
  publish(sender, 1, 100, 'x'.repeat(100));
  for (const reader of [client, other]) {
    reader.connection.freeze();
    reader.subscribe('s', '/topic/a', { replay: 'all' });
    fixture.clock.turn();
  }
  client.send(frameText('UNSUBSCRIBE', { id: 's' }));
  other.connection.vanish();
  publish(sender, 101, 110);
  client.connection.thaw();
  t.ok(heard(client).length < 100);
  client.subscribe('s', '/topic/a');
  publish(sender, 111, 111);
  t.strictSame(summary(heard(client)).offsets, [111]);
});

t.test('a pattern that replays takes up topics that come into being meanwhile', async (t) => {
  const fixture = fixtureWith({}, { outbox: { highWaterBytes: 1_000 } });
  const [sender, client] = [fixture.connect(), fixture.connect()];
  publish(sender, 1, 20, 'x'.repeat(400));
  client.connection.freeze();
  client.subscribe('s', '/topic/*', { replay: 'all' });
  fixture.clock.turn();
  publish(sender, 1, 3, '', '/topic/new');
  publish(sender, 21, 22);
  publish(sender, 4, 4, '', '/topic/new');
  let all: Heard[] = [];
  for (let sips = 0; sips < 40; sips++) {
    client.connection.sip();
    all = [...all, ...heard(client)];
  }
  t.strictSame(summary(all), { offsets: [...range(1, 20), 1, 2, 3, 21, 22, 4], notes: ['1 true'] });
});
