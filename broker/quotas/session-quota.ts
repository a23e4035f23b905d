/** What one session may: its own rates, those of its user and of its address; or what one SEND may, by its destinations. */
import type { Meter } from './meter.js';

export class SessionQuota {
  readonly #meters: Meter[];
  /** What becomes of a frame over a rate. */
  readonly onExceeded: 'refuse' | 'pause';

  constructor(meters: Meter[], onExceeded: 'refuse' | 'pause') {
    this.#meters = meters;
    this.onExceeded = onExceeded;
  }

  /** Its user's: with CONNECTED. */
  add(meter: Meter): void {
    this.#meters.push(meter);
  }

  /**
   * How long this frame would have to wait; 0: it passes, and is counted. One that waits costs nothing.
   * @param nowMs by the clock; a look at it for each frame would be a tenth of what that costs
   */
  admit(bytes: number, nowMs: number): number {
    let waitMs = 0;
    for (const meter of this.#meters) waitMs = Math.max(waitMs, meter.waitMs(bytes, nowMs));
    if (waitMs === 0) for (const meter of this.#meters) meter.take(bytes, nowMs);
    return waitMs;
  }

  /** The frame passes, and is counted. @param nowMs as of `admit` @returns how long to wait before the next is read */
  charge(bytes: number, nowMs: number): number {
    let waitMs = 0;
    for (const meter of this.#meters) {
      meter.wanted++;
      waitMs = Math.max(waitMs, meter.take(bytes, nowMs));
    }
    return waitMs;
  }
}
