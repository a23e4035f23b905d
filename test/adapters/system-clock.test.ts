/** Clock over Node's timers. */
import t from 'tap';
import { SystemClock } from '../../adapters/system-clock.js';
import { inTime } from '../helpers/inbox.js';

t.test('time only grows', async (t) => {
  const clock = new SystemClock();
  const before = clock.nowMs();
  await new Promise<void>((resolve) => clock.soon(resolve));
  t.ok(clock.nowMs() >= before);
});

t.test('a task runs again and again until it is stopped', async (t) => {
  const clock = new SystemClock();
  // The clock's own timer does not keep the process; this one does while the test waits.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  let runs = 0;
  await inTime(
    new Promise<void>((resolve) => {
      const stop = clock.every(1, () => {
        if (++runs < 3) return;
        stop();
        resolve();
      });
    }),
    'three runs',
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.equal(runs, 3);
});

t.test('soon comes after the turn and before the next timer', async (t) => {
  const clock = new SystemClock();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    // From inside a timer, so that the check phase is the next one.
    setTimeout(() => {
      setTimeout(() => {
        order.push('timer');
        resolve();
      }, 0);
      clock.soon(() => order.push('soon'));
      order.push('turn');
    }, 0);
  });
  t.strictSame(order, ['turn', 'soon', 'timer']);
});
