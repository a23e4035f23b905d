import t from 'tap';
import { FLOOR_BYTES, trendOf } from './memory-trend.js';

const MIB = 2 ** 20;
const MINUTE_MS = 60_000;

function samplesOf(count: number, heapBytesAt: (minute: number) => number) {
  return Array.from({ length: count }, (_, minute) => ({ atMs: minute * MINUTE_MS, heapBytes: heapBytesAt(minute) }));
}

t.test('a heap that warms up and then goes up and down is flat', async (t) => {
  const { isFlat, warmUp, bytesPerHour } = trendOf(
    samplesOf(40, (minute) => 60 * MIB - (minute < 10 ? 20 * MIB : 0) + (minute % 2) * MIB),
  );
  t.ok(isFlat);
  t.equal(warmUp, 10);
  t.equal(bytesPerHour, 0);
});

t.test('one that grows by more than five percent is not, one outlier or not', async (t) => {
  const { isFlat, growth, bytesPerHour } = trendOf(
    samplesOf(60, (minute) => (minute === 59 ? 1 : 60 * MIB + minute * 0.2 * MIB)),
  );
  t.notOk(isFlat);
  t.ok(growth > 0.05, `${growth}`);
  t.equal(Math.round(bytesPerHour / MIB), 12);
});

t.test('of a small heap so much is too little to be told from noise', async (t) => {
  const grownBy = (bytes: number) => trendOf(samplesOf(12, (minute) => 10 * MIB + (minute < 9 ? 0 : bytes))).isFlat;
  t.ok(grownBy(FLOOR_BYTES));
  t.notOk(grownBy(FLOOR_BYTES + 1));
});

t.test('of a short run the last six samples count, of a shorter one what there is', async (t) => {
  t.match(trendOf(samplesOf(12, (minute) => minute * MIB)), {
    warmUp: 6,
    firstBytes: 7 * MIB,
    lastBytes: 10 * MIB,
    isFlat: false,
  });
  t.match(trendOf(samplesOf(2, (minute) => minute * MIB)), { warmUp: 0, firstBytes: 0, lastBytes: MIB, isFlat: true });
  t.match(trendOf(samplesOf(1, () => MIB)), { warmUp: 0, firstBytes: MIB, lastBytes: MIB, bytesPerHour: 0 });
});
