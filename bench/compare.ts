/** Contenders taking turns: every round holds one measurement of each, so that a noisy machine disturbs all alike. */
import { Bed } from './bed.js';
import type { Contender } from './contenders/contender.js';
import type { LoadSettings } from './load/load-task.js';
import type { Entry, Point, PointSettings, Sample, Skipped } from './report/results.js';
import type { Bench } from './scenario.js';

/** One contender as `compare` needs it; `Bed` is one. */
export interface Measured {
  readonly name: string;
  /** Null when it has failed, now or before. */
  round(settings: LoadSettings): Promise<Sample | null>;
  entry(samples: readonly Sample[]): Entry;
}

/** One point, and how the load is told of it. */
export interface Plan {
  /** As reported. */
  readonly settings: PointSettings;
  /** For `Bed.open`; points in a row with the same clients share them. */
  readonly clients: LoadSettings;
  /** How many those are, where some contenders would take too long to connect them. */
  readonly connections?: number;
  readonly round: LoadSettings;
  /** Default: those of the run. */
  readonly rounds?: number;
  /** Contenders for which this point means something. Default: all. */
  readonly suits?: (contender: Contender) => boolean;
}

/**
 * Starts every contender that can take part, and measures all plans with all of them.
 * @param task of bench/load/load-main.ts
 */
export async function compareAll(
  bench: Bench,
  task: string,
  all: readonly Contender[],
  plans: readonly Plan[],
): Promise<{ readonly points: Point[]; readonly skipped: Skipped[] }> {
  const { contenders, skipped } = bench.peers.available(all);
  const points: Point[] = [];
  const left: Skipped[] = [...skipped];
  const beds: Bed[] = [];
  let open = '';
  try {
    for (const contender of contenders) beds.push(await Bed.start(bench, contender));
    for (const plan of plans) {
      const { connections = 0, clients } = plan;
      const able = beds.filter(({ contender }) => connections <= (contender.maxConnections ?? Infinity));
      for (const bed of beds) {
        if (open === JSON.stringify(clients)) break;
        bench.progress.note(`${bed.name} connects`);
        if (able.includes(bed)) await bed.open(task, clients);
        else left.push({ contender: bed.name, reason: `${connections} clients would take minutes to connect` });
      }
      open = JSON.stringify(clients);
      const suited = able.filter(({ contender }) => plan.suits?.(contender) ?? true);
      const entries = await compare(bench, suited, plan.round, plan.rounds);
      points.push({ settings: plan.settings, entries });
    }
  } finally {
    for (const bed of beds) await bed.close();
  }
  return { points, skipped: left };
}

/** Each takes each place, and follows each other one: what comes before makes a difference of its own. */
export function inTurn<T>(list: readonly T[], turn: number): readonly T[] {
  const first = turn % Math.max(1, list.length);
  const turned = [...list.slice(first), ...list.slice(0, first)];
  return turn % 2 === 0 ? turned : turned.toReversed();
}

/** @returns entries in the given order; the round before the first warms up and is left out */
export async function compare(
  { settings, progress }: Bench,
  all: readonly Measured[],
  roundSettings: LoadSettings,
  rounds = settings.rounds,
): Promise<Entry[]> {
  const samples = new Map<Measured, Sample[]>(all.map((each) => [each, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const each of inTurn(all, round)) {
      progress.step(`${each.name} ${describe(roundSettings)}`);
      const sample = await each.round(roundSettings);
      if (sample !== null && round > 0) samples.get(each)?.push(sample);
    }
  }
  return all.map((each) => each.entry(samples.get(each) ?? []));
}

function describe(settings: LoadSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
