import t from 'tap';
import { type MemorySnapshot, withWorstStage } from '../../../broker/memory/memory-watch.js';

const NODE: MemorySnapshot = {
  stage: 1,
  used: 0.85,
  scarce: 'heap',
  heapBytes: 1,
  heapBudgetBytes: 2,
  totalBytes: 3,
  budgetBytes: 4,
  residentBytes: 5,
  held: { outboxes: 0, transports: 0, inputs: 0, queues: 0, histories: 0, inboxes: 0 },
  pausedPublishers: 0,
  pauses: 0,
};

t.test('of several nodes the one that is worst off says how it stands, the rest are sums', async (t) => {
  const sum = { ...NODE, stage: 6, used: 2.6, heapBytes: 30 };
  const worst = { ...NODE, stage: 3, used: 0.91, scarce: 'total' } as const;
  const better = { ...NODE, stage: 2, used: 0.99 };
  t.strictSame(withWorstStage(sum, [NODE, worst, better]), { ...sum, stage: 3, used: 0.91, scarce: 'total' });
  t.equal(withWorstStage(sum, [NODE, { ...NODE, used: 0.9 }]).used, 0.9, 'in the same stage, who has less left');
});
