/** Clock over the timers of Node. */
import type { Clock } from '../broker/ports.js';
import { TimeOfDay } from './time-of-day.js';

export class SystemClock implements Clock {
  readonly #timeOfDay = new TimeOfDay(
    () => Date.now(),
    () => performance.now(),
  );

  epochMs(): number {
    return this.#timeOfDay.nowMs();
  }

  nowMs(): number {
    return performance.now();
  }

  every(intervalMs: number, task: () => void): () => void {
    const timer = setInterval(task, intervalMs);
    // A sweep alone is no reason to keep the process.
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  }

  /** The check phase: after every socket that was readable in this turn has been read (DESIGN, P3). */
  soon(task: () => void): void {
    setImmediate(task);
  }
}
