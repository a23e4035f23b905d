import t from 'tap';
import {
  DEFAULT_BROKER_OPTIONS,
  resolveBrokerOptions,
  type BrokerOptions,
  type Partially,
} from '../../broker/index.js';

function resolve(options: unknown): BrokerOptions {
  return resolveBrokerOptions(options as Partially<BrokerOptions>);
}

t.test('nothing given is the defaults, deep-frozen', async (t) => {
  t.strictSame(resolveBrokerOptions(), DEFAULT_BROKER_OPTIONS);
  const options = resolve({ outbox: { softLimitMs: 1 } });
  t.equal(options.outbox.softLimitMs, 1);
  t.equal(options.outbox.hardLimitBytes, DEFAULT_BROKER_OPTIONS.outbox.hardLimitBytes);
  t.ok(
    [options, options.limits, options.limits.frame, options.destinations.topicPrefixes].every((part) =>
      Object.isFrozen(part),
    ),
  );
});

t.test('undefined is the default; what was given is copied', async (t) => {
  const topicPrefixes = ['/t'];
  const options = resolve({ compat: undefined, limits: undefined, destinations: { topicPrefixes } });
  t.equal(options.compat, 'spring');
  topicPrefixes.push('/u');
  t.strictSame(options.destinations.topicPrefixes, ['/t']);
});

t.test('a wrong option is named by its path, with what it got and what it wants', async (t) => {
  const wrong: readonly [object, RegExp][] = [
    [{ refusals: { secret: 'x' } }, /^invalid option refusals: got an object, wants a string$/],
    [{ nodeid: 'x' }, /^unknown option nodeid: got "nodeid", wants one of nodeId, /],
    [
      { limits: { frame: { maxheaders: 1 } } },
      /^unknown option limits\.frame\.maxheaders: got "maxheaders", wants one of maxHeaders, /,
    ],
    [
      { limits: { frame: { maxHeaders: '1' } } },
      /^invalid option limits\.frame\.maxHeaders: got "1", wants a finite number/,
    ],
    [{ limits: { lingerMs: -1 } }, /limits\.lingerMs: got -1/],
    [{ limits: { lingerMs: Infinity } }, /limits\.lingerMs/],
    [{ limits: { lingerMs: NaN } }, /limits\.lingerMs/],
    [{ limits: false }, /^invalid option limits: got false, wants an object/],
    [{ limits: [] }, /^invalid option limits: got \[\], wants an object/],
    [{ limits: null }, /^invalid option limits: got null, wants an object/],
    [{ nodeId: 'a b' }, /^invalid option nodeId: got "a b", wants 1 to 32/],
    [{ nodeId: 'x'.repeat(33) }, /nodeId/],
    [{ nodeId: 1 }, /nodeId: got 1, wants a string/],
    [{ compat: 'rabbit' }, /compat: got "rabbit", wants "spring" or "strict"/],
    [{ serverHeader: 'a\nb' }, /serverHeader/],
    [{ serverHeader: 'a:b' }, /serverHeader/],
    [{ serverHeader: true }, /serverHeader: got true/],
    [{ virtualHosts: [] }, /virtualHosts: got \[\], wants at least one name, or false/],
    [{ virtualHosts: [1] }, /virtualHosts: got \[1\], wants a list of non-empty strings/],
    [{ heartBeat: { tolerance: 0.5 } }, /heartBeat\.tolerance: got 0\.5, wants 1 or more/],
    [{ destinations: { separator: '|' } }, /destinations\.separator: got "\|"/],
    [{ destinations: { wildcards: 'mqtt' } }, /destinations\.wildcards: got "mqtt", wants "ant", "amqp" or "activemq"/],
    [{ destinations: { composite: 1 } }, /destinations\.composite: got 1, wants a boolean/],
    [{ userIdHeader: 'x' }, /userIdHeader: got "x", wants a boolean/],
    [
      { destinations: { queuePrefixes: ['/temp-queue'] } },
      /destinations\.queuePrefixes: got "\/temp-queue", wants nothing/,
    ],
    [{ destinations: { appPrefixes: ['/reply-queue/a'] } }, /destinations\.appPrefixes: got "\/reply-queue\/a"/],
    [{ destinations: { topicPrefixes: [''] } }, /destinations\.topicPrefixes/],
    [
      { destinations: { topicPrefixes: ['/q'], queuePrefixes: ['/queue'] } },
      /queuePrefixes: got "\/queue", wants nothing that overlaps topic prefix "\/q"/,
    ],
    [{ queueDefaults: { mode: 'fan' } }, /queueDefaults\.mode: got "fan", wants "point-to-point" or "broadcast"/],
    [{ queueDefaults: { maxDeliveries: 1.5 } }, /queueDefaults\.maxDeliveries: got 1\.5, wants a whole number/],
    [{ queueDefaults: { backoff: { factor: 0.5 } } }, /queueDefaults\.backoff\.factor: got 0\.5, wants 1 or more/],
    [{ queueDefaults: { deadLetter: '/queue/*' } }, /queueDefaults\.deadLetter: got "\/queue\/\*", wants a topic or/],
    [{ queueDefaults: { deadLetter: true } }, /queueDefaults\.deadLetter: got true, wants a string/],
    [{ queues: {} }, /queues: got \{\}, wants a list/],
    [{ queues: [1] }, /queues\[0\]: got 1, wants an object with a pattern/],
    [{ queues: [{ mode: 'broadcast' }] }, /queues\[0\]\.pattern: got undefined, wants a destination pattern/],
    [
      { queues: [{ pattern: '/queue/a', onful: 'x' }] },
      /^unknown option queues\[0\]\.onful: got "onful", wants one of mode/,
    ],
    [{ queues: [{ pattern: '/queue/{x:(a)}' }] }, /queues\[0\]\.pattern: got "\/queue\/\{x:\(a\)\}", wants a pattern/],
    [{ queues: [{ pattern: '/queue/a', deadLetter: '/x' }] }, /queues\[0\]\.deadLetter: got "\/x", wants a topic or/],
    [{ inbox: { rules: {} } }, /inbox\.rules: got \{\}, wants a list/],
    [{ inbox: { rules: [{ pattern: '/queue/**', ttl: 1 }] } }, /^unknown option inbox\.rules\[0\]\.ttl: got "ttl"/],
    [
      { inbox: { rules: [{ pattern: '/user/queue/**' }] } },
      /inbox\.rules\[0\]\.pattern: got "\/user\/queue\/\*\*", wants what stands behind the user/,
    ],
    [{ inbox: { rules: [{ pattern: '/queue/**', maxMessages: 0 }] } }, /inbox\.rules\[0\]\.maxMessages: got 0, wants/],
    [{ inbox: { recipients: 'all' } }, /inbox\.recipients: got "all", wants "known" or "any"/],
    [{ idempotency: { windowMs: 'x' } }, /idempotency\.windowMs: got "x", wants a finite number/],
    [{ outbox: { softLimitBytes: 64e6 } }, /outbox\.softLimitBytes: got 64000000, wants at most hardLimitBytes/],
    [{ outbox: { highWaterBytes: 0 } }, /outbox\.highWaterBytes: got 0, wants 1 or more/],
  ];
  for (const [options, message] of wrong) {
    t.throws(() => resolve(options), { name: 'BrokerError', code: 'invalid-option', message }, JSON.stringify(options));
  }
  t.throws(() => resolve(JSON.parse('{"__proto__":{"x":1}}') as object), { code: 'invalid-option' });
});

