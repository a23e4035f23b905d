/** A sample for the runner's tests: fails in one test of two. */
import t from 'tap';

t.test('what holds', async (t) => {
  t.ok(true);
});
t.test('what does not hold', async (t) => {
  t.equal(1, 2, 'the numbers');
});
