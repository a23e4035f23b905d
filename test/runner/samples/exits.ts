/** A sample for the runner's tests: leaves as if all were well. */
import t from 'tap';

t.test('before the exit', async (t) => {
  t.ok(true);
  setImmediate(() => process.exit(0));
});
t.test('the rest', async (t) => {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  t.ok(true);
});
