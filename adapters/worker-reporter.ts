/** What a worker tells the broker's process of its own: memory, processor time, sockets, how late its event loop is. */
import type { ProcessMemory } from '../broker/ports.js';
import type { SocketBudget } from './transports/index.js';
import type { WorkerReport } from './workers/index.js';

export interface WorkerReporterParts {
  readonly memory: ProcessMemory;
  /** Monotonic, in milliseconds. */
  readonly nowMs: () => number;
  /** Null: nobody wants to know. */
  readonly delay: () => { readonly recentP99Ms: number; readonly recentMaxMs: number } | null;
}

/** Collecting costs at most this part of the time, as in the broker's process (broker/memory/). */
const COLLECT_PART = 20;

export class WorkerReporter {
  /** Null: not known yet, or without a bound. */
  budget: SocketBudget | null = null;
  shortage: string | null = null;
  readonly #parts: WorkerReporterParts;
  #mayCollectAtMs = 0;
  /** It was asked for, and was too soon. */
  #owesCollection = false;

  constructor(parts: WorkerReporterParts) {
    this.#parts = parts;
  }

  /** @param collects has garbage collected before; if that was a moment ago, before a later report */
  report(collects: boolean): WorkerReport {
    if (collects || this.#owesCollection) this.#collect();
    const { memory } = this.#parts;
    const { user, system } = process.cpuUsage();
    const late = this.#parts.delay();
    const { budget } = this;
    return {
      ...memory.usage(),
      heapLimitBytes: memory.heapLimitBytes,
      cpuMs: Math.round((user + system) / 1_000),
      delay: late === null ? null : { recentP99Ms: late.recentP99Ms, recentMaxMs: late.recentMaxMs },
      sockets: budget === null ? null : { open: budget.open, max: budget.max },
      shortage: this.shortage,
    };
  }

  #collect(): void {
    const { memory, nowMs } = this.#parts;
    const beganMs = nowMs();
    this.#owesCollection = beganMs < this.#mayCollectAtMs;
    if (this.#owesCollection) return;
    memory.collect();
    this.#mayCollectAtMs = beganMs + (nowMs() - beganMs) * COLLECT_PART;
  }
}
