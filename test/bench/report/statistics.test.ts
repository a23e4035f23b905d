import t from 'tap';
import type { Entry, Figure } from '../../../bench/report/results.js';
import { advantage, median, medianRatio, percentile } from '../../../bench/report/statistics.js';

t.test('the median is the middle value, or the mean of the two in the middle', async (t) => {
  t.equal(median([5, 1, 3]), 3);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.ok(Number.isNaN(median([])));
});

t.test('the median of ratios is taken round by round', async (t) => {
  // A round in which the whole machine was slow has the same ratio as the others.
  t.equal(medianRatio([2, 20, 2], [1, 10, 1]), 2);
  t.equal(medianRatio([2, 4, 6], [1, 1, 1]), 4);
});

t.test('a percentile is the smallest value that covers the share', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, k) => k + 1);
  t.equal(percentile(hundred, 0.5), 50);
  t.equal(percentile(hundred, 0.99), 99);
  t.equal(percentile(hundred, 0.999), 100);
  t.equal(percentile(hundred, 1), 100);
  t.equal(percentile([7], 0.5), 7);
  t.equal(percentile([7], 0), 7);
  t.ok(Number.isNaN(percentile([], 0.5)));
});

t.test('the advantage says how many times better the first entry is, whichever way is better', async (t) => {
  const own: Entry = { contender: 'own', samples: [{ cost: 2, rate: 50 }] };
  const other: Entry = { contender: 'other', samples: [{ cost: 6, rate: 10 }] };
  const none: Entry = { contender: 'none', samples: [], note: 'failed' };
  const point = { settings: {}, entries: [own, other, none] };
  const cost: Figure = { key: 'cost', label: 'cost', digits: 0, better: 'less' };
  const rate: Figure = { key: 'rate', label: 'rate', digits: 0, better: 'more' };
  t.equal(advantage(point, other, cost), 3);
  t.equal(advantage(point, other, rate), 5);
  t.equal(advantage(point, own, cost), 1);
  t.ok(Number.isNaN(advantage(point, none, cost)));
});
