/** What the instrumented modules of this process count into, and which of it was seen before. */
import { GLOBAL_NAME } from './instrument.js';

/** More blocks than protocol/, broker/ and adapters/ have together. */
const MAX_COUNTERS = 65_536;
/** How often a block ran counts in steps, as AFL's do: 1, 2, 3, 4 to 7, … 128 and more. */
const BUCKETS = new Uint8Array(129).map((_, count) =>
  count < 4 ? ([0, 1, 2, 4][count] ?? 0) : count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128,
);

/** Block and step in one number. */
export type Feature = number;
const NOTHING: readonly Feature[] = [];

export class CoverageMap {
  readonly #counts = new Uint32Array(MAX_COUNTERS);
  #used = 0;
  readonly #modules: { readonly name: string; readonly start: number }[] = [];
  readonly #literals = new Set<string>();
  readonly #seen = new Uint8Array(MAX_COUNTERS);

  /** Lets modules that are loaded from now on find their counters here. */
  install(): void {
    const give = (name: string, counters: number, literals: readonly string[]): Uint32Array => {
      const start = this.#used;
      if (start + counters > MAX_COUNTERS) throw new RangeError(`${name}: more than ${MAX_COUNTERS} blocks`);
      this.#used += counters;
      this.#modules.push({ name, start });
      for (const literal of literals) this.#literals.add(literal);
      return this.#counts.subarray(start, this.#used);
    };
    Object.assign(globalThis, { [GLOBAL_NAME]: give });
  }

  /** Texts and numbers of the instrumented modules. */
  get literals(): readonly string[] {
    return [...this.#literals];
  }

  /** Blocks there are. */
  get blocks(): number {
    return this.#used;
  }

  /** Blocks that some input has reached. */
  get reached(): number {
    let reached = 0;
    for (let k = 0; k < this.#used; k++) if (this.#seen[k] !== 0) reached++;
    return reached;
  }

  /** Blocks in the steps in which some input has reached them. */
  get features(): number {
    let features = 0;
    for (let k = 0; k < this.#used; k++) for (let bits = this.#seen[k] ?? 0; bits > 0; bits &= bits - 1) features++;
    return features;
  }

  /** Forgets what ran until now: the next input is to be told apart. */
  begin(): void {
    this.#counts.fill(0, 0, this.#used);
  }

  /** What the input since `begin` reached and none did before; it is remembered. */
  takeNew(): readonly Feature[] {
    let found: Feature[] | null = null;
    for (let k = 0; k < this.#used; k++) {
      const count = this.#counts[k] as number;
      if (count === 0) continue;
      const bucket = BUCKETS[Math.min(count, 128)] as number;
      const seen = this.#seen[k] as number;
      if ((seen & bucket) !== 0) continue;
      this.#seen[k] = seen | bucket;
      (found ??= []).push(k * 256 + bucket);
    }
    return found ?? NOTHING;
  }

  /** What the input since `begin` reached. */
  reachedNow(): Feature[] {
    const features: Feature[] = [];
    for (let k = 0; k < this.#used; k++) {
      const count = this.#counts[k] as number;
      if (count > 0) features.push(k * 256 + (BUCKETS[Math.min(count, 128)] as number));
    }
    return features;
  }

  /** For each module how many of its blocks were reached. */
  byModule(): { readonly name: string; readonly blocks: number; readonly reached: number }[] {
    return this.#modules.map(({ name, start }, k) => {
      const end = this.#modules[k + 1]?.start ?? this.#used;
      return { name, blocks: end - start, reached: this.#seen.subarray(start, end).filter((bits) => bits > 0).length };
    });
  }
}
