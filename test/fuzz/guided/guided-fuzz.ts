/**
 * The loop: take an input that has reached something, change it, run it; what reaches a block, or runs one in another step of
 * times, that nothing did before is kept and changed in its turn.
 */
import { SeededRandom } from '../../helpers/seeded-random.js';
import type { Target } from '../targets/target.js';
import { damage } from '../fuzz-run.js';
import type { Reaching } from './corpus.js';
import type { CoverageMap, Feature } from './coverage-map.js';
import { join, mutate, split } from './mutate.js';

export interface GuidedOptions {
  readonly seed: string;
  readonly inputs: number;
  /** False makes each input by the grammar alone, damaged or not: what guidance is compared with. */
  readonly isGuided: boolean;
  readonly corpus: readonly Buffer[];
  /** Told of each input before it is run. */
  readonly onInput?: (input: Buffer) => void;
}

export interface GuidedResult {
  readonly inputs: number;
  readonly seconds: number;
  readonly kept: readonly Reaching[];
  /** The first input that went wrong, as small as it could be made; null when none did. */
  readonly fault: { readonly input: Buffer; readonly error: unknown } | null;
}

/** Inputs made by the grammar, among those made of others. */
const FRESH = 0.1;
/** The newest inputs are where the next is found. */
const NEWEST = 0.4;

export class GuidedFuzz {
  readonly #target: Target;
  readonly #coverage: CoverageMap;
  readonly #options: GuidedOptions;
  readonly #random: SeededRandom;
  readonly #kept: Reaching[] = [];
  #words: readonly Buffer[] = [];

  constructor(target: Target, coverage: CoverageMap, options: GuidedOptions) {
    this.#target = target;
    this.#coverage = coverage;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<GuidedResult> {
    const { inputs: wanted, corpus, isGuided } = this.#options;
    const startedMs = performance.now();
    this.#words = [...this.#target.words, ...this.#coverage.literals].map((word) => Buffer.from(word));
    let inputs = 0;
    const seeds = isGuided ? [...corpus] : [];
    while (inputs < wanted) {
      const input = seeds.pop() ?? this.#next();
      inputs++;
      const error = await this.#reach(input);
      if (error !== null) {
        const small = await this.#smallest(input, async (smaller) => (await this.#reach(smaller)) !== null);
        return this.#result(inputs, startedMs, { input: small, error: (await this.#reach(small)) ?? error });
      }
      const found = this.#coverage.takeNew();
      if (found.length > 0 && isGuided) await this.#keep(input, found);
    }
    return this.#result(inputs, startedMs, null);
  }

  #result(inputs: number, startedMs: number, fault: GuidedResult['fault']): GuidedResult {
    return { inputs, seconds: (performance.now() - startedMs) / 1_000, kept: this.#kept, fault };
  }

  /** Runs it, its blocks counted from zero. @returns what was thrown; null when all held */
  async #reach(input: Buffer): Promise<unknown> {
    this.#options.onInput?.(input);
    this.#coverage.begin();
    try {
      const running = this.#target.run(input);
      if (running !== undefined) await running;
      return null;
    } catch (error) {
      return error ?? new Error('nothing was thrown, as an error');
    }
  }

  #next(): Buffer {
    const random = this.#random;
    const target = this.#target;
    if (!this.#options.isGuided || this.#kept.length === 0 || random.chance(FRESH)) {
      const fresh = target.generate(random);
      return random.chance(0.5) ? fresh : damage(random, fresh).subarray(0, target.maxBytes);
    }
    return mutate(random, this.#pick(), {
      words: this.#words,
      other: this.#pick(),
      fresh: () => target.generate(random),
      separator: target.separator,
      maxBytes: target.maxBytes,
    });
  }

  #pick(): Buffer {
    const { length } = this.#kept;
    const from = this.#random.chance(NEWEST) ? Math.max(0, length - 1 - Math.ceil(length / 8)) : 0;
    return this.#kept[this.#random.between(from, length - 1)]?.input ?? Buffer.alloc(0);
  }

  /** Keeps it without what it does not need for what it has found. */
  async #keep(input: Buffer, found: readonly Feature[]): Promise<void> {
    const smaller = await this.#smallest(input, async (candidate) => {
      if ((await this.#reach(candidate)) !== null) return false;
      const reached = new Set(this.#coverage.reachedNow());
      return found.every((feature) => reached.has(feature));
    });
    await this.#reach(smaller);
    this.#coverage.takeNew();
    this.#kept.push({ input: smaller, features: this.#coverage.reachedNow() });
  }

  /** Leaves out records, then halves, quarters, … of the octets, as long as `holds`; a bounded number of tries. */
  async #smallest(input: Buffer, holds: (candidate: Buffer) => Promise<boolean>): Promise<Buffer> {
    let small = input;
    let tries = 30;
    const attempt = async (candidate: Buffer): Promise<boolean> => {
      if (tries-- <= 0 || candidate.length >= small.length || !(await holds(candidate))) return false;
      small = candidate;
      return true;
    };
    for (let k = split(small, this.#target).length - 1; k >= 0 && this.#target.separator !== null; k--) {
      await attempt(join(split(small, this.#target).toSpliced(k, 1), this.#target));
    }
    for (let size = Math.ceil(small.length / 2); size >= 1 && tries > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
      for (let at = 0; at < small.length && tries > 0;) {
        if (!(await attempt(Buffer.concat([small.subarray(0, at), small.subarray(at + size)])))) at += size;
      }
    }
    return small;
  }
}
