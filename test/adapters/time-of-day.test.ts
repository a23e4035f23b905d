/** The time of day follows the system's: small steps slowly, large ones at once, never backwards for a small one. */
import t from 'tap';
import { TimeOfDay } from '../../adapters/time-of-day.js';

const START = Date.UTC(2026, 10, 20);

class Times {
  systemMs = START;
  steadyMs = 5_000;
  readonly time = new TimeOfDay(
    () => this.systemMs,
    () => this.steadyMs,
  );

  pass(ms: number): number {
    this.systemMs += ms;
    this.steadyMs += ms;
    return this.time.nowMs() - START;
  }

  step(ms: number): void {
    this.systemMs += ms;
  }
}

t.test('without steps it is the system’s', (t) => {
  const times = new Times();
  t.equal(times.pass(0), 0);
  t.equal(times.pass(1_234), 1_234);
  t.equal(times.pass(3_600_000), 3_601_234);
  t.end();
});

t.test('a small step is followed slowly, in either direction, and never backwards', (t) => {
  for (const stepMs of [30_000, -30_000]) {
    const times = new Times();
    times.step(stepMs);
    t.equal(times.pass(0), 0);
    t.equal(times.pass(10_000), 10_000 + Math.sign(stepMs) * 500);
    let last = times.pass(0);
    for (let k = 0; k < 60; k++) {
      const now = times.pass(10_000);
      t.ok(now > last);
      last = now;
    }
    t.equal(last, 610_000 + stepMs, 'ten minutes later it is as the system says');
  }
  t.end();
});

t.test('a large step is taken for the truth', (t) => {
  for (const stepMs of [3_600_000, -3_600_000]) {
    const times = new Times();
    times.pass(1_000);
    times.step(stepMs);
    t.equal(times.pass(1_000), 2_000 + stepMs);
  }
  t.end();
});

t.test('a machine that slept: its monotonic time stood still', (t) => {
  const times = new Times();
  times.step(8 * 3_600_000);
  t.equal(times.pass(0), 8 * 3_600_000);
  t.end();
});
