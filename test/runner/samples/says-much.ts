/** A sample for the runner's tests: more output than a pipe holds. */
import t from 'tap';

t.test('many facts', async (t) => {
  for (let k = 0; k < 5_000; k++) t.ok(true, `fact ${k}`);
});
t.test('and the last', async (t) => {
  t.ok(true);
});
