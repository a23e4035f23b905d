/**
 * The time of day as the broker counts with it: it follows the system's, but small steps of that (NTP) slowly and never
 * backwards, so that they neither end a message's time to live nor lengthen it. A large step is taken for the truth at once:
 * the machine was asleep, or its clock was wrong.
 */

/** Steps up to this are followed slowly. */
const SMALL_STEP_MS = 60_000;
/** The system's has whole ms. */
const ROUNDING_MS = 1;
/** How fast: a part of the time that passes. A minute takes twenty. */
const PART = 0.05;

export class TimeOfDay {
  readonly #systemMs: () => number;
  readonly #steadyMs: () => number;
  #lastSteadyMs: number;
  #lastMs: number;

  /**
   * @param systemMs ms since 1970, which somebody may set
   * @param steadyMs ms that only ever grow
   */
  constructor(systemMs: () => number, steadyMs: () => number) {
    this.#systemMs = systemMs;
    this.#steadyMs = steadyMs;
    this.#lastSteadyMs = steadyMs();
    this.#lastMs = systemMs();
  }

  /** Whole ms since 1970. */
  nowMs(): number {
    const steadyMs = this.#steadyMs();
    const passedMs = steadyMs - this.#lastSteadyMs;
    const systemMs = this.#systemMs();
    const expectedMs = this.#lastMs + passedMs;
    const stepMs = systemMs - expectedMs;
    const mostMs = passedMs * PART;
    this.#lastSteadyMs = steadyMs;
    if (Math.abs(stepMs) <= ROUNDING_MS) this.#lastMs = Math.max(expectedMs, systemMs);
    else if (Math.abs(stepMs) > SMALL_STEP_MS) this.#lastMs = systemMs;
    else this.#lastMs = expectedMs + Math.max(-mostMs, Math.min(mostMs, stepMs));
    return Math.floor(this.#lastMs);
  }
}
