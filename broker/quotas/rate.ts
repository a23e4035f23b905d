/**
 * A rate with a burst, as one number: the moment from which on the whole burst may come again (the generic cell rate
 * algorithm, which is a token bucket without a timer).
 */
export class Rate {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  #freeAtMs = 0;

  /** @param burst 0: as much as in a second */
  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1_000 / perSecond;
    // At least one, or a rate below one a second would let nothing pass.
    this.#burstMs = Math.max(1, burst === 0 ? perSecond : burst) * this.#intervalMs;
  }

  /** From then on nothing is remembered. */
  get freeAtMs(): number {
    return this.#freeAtMs;
  }

  /**
   * How long `cost` has to wait; 0: it may pass. What is more than the burst passes after silence.
   * @param share of the rate that is this node's, above 0 and at most 1
   */
  waitMs(cost: number, nowMs: number, share: number): number {
    if (this.#freeAtMs <= nowMs) return 0;
    const waitMs = this.#freeAtMs + (cost * this.#intervalMs) / share - nowMs - this.#burstMs;
    // What is more than the burst waits until all of it is there.
    return Math.max(0, Math.min(waitMs, this.#freeAtMs - nowMs));
  }

  /** It passes, or is to be waited for. @returns how long, from now on */
  take(cost: number, nowMs: number, share: number): number {
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (cost * this.#intervalMs) / share;
    return Math.max(0, this.#freeAtMs - nowMs - this.#burstMs);
  }
}
