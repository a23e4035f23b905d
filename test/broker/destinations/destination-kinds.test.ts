import t from 'tap';
import { DestinationKinds } from '../../../broker/destinations/destination-kinds.js';
import { resolveBrokerOptions, type BrokerOptions, type Partially } from '../../../broker/options.js';
import { QueueRules } from '../../../broker/queue-options.js';

function kindsOf(given: Partially<BrokerOptions> = {}): DestinationKinds {
  const options = resolveBrokerOptions(given);
  return new DestinationKinds(
    options,
    new QueueRules(options.queues, options.queueDefaults, options.destinations.separator),
  );
}

t.test('a destination is what its prefix says', async (t) => {
  const kinds = kindsOf();
  for (const [destination, kind] of [
    ['/topic/a', 'topic'],
    ['/queue/a', 'queue'],
    ['/app/a', 'app'],
    ['/user/queue/a', 'user'],
    ['/temp-queue/a', 'temporary'],
    ['/reply-queue/a', 'reply'],
    ['/reply-queue', 'unknown'],
    ['/user', 'unknown'],
    ['/application', 'unknown'],
    ['', 'unknown'],
  ] as const) {
    t.equal(kinds.of(destination), kind, destination);
    t.equal(kinds.isBrokerDestination(destination), kind === 'topic' || kind === 'queue');
  }
});

t.test('what is too long or under no prefix of a strict broker may not be used', async (t) => {
  t.equal(kindsOf().check('/nowhere'), 'unknown');
  t.throws(() => kindsOf({ compat: 'strict' }).check('/nowhere'), { code: 'destination-unknown' });
  const short = kindsOf({ destinations: { maxLengthBytes: 10 } });
  t.equal(short.check('/topic/äa'), 'topic');
  t.throws(() => short.check('/topic/ää'), { code: 'destination-invalid' }, 'octets count, not characters');
});

t.test('handlers are known by what stands behind the prefix', async (t) => {
  t.equal(kindsOf().handlerPath('/app/a/b'), '/a/b');
  t.equal(kindsOf().handlerPath('/apps/a'), null);
  const dotted = kindsOf({ destinations: { separator: '.', appPrefixes: ['/app', '/rpc.'] } });
  t.strictSame(
    ['/app/a.b', '/rpc.a.b', '/rpc/a'].map((destination) => dotted.handlerPath(destination)),
    ['a.b', 'a.b', null],
  );
});

t.test('a queue is for one consumer each, unless a rule covers it, pattern or not, as it is written', async (t) => {
  const kinds = kindsOf({ queues: [{ pattern: '/queue/all/**', mode: 'broadcast' }] });
  t.strictSame(
    ['/queue/a', '/queue/all/a', '/queue/all/*', '/topic/a'].map((destination) => kinds.isPointToPoint(destination)),
    [true, false, false, false],
  );
  kinds.checkSubscribable('/queue/all/*');
  for (const refused of ['/queue/*', '/reply-queue/a', '/topic/{n:[}']) {
    t.throws(() => kinds.checkSubscribable(refused), { code: 'destination-invalid' }, refused);
  }
  kinds.checkDurable('/topic/*');
  t.throws(() => kinds.checkDurable('/queue/a'), { code: 'destination-invalid' });
});

t.test("patterns of other brokers become Ant's", async (t) => {
  t.equal(kindsOf().antPattern('/topic/a.#'), '/topic/a.#');
  const amqp = kindsOf({ destinations: { separator: '.', wildcards: 'amqp' } });
  t.equal(amqp.antPattern('/topic/a.#'), '/topic/a.**');
});
