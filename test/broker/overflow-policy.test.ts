import t from 'tap';
import { BrokerFixture, type FixtureClient } from '../helpers/broker-fixture.js';
import { header } from '../helpers/server-frames.js';
import { OverflowPolicies } from '../../broker/overflow-policy.js';

const KIB = 1024;

/** A broker with small limits, a subscriber that has stopped reading, and one that reads. */
function fixtureWith(policies: object[], subscribed = '/topic/**') {
  const fixture = new BrokerFixture({
    outbox: {
      highWaterBytes: 4 * KIB,
      softLimitBytes: 16 * KIB,
      hardLimitBytes: 64 * KIB,
      policies: policies as never,
    },
  });
  const [slow, fast, sender] = [fixture.connect(), fixture.connect(), fixture.connect()];
  slow.subscribe('s', subscribed);
  fast.subscribe('f', subscribed);
  slow.connection.freeze();
  // Fills what the transport takes, so that all that follows has to wait.
  sender.publish('/topic/fill', 'x'.repeat(5 * KIB));
  fixture.clock.turn();
  return { fixture, slow, fast, sender };
}

function bodiesOf(client: FixtureClient, destination: string): string[] {
  return client
    .frames()
    .filter((frame) => frame.command === 'MESSAGE' && header(frame, 'destination') === destination)
    .map(({ body }) => body.toString());
}

t.test('latest-per-key: a slow subscriber gets the newest of each key, in the place of the oldest', async (t) => {
  const { fixture, slow, fast, sender } = fixtureWith([
    { pattern: '/topic/prices/**', policy: 'latest-per-key', keyHeader: 'symbol' },
  ]);
  for (let k = 0; k < 500; k++) {
    for (const symbol of ['A', 'B']) sender.publish('/topic/prices/x', `${symbol}${k}`, { symbol });
    fixture.clock.turn();
  }
  t.match(fixture.broker.stats().givenWay, { 'latest-per-key': 998, 'drop-oldest': 0 });
  t.equal(bodiesOf(fast, '/topic/prices/x').length, 1000, 'others miss nothing');
  slow.connection.thaw();
  fixture.clock.turn();
  t.strictSame(bodiesOf(slow, '/topic/prices/x'), ['A499', 'B499']);
  sender.publish('/topic/prices/x', 'A500', { symbol: 'A' });
  fixture.clock.turn();
  t.strictSame(bodiesOf(slow, '/topic/prices/x').at(-1), 'A500', 'and everything again once it reads');
});

t.test('latest-per-key without a header keeps the newest of each destination and subscription', async (t) => {
  const { fixture, slow, sender } = fixtureWith([{ pattern: '/topic/**', policy: 'latest-per-key' }]);
  slow.subscribe('second', '/topic/a');
  for (let k = 0; k < 10; k++) for (const name of ['a', 'b']) sender.publish(`/topic/${name}`, `${name}${k}`);
  slow.connection.thaw();
  fixture.clock.turn();
  const bodies = slow.bodies().filter((body) => body.length === 2);
  t.strictSame(bodies.sort(), ['a9', 'a9', 'b9']);
});

t.test('drop-oldest: a slow subscriber keeps the newest that fit and stays connected', async (t) => {
  const { fixture, slow, fast, sender } = fixtureWith([{ pattern: '/topic/log', policy: 'drop-oldest' }]);
  const line = (k: number): string => `${String(k).padStart(6, '0')}${'.'.repeat(KIB)}`;
  for (let k = 0; k < 300; k++) {
    sender.publish('/topic/log', line(k));
    fixture.clock.turn();
  }
  t.equal(slow.error(), undefined);
  const { givenWay } = fixture.broker.stats();
  slow.connection.thaw();
  fixture.clock.turn();
  const got = bodiesOf(slow, '/topic/log');
  t.ok(got.length > 5 && got.length < 20, `${got.length} kept`);
  t.strictSame(
    got,
    Array.from({ length: got.length }, (_, k) => line(300 - got.length + k)),
  );
  t.equal(givenWay['drop-oldest'], 300 - got.length, 'every drop is counted');
  t.equal(bodiesOf(fast, '/topic/log').length, 300);
});

t.test('a topic without a policy, or with disconnect, still ends a slow subscriber', async (t) => {
  for (const destination of ['/topic/plain', '/topic/log/strict']) {
    const { fixture, slow, sender } = fixtureWith([
      { pattern: '/topic/log/strict', policy: 'disconnect' },
      { pattern: '/topic/log/**', policy: 'drop-oldest' },
    ]);
    for (let k = 0; k < 100; k++) sender.publish(destination, 'x'.repeat(KIB));
    fixture.clock.turn();
    t.equal(slow.connection.closedWith?.code, 'slow-consumer', destination);
    t.equal(fixture.broker.stats().closed['slow-consumer'], 1);
  }
});

t.test('the first rule that matches decides, and the memory of a session stays within its soft limit', async (t) => {
  const policies = new OverflowPolicies(
    [
      { pattern: '/topic/a/*', policy: 'disconnect' },
      { pattern: '/topic/**', policy: 'drop-oldest' },
    ],
    '/',
  );
  t.equal(policies.of('/topic/a/x'), null);
  t.equal(policies.of('/topic/b')?.policy, 'drop-oldest');
  t.equal(policies.of('/queue/b'), null);
});

t.test('a wrong policy is refused by its path', async (t) => {
  const wrong: readonly [unknown, RegExp][] = [
    [{}, /outbox\.policies: got \{\}, wants a list/],
    [[{ pattern: '/topic/a', policy: 'drop' }], /policies\[0\]\.policy: got "drop", wants one of disconnect/],
    [[{ policy: 'drop-oldest' }], /policies\[0\]\.pattern: got nothing, wants a destination pattern/],
    [[{ pattern: 'a', policy: 'drop-oldest', keyHeader: 'k' }], /policies\[0\]\.keyHeader: got "k", wants/],
    [[{ pattern: 'a', policy: 'drop-oldest', x: 1 }], /policies\[0\]\.x: got "an unknown option"/],
  ];
  for (const [policies, message] of wrong) {
    t.throws(() => new BrokerFixture({ outbox: { policies: policies as never } }), { code: 'invalid-option', message });
  }
});
