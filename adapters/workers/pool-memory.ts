/** ProcessMemory of a server with workers: the budget is about all of its processes, as a container counts them. */
import type { MemoryUsage, ProcessMemory, WorkerHeap } from '../../broker/ports.js';
import type { WorkerState } from './worker-pool.js';

export interface PoolMemoryParts {
  /** Of the broker's process. */
  readonly own: ProcessMemory;
  readonly workers: () => readonly Pick<WorkerState, 'worker' | 'report'>[];
  /** Has the workers collect garbage. */
  readonly collect: () => void;
}

export class PoolMemory implements ProcessMemory {
  readonly heapLimitBytes: number;
  readonly totalLimitBytes: number;
  readonly #parts: PoolMemoryParts;

  constructor(parts: PoolMemoryParts) {
    this.#parts = parts;
    this.heapLimitBytes = parts.own.heapLimitBytes;
    this.totalLimitBytes = parts.own.totalLimitBytes;
  }

  usage(): MemoryUsage {
    const own = this.#parts.own.usage();
    let { totalBytes, residentBytes } = own;
    let fullestWorker: WorkerHeap | null = null;
    for (const { worker, report } of this.#parts.workers()) {
      if (report === null) continue;
      totalBytes += report.totalBytes;
      residentBytes += report.residentBytes;
      const { heapBytes, heapLimitBytes } = report;
      if (
        fullestWorker !== null &&
        heapBytes / heapLimitBytes <= fullestWorker.heapBytes / fullestWorker.heapLimitBytes
      )
        continue;
      fullestWorker = { worker, heapBytes, heapLimitBytes };
    }
    return { heapBytes: own.heapBytes, totalBytes, residentBytes, fullestWorker };
  }

  /** What workers gain by it is known with their next report. */
  collect(): void {
    this.#parts.own.collect();
    this.#parts.collect();
  }
}
