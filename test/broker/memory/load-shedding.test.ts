import t from 'tap';
import { BrokerFixture, frameText, type FixtureClient } from '../../helpers/broker-fixture.js';
import { header } from '../../helpers/server-frames.js';
import { ScriptedMemory } from '../../helpers/scripted-memory.js';
import type { BrokerOptions, Partially } from '../../../broker/index.js';

const SMALL = { highWaterBytes: 1_000, softLimitBytes: 2 ** 30, hardLimitBytes: 2 ** 31 };
const CONNECT = frameText('CONNECT', { 'accept-version': '1.2', host: 'x' });

function fixtureWith(options: Partially<BrokerOptions> = {}): [BrokerFixture, ScriptedMemory] {
  const memory = new ScriptedMemory();
  const fixture = new BrokerFixture({ outbox: SMALL, ...options }, undefined, 'info', null, { memory });
  return [fixture, memory];
}

/** A client that stops reading; so many kilobytes wait for it. */
function stalled(fixture: BrokerFixture, topic: string): FixtureClient {
  const made = fixture.connect();
  made.subscribe('1', topic);
  made.frames();
  made.connection.freeze();
  return made;
}

t.test('short of memory, connections are refused with an ERROR, later without a word, and let in again', async (t) => {
  const [fixture, memory] = fixtureWith();
  const tried = (): string[] => {
    const opened = Array.from({ length: 14 }, () => fixture.open());
    for (const each of opened) each.send(CONNECT);
    return opened.map((each) => {
      const [frame] = each.frames();
      return frame?.command === 'ERROR' ? (header(frame, 'code') ?? '') : (frame?.command ?? 'nothing');
    });
  };
  memory.heapPart = 0.85;
  fixture.clock.advance(100);
  t.strictSame(tried().slice(9), ['CONNECTED', ...Array<string>(4).fill('memory-low')]);
  t.match(fixture.broker.health(), { isOk: false, problems: [{ part: 'memory', code: 'memory-low' }] });
  memory.heapPart = 0.96;
  fixture.clock.advance(1_000);
  t.equal(tried().at(-1), 'nothing');
  memory.heapPart = 0.5;
  fixture.clock.advance(100);
  t.equal(tried().at(-1), 'CONNECTED');
  t.ok(fixture.broker.health().isOk);
  t.equal(fixture.broker.stats().connections.refused, 8);
});

t.test('who publishes is not read from, keeps its heart-beats, and loses nothing; who does not goes on', async (t) => {
  const [fixture, memory] = fixtureWith({ heartBeat: { sendMs: 1_000, receiveMs: 1_000, tolerance: 2 } });
  const publisher = fixture.connect({ 'heart-beat': '1000,1000' });
  const reader = fixture.connect();
  reader.subscribe('1', '/topic/x');
  publisher.publish('/topic/x', '1');
  memory.heapPart = 0.91;
  fixture.clock.advance(100);
  publisher.publish('/topic/x', '2', { receipt: 'r' });
  t.ok(publisher.connection.isPaused);
  for (let k = 0; k < 5; k++) {
    fixture.clock.advance(1_000);
    await fixture.settle();
  }
  t.strictSame(publisher.frames(), [], 'nothing is answered that has no effect, and nobody is cut off');
  t.ok(publisher.heartBeats >= 3);
  t.strictSame(reader.bodies(), ['1']);
  reader.subscribe('2', '/topic/y', { receipt: 's' });
  t.equal(reader.frames()[0]?.command, 'RECEIPT');
  memory.heapPart = 0.5;
  fixture.clock.advance(100);
  await fixture.settle();
  t.equal(publisher.frames()[0]?.command, 'RECEIPT');
  t.strictSame(reader.bodies(), ['2']);
  t.notOk(publisher.connection.isPaused);
  t.match(fixture.broker.stats().memory, { stage: 0, pausedPublishers: 0, pauses: 1 });
});

t.test('what a publisher acknowledges is read now and then, or its queue would never be empty', async (t) => {
  const [fixture, memory] = fixtureWith();
  const worker = fixture.connect();
  worker.subscribe('1', '/queue/q', { ack: 'client', 'prefetch-count': '1' });
  for (const body of ['a', 'b', 'c']) worker.publish('/queue/q', body);
  memory.heapPart = 0.91;
  fixture.clock.advance(100);
  const got: string[] = [];
  for (let k = 0; k < 8; k++) {
    const [message] = worker.frames();
    if (message !== undefined) {
      got.push(message.body.toString());
      worker.send(frameText('ACK', { id: header(message, 'ack') ?? '' }));
    }
    fixture.clock.advance(1_100);
    await fixture.settle();
  }
  t.strictSame(got, ['a', 'b', 'c']);
});

