import fc from 'fast-check';
import t from 'tap';
import { SLOTS, slotOf } from '../../../../adapters/redis/connection/hash-slot.js';
import { PARTS, ShardNames } from '../../../../adapters/redis/relay/shard-names.js';
import { SubscriptionIndex } from '../../../../broker/destinations/subscription-index.js';
import { check } from '../../../helpers/properties.js';

t.test('all channels of a destination are in one slot, and all parts are spread evenly', async (t) => {
  const names = new ShardNames({ prefix: 'shop:', separator: '/' });
  for (const destination of ['/topic/a', '/topic//a/', '/topic/{a}/b}c{', '/topic/dev/7/temp', '']) {
    t.equal(new Set(names.channelsOf(destination).map(slotOf)).size, 1, destination);
    t.equal(names.channelsOf(destination)[0], names.channelOf(destination));
  }
  t.equal(names.channelOf('/topic//a/'), names.channelOf('/topic/a'), 'the same patterns match both');
  t.strictSame(
    names.everything.map((channel) => Math.floor((slotOf(channel) * PARTS) / SLOTS)),
    Array.from({ length: PARTS }, (_, part) => part),
  );
});

t.test('a pattern that begins with two plain segments hears less than everything', async (t) => {
  const names = new ShardNames({ prefix: 'p:', separator: '/' });
  t.strictSame(names.channelsOfPattern('/topic/**'), names.everything);
  t.strictSame(names.channelsOfPattern('/topic/d*/x'), names.everything);
  const narrow = names.channelsOfPattern('/topic/dev/*');
  t.match(narrow[0], /under:topic\/dev$/);
  t.strictSame(narrow, names.channelsOfPattern('/topic/dev/**/x'));
  const dots = new ShardNames({ prefix: 'p:', separator: '.' });
  t.match(dots.channelsOfPattern('/topic/dev.*')[0], /under:\/topic\/dev$/);
});

t.test('what a pattern matches is published to a channel of the pattern', async (t) => {
  const literal = fc.constantFrom('topic', 'a', 'b', 'a-b', '}', 'ü{');
  const segment = fc.oneof(literal, fc.constantFrom('*', '**', '?', 'a*', '{x}', '{x:[ab]+}'));
  const joined = (parts: fc.Arbitrary<string>) =>
    fc
      .tuple(fc.array(parts, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '/'))
      .map(([all, end]) => `/${all.join('/')}${end}`);
  check(
    t,
    fc.property(joined(segment), joined(literal), fc.constantFrom('/', '.'), (pattern, destination, separator) => {
      const write = (text: string): string => text.replaceAll('/', separator);
      const index = new SubscriptionIndex<string>(separator);
      index.add(write(pattern), 'x');
      if (index.match(write(destination)).length === 0) return;
      const names = new ShardNames({ prefix: 'p:', separator });
      const wanted = names.channelsOfPattern(write(pattern));
      const channels = names.channelsOf(write(destination));
      if (!channels.some((channel) => wanted.includes(channel))) throw new Error(`${pattern} misses ${destination}`);
    }),
    3_000,
  );
});
