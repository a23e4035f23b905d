/**
 * What does each ack mode and store cost? Messages per second through one queue: published with RECEIPT, consumed with
 * ACK, persistent and not; hoofbeat as a user starts it, beside RabbitMQ where its Debian package is installed, and
 * beside what the disk can do at most. All take turns within each round; the ratio is what counts.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { commitsPerSecond, fileSystemOf, makeDataDirectory, settleDisk, syncsPerSecond } from './disk.js';
import { describeMachine, printTable } from './measure.js';
import { median, medianRatio } from './report/statistics.js';
import { describeContender, startContenders, stopContenders, type Contender } from './queue-contenders.js';
import { BODY_BYTES, consume, fill, PREFETCH, publish, type Target } from './queue-load.js';
import { cpuMicrosOf } from './servers/broker-process.js';

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    /** Without peers. */
    alone: { type: 'boolean', default: false },
    /** Scenarios whose name holds this. */
    only: { type: 'string', default: '' },
    /** Where the data directories are made. */
    directory: { type: 'string' },
    /** Folder for a CPU profile of hoofbeat's main thread: the store's is started without Node's flags. */
    profile: { type: 'string' },
  },
});
const ROUNDS = flags.quick ? 5 : 7;
const PUBLISH_MS = flags.quick ? 500 : 1_000;
const CONSUMED = flags.quick ? 10_000 : 30_000;
const LIMIT_MS = flags.quick ? 100 : 300;

/** One scenario with one contender, in one round. */
interface Sample {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU seconds for each second of the measurement. */
  readonly brokerCpu: number;
  readonly loadCpu: number;
}

interface Scenario {
  readonly name: string;
  readonly isPersistent: boolean;
  /** Rows of one commit in the lower limit; 0 where no limit is stated. */
  readonly limitRows: number;
  /** @param settle to be called right before what is measured */
  run(contender: Contender, target: Target, settle: () => void): Promise<Sample>;
}

const PUBLISHERS = [
  ['1 producer', 1, 1],
  ['100 producers', 100, 1],
  ['1 producer, 100 in flight', 1, 100],
] as const;

function makeScenarios(isPersistent: boolean): Scenario[] {
  const kind = isPersistent ? 'persistent' : 'memory';
  const publishing = PUBLISHERS.map(([name, producers, window]) => ({
    name: `${kind}: SEND + RECEIPT, ${name}`,
    isPersistent,
    limitRows: isPersistent ? producers * window : 0,
    run: async ({ broker }: Contender, target: Target, settle: () => void): Promise<Sample> => {
      settle();
      const sample = await measured(broker.pid, () => publish(target, producers, window, PUBLISH_MS));
      await consume(target, sample.messages, 'client');
      return sample;
    },
  }));
  const consuming = (['client-individual', 'client'] as const).map((ackMode) => ({
    name: `${kind}: consume, ack:${ackMode}`,
    isPersistent,
    limitRows: 0,
    run: async ({ broker }: Contender, target: Target, settle: () => void): Promise<Sample> => {
      await fill(target, CONSUMED);
      settle();
      const none = { p50Ms: NaN, p99Ms: NaN };
      return measured(broker.pid, async () => ({ ...none, perSecond: await consume(target, CONSUMED, ackMode) }));
    },
  }));
  return [...publishing, ...consuming];
}

async function measured<T>(pid: number, run: () => Promise<T>): Promise<T & { brokerCpu: number; loadCpu: number }> {
  const start = performance.now();
  const ownBefore = process.cpuUsage();
  const brokerBefore = cpuMicrosOf(pid);
  const result = await run();
  const elapsedMicros = (performance.now() - start) * 1000;
  const { user, system } = process.cpuUsage(ownBefore);
  const brokerCpu = (cpuMicrosOf(pid) - brokerBefore) / elapsedMicros;
  return { ...result, brokerCpu, loadCpu: (user + system) / elapsedMicros };
}

/** Samples by contender and scenario; limits in rows per second, by rows of a commit. */
class Results {
  readonly syncs: number[] = [];
  readonly #samples = new Map<string, Sample[]>();
  readonly #limits = new Map<number, number[]>();

  add(contender: Contender, scenario: Scenario, sample: Sample): void {
    const key = `${contender.name} ${scenario.name}`;
    this.#samples.set(key, [...this.of(contender, scenario), sample]);
  }

  of(contender: Contender, scenario: Scenario): readonly Sample[] {
    return this.#samples.get(`${contender.name} ${scenario.name}`) ?? [];
  }

  rates(contender: Contender, scenario: Scenario): number[] {
    return this.of(contender, scenario).map(({ perSecond }) => perSecond);
  }

  limits({ limitRows }: Scenario): readonly number[] {
    return this.#limits.get(limitRows) ?? [];
  }

