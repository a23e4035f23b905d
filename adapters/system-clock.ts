/** Clock over the timers of Node. */
import type { Clock } from '../broker/ports.js';

export class SystemClock implements Clock {
  epochMs(): number {
    return Date.now();
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
