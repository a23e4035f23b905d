import t from 'tap';
import { WheelTimer } from '../../broker/wheel-timer.js';
import { TimerWheel } from '../../broker/timer-wheel.js';
import { FakeClock } from '../helpers/fake-clock.js';

t.test('a timer runs once each time it is scheduled, also by its own work', async (t) => {
  const clock = new FakeClock();
  const wheel = new TimerWheel(clock);
  let runs = 0;
  const timer = new WheelTimer(() => {
    runs++;
    if (runs < 3) wheel.schedule(timer, clock.nowMs() + 1_000);
  });
  wheel.schedule(timer, clock.nowMs() + 1_000);
  clock.advance(10_000);
  t.equal(runs, 3);
  t.equal(wheel.size, 0);
  t.equal(clock.intervalCount, 0);
});