  measureLimits(directory: string, scenarios: readonly Scenario[]): void {
    settleDisk(directory);
    this.syncs.push(syncsPerSecond(directory, LIMIT_MS));
    for (const rows of new Set(scenarios.map(({ limitRows }) => limitRows))) {
      if (rows === 0) continue;
      const perSecond = rows * commitsPerSecond(directory, rows, BODY_BYTES, LIMIT_MS);
      this.#limits.set(rows, [...(this.#limits.get(rows) ?? []), perSecond]);
    }
  }
}

/** Each takes each place, and follows each other one. */
function inTurn<T>(list: readonly T[], turn: number): readonly T[] {
  const first = turn % list.length;
  const turned = [...list.slice(first), ...list.slice(0, first)];
  return turn % 2 === 0 ? turned : turned.toReversed();
}

async function measureAll(
  contenders: readonly Contender[],
  scenarios: readonly Scenario[],
  directory: string,
): Promise<Results> {
  const results = new Results();
  // The first round warms up and is left out.
  for (let round = 0; round <= ROUNDS; round++) {
    if (round > 0) results.measureLimits(directory, scenarios);
    for (const [index, scenario] of scenarios.entries()) {
      for (const contender of inTurn(contenders, round + index)) {
        if (!scenario.isPersistent && !contender.hasMemoryQueues) continue;
        const { isPersistent } = scenario;
        const destination = await contender.declare(`scenario-${index}-round-${round}`);
        const target = { port: contender.broker.port, destination, isPersistent };
        const sample = await scenario.run(contender, target, () => settleDisk(directory));
        if (round > 0) results.add(contender, scenario, sample);
      }
    }
  }
  return results;
}

function printRates(contenders: readonly Contender[], scenarios: readonly Scenario[], results: Results): void {
  const whole = (values: readonly number[]): string =>
    values.length === 0 ? '' : Math.round(median(values)).toLocaleString('en');
  const [own, ...peers] = contenders;
  if (own === undefined) return;
  const ratios = peers.map(({ name }) => `÷ ${name}`);
  const header = [...ratios, ...contenders.map(({ name }) => name), 'limit (SQLite)', 'share of it'];
  console.log(`\nThe disk: ${whole(results.syncs)} syncs per second of 256 octets each\n`);
  printTable(
    ['messages per second', ...header],
    scenarios.map((scenario) => {
      const ownRates = results.rates(own, scenario);
      const limits = results.limits(scenario);
      return [
        scenario.name,
        ...peers.map((peer) => {
          const rates = results.rates(peer, scenario);
          return rates.length === 0 ? '' : `${medianRatio(ownRates, rates).toFixed(2)} ×`;
        }),
        ...contenders.map((contender) => whole(results.rates(contender, scenario))),
        whole(limits),
        limits.length === 0 ? '' : `${(medianRatio(ownRates, limits) * 100).toFixed(0)} %`,
      ];
    }),
  );
}

function printLatencies(contenders: readonly Contender[], scenarios: readonly Scenario[], results: Results): void {
  console.log(
    '\nFrom SEND to RECEIPT in ms, and CPU seconds per second of the broker and of the process that loads it',
  );
  const columns: readonly (readonly [(sample: Sample) => number, number])[] = [
    [({ p50Ms }) => p50Ms, 2],
    [({ p99Ms }) => p99Ms, 2],
    [({ brokerCpu }) => brokerCpu, 2],
    [({ loadCpu }) => loadCpu, 2],
  ];
  printTable(
    ['', ...contenders.flatMap(({ name }) => [`${name} p50`, 'p99', 'CPU', 'load'])],
    scenarios.map((scenario) => [
      scenario.name,
      ...contenders.flatMap((contender) =>
        columns.map(([pick, digits]) => {
          const value = median(results.of(contender, scenario).map(pick));
          return Number.isNaN(value) ? '' : value.toFixed(digits);
        }),
      ),
    ]),
  );
}

const directory = makeDataDirectory(flags.directory);
const profiling = flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(flags.profile)}`];
const contenders = await startContenders(directory, !flags.alone, profiling);
const scenarios = [...makeScenarios(true), ...makeScenarios(false)].filter(({ name }) => name.includes(flags.only));
console.log(
  `One queue, bodies of ${BODY_BYTES} octets, prefetch ${PREFETCH}; ${describeMachine()}; medians of ${ROUNDS} rounds`,
);
console.log(`Data on ${fileSystemOf(directory)} (${directory})`);
for (const contender of contenders) console.log(await describeContender(contender));
const results = await measureAll(contenders, scenarios, directory);
await stopContenders(contenders);
printRates(contenders, scenarios, results);
printLatencies(contenders, scenarios, results);
