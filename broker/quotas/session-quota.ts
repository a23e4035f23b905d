/** What one session may: its own rates, those of its user and of its address. Made only where there are any. */
import type { Clock } from '../ports.js';
import type { Meter } from './meter.js';

export class SessionQuota {
  readonly #clock: Clock;
  readonly #meters: Meter[];
  /** What becomes of a frame over a rate. */
  readonly onExceeded: 'refuse' | 'pause';

  constructor(clock: Clock, meters: Meter[], onExceeded: 'refuse' | 'pause') {
    this.#clock = clock;
    this.#meters = meters;
    this.onExceeded = onExceeded;
  }

  /** Its user's: with CONNECTED. */
  add(meter: Meter): void {
    this.#meters.push(meter);
  }

  /** How long this frame would have to wait; 0: it passes, and is counted. One that waits costs nothing. */
  admit(bytes: number): number {
    const nowMs = this.#clock.nowMs();
    let waitMs = 0;
    for (const meter of this.#meters) waitMs = Math.max(waitMs, meter.waitMs(bytes, nowMs));
    if (waitMs === 0) for (const meter of this.#meters) meter.take(bytes, nowMs);
    return waitMs;
  }

  /** The frame passes, and is counted. @returns how long to wait before the next is read */
  charge(bytes: number): number {
    const nowMs = this.#clock.nowMs();
    let waitMs = 0;
    for (const meter of this.#meters) {
      meter.wanted++;
      waitMs = Math.max(waitMs, meter.take(bytes, nowMs));
    }
    return waitMs;
  }
}
