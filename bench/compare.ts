/** Contenders taking turns: every round holds one measurement of each, so that a noisy machine disturbs all alike. */
import { Bed } from './bed.js';
import type { Contender } from './contenders/contender.js';
import type { LoadSettings } from './load/load-task.js';
import type { Entry, Point, PointSettings, Sample, Skipped } from './report/results.js';
import type { Bench } from './scenario.js';

/** A round that is not cheaper than the best before by this much has gained nothing. */
const STILL_IMPROVING = 0.93;
const MAX_WARM_UP_ROUNDS = 30;

const MANY_CONNECTIONS = 200;

/** One contender as `compare` needs it; `Bed` is one. */
export interface Measured {
  readonly name: string;
  /** How many operations it has to have done before it is measured, unless a plan asks for fewer. */
  readonly warmUpOperations: number;
  /** It has: for another point a few rounds are enough, as other code may run there. */
  isWarm: boolean;
  /** Something that is not measured. */
  prepare(settings: LoadSettings): Promise<void>;
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
  /** Of the rounds that warm up, where they differ. */
  readonly warmUp?: LoadSettings;
  /** Where 20,000 operations would take too long: how many a server has to have done before it is measured. */
  readonly warmUpOperations?: number;
  /** What the load does before and after each round without being measured. */
  readonly before?: LoadSettings;
  readonly after?: LoadSettings;
  /** Called right before what is measured. */
  readonly settle?: () => void;
  /** Others to measure beside the contenders. */
  readonly beside?: readonly Measured[];
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
    const started = await Promise.allSettled(contenders.map((contender) => Bed.start(bench, contender)));
    for (const result of started) if (result.status === 'fulfilled') beds.push(result.value);
    for (const [index, { name }] of contenders.entries()) {
      const result = started[index];
      if (result?.status !== 'rejected') continue;
      if (name.startsWith('hoofbeat')) throw result.reason;
      left.push({ contender: name, reason: `does not start: ${String(result.reason)}` });
    }
    for (const plan of plans) {
      const { connections = 0, clients } = plan;
      const able = beds.filter(({ contender }) => connections <= (contender.maxConnections ?? Infinity));
      if (open !== JSON.stringify(clients)) {
        bench.progress.note('connecting');
        for (const bed of beds) {
          if (able.includes(bed)) continue;
          left.push({ contender: bed.name, reason: `${connections} clients would take minutes to connect` });
        }
        await openAll(able, task, plan);
        open = JSON.stringify(clients);
      }
      const suited = able.filter(({ contender }) => plan.suits?.(contender) ?? true);
      const entries = await compare(bench, [...suited, ...(plan.beside ?? [])], plan);
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

/** Few clients connect at the same time; many would keep each other waiting beyond the patience of servers. */
async function openAll(beds: readonly Bed[], task: string, { clients, connections = 0 }: Plan): Promise<void> {
  if (connections <= MANY_CONNECTIONS) await Promise.all(beds.map((bed) => bed.open(task, clients)));
  else for (const bed of beds) await bed.open(task, clients);
}

/** Warms up each, then measures in turns. @returns entries in the given order */
export async function compare(
  { settings, progress }: Pick<Bench, 'settings' | 'progress'>,
  all: readonly Measured[],
  plan: Omit<Plan, 'settings' | 'clients'>,
): Promise<Entry[]> {
  const samples = new Map<Measured, Sample[]>(all.map((each) => [each, []]));
  const warmUpPlan = { ...plan, round: plan.warmUp ?? plan.round };
  const text = describe(plan.round);
  for (const each of all) {
    progress.step(`${each.name} ${text}, warming up`);
    const least = each.isWarm ? 0 : Math.min(each.warmUpOperations, plan.warmUpOperations ?? Infinity);
    await warmUp(() => cycle(each, warmUpPlan), least);
    each.isWarm = true;
  }
  for (let round = 0; round < (plan.rounds ?? settings.rounds); round++) {
    for (const each of inTurn(all, round)) {
      progress.step(`${each.name} ${text}`);
      const sample = await cycle(each, plan);
      if (sample !== null) samples.get(each)?.push(sample);
    }
  }
  return all.map((each) => each.entry(samples.get(each) ?? []));
}

/** Rounds that count for nothing, until two in a row cost no less than the best before: then the server's code is compiled. */
async function warmUp(run: () => Promise<Sample | null>, leastOperations: number): Promise<void> {
  let best = Infinity;
  let settled = 0;
  let operations = 0;
  for (let round = 0; round < MAX_WARM_UP_ROUNDS && (settled < 2 || operations < leastOperations); round++) {
    const sample = await run();
    const cost = sample?.['cpuMicros'];
    if (cost === undefined) return;
    operations += sample?.['operations'] ?? 0;
    settled = cost < best * STILL_IMPROVING ? 0 : settled + 1;
    best = Math.min(best, cost);
  }
}

async function cycle(each: Measured, { round, before, after, settle }: Omit<Plan, 'settings' | 'clients'>) {
  if (before !== undefined) await each.prepare(before);
  settle?.();
  const sample = await each.round(round);
  if (after !== undefined) await each.prepare(after);
  return sample;
}

function describe(settings: LoadSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
