import t from 'tap';
import { TimerWheel, type WheelEntry } from '../../broker/timer-wheel.js';
import { FakeClock } from '../helpers/fake-clock.js';

const TICK_MS = 50;
const ROUND_MS = 1024 * TICK_MS;

class Entry implements WheelEntry {
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = 0;
  readonly calledMs: number[] = [];

  constructor(readonly answer: (nowMs: number) => number = () => 0) {}

  onDue(nowMs: number): number {
    this.calledMs.push(nowMs);
    return this.answer(nowMs);
  }
}

function setUp() {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  const startMs = clock.nowMs();
  /** The only call of `entry`, in ms since the start. */
  const calledAfter = (entry: Entry): number | undefined =>
    entry.calledMs.length === 1 ? (entry.calledMs[0] ?? 0) - startMs : undefined;
  return { clock, wheel, startMs, calledAfter };
}

t.test('an entry is called at its deadline or within a tick or two after it, once', async (t) => {
  for (const dueIn of [1, 50, 100, 1_000, ROUND_MS - 1, ROUND_MS, ROUND_MS + 1, 5 * ROUND_MS + 777]) {
    const { clock, wheel, startMs, calledAfter } = setUp();
    const entry = new Entry();
    wheel.schedule(entry, startMs + dueIn);
    clock.advance(dueIn + 3 * ROUND_MS);
    const after = calledAfter(entry) ?? -1;
    t.ok(after >= dueIn && after <= dueIn + 2 * TICK_MS, `due in ${dueIn}, called after ${after}`);
    t.equal(wheel.size, 0);
    t.equal(clock.intervalCount, 0, 'an empty wheel stands still');
  }
});

t.test('a deadline moves later and earlier', async (t) => {
  const { clock, wheel, startMs, calledAfter } = setUp();
  const later = new Entry();
  const earlier = new Entry();
  const both = new Entry();
  for (const entry of [later, earlier, both]) wheel.schedule(entry, startMs + 1_000);
  wheel.schedule(later, startMs + 70_000);
  wheel.schedule(earlier, startMs + 200);
  wheel.schedule(both, startMs + 9_000);
  wheel.schedule(both, startMs + 3_000);
  t.equal(wheel.size, 3);
  clock.advance(80_000);
  for (const [entry, wanted] of [
    [later, 70_000],
    [earlier, 200],
    [both, 3_000],
  ] as const) {
    const after = calledAfter(entry) ?? -1;
    t.ok(after >= wanted && after <= wanted + 2 * TICK_MS, `${after} for ${wanted}`);
  }
});

t.test('the answer of onDue is the next deadline', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const entry: Entry = new Entry((nowMs) => (entry.calledMs.length < 4 ? nowMs + 500 : 0));
  wheel.schedule(entry, startMs + 500);
  clock.advance(60_000);
  t.equal(entry.calledMs.length, 4);
  for (let k = 1; k < 4; k++) t.ok((entry.calledMs[k] ?? 0) - (entry.calledMs[k - 1] ?? 0) >= 500);
  t.equal(wheel.size, 0);
});

t.test('an entry may cancel itself, or others, and move others inside onDue', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const victim = new Entry();
  const moved = new Entry();
  const self: Entry = new Entry(() => {
    wheel.cancel(self);
    return self.dueMs;
  });
  const killer = new Entry((nowMs) => {
    wheel.cancel(victim);
    wheel.schedule(moved, nowMs + 10_000);
    return 0;
  });
  for (const entry of [killer, victim, moved, self]) wheel.schedule(entry, startMs + 100);
  clock.advance(5_000);
  t.equal(victim.calledMs.length, 0);
  t.equal(moved.calledMs.length, 0);
  t.equal(self.calledMs.length, 1);
  t.equal(wheel.size, 1, 'the one that was moved');
  clock.advance(10_000);
  t.equal(moved.calledMs.length, 1);
  t.equal(wheel.size, 0);
});

