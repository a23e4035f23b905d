/** A contender of the cluster bench: processes that carry messages from one node to others, and a load. What fails is reported. */
import type { Measured } from '../compare.js';
import type { LoadSettings } from '../load/load-task.js';
import type { Entry, Sample } from '../report/results.js';
import type { RedisServer } from '../servers/redis-server.js';

/** Below so many deliveries V8 has compiled little, however alike the rounds are. */
const WARM_UP_OPERATIONS = 20_000;

export interface CrossBedTerms {
  readonly name: string;
  readonly roundMs: number;
  readonly redis: RedisServer;
}

export abstract class CrossBed implements Measured {
  readonly name: string;
  readonly warmUpOperations = WARM_UP_OPERATIONS;
  isWarm = false;
  /** Why it takes no part any more; null while it does. */
  failure: string | null = null;
  protected readonly redis: RedisServer;
  readonly #roundMs: number;

  protected constructor({ name, roundMs, redis }: CrossBedTerms) {
    this.name = name;
    this.redis = redis;
    this.#roundMs = roundMs;
  }

  /** Connects what a point needs; what was connected before is closed. */
  async open(settings: LoadSettings): Promise<void> {
    await this.#attempt(() => this.connect(settings));
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  round(settings: LoadSettings): Promise<Sample | null> {
    return this.#attempt(() => this.measure({ durationMs: this.#roundMs, ...settings }));
  }

  entry(samples: readonly Sample[]): Entry {
    const entry = { contender: this.name, samples };
    return this.failure === null ? entry : { ...entry, note: this.failure };
  }

  abstract stop(): Promise<void>;
  protected abstract connect(settings: LoadSettings): Promise<void>;
  protected abstract measure(settings: LoadSettings): Promise<Sample>;

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
