/** One contender under load: its server and a load process of its own. What fails is remembered and reported, not thrown. */
import type { Contender } from './contenders/contender.js';
import type { RunningPeer } from './contenders/peer.js';
import { LoadProcess, type LoadRound } from './load/load-process.js';
import type { LoadSettings } from './load/load-task.js';
import type { Entry, Figure, Sample } from './report/results.js';
import type { Bench } from './scenario.js';

/** For CPU time that is known in ticks of 10 ms: how many rounds as long as others. */
const COARSE_ROUNDS = 3;
const COARSE_ROUND_MS = 400;

/** Below so many operations V8 has compiled little, however alike the rounds are. */
const WARM_UP_OPERATIONS = 20_000;

/** What every round of every load tells, with the name of what is counted in the plural and in the singular. */
export function costFigures(operations: string, operation: string): readonly Figure[] {
  return [
    { key: 'cpuMicros', label: `CPU µs per ${operation}`, digits: 2, better: 'less' },
    { key: 'perSecondAndCore', label: `${operations}/s and core`, digits: 0, better: 'more' },
    { key: 'perSecond', label: `${operations}/s`, digits: 0, better: 'more' },
    { key: 'serverCpu', label: 'server CPU', digits: 2, better: null },
    { key: 'loadCpu', label: 'load CPU', digits: 2, better: null },
  ];
}

export class Bed {
  readonly contender: Contender;
  readonly warmUpOperations: number;
  isWarm = false;
  /** Why it takes no part any more; null while it does. */
  failure: string | null = null;
  readonly #bench: Bench;
  readonly #server: RunningPeer;
  readonly #load: LoadProcess;
  #isOpen = false;

  private constructor(bench: Bench, contender: Contender, server: RunningPeer) {
    this.#bench = bench;
    this.contender = contender;
    this.warmUpOperations = contender.peer.isCompiled === true ? 0 : WARM_UP_OPERATIONS;
    this.#server = server;
    this.#load = LoadProcess.start();
  }

  get name(): string {
    return this.contender.name;
  }

  static async start(bench: Bench, contender: Contender): Promise<Bed> {
    return new Bed(bench, contender, await bench.peers.start(contender.peer));
  }

  /** Connects the clients of a task of bench/load; those of the one before are closed. */
  async open(task: string, settings: LoadSettings): Promise<void> {
    await this.#attempt(async () => {
      if (this.#isOpen) await this.#load.close();
      this.#isOpen = true;
      const { protocol, transport, path = '/', hasReceipts = true, settings: own = {} } = this.contender;
      const port = transport === 'TCP' ? this.#server.tcpPort : this.#server.httpPort;
      await this.#load.open(task, { protocol, port, path, hasReceipts }, { ...settings, ...own });
    });
  }

  /** Null when it has failed, now or before. `durationMs` is added to the settings. */
  async round(settings: LoadSettings): Promise<Sample | null> {
    const { roundMs } = this.#bench.settings;
    const durationMs =
      this.contender.peer.hasCoarseClock === true
        ? Math.max(roundMs, Math.min(COARSE_ROUNDS * roundMs, COARSE_ROUND_MS))
        : roundMs;
    return this.#attempt(async () => {
      const before = await this.#server.cpuMicros();
      const round = await this.#load.round({ durationMs, ...settings });
      return sampleOf(round, (await this.#server.cpuMicros()) - before);
    });
  }

  async prepare(settings: LoadSettings): Promise<void> {
    await this.#attempt(() => this.#load.round(settings));
  }

  entry(samples: readonly Sample[]): Entry {
    const entry = { contender: this.name, samples };
    return this.failure === null ? entry : { ...entry, note: this.failure };
  }

  async close(): Promise<void> {
    await this.#load.stop();
    await this.#bench.peers.release(this.#server);
  }

  async #attempt<T>(run: () => Promise<T>): Promise<T | null> {
    if (this.failure !== null) return null;
    try {
      return await run();
    } catch (error) {
      this.failure = error instanceof Error ? error.message.slice(0, 200) : String(error);
      return null;
    }
  }
}

function sampleOf({ operations, elapsedMs, loadCpuMicros, figures }: LoadRound, serverMicros: number): Sample {
  return {
    operations,
    cpuMicros: serverMicros / operations,
    perSecondAndCore: (operations / serverMicros) * 1e6,
    perSecond: (operations / elapsedMs) * 1000,
    serverCpu: serverMicros / (elapsedMs * 1000),
    loadCpu: loadCpuMicros / (elapsedMs * 1000),
    ...figures,
  };
}
