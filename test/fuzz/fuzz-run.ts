/**
 * A fuzzer of our own beside fast-check's properties: so many inputs that making and shrinking them would be what takes the
 * time. HOOFBEAT_FUZZ_RUNS multiplies the number, HOOFBEAT_FUZZ_SEED repeats a run; a failure names the seed of its input.
 */
import type { Test } from 'tap';
import { recordFuzz } from '../hardening/fuzz-record.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { seedOf } from '../helpers/seed.js';

const FACTOR = Number(process.env['HOOFBEAT_FUZZ_RUNS'] ?? 1);
const SEED = seedOf('HOOFBEAT_FUZZ_SEED');
/** Inputs that share a seed: making one costs as much as many inputs. */
const BATCH = 100;

/** @param inputs in the suite; each is made of the random numbers it is given, and throws when something is wrong */
export async function fuzz(
  t: Test,
  target: string,
  inputs: number,
  input: (random: SeededRandom) => void | Promise<void>,
): Promise<void> {
  t.comment(`${target}: HOOFBEAT_FUZZ_SEED=${SEED}`);
  const wanted = Math.ceil(inputs * FACTOR);
  const startedMs = performance.now();
  let done = 0;
  let found = 'nothing';
  for (let batch = 0; done < wanted && found === 'nothing'; batch++) {
    const seed = `${SEED}-${batch}`;
    const random = new SeededRandom(seed);
    for (let k = 0; k < BATCH && done < wanted; k++, done++) {
      try {
        const running = input(random);
        if (running !== undefined) await running;
      } catch (error) {
        found = `input ${k} of ${seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
        break;
      }
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  recordFuzz({ target, inputs: done, seconds, seed: SEED, found: found.split('\n')[0] ?? '' });
  t.equal(found, 'nothing', `${target}: ${done} inputs`);
}

/** Cuts, doubles, swaps and changes octets here and there. */
export function damage(random: SeededRandom, octets: Buffer): Buffer {
  let damaged = octets;
  for (let k = random.between(0, 3); k > 0 && damaged.length > 0; k--) {
    const at = random.between(0, damaged.length - 1);
    const end = Math.min(damaged.length, at + random.between(1, 12));
    switch (random.between(0, 4)) {
      case 0:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(end)]);
        break;
      case 1:
        damaged = Buffer.concat([damaged.subarray(0, end), damaged.subarray(at)]);
        break;
      case 2:
        damaged = damaged.subarray(0, at);
        break;
      default:
        damaged = Buffer.from(damaged);
        damaged[at] = random.chance(0.5) ? random.pick([0, 10, 13, 58, 92, 123, 34, 255]) : random.between(0, 255);
    }
  }
  return damaged;
}
