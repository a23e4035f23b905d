/**
 * Where a randomised test begins. In `npm test` at the same place each time (HOOFBEAT_SEED, set by test/run.ts), so that a run
 * fails for what was changed and not for what was drawn; by itself, and in the long scripts, elsewhere each time.
 */
import { randomBytes } from 'node:crypto';

/** @param variable of the environment that repeats a run of this kind of test; it goes first */
export function seedOf(variable: string): string {
  return process.env[variable] ?? process.env['HOOFBEAT_SEED'] ?? randomBytes(4).toString('hex');
}
