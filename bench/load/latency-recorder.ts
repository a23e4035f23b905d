/**
 * Latencies of messages that were to be sent at a fixed rate, all kept, and their percentiles. Each counts from when it was
 * to be sent: what had to wait behind a stall was late, though the stall kept it from being sent.
 */
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
  readonly #intervalMs: number;
  #count = 0;

  /**
   * @param capacity how many there can be
   * @param intervalMs between two messages
   */
  constructor(capacity: number, intervalMs: number) {
    this.#valuesMs = new Float64Array(capacity);
    this.#intervalMs = intervalMs;
  }

  /**
   * @param number of the message, from 0
   * @param elapsedMs since the first was to be sent
   */
  arrived(number: number, elapsedMs: number): void {
    this.#valuesMs[this.#count++] = elapsedMs - number * this.#intervalMs;
  }

  /** By the keys above. */
  percentiles(): Record<string, number> {
    const sorted = this.#valuesMs.slice(0, this.#count).sort();
    return Object.fromEntries(PERCENTILES.map(({ key, share }) => [key, percentile(sorted, share)]));
  }
}
