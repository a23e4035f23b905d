import t from 'tap';
import { PoolMemory } from '../../../adapters/workers/pool-memory.js';
import { ScriptedMemory } from '../../helpers/scripted-memory.js';

const OTHERS = { cpuMs: 0, delay: null, sockets: null, shortage: null };
const GIB = 2 ** 30;

t.test('the memory of all processes is one, each heap has its own limit', async (t) => {
  const own = new ScriptedMemory();
  own.totalPart = 0.5;
  own.heapPart = 0.25;
  const sizes = { heapLimitBytes: GIB, totalBytes: 1_000, residentBytes: 2_000, ...OTHERS };
  const workers = [
    { worker: 1, report: { heapBytes: 10, ...sizes } },
    { worker: 2, report: { heapBytes: 9, ...sizes, heapLimitBytes: 100 } },
    { worker: 3, report: null },
  ];
  let collections = 0;
  const memory = new PoolMemory({ own, workers: () => workers, collect: () => collections++ });
  t.strictSame([memory.heapLimitBytes, memory.totalLimitBytes], [own.heapLimitBytes, own.totalLimitBytes]);
  t.strictSame(memory.usage(), {
    heapBytes: 200_000_000,
    totalBytes: 1_600_000_000 + 2_000,
    residentBytes: 4_000,
    fullestWorker: { worker: 2, heapBytes: 9, heapLimitBytes: 100 },
  });
  memory.collect();
  t.strictSame([own.collections, collections], [1, 1]);
  t.equal(new PoolMemory({ own, workers: () => [], collect: () => undefined }).usage().fullestWorker, null);
});
