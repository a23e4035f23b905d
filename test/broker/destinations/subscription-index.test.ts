import fc from 'fast-check';
import t, { type Test } from 'tap';
import { compileSegment, hasWildcard, isPattern, splitSegments } from '../../../broker/destinations/pattern.js';
import { SubscriptionIndex } from '../../../broker/destinations/subscription-index.js';
import { antMatch } from '../../helpers/ant-match.js';
import { check } from '../../helpers/properties.js';

function matches(pattern: string, destination: string, separator = '/'): boolean {
  const index = new SubscriptionIndex<string>(separator);
  index.add(pattern, pattern);
  const found = index.match(destination);
  if (found.length > 1) throw new Error('found twice');
  return found.length === 1;
}

/** Holds both the index and the rules written down a second time to the fact. */
function holds(t: Test, wanted: boolean, pattern: string, destination: string, separator = '/'): void {
  t.equal(matches(pattern, destination, separator), wanted, `${pattern} on ${destination}`);
  t.equal(antMatch(pattern, destination, separator), wanted, `${pattern} on ${destination}, by the rules`);
}

t.test('S5.2 ** is any number of whole segments, also zero', async (t) => {
  holds(t, true, '/a/**/z', '/a/z');
  holds(t, true, '/a/**/z', '/a/b/c/z');
  holds(t, false, '/a/**/z', '/a/z/b');
  holds(t, true, '**', 'a/b');
  holds(t, true, '/**', '/');
  holds(t, true, '/**/a/**/b/**', '/a/b');
  holds(t, true, '/**/a/**/a/**', '/x/a/a/a');
  holds(t, true, '/a/{n}/c', '/a/b/c');
  holds(t, true, '/a/{n:[a-c]+}/c', '/a/bb/c');
  holds(t, false, '/a/{n:[a-c]+}/c', '/a/d/c');
  holds(t, false, '/a/*/c', '/a/b/b/c');
  holds(t, false, '/A/*', '/a/b');
});

t.test('S5.3 separators at the ends and repeated', async (t) => {
  for (const destination of ['/topic', '/topic/', '/topic/a', '/topic/a/b/']) holds(t, true, '/topic/**', destination);
  holds(t, true, '/topic/*', '/topic/a');
  holds(t, true, '/topic/*', '/topic/');
  holds(t, false, '/topic/*', '/topic');
  holds(t, false, '/topic/*', '/topic/a/');
  holds(t, true, '/topic/*/', '/topic/a/');
  holds(t, true, '/topic/*/', '/topic/');
  holds(t, false, '/topic/**/*', '/topic/');
  holds(t, true, '/topic/**/z', '/topic/z');
  holds(t, false, '/topic/**/z', '/topic/z/');
  holds(t, true, '/topic/a**', '/topic/abc');
  holds(t, false, '/topic/a**', '/topic/a/b');
  holds(t, false, 'topic/*', '/topic/a');
  holds(t, false, '/topic/*', 'topic/a');
  holds(t, true, '//topic///*', '/topic//a');
});

t.test('S5.4 with the slash as separator /topic/price.* matches /topic/price.stock.MMM', async (t) => {
  holds(t, true, '/topic/price.*', '/topic/price.stock.MMM');
});

t.test('S5.5 # and > are ordinary characters', async (t) => {
  holds(t, false, '/topic/#/*', '/topic/a/b');
  holds(t, true, '/topic/#/*', '/topic/#/b');
  holds(t, false, '/topic/>*', '/topic/a');
});

t.test('S3.41 with the dot as separator the same rules count by dots', async (t) => {
  holds(t, false, '/topic/price.*', '/topic/price.stock.MMM', '.');
  holds(t, true, '/topic/price.**', '/topic/price.stock.MMM', '.');
  holds(t, true, '/topic/**', '/topic/a/b', '.');
  holds(t, false, '/topic/**', '/topic/a.b', '.');
});

const SEGMENT = fc.constantFrom(
  'a',
  'b',
  'ab',
  'abc',
  'c1',
  '*',
  '**',
  'a*',
  '*b',
  '?',
  'a?',
  '{n}',
  'a{n}',
  '{n:[a-b]+}',
  'a**',
  '#',
  '*ab',
  'a*b',
  '?b',
  '{n}c1',
  'ab{n:.?}',
);
const LITERAL = fc.constantFrom('a', 'b', 'ab', 'abc', 'c1', '#', 'ba', 'a');

