/** Memory of a process as a test wants it to be, in parts of its budget. */
import type { MemoryUsage, ProcessMemory } from '../../broker/ports.js';

export class ScriptedMemory implements ProcessMemory {
  readonly heapLimitBytes = 1_000_000_000;
  readonly totalLimitBytes = 4_000_000_000;
  /** Of what the heap may take. */
  heapPart = 0;
  /** Of all that may be taken. */
  totalPart = 0;
  /** Of another process, with a limit of 1,000; null: there is none. */
  workerHeapBytes: number | null = null;
  collections = 0;
  /** What a collection does. */
  onCollect: () => void = () => undefined;

  usage(): MemoryUsage {
    const heapBytes = this.heapPart * this.heapLimitBytes * 0.8;
    const fullestWorker =
      this.workerHeapBytes === null ? null : { worker: 2, heapBytes: this.workerHeapBytes, heapLimitBytes: 1_000 };
    const totalBytes = this.totalPart * this.totalLimitBytes * 0.8;
    return { heapBytes, totalBytes, residentBytes: 0, fullestWorker };
  }

  collect(): void {
    this.collections++;
    this.onCollect();
  }
}
