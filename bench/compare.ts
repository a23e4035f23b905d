/** Contenders taking turns: every round holds one measurement of each, so that a noisy machine disturbs all alike. */
import type { Bed } from './bed.js';
import type { LoadSettings } from './load/load-task.js';
import type { Entry, Sample } from './report/results.js';
import type { Bench } from './scenario.js';

/** Each takes each place, and follows each other one: what comes before makes a difference of its own. */
export function inTurn<T>(list: readonly T[], turn: number): readonly T[] {
  const first = turn % Math.max(1, list.length);
  const turned = [...list.slice(first), ...list.slice(0, first)];
  return turn % 2 === 0 ? turned : turned.toReversed();
}

/** @returns entries in the order of the beds; the round before the first warms up and is left out */
export async function compare(
  { settings, progress }: Bench,
  beds: readonly Bed[],
  roundSettings: LoadSettings,
  rounds = settings.rounds,
): Promise<Entry[]> {
  const samples = new Map<Bed, Sample[]>(beds.map((bed) => [bed, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const bed of inTurn(beds, round)) {
      progress.step(`${bed.contender.name} ${describe(roundSettings)}`);
      const sample = await bed.round(roundSettings);
      if (sample !== null && round > 0) samples.get(bed)?.push(sample);
    }
  }
  return beds.map((bed) => bed.entry(samples.get(bed) ?? []));
}

function describe(settings: LoadSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
