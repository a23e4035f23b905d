import t from 'tap';
import { crossSample, CROSS_FIGURES } from '../../../bench/cluster/cross-sample.js';
import { verdictsOf } from '../../../bench/cluster/verdicts.js';
import type { Point } from '../../../bench/report/results.js';

t.test(
  'the busiest process bounds what a chain carries, and nodes and Redis together what a CPU second does',
  async (t) => {
    const spent = { publishing: 2_000, redis: 500, receiving: [4_000, 1_000], load: 3_000 };
    const sample = crossSample(1_000, 10, spent);
    t.match(sample, {
      capacity: 250_000,
      perSecond: 100_000,
      cpuMicros: 7.5,
      publishingMicros: 2,
      redisMicros: 0.5,
      receivingMicros: 5,
      loadMicros: 3,
      loadCpu: 0.3,
    });
    t.equal(Math.round(sample['perCpuSecond'] ?? NaN), 133_333);
    t.ok(Number.isNaN(crossSample(1, 1, { ...spent, load: 0 })['loadCpu']), 'no load but the processes themselves');
  },
);

t.test('a goal is met when it is met in every figure, and a miss is called one', async (t) => {
  const figures = CROSS_FIGURES.slice(0, 2);
  const entry = (contender: string, capacity: number, perCpuSecond: number) => ({
    contender,
    samples: [{ capacity, perCpuSecond }],
  });
  const point: Point = {
    settings: { B: 1 },
    entries: [
      entry('own', 100, 100),
      entry('slow', 40, 40),
      entry('mixed', 40, 60),
      { contender: 'gone', samples: [] },
    ],
  };
  const verdicts = verdictsOf(
    [point],
    ['slow', 'mixed', 'gone', 'unknown'].map((beside) => ({ beside, figures, atLeast: 2 })),
  );
  t.match(verdicts, [
    /^RESULT B 1, beside slow: 2\.50 × in .*; 2\.50 × in .*; goal 2 ×: met$/,
    /^RESULT B 1, beside mixed: 2\.50 × in .*; 1\.67 × in .*; goal 2 ×: MISSED$/,
    /^RESULT B 1, beside gone: not measured × .*: MISSED$/,
  ]);
  t.equal(verdicts.length, 3);
});
