/** A sample for the runner's tests: waits for ever. */
import t from 'tap';

t.test('what never comes', async () => {
  setInterval(() => undefined, 1_000);
  await new Promise(() => undefined);
});
