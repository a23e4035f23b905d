/**
 * Loaded into each process of tests: tells the runner that all JavaScript has run. What is left is Node's own taking down,
 * which now and then never ends (Node 20 turns in `CleanupHandles` for ever); nothing is tested by that.
 */
import { writeSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

/** The pipe to the runner. */
const MARK_FD = 3;

// Not in what a test starts, which may have this in its arguments: there 3 is something else.
if (isMainThread && process.env['HOOFBEAT_RUNNER_PID'] === String(process.ppid)) {
  process.on('exit', (code) => {
    writeSync(MARK_FD, String(code));
  });
}
