import t from 'tap';
import { BrokerFixture } from '../../helpers/broker-fixture.js';

function observed() {
  const fixture = new BrokerFixture();
  const tookMs: number[] = [];
  const waited: number[] = [];
  fixture.broker.operations.observeDeliveries({
    onDelivered: (ms) => tookMs.push(ms),
    onOutbox: (bytes) => waited.push(bytes),
  });
  return { fixture, tookMs, waited };
}

t.test('one in 64 is looked at: what waited, and how long its first message took', async (t) => {
  const { fixture, tookMs, waited } = observed();
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/topic/t');
  for (let k = 0; k < 320; k++) {
    sender.publish('/topic/t', 'x');
    fixture.clock.advance(5);
    reader.frames();
  }
  t.equal(waited.length, 5);
  t.ok(waited.every((bytes) => bytes > 0));
  t.ok(tookMs.length >= 4);
  t.ok(
    tookMs.every((ms) => ms >= 0 && ms <= 5),
    String(tookMs),
  );
});

t.test('a message that had to wait shows it', async (t) => {
  const { fixture, tookMs } = observed();
  const [sender, reader] = [fixture.connect(), fixture.connect()];
  reader.subscribe('s', '/topic/t');
  reader.frames();
  for (let k = 0; k < 80; k++) {
    sender.publish('/queue/q', 'x');
    fixture.clock.advance(10);
    fixture.clock.turn();
    sender.publish('/topic/t', 'turns');
    reader.frames();
  }
  const before = tookMs.length;
  // What was first in the queue is the oldest.
  for (let k = 0; k < 64; k++) {
    const late = fixture.connect();
    late.subscribe('q', '/queue/q', { ack: 'client-individual', 'prefetch-count': '1' });
    late.frames();
  }
  t.ok(
    tookMs.slice(before).some((ms) => ms > 100),
    String(tookMs),
  );
});

t.test('nobody is asked when nobody observes', async (t) => {
  const { fixture, waited } = observed();
  fixture.broker.operations.observeDeliveries(null);
  const client = fixture.connect();
  client.subscribe('s', '/topic/t');
  for (let k = 0; k < 200; k++) {
    client.publish('/topic/t', 'x');
    client.frames();
  }
  t.strictSame(waited, []);
});
