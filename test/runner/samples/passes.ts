/** A sample for the runner's tests: the hooks that a file may put on the root test. */
import t from 'tap';

let isOpen = false;
t.before(() => {
  isOpen = true;
});
t.teardown(() => {
  isOpen = false;
});

t.test('it is open', async (t) => {
  t.ok(isOpen);
});
t.test('it is still open after a pause', async (t) => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(isOpen);
});
