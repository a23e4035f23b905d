/** So many a second, and a burst on top: what one client of a gateway may say. */

export interface RateOptions {
  readonly perSecond: number;
  /** How many at once, after a pause. */
  readonly burst: number;
}

export class TokenBucket {
  readonly #options: RateOptions;
  #tokens: number;
  #atMs: number;

  constructor(options: RateOptions, nowMs: number) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Whether one more is allowed now; it counts. */
  take(nowMs: number): boolean {
    const { perSecond, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
