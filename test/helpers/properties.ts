/**
 * Runs fast-check properties: quick and of a fixed number of runs in the suite, as long as HOOFBEAT_FUZZ_RUNS says
 * (a factor) in `npm run fuzz`. A failure shows seed and path; HOOFBEAT_FUZZ_SEED repeats it.
 */
import fc from 'fast-check';
import type { Test } from 'tap';

const FACTOR = Number(process.env['HOOFBEAT_FUZZ_RUNS'] ?? 1);
const SEED = process.env['HOOFBEAT_FUZZ_SEED'] ?? process.env['HOOFBEAT_SEED'];

/** Fails the test with the smallest counterexample and its seed. */
export function check<T>(t: Test, property: fc.IProperty<T>, runs: number): void {
  const numRuns = Math.ceil(runs * FACTOR);
  report(t, fc.check(property, SEED === undefined ? { numRuns } : { numRuns, seed: Number(SEED) }));
}

/** The same for what has to be waited for. */
export async function checkAsync<T>(t: Test, property: fc.IAsyncProperty<T>, runs: number): Promise<void> {
  const numRuns = Math.ceil(runs * FACTOR);
  report(t, await fc.check(property, SEED === undefined ? { numRuns } : { numRuns, seed: Number(SEED) }));
}

function report<T>(t: Test, details: fc.RunDetails<T>): void {
  if (details.failed) {
    const { errorInstance, seed } = details;
    const cause = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
    t.fail(`seed ${seed}: ${cause}\n${fc.defaultReportMessage(details) ?? ''}`);
  } else t.pass(`${details.numRuns} runs`);
}
