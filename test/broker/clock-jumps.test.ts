/**
 * Somebody sets the time of day an hour forward or back while the broker runs, or the machine wakes from sleep: what is
 * about durations goes on as if nothing had happened, what is about moments follows.
 */
import t from 'tap';
import { BrokerFixture, frameText } from '../helpers/broker-fixture.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { LastingStore } from '../helpers/lasting-store.js';
import { header } from '../helpers/server-frames.js';

const HOUR_MS = 3_600_000;
const STEPS = [HOUR_MS, -HOUR_MS] as const;

function name(stepMs: number): string {
  return stepMs > 0 ? 'an hour forward' : 'an hour back';
}

for (const stepMs of STEPS) {
  t.test(`${name(stepMs)}: sessions live, heart-beats go on, silence is still noticed`, (t) => {
    const fixture = new BrokerFixture({ heartBeat: { sendMs: 1_000, receiveMs: 1_000 } });
    const [lively, silent] = [1, 2].map(() => fixture.connect({ 'heart-beat': '1000,1000' }));
    if (lively === undefined || silent === undefined) throw new Error('two clients');
    fixture.clock.shiftEpoch(stepMs);
    for (let k = 0; k < 10; k++) {
      fixture.clock.advance(500);
      lively.send('\n');
      lively.frames();
    }
    t.equal(lively.isGone, false);
    t.ok(lively.heartBeats >= 4);
    t.equal(silent.isGone, true);
    t.end();
  });

  t.test(`${name(stepMs)}: a delay and a backoff last as long as they were to`, (t) => {
    const fixture = new BrokerFixture({ queueDefaults: { backoff: { baseMs: 4_000 } } });
    const client = fixture.connect();
    client.subscribe('s', '/queue/q', { ack: 'client-individual' });
    client.publish('/queue/q', 'late', { AMQ_SCHEDULED_DELAY: '10000' });
    fixture.clock.shiftEpoch(stepMs);
    fixture.clock.advance(9_900);
    t.strictSame(client.bodies(), []);
    fixture.clock.advance(200);
    const [first] = client.frames();
    t.equal(first?.body.toString(), 'late');
    client.send(frameText('NACK', { id: (first && header(first, 'ack')) ?? '' }));
    fixture.clock.turn();
    const [again] = client.frames();
    client.send(frameText('NACK', { id: (again && header(again, 'ack')) ?? '' }));
    fixture.clock.shiftEpoch(stepMs);
    fixture.clock.advance(3_900);
    t.strictSame(client.bodies(), []);
    fixture.clock.advance(200);
    t.strictSame(client.bodies(), ['late']);
    t.end();
  });

  t.test(`${name(stepMs)}: credentials end when they were to, by their own duration`, (t) => {
    const clock = new FakeClock();
    const authenticator = {
      authenticate: () => ({ name: 'ann', roles: [], expiresAtMs: clock.epochMs() + 60_000 }),
    };
    const fixture = new BrokerFixture({}, authenticator, 'info', null, { clock });
    const client = fixture.connect();
    clock.shiftEpoch(stepMs);
    clock.advance(59_000);
    t.equal(client.isGone, false);
    clock.advance(2_000);
    t.equal(client.error(), 'credentials-expired');
    t.end();
  });

  t.test(`${name(stepMs)}: a message-key is known for its window, and no longer`, async (t) => {
    const fixture = await BrokerFixture.storing(new LastingStore(new FakeClock()), {
      idempotency: { windowMs: 60_000 },
    });
    const client = fixture.connect();
    const publish = async (): Promise<void> => {
      client.publish('/queue/q', 'once', { persistent: 'true', 'message-key': 'k' });
      await fixture.settled();
    };
    await publish();
    fixture.clock.shiftEpoch(stepMs);
    fixture.clock.advance(50_000);
    await publish();
    t.equal(fixture.broker.stats().duplicates, 1);
    fixture.clock.advance(11_000);
    await publish();
    t.equal(fixture.broker.stats().duplicates, 1);
  });

  t.test(`${name(stepMs)}: connections and rates are counted as before`, (t) => {
    const fixture = new BrokerFixture({ quotas: { session: { messagesPerSecond: 10, messageBurst: 10 } } });
    const client = fixture.connect();
    for (let k = 0; k < 10; k++) client.publish('/topic/t', 'x');
    fixture.clock.shiftEpoch(stepMs);
    client.publish('/topic/t', 'x');
    t.equal(client.error(), 'rate-limited');
    t.end();
  });
}

t.test('an hour back: a time to live passes as it was to', (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.publish('/queue/q', 'short', { expiration: '10000' });
  client.publish('/queue/q', 'long', { expiration: '30000' });
  fixture.clock.shiftEpoch(-HOUR_MS);
  fixture.clock.advance(11_000);
  t.equal(fixture.broker.stats().givenUp.expired, 1);
  client.subscribe('s', '/queue/q');
  t.strictSame(client.bodies(), ['long']);
  t.end();
});

t.test('an hour forward is taken for the truth: what had less to live is over, the rest is not', (t) => {
  const fixture = new BrokerFixture();
  const client = fixture.connect();
  client.publish('/queue/q', 'short', { expiration: '10000' });
  client.publish('/queue/q', 'long', { expiration: String(2 * HOUR_MS) });
  fixture.clock.shiftEpoch(HOUR_MS);
  client.subscribe('s', '/queue/q');
  t.strictSame(client.bodies(), ['long']);
  t.end();
});

t.test('an hour back: what is kept for a user lives that much longer at most', async (t) => {
  const fixture = await BrokerFixture.storing(new LastingStore(new FakeClock()), {
    inbox: { rules: [{ pattern: '/queue/**', ttlMs: 60_000 }], recipients: 'any' },
  } as never);
  await fixture.finish(fixture.broker.convertAndSendToUser('ann', '/queue/news', 'kept'));
  fixture.clock.shiftEpoch(-HOUR_MS);
  t.equal(fixture.broker.stats().inbox.messages, 1);
  fixture.clock.advance(HOUR_MS + 120_000);
  await fixture.settled();
  t.equal(fixture.broker.stats().inbox.messages, 0);
});
