import t from 'tap';
import { LatencyHistogram } from '../../../adapters/cli/bench/latency-histogram.js';

t.test('percentiles are right to one part in a hundred', async (t) => {
  const histogram = new LatencyHistogram();
  for (let ms = 1; ms <= 10_000; ms++) histogram.add(ms);
  for (const share of [0.5, 0.9, 0.99, 0.999]) {
    const exact = share * 10_000;
    const found = histogram.percentile(share);
    t.ok(found >= exact * 0.99 && found <= exact * 1.02, `${share}: ${found} for ${exact}`);
  }
  t.match(histogram.summary(), { meanMs: 5_000.5, maxMs: 10_000 });
  t.equal(histogram.percentile(1), 10_000, 'nothing is above the greatest');
});

t.test('the ends of the scale: nothing, less than can be told, more than an hour', async (t) => {
  const histogram = new LatencyHistogram();
  t.strictSame(histogram.summary(), { meanMs: 0, p50Ms: 0, p90Ms: 0, p99Ms: 0, p999Ms: 0, maxMs: 0 });
  histogram.add(0);
  t.equal(histogram.percentile(0.5), 0);
  histogram.add(1e9);
  t.equal(histogram.count, 2);
  t.equal(histogram.summary().maxMs, 1e9);
});
