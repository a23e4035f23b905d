import t from 'tap';
import { SegmentPatterns } from '../../../broker/destinations/segment-patterns.js';

function candidates(patterns: SegmentPatterns<string>, segment: string): string[] {
  return [...patterns.candidates(segment)].map(({ pattern }) => pattern).sort();
}

t.test('a segment is held against those patterns alone that begin or end as it does', async (t) => {
  const patterns = new SegmentPatterns<string>();
  for (const pattern of ['price.*', 'price.us.*', '*.json', 'a*', 'a*.json', '{id:[0-9]+}.json', '?', '{x}', 'é*']) {
    patterns.add(pattern, pattern);
  }
  t.strictSame(candidates(patterns, 'price.eu.x'), ['?', 'price.*', '{x}']);
  t.strictSame(candidates(patterns, 'price.us.x'), ['?', 'price.*', 'price.us.*', '{x}']);
  t.strictSame(candidates(patterns, '12.json'), ['*.json', '?', 'a*.json', '{id:[0-9]+}.json', '{x}']);
  t.strictSame(candidates(patterns, 'é1'), ['?', '{x}', 'é*']);
  t.strictSame(candidates(patterns, ''), ['?', '{x}']);
});

t.test('of many patterns few are tried, and each is found by its text', async (t) => {
  const patterns = new SegmentPatterns<string>();
  for (let k = 0; k < 10_000; k++) patterns.add(`order-${k}-*`, `n${k}`);
  t.equal(patterns.get('order-77-*'), 'n77');
  t.equal(patterns.get('order-77-'), null);
  t.strictSame(candidates(patterns, 'order-77-new'), ['order-77-*']);
});

t.test('what is removed is not tried any more', async (t) => {
  const patterns = new SegmentPatterns<string>();
  for (const pattern of ['a*', 'a?', '*b', '*']) patterns.add(pattern, pattern);
  for (const pattern of ['a*', '*b', 'never*', 'a*']) patterns.remove(pattern);
  t.strictSame(candidates(patterns, 'ab'), ['*', 'a?']);
  t.notOk(patterns.isEmpty);
  for (const pattern of ['a?', '*']) patterns.remove(pattern);
  t.ok(patterns.isEmpty);
  t.strictSame(candidates(patterns, 'ab'), []);
});
