/**
 * How a test waits: for the broker, whose time is virtual, and for the application's own promises, whose time is real.
 */
import type { VirtualClock } from './virtual-clock.js';

// Taken now: test runners that fake timers put theirs in place later.
const { setImmediate: nextTurn } = globalThis;
const now = performance.now.bind(performance);

export class Pace {
  readonly clock: VirtualClock;
  /** Real time after which waiting is given up, in ms. */
  readonly patienceMs: number;

  constructor(clock: VirtualClock, patienceMs: number) {
    this.clock = clock;
    this.patienceMs = patienceMs;
    // What the application's promises cause between two calls of the test is delivered as well.
    clock.onSoon = () => {
      nextTurn(() => {
        clock.turn();
      });
    };
  }

  /** Ends the turn of the virtual clock, then lets everything that is ready in the real event loop run. */
  async turn(): Promise<void> {
    this.clock.turn();
    await new Promise<void>((resolve) => {
      nextTurn(resolve);
    });
    this.clock.turn();
  }

  /** Turns until `isDone`. @throws Error with what `describe` says, once patience is at its end */
  async until(isDone: () => boolean, describe: () => string): Promise<void> {
    const untilMs = now() + this.patienceMs;
    do {
      await this.turn();
      if (this.clock.isIdle && isDone()) return;
    } while (now() < untilMs);
    throw new Error(`${describe()} (waited ${this.patienceMs} ms of real time)`);
  }

  /** Lets `ms` of virtual time pass, in steps: what a promise does in between, it does at its own moment. */
  async advance(ms: number): Promise<void> {
    await this.turn();
    const { clock } = this;
    const untilMs = clock.nowMs() + ms;
    for (let due = clock.nextDueMs; due !== undefined && due <= untilMs; due = clock.nextDueMs) {
      clock.advance(Math.max(0, due - clock.nowMs()));
      await this.turn();
    }
    clock.advance(untilMs - clock.nowMs());
    await this.turn();
  }
}
