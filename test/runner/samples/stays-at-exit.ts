/** A sample for the runner’s tests: its process does not end behind its last line, as where Node’s own taking down never does. */
import t from 'tap';

t.test('passes', (t) => {
  t.pass('and stays');
  t.end();
});
process.on('exit', () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
});
