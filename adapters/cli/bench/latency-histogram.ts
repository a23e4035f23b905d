/** Latencies by size, to about one part in a hundred, in memory that does not grow with their number. */

/** What is shorter counts as this. */
const SHORTEST_MS = 0.001;
const GROWTH = 1.01;
const LOG_GROWTH = Math.log(GROWTH);
/** Up to about an hour. */
const BUCKETS = Math.ceil(Math.log(3_600_000 / SHORTEST_MS) / LOG_GROWTH);

export interface LatencySummary {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #sumMs = 0;
  #maxMs = 0;
  count = 0;

  add(ms: number): void {
    const bucket = ms <= SHORTEST_MS ? 0 : Math.floor(Math.log(ms / SHORTEST_MS) / LOG_GROWTH);
    const at = Math.min(bucket, BUCKETS - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
    this.count++;
  }

  /** @param share 0 to 1 @returns what so many did not exceed; 0 without any */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.count * share));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(this.#maxMs, SHORTEST_MS * GROWTH ** (bucket + 1));
    }
    return 0;
  }

  summary(): LatencySummary {
    return {
      meanMs: this.count === 0 ? 0 : this.#sumMs / this.count,
      p50Ms: this.percentile(0.5),
      p90Ms: this.percentile(0.9),
      p99Ms: this.percentile(0.99),
      p999Ms: this.percentile(0.999),
      maxMs: this.#maxMs,
    };
  }
}
