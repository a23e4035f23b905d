import fc from 'fast-check';
import t from 'tap';
import { ChannelNames } from '../../../../adapters/redis/relay/channel-names.js';
import { SubscriptionIndex } from '../../../../broker/destinations/subscription-index.js';
import { check } from '../../../helpers/properties.js';

/** Redis' globs, as far as they are used here: `*` and what a backslash takes its meaning from. */
function globMatches(glob: string, channel: string): boolean {
  const source = glob.replace(/\\(.)|(\*)|([^\\*])/gsu, (_, escaped?: string, star?: string, other?: string) =>
    star === undefined ? `\\u{${(escaped ?? other ?? '').codePointAt(0)?.toString(16) ?? ''}}` : '.*',
  );
  return new RegExp(`^${source}$`, 'su').test(channel);
}

function isMatched(pattern: string, destination: string, separator: string): boolean {
  const index = new SubscriptionIndex<string>(separator);
  index.add(pattern, pattern);
  return index.match(destination).length > 0;
}

t.test('destinations and patterns are channels and globs under the prefix', async (t) => {
  const names = new ChannelNames('shop*:', '/');
  t.equal(names.channelOf('/topic/a'), 'shop*:topic:topic/a');
  t.equal(names.channelOf('/topic//a/'), 'shop*:topic:topic/a', 'the same patterns match both');
  t.equal(names.globOf('/topic/*/x[1]/b?c'), 'shop\\*:topic:topic/*/x\\[1\\]/b*c');
  t.equal(names.globOf('/topic/**'), 'shop\\*:topic:topic*');
  t.equal(names.globOf('/topic/**/x'), 'shop\\*:topic:topic*/x');
  t.equal(names.globOf('/**/**/{x}/'), 'shop\\*:topic:*');
  t.equal(names.globOf('/topic/{id:[0-9]+}.json'), 'shop\\*:topic:topic/*.json');
  t.equal(names.everything, 'shop\\*:topic:*');
});

t.test('what Redis gives to whom can be told', async (t) => {
  const names = new ChannelNames('p:', '/');
  const glob = names.globOf('/topic/*/x[1]/b?c');
  t.ok(names.matches(glob, names.channelOf('/topic/a/x[1]/bxc')));
  t.ok(names.matches(glob, names.channelOf('/topic/a/b/x[1]/b\n\u{1F40E}c')));
  t.notOk(names.matches(glob, names.channelOf('/topic/a/x1/bxc')));
  t.notOk(names.matches(glob, names.channelOf('/topic/a/x[1]/bxcd')));
});

t.test('the glob of a pattern matches whatever the pattern does', async (t) => {
  const literal = fc.constantFrom('a', 'b', 'ab', 'a-b', '[a]', 'a\\b', '^', 'ü', '\u{1F40E}');
  const segment = fc.oneof(
    literal,
    fc.constantFrom('*', '**', '?', 'a*', '*b', 'a?', '?*', '{x}', 'a{x}', '{x:[ab]+}', '{x:a.}b', 'a*b*'),
  );
  const joined = (parts: fc.Arbitrary<string>) =>
    fc
      .tuple(fc.constantFrom('/', ''), fc.array(fc.tuple(parts, fc.constantFrom('/', '/', '//')), { maxLength: 5 }))
      .map(([start, all]) => start + all.map(([part, separator]) => part + separator).join(''))
      .chain((text) => fc.constantFrom(text, text.replace(/\/+$/, '')));
  check(
    t,
    fc.property(joined(segment), joined(literal), fc.constantFrom('/', '.'), (pattern, destination, separator) => {
      const write = (text: string): string => text.replaceAll('/', separator);
      // A dot within a regex would be read as a separator.
      fc.pre(separator === '/' || !pattern.includes('{x:a.}'));
      const names = new ChannelNames('p:', separator);
      if (!isMatched(write(pattern), write(destination), separator)) return;
      const [glob, channel] = [names.globOf(write(pattern)), names.channelOf(write(destination))];
      if (!globMatches(glob, channel)) throw new Error(`${glob} does not match ${channel}`);
      if (!names.matches(glob, channel)) throw new Error(`${glob} is not said to match ${channel}`);
    }),
    5_000,
  );
});
