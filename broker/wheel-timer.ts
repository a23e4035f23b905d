/** Something to be done once, at a moment in the broker's wheel: the end of a time to live, of a delay, of a pause. */
import type { WheelEntry } from './timer-wheel.js';

export class WheelTimer implements WheelEntry {
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = -1;
  readonly #onDue: () => void;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  onDue(): number {
    this.dueMs = 0;
    this.#onDue();
    // Greater than 0 when it was scheduled anew meanwhile.
    return this.dueMs;
  }
}
