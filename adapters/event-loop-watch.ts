/** How late the event loop is: what pool sizes and queued tasks are to a server with threads (Spring S13.4). */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { EventLoopDelay } from './admin/index.js';

/** How often it is looked at; the delay is what comes on top. */
const RESOLUTION_MS = 20;
const MS = 1e6;
const WINDOW_MS = 1_000;

export class EventLoopWatch {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #window: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #windowBeganMs = 0;
  #recent = { recentP99Ms: 0, recentMaxMs: 0 };

  start(): void {
    this.#histogram.enable();
    this.#window.enable();
  }

  stop(): void {
    this.#histogram.disable();
    this.#window.disable();
  }

  /** Since start, but for what is recent. */
  delay(): EventLoopDelay {
    const { max } = this.#histogram;
    return {
      p50Ms: late(this.#histogram.percentile(50)),
      p99Ms: late(this.#histogram.percentile(99)),
      maxMs: late(max),
      ...this.#recently(),
    };
  }

  /** Whoever asks sooner than a second later is told the same, so that several who look do not take it from each other. */
  #recently(): Pick<EventLoopDelay, 'recentP99Ms' | 'recentMaxMs'> {
    const nowMs = performance.now();
    if (nowMs - this.#windowBeganMs >= WINDOW_MS) {
      this.#recent = { recentP99Ms: late(this.#window.percentile(99)), recentMaxMs: late(this.#window.max) };
      this.#window.reset();
      this.#windowBeganMs = nowMs;
    }
    return this.#recent;
  }
}

function late(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, Math.round(nanoseconds / MS - RESOLUTION_MS)) : 0;
}
