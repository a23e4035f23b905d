/**
 * Loaded into a real `hoofbeat serve` (`node --import`): at each SIGWINCH the system's time of day jumps by the next of
 * HOOFBEAT_STEPS, in ms; the monotonic one goes on.
 */
const steps = (process.env['HOOFBEAT_STEPS'] ?? '').split(',').map(Number);
const realNow = Date.now.bind(Date);
let steppedMs = 0;

Date.now = () => realNow() + steppedMs;
process.on('SIGWINCH', () => {
  steppedMs += steps.shift() ?? 0;
  process.stderr.write(`stepped ${steppedMs}\n`);
});
