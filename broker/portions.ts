/**
 * What one session's frames have still to do in later turns of the event loop, such as a COMMIT of many messages to many
 * subscribers. The session's further frames wait for it; that it has ended changes nothing of what was decided.
 */
import type { TurnBudget, Turns } from './turn-budget.js';

export class Portions implements Turns {
  readonly #budget: TurnBudget;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(budget: TurnBudget) {
    this.#budget = budget;
  }

  run(step: () => boolean): Promise<void> | undefined {
    const rest = this.#budget.run(step);
    if (rest === undefined) return undefined;
    this.#running++;
    const over = (): void => {
      if (--this.#running === 0) for (const resolve of this.#waiting.splice(0)) resolve();
    };
    rest.then(over, over);
    return rest;
  }

  /** Resolves once nothing is under way; undefined: nothing is. */
  finished(): Promise<void> | undefined {
    return this.#running === 0 ? undefined : new Promise((resolve) => this.#waiting.push(resolve));
  }
}
