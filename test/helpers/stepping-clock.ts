/**
 * A FakeClock whose turns end one by one, and on which each look at the time is a millisecond later: with a turn budget of
 * 1 ms everything that can go on in a later turn does.
 */
import { FakeClock } from './fake-clock.js';

export class SteppingClock extends FakeClock {
  #tasks: (() => void)[] = [];
  #looks = 0;

  override nowMs(): number {
    return super.nowMs() + this.#looks++;
  }

  override soon(task: () => void): void {
    this.#tasks.push(task);
  }

  override get isIdle(): boolean {
    return this.#tasks.length === 0;
  }

  /** Ends one turn. */
  step(): void {
    for (const task of this.#tasks.splice(0)) task();
  }

  override turn(): void {
    for (let turns = 0; !this.isIdle; turns++) {
      if (turns > 10_000) throw new Error('soon tasks never end');
      this.step();
    }
  }
}
