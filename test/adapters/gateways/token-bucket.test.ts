import t from 'tap';
import { TokenBucket } from '../../../adapters/gateways/token-bucket.js';

t.test('a burst at once, then so many a second, and never more than a burst after a pause', async (t) => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
  const takeAt = (nowMs: number, times: number): boolean[] => Array.from({ length: times }, () => bucket.take(nowMs));
  t.strictSame(takeAt(0, 4), [true, true, true, false]);
  t.strictSame(takeAt(100, 2), [true, false]);
  t.strictSame(takeAt(150, 1), [false]);
  t.strictSame(takeAt(200, 1), [true]);
  t.strictSame(takeAt(60_000, 4), [true, true, true, false]);
});
