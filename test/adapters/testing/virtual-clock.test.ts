/** The clock of hoofbeat/testing: time moves only when told, and in order. */
import t from 'tap';
import { VirtualClock } from '../../../adapters/testing/index.js';

t.test('intervals run in order of time, each followed by the end of its turn', async (t) => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const startMs = clock.nowMs();
  clock.every(20, () => seen.push(`b ${clock.nowMs() - startMs}`));
  const stop = clock.every(15, () => {
    seen.push(`a ${clock.nowMs() - startMs}`);
    clock.soon(() => seen.push('turn'));
  });
  t.equal(clock.nextDueMs, startMs + 15);
  clock.advance(40);
  t.strictSame(seen, ['a 15', 'turn', 'b 20', 'a 30', 'turn', 'b 40']);
  stop();
  t.equal(clock.intervalCount, 1);
  clock.stall(1_000);
  t.equal(seen.length, 7, 'overdue once, however often');
});

t.test('the time of day runs along', async (t) => {
  const clock = new VirtualClock();
  const before = clock.epochMs();
  clock.advance(1_500);
  t.equal(clock.epochMs() - before, 1_500);
});

t.test('onSoon is told once for each turn', async (t) => {
  const clock = new VirtualClock();
  let told = 0;
  clock.onSoon = () => told++;
  clock.soon(() => undefined);
  clock.soon(() => undefined);
  t.equal(told, 1);
  t.notOk(clock.isIdle);
  clock.turn();
  t.ok(clock.isIdle);
  clock.soon(() => undefined);
  t.equal(told, 2);
  t.equal(new VirtualClock().nextDueMs, undefined);
});
