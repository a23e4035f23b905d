/**
 * A Clock that a test turns by hand. Time stands still but for `advance` and `stall`; the end of a turn of the event
 * loop comes with `turn`. Starts far from zero, where a forgotten field would pass for a time.
 */
import type { Clock } from '../../broker/ports.js';

interface Interval {
  readonly everyMs: number;
  readonly task: () => void;
  nextMs: number;
}

const START_MS = 1_000_007;
const START_EPOCH_MS = Date.UTC(2026, 10, 20, 12);

export class VirtualClock implements Clock {
  #nowMs = START_MS;
  #steppedMs = 0;
  readonly #intervals = new Set<Interval>();
  #soon: (() => void)[] = [];
  /** Told when something waits for the end of the turn, once for each turn; whoever listens calls `turn`. */
  onSoon: (() => void) | null = null;

  nowMs(): number {
    return this.#nowMs;
  }

  /** The time of day: runs along with the other, from a fixed moment, but for `shiftEpoch`. */
  epochMs(): number {
    return START_EPOCH_MS + this.#nowMs - START_MS + this.#steppedMs;
  }

  /** Somebody sets the time of day, forward or back; nothing else passes. Forward is also what a machine that slept sees. */
  shiftEpoch(ms: number): void {
    this.#steppedMs += ms;
  }

  every(intervalMs: number, task: () => void): () => void {
    const interval: Interval = { everyMs: intervalMs, task, nextMs: this.#nowMs + intervalMs };
    this.#intervals.add(interval);
    return () => {
      this.#intervals.delete(interval);
    };
  }

  soon(task: () => void): void {
    this.#soon.push(task);
    if (this.#soon.length === 1) this.onSoon?.();
  }

  /** Nothing waits for the end of the turn. */
  get isIdle(): boolean {
    return this.#soon.length === 0;
  }

  /** When the next interval runs; undefined when there is none. */
  get nextDueMs(): number | undefined {
    return this.#next(Infinity)?.nextMs;
  }

  /** Intervals that run. */
  get intervalCount(): number {
    return this.#intervals.size;
  }

  /** Ends turns of the event loop until nothing is left to do in the next. */
  turn(): void {
    for (let turns = 0; this.#soon.length > 0; turns++) {
      if (turns > 10_000) throw new Error('soon tasks never end');
      const tasks = this.#soon;
      this.#soon = [];
      for (const task of tasks) task();
    }
  }

  /** Lets `ms` pass: intervals run in order of time, each followed by the end of its turn. */
  advance(ms: number): void {
    this.turn();
    const untilMs = this.#nowMs + ms;
    for (let next = this.#next(untilMs); next !== undefined; next = this.#next(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, next.nextMs);
      next.nextMs = this.#nowMs + next.everyMs;
      next.task();
      this.turn();
    }
    this.#nowMs = untilMs;
  }

  /** `ms` pass in which nothing could run: afterwards every overdue interval runs once, before anything is read. */
  stall(ms: number): void {
    this.#nowMs += ms;
    for (const interval of [...this.#intervals]) {
      if (interval.nextMs > this.#nowMs) continue;
      interval.nextMs = this.#nowMs + interval.everyMs;
      interval.task();
    }
    this.turn();
  }

  #next(untilMs: number): Interval | undefined {
    let first: Interval | undefined;
    for (const interval of this.#intervals) {
      if (interval.nextMs <= untilMs && (first === undefined || interval.nextMs < first.nextMs)) first = interval;
    }
    return first;
  }
}
