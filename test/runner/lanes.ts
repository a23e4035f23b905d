/**
 * Which test files share a process, in what order processes start, and how many run beside each other. The longest come
 * first, so that none is left over at the end; how long each takes is what the last `npm test -- --record` wrote down.
 */
export interface Lane {
  readonly name: string;
  /** Processes at a time. */
  readonly jobs: number;
  /** For one file. */
  readonly limitMs: number;
  /** The sources of each process, in the order of starting. */
  readonly processes: readonly (readonly string[])[];
}

interface Kind {
  readonly name: string;
  readonly jobs: number;
  readonly limitMs: number;
  /** Whether short files share a process. */
  readonly hasBatches: boolean;
  /** Beginnings of the paths of its files. */
  readonly takes: readonly string[];
}

/** The first that takes a file has it. Lanes run beside each other; all but the last are for files that leave the cores to others. */
const KINDS: readonly Kind[] = [
  { name: 'soak', jobs: 1, limitMs: 400_000, hasBatches: false, takes: ['test/soak/'] },
  {
    name: 'waiting',
    jobs: 1,
    limitMs: 120_000,
    hasBatches: false,
    // Less than half a core: they wait for heart-beats, leases, time limits, and for programs to start.
    takes: [
      'test/adapters/admin/tap-stream.',
      'test/adapters/auth/token-life-cycle.',
      'test/adapters/cli/doctor.',
      'test/adapters/redis/cluster.',
      'test/adapters/redis/members/cluster-nodes.',
      'test/adapters/redis/members/fenced-node.',
      'test/adapters/redis/relay/quiet-channels.',
      'test/adapters/redis/sentinel.',
      'test/adapters/redis/shared-queue-operations.',
      'test/adapters/redis/shared-queues.',
      'test/conformance/heart-beating.',
      'test/crash/store-failure.',
      'test/examples/cluster.',
      'test/interop/legacy-clients.',
      'test/interop/other-languages.',
      'test/interop/stompjs-sockjs.',
      'test/runner/run-lanes.',
    ],
  },
  // Two cores: three busy files at a time make each other late.
  { name: 'busy', jobs: 2, limitMs: 120_000, hasBatches: true, takes: ['test/'] },
];

/** Enough to make a start of Node small beside it, and little enough to share evenly. */
const BATCH_SECONDS = 14;
/** Longer ones are started by themselves, in their order. */
const SHORT_SECONDS = 8;
const UNKNOWN_SECONDS = 0.5;

/**
 * What a process of its own is for: what a test changes, or measures, of the whole process, and what it hangs on the root
 * test except tests themselves and what `batch.ts` looks after.
 */
const NEEDS_A_PROCESS = [
  /\bprocess\.(on|once|off|exit|chdir|memoryUsage|cpuUsage|getActiveResourcesInfo)\b/,
  /\b(process\.env(\.\w+|\[[^\]]+\])|globalThis\.\w+|Date\.now|Math\.random) =[^=>]/,
  /\bsetFlagsFromString\b/,
  /^(await |void )?t\.(?!(test|before|teardown)\()/m,
  /\bt\.jobs\b/,
];

export function needsProcess(text: string): boolean {
  return NEEDS_A_PROCESS.some((need) => need.test(text));
}

export interface Known {
  textOf(source: string): string;
  /** What it took the last time, if that is known. */
  secondsOf(source: string): number | undefined;
}

/** @param sources in the order of their names: neighbours share their imports, and so a process */
export function toLanes(sources: readonly string[], known: Known): Lane[] {
  const secondsOf = (source: string): number => known.secondsOf(source) ?? UNKNOWN_SECONDS;
  const kindOf = new Map(sources.map((source) => [source, KINDS.find((kind) => isOf(kind, source))]));
  return KINDS.map((kind) => {
    const own = sources.filter((source) => kindOf.get(source) === kind);
    const isAlone = (source: string): boolean =>
      !kind.hasBatches || secondsOf(source) > SHORT_SECONDS || needsProcess(known.textOf(source));
    const alone = own.filter(isAlone).map((source) => [source]);
    const batches = toBatches(
      own.filter((source) => !isAlone(source)),
      secondsOf,
    );
    const sum = (process: readonly string[]): number =>
      process.reduce((seconds, source) => seconds + secondsOf(source), 0);
    const processes = [...alone, ...batches].sort((a, b) => sum(b) - sum(a));
    return { name: kind.name, jobs: kind.jobs, limitMs: kind.limitMs, processes };
  });
}

function isOf(kind: Kind, source: string): boolean {
  return kind.takes.some((beginning) => source.startsWith(beginning));
}

function toBatches(sources: readonly string[], secondsOf: (source: string) => number): string[][] {
  const batches: string[][] = [];
  let seconds = Infinity;
  for (const source of sources) {
    seconds += secondsOf(source);
    if (seconds > BATCH_SECONDS) {
      batches.push([]);
      seconds = secondsOf(source);
    }
    batches.at(-1)?.push(source);
  }
  return batches;
}