function joined(segments: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<(separator: string) => string> {
  const ends = fc.constantFrom('', '', '/', '//');
  return fc
    .tuple(fc.constantFrom('/', '/', ''), fc.array(segments, { maxLength }), ends, fc.constantFrom('/', '/', '/', '//'))
    .map(
      ([start, list, end, between]) =>
        (separator: string) =>
          `${start}${list.join(between)}${end}`.replaceAll('/', separator),
    );
}

t.test('S5.2 S5.3 the index finds what AntPathMatcher would, whatever else is in it', async (t) => {
  const property = fc.property(
    fc.array(joined(SEGMENT, 5), { minLength: 1, maxLength: 8 }),
    fc.array(joined(LITERAL, 6), { minLength: 1, maxLength: 6 }),
    fc.constantFrom('/', '.'),
    fc.nat(7),
    (patterns, destinations, separator, removed) => {
      const index = new SubscriptionIndex<number>(separator);
      const texts = patterns.map((make) => make(separator)).filter((text) => isPattern(text));
      texts.forEach((text, k) => {
        index.add(text, k);
      });
      const live = new Set(texts.keys());
      if (live.delete(removed)) index.remove(texts[removed] ?? '', removed);
      for (const make of destinations) {
        const destination = make(separator);
        const wanted = [...live].filter((k) => antMatch(texts[k] ?? '', destination, separator));
        const found = index.match(destination).sort((a, b) => a - b);
        if (JSON.stringify(found) !== JSON.stringify(wanted)) {
          throw new Error(
            `${destination}: got ${found.map((k) => texts[k]).join(' ')}, wants ${wanted.map((k) => texts[k]).join(' ')}`,
          );
        }
      }
    },
  );
  check(t, property, 2_000);
});

t.test('what is removed leaves nothing behind, and every change changes the version', async (t) => {
  const index = new SubscriptionIndex<number>('/');
  const patterns = ['/a/*', '/a/**', '/a/*/c', '/a/b?/c', '/a/{n:x}/', '/a/**/'];
  const seen = new Set([index.version]);
  patterns.forEach((pattern, k) => {
    index.add(pattern, k);
    seen.add(index.version);
  });
  t.equal(index.size, 6);
  patterns.forEach((pattern, k) => {
    index.remove(pattern, k);
    seen.add(index.version);
  });
  t.equal(index.size, 0);
  t.equal(seen.size, 13);
  t.strictSame(index.match('/a/b'), []);
  index.remove('/a/*', 1);
  index.remove('/never/*', 1);
  t.equal(index.size, 0, 'what is not there is not counted');
});

t.test('two subscriptions to one pattern are apart', async (t) => {
  const index = new SubscriptionIndex<number>('/');
  index.add('/a/*', 1);
  index.add('/a/*', 2);
  index.remove('/a/*', 1);
  t.strictSame(index.match('/a/b'), [2]);
});

t.test('one more subscription to a pattern changes no groups, and the last to go does', async (t) => {
  const index = new SubscriptionIndex<number>('/');
  index.add('/a/*', 1);
  const [group] = index.groups('/a/b');
  const { groupsVersion } = index;
  for (let k = 2; k <= 100; k++) index.add('/a/*', k);
  for (let k = 1; k <= 99; k++) index.remove('/a/*', k);
  t.equal(index.groupsVersion, groupsVersion, 'so topics keep what they remember');
  t.equal(index.groups('/a/b')[0], group);
  t.strictSame(group?.members, [100]);
  index.remove('/a/*', 100);
  t.not(index.groupsVersion, groupsVersion);
  t.strictSame(index.groups('/a/b'), []);
});

t.test('what one topic remembers of a pattern does not grow with its subscriptions', async (t) => {
  const index = new SubscriptionIndex<number>('/');
  for (let k = 0; k < 1_000; k++) for (const pattern of ['/a/*', '/**', '/b/*']) index.add(pattern, k);
  t.equal(index.groups('/a/b').length, 2);
  t.equal(index.match('/a/b').length, 2_000);
});

t.test('patterns of many ** stay cheap: each node is looked at once per segment', async (t) => {
  const index = new SubscriptionIndex<string>('/');
  let looks = 0;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called with its map below
  const get = Map.prototype.get;
  t.teardown(() => {
    Map.prototype.get = get;
  });
  for (let k = 1; k <= 20; k++) index.add(`${'/**/a'.repeat(k)}/**/z`, `p${k}`);
  Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
    looks++;
    return get.call(this, key) as unknown;
  };
  const destination = '/a'.repeat(500);
  t.strictSame(index.match(destination), []);
  Map.prototype.get = get;
  t.ok(looks > 0);
  t.ok(looks <= 500 * 62, `${looks} look-ups for 500 segments and some 62 nodes`);
  t.equal(index.match(`${destination}/z`).length, 20);
});

t.test('the pieces agree on what a wildcard is', async (t) => {
  for (const segment of splitSegments('/a*/b?/{c}/d', '/')) {
    if (hasWildcard(segment)) t.type(compileSegment(segment), 'function');
    else t.equal(segment, 'd');
  }
});
