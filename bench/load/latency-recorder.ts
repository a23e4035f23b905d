/** Latencies of one round, all kept, and their percentiles. */
import { percentile } from '../report/statistics.js';

export const PERCENTILES = [
  { key: 'p50Ms', label: 'p50 ms', share: 0.5 },
  { key: 'p90Ms', label: 'p90 ms', share: 0.9 },
  { key: 'p99Ms', label: 'p99 ms', share: 0.99 },
  { key: 'p999Ms', label: 'p99.9 ms', share: 0.999 },
  { key: 'maxMs', label: 'max ms', share: 1 },
] as const;

export class LatencyRecorder {
  readonly #valuesMs: Float64Array;
  #count = 0;

  /** @param capacity how many there can be */
  constructor(capacity: number) {
    this.#valuesMs = new Float64Array(capacity);
  }

  add(latencyMs: number): void {
    this.#valuesMs[this.#count++] = latencyMs;
  }

  /** By the keys above. */
  percentiles(): Record<string, number> {
    const sorted = this.#valuesMs.slice(0, this.#count).sort();
    return Object.fromEntries(PERCENTILES.map(({ key, share }) => [key, percentile(sorted, share)]));
  }
}
