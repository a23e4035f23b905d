/** What a queue does at length: the rest goes on in a later turn of the event loop, and what comes meanwhile waits behind it. */
import type { TurnBudget } from '../turn-budget.js';

/** Given to consumers, or given up, without a look at the clock. */
export const DONE_AT_ONCE = 64;

/** Whose work it is; implemented by Queue. */
export interface WorkOwner {
  /** Does the rest, as far as this turn allows. */
  goOn(): void;
}

export class PutOffWork {
  readonly #turns: TurnBudget;
  readonly #owner: WorkOwner;
  #isPutOff = false;

  constructor(turns: TurnBudget, owner: WorkOwner) {
    this.#turns = turns;
    this.#owner = owner;
  }

  /** Something is left to do. */
  get isPutOff(): boolean {
    return this.#isPutOff;
  }

  /** Whether others have waited long enough: then the rest is done in a later turn. */
  putsOff(): boolean {
    if (!this.#turns.isSpent()) return false;
    if (this.#isPutOff) return true;
    this.#isPutOff = true;
    this.#turns.wait(() => {
      this.#isPutOff = false;
      this.#owner.goOn();
    });
    return true;
  }
}
