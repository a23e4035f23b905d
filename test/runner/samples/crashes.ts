/** A sample for the runner's tests: its process is gone in the midst of the second test. */
import t from 'tap';

t.test('before the crash', async (t) => {
  t.ok(true);
});
t.test('the crash', async (t) => {
  t.ok(true);
  process.kill(process.pid, 'SIGKILL');
  await new Promise(() => undefined);
});