t.test('false turns off what can be turned off', async (t) => {
  t.equal(resolve({ serverHeader: false }).serverHeader, false);
  t.equal(resolve({ virtualHosts: false }).virtualHosts, false);
  t.strictSame(resolve({ virtualHosts: ['a'] }).virtualHosts, ['a']);
});

t.test('a rule for inboxes is filled with a thousand messages, 1 MiB and a day', async (t) => {
  const { inbox } = resolve({ inbox: { rules: [{ pattern: '/queue/**', maxMessages: 5 }], maxUsers: 7 } });
  t.match(inbox, { recipients: 'known', maxUsers: 7, maxBytes: 67_108_864 });
  t.strictSame(inbox.rules, [{ pattern: '/queue/**', maxMessages: 5, maxBytes: 1_048_576, ttlMs: 86_400_000 }]);
});

t.test('a rule for queues is filled from the defaults for queues', async (t) => {
  const { queues, queueDefaults } = resolve({
    queueDefaults: { maxDeliveries: 3, backoff: { baseMs: 5 } },
    queues: [{ pattern: '/queue/a', deadLetter: false, backoff: { factor: 3 } }],
  });
  t.strictSame(queues, [
    { ...queueDefaults, pattern: '/queue/a', deadLetter: false, backoff: { baseMs: 5, factor: 3, maxMs: 60_000 } },
  ]);
  t.ok(Object.isFrozen(queues[0]));
});

t.test('the default dead-letter queue stands under the first queue prefix', async (t) => {
  const under = (queuePrefixes: string[], separator = '/'): string | false =>
    resolve({ destinations: { queuePrefixes, separator } }).queueDefaults.deadLetter;
  t.equal(under(['/queue']), '/queue/DLQ');
  t.equal(under(['/q/', '/queue']), '/q/DLQ');
  t.equal(under(['queue'], '.'), 'queue.DLQ');
  t.equal(under(['/queue'], '.'), '/queue/DLQ');
  t.equal(under([]), false);
  t.equal(resolve({ queueDefaults: { deadLetter: '/topic/dead' } }).queueDefaults.deadLetter, '/topic/dead');
});