t.test('messages that may give way do so, others stay', async (t) => {
  const policies = [{ pattern: '/topic/prices', policy: 'drop-oldest' as const }];
  const [fixture, memory] = fixtureWith({ outbox: { ...SMALL, policies } });
  const [prices, orders, publisher] = [
    stalled(fixture, '/topic/prices'),
    stalled(fixture, '/topic/orders'),
    fixture.connect(),
  ];
  for (let k = 0; k < 50; k++) {
    for (const topic of ['/topic/prices', '/topic/orders']) publisher.publish(topic, 'x'.repeat(100));
    fixture.clock.turn();
  }
  memory.heapPart = 0.95;
  fixture.clock.advance(100);
  const given = fixture.broker.stats().givenWay['drop-oldest'];
  t.ok(given > 30);
  memory.heapPart = 0.5;
  fixture.clock.advance(100);
  for (const each of [prices, orders]) each.connection.thaw();
  t.equal(prices.bodies().length, 50 - given);
  t.equal(orders.bodies().length, 50);
});

t.test('histories give way, half at a time', async (t) => {
  const [fixture, memory] = fixtureWith({ history: [{ pattern: '/topic/**' }] });
  const publisher = fixture.connect();
  for (let k = 0; k < 8; k++) publisher.publish(`/topic/${k}`, 'x'.repeat(1_000));
  t.equal(fixture.broker.stats().history.topics, 8);
  memory.heapPart = 0.95;
  fixture.clock.advance(100);
  const { history } = fixture.broker.stats();
  t.strictSame([history.topics, history.givenWay], [4, 4]);
});

t.test('those go for whom most is held, an eighth at a time; what their queues gave them goes back', async (t) => {
  const [fixture, memory] = fixtureWith();
  const publisher = fixture.connect();
  const clients = Array.from({ length: 9 }, (_, k) => stalled(fixture, `/topic/${k}`));
  const idle = fixture.connect();
  for (const [k] of clients.entries()) publisher.publish(`/topic/${k}`, 'x'.repeat(100_000));
  clients[4]?.subscribe('q', '/queue/q');
  for (const topic of ['/topic/4', '/topic/7', '/topic/4', '/topic/4']) publisher.publish(topic, 'x'.repeat(100_000));
  publisher.publish('/queue/q', 'kept', { receipt: 'r' });
  fixture.clock.turn();
  memory.heapPart = 1;
  fixture.clock.advance(100);
  const gone = (): number[] => clients.flatMap(({ isGone }, k) => (isGone ? [k] : []));
  t.strictSame(gone(), [4, 7]);
  t.equal(clients[4]?.connection.closedWith?.code, 'memory-low');
  fixture.clock.advance(100);
  t.equal(gone().length, 3);
  memory.heapPart = 0.1;
  fixture.clock.advance(100);
  t.equal(gone().length, 3);
  t.notOk(idle.isGone);
  t.equal(fixture.broker.stats().closed['memory-low'], 3);
  idle.subscribe('1', '/queue/q');
  t.strictSame(idle.bodies(), ['kept']);
});

t.test('who reads and holds much by not acknowledging is told why it is ended', async (t) => {
  const [fixture, memory] = fixtureWith({ refusals: 'soft' });
  const [hoarder, publisher] = [fixture.connect(), fixture.connect()];
  hoarder.subscribe('1', '/topic/x', { ack: 'client' });
  for (let k = 0; k < 300; k++) publisher.publish('/topic/x', 'x'.repeat(100));
  t.equal(hoarder.bodies().length, 300);
  memory.heapPart = 1;
  fixture.clock.advance(100);
  t.equal(hoarder.error(), 'memory-low');
  t.equal(hoarder.connection.closedWith?.code, 'memory-low');
});

t.test('what is held is counted by kind, a part at each look', async (t) => {
  const [fixture] = fixtureWith({ history: [{ pattern: '/topic/h' }] });
  const publisher = fixture.connect();
  stalled(fixture, '/topic/x');
  for (const destination of ['/topic/x', '/topic/x', '/queue/q', '/topic/h']) {
    publisher.publish(destination, 'x'.repeat(2_000));
    fixture.clock.turn();
  }
  publisher.send('SEND\ndestination:/topic/x\ncontent-length:9000\n\n' + 'x'.repeat(5_000));
  fixture.clock.advance(100);
  const held = fixture.broker.stats().memory?.held;
  for (const [kind, least] of Object.entries({
    outboxes: 2_000,
    transports: 2_000,
    inputs: 5_000,
    queues: 2_000,
    histories: 2_000,
  })) {
    const bytes = held?.[kind as 'outboxes'] ?? 0;
    t.ok(bytes >= least && bytes < least * 2, `${kind}: ${bytes}`);
  }
  t.equal(held?.inboxes, 0);
});

t.test('without the port, or switched off, nothing is watched', async (t) => {
  t.equal(new BrokerFixture().broker.stats().memory, null);
  const [fixture, memory] = fixtureWith({ memory: { enabled: false } });
  memory.heapPart = 2;
  fixture.clock.advance(1_000);
  t.ok(fixture.broker.health().isOk);
  t.equal(fixture.connect().welcome?.command, 'CONNECTED');
});