t.test('cancelling out of the middle of a slot leaves its neighbours', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const entries = Array.from({ length: 10 }, () => new Entry());
  for (const entry of entries) wheel.schedule(entry, startMs + 500);
  for (const k of [0, 9, 4]) wheel.cancel(entries[k] as Entry);
  wheel.cancel(entries[4] as Entry);
  t.equal(wheel.size, 7);
  clock.advance(1_000);
  t.strictSame(
    entries.map(({ calledMs }) => calledMs.length),
    [0, 1, 1, 1, 0, 1, 1, 1, 1, 0],
  );
});

t.test('a deadline that has passed is called at the next tick, also on a wheel that stood still', async (t) => {
  const { clock, wheel } = setUp();
  for (const idleMs of [0, 43, 10_000, ROUND_MS + 93]) {
    clock.advance(idleMs);
    for (const agoMs of [0, 1, 49, 50, 5_000]) {
      wheel.touch();
      const entry = new Entry();
      wheel.schedule(entry, wheel.nowMs - agoMs);
      clock.advance(2 * TICK_MS);
      t.equal(entry.calledMs.length, 1, `${agoMs} ms ago, after ${idleMs} ms idle`);
    }
  }
});

t.test('after a long stall every entry that is due is called, none twice', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const entries = Array.from({ length: 3_000 }, () => new Entry());
  entries.forEach((entry, k) => {
    wheel.schedule(entry, startMs + 100 * (k + 1));
  });
  clock.stall(250_000);
  clock.advance(2 * TICK_MS);
  t.strictSame(new Set(entries.slice(0, 2_490).map(({ calledMs }) => calledMs.length)), new Set([1]));
  t.strictSame(new Set(entries.slice(2_510).map(({ calledMs }) => calledMs.length)), new Set([0]));
  clock.advance(60_000);
  t.ok(entries.every(({ calledMs }) => calledMs.length === 1));
});

for (const stallMs of [3 * TICK_MS, 60_000]) {
  t.test(`after a stall of ${stallMs} ms what waits to be read is read before anything is due`, async (t) => {
    const { clock, wheel, startMs } = setUp();
    const entry = new Entry();
    wheel.schedule(entry, startMs + 1_100);
    clock.advance(1_000);
    clock.stall(stallMs);
    t.equal(entry.calledMs.length, 0, 'the turn of the stall reads first');
    t.ok(wheel.nowMs >= startMs + 1_000 + stallMs, 'but knows the time');
    clock.advance(2 * TICK_MS);
    t.equal(entry.calledMs.length, 1);
  });
}

t.test('a deadline that never comes does not wrap', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const entry = new Entry();
  wheel.schedule(entry, startMs + 2 * 999_999_999_999_999);
  clock.advance(3 * ROUND_MS);
  t.equal(entry.calledMs.length, 0);
  t.equal(wheel.size, 1);
});

t.test('what many would do in one tick is spread over the time they have', async (t) => {
  const { clock, wheel, startMs } = setUp();
  const waits = (count: number, windowMs: number): Map<number, number> => {
    const counts = new Map<number, number>();
    for (let k = 0; k < count; k++) {
      const waitMs = wheel.stagger(windowMs);
      counts.set(waitMs, (counts.get(waitMs) ?? 0) + 1);
    }
    return counts;
  };
  const spread = waits(10_000, 199);
  t.strictSame(
    [...spread],
    [0, 50, 100, 150].map((waitMs) => [waitMs, 2_500]),
  );
  const entry = new Entry(() => 0);
  wheel.schedule(entry, startMs + 10);
  clock.advance(100);
  t.strictSame([...waits(100, 199)], [[0, 100]], 'the next tick begins anew');
  t.strictSame([...waits(10_000, 49)], [[0, 10_000]], 'who cannot wait does not');
  t.strictSame([...waits(10_000, -1)], [[0, 10_000]]);
});
