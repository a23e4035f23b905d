/** One message's moment in the broker's wheel: the end of its time to live, or of a delay. */
import type { WheelEntry } from '../timer-wheel.js';

export class QueueTimer implements WheelEntry {
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
