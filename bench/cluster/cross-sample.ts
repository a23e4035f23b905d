/** What a delivery from one node to another costs: CPU time of each process on its way. */
import type { Figure, Sample } from '../report/results.js';

/** CPU µs of one round; of several receiving nodes, each. */
export interface Spent {
  readonly publishing: number;
  readonly redis: number;
  readonly receiving: readonly number[];
  /** Where publishing and receiving processes are the load themselves: 0. */
  readonly load: number;
}

/** The figure that the goals are about. */
export const CAPACITY = 'capacity';

export const CROSS_FIGURES: readonly Figure[] = [
  { key: CAPACITY, label: 'deliveries/s, a core each', digits: 0, better: 'more' },
  { key: 'perCpuSecond', label: 'deliveries/CPU s', digits: 0, better: 'more' },
  { key: 'perSecond', label: 'deliveries/s here', digits: 0, better: 'more' },
  { key: 'publishingMicros', label: 'publishing µs', digits: 2, better: 'less' },
  { key: 'redisMicros', label: 'Redis µs', digits: 2, better: 'less' },
  { key: 'receivingMicros', label: 'receiving µs', digits: 2, better: 'less' },
  { key: 'redisShare', label: 'Redis CPU', digits: 2, better: null },
  { key: 'loadMicros', label: 'load µs', digits: 2, better: null },
  { key: 'loadCpu', label: 'load CPU', digits: 2, better: null },
];

export function crossSample(operations: number, elapsedMs: number, spent: Spent): Sample {
  const { publishing, redis, receiving, load } = spent;
  const received = receiving.reduce((sum, micros) => sum + micros, 0);
  const total = publishing + redis + received;
  return {
    operations,
    [CAPACITY]: (operations / Math.max(publishing, redis, ...receiving)) * 1e6,
    perCpuSecond: (operations / total) * 1e6,
    perSecond: (operations / elapsedMs) * 1000,
    cpuMicros: total / operations,
    publishingMicros: publishing / operations,
    redisMicros: redis / operations,
    receivingMicros: received / operations,
    redisShare: redis / total,
    loadMicros: load === 0 ? NaN : load / operations,
    loadCpu: load === 0 ? NaN : load / (elapsedMs * 1000),
  };
}
