/** A sample for the runner's tests: a directory under the name that the file has when it runs alone. */
import path from 'node:path';
import t from 'tap';

t.test('a directory', async (t) => {
  t.match(path.basename(t.testdir()), /^dist-test-runner-samples-?.has-own-directory.js-a-directory$/);
});
