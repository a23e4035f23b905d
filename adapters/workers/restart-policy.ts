/**
 * When a worker that died is started again: at once the first time, later each time it dies young, and not at all when it
 * keeps dying.
 */

/** What has run for so long did not die of its start. */
const YOUNG_MS = 10_000;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** Deaths in a row, each soon after the start. */
export const MAX_YOUNG_DEATHS = 5;

export class RestartPolicy {
  #youngDeaths = 0;

  /** @returns ms to wait; null: it is of no use */
  delayAfter(livedMs: number): number | null {
    if (livedMs >= YOUNG_MS) this.#youngDeaths = 0;
    else this.#youngDeaths++;
    if (this.#youngDeaths >= MAX_YOUNG_DEATHS) return null;
    return this.#youngDeaths === 0 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (this.#youngDeaths - 1), MAX_DELAY_MS);
  }
}
