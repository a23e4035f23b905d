import t from 'tap';
import { oldSpaceLimit, SystemMemory, totalLimit } from '../../adapters/system-memory.js';

const MIB = 2 ** 20;

t.test('what the process takes is less than what it may, and garbage can be collected', async (t) => {
  const memory = new SystemMemory();
  // Files before this one may have left garbage in the process.
  memory.collect();
  const before = memory.usage();
  t.ok(before.heapBytes > MIB && before.heapBytes < before.totalBytes && before.totalBytes < before.residentBytes * 2);
  t.ok(before.totalBytes < memory.totalLimitBytes);
  t.ok(before.heapBytes < memory.heapLimitBytes);
  let held: object[] | null = Array.from({ length: 300_000 }, (_, k) => ({ k }));
  memory.collect();
  const full = memory.usage();
  t.ok(full.heapBytes > before.heapBytes + 5 * MIB);
  t.equal(held.length, 300_000);
  held = null;
  memory.collect();
  t.ok(memory.usage().heapBytes < full.heapBytes - 5 * MIB);
  t.equal('gc' in globalThis, false, 'nobody else sees it');
});

t.test('the heap ends at its old generation, as flags say or V8 does', async (t) => {
  t.equal(oldSpaceLimit([], 4_144 * MIB), 4_096 * MIB);
  t.equal(oldSpaceLimit([], 60 * MIB), 30 * MIB);
  t.equal(oldSpaceLimit(['--max-old-space-size=64'], 112 * MIB), 64 * MIB);
  t.equal(oldSpaceLimit(['--max_old_space_size', '64', '--inspect'], 112 * MIB), 64 * MIB);
  t.equal(oldSpaceLimit(['--max-old-space-size=64', '--max-old-space-size=128'], 176 * MIB), 128 * MIB);
});

t.test('all of it is what the container allows, unless that is no bound', async (t) => {
  t.equal(totalLimit(1_000, 500), 500);
  t.equal(totalLimit(1_000, 2 ** 64), 1_000);
  t.equal(totalLimit(1_000, 0), 1_000);
  t.equal(totalLimit(1_000, undefined), 1_000);
});
