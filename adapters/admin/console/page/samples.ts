/** What the charts draw: the last minutes, of each node and of all together, in arrays that do not grow. */
import type { Counters } from './feed-types.js';

/** Ten minutes at one every two seconds. */
const MAX_POINTS = 300;
const MAX_NODES = 64;
/** A node that says nothing for so long is not among those that count. */
const SILENT_AFTER_MS = 30_000;
/** Ticks of nodes that come together are one point of all. */
const TOGETHER_MS = 900;

export class Points<Name extends string> {
  readonly #values: ReadonlyMap<Name | 'time', number[]>;
  readonly #names: readonly Name[];

  constructor(names: readonly Name[]) {
    this.#names = names;
    this.#values = new Map((['time', ...names] as const).map((name) => [name, []]));
  }

  /** Oldest first; those of all names are of one length. `time` is in seconds since the epoch. */
  of(name: Name | 'time'): readonly number[] {
    return this.#values.get(name) ?? [];
  }

  last(name: Name): number {
    return this.of(name).at(-1) ?? 0;
  }

  add(timeMs: number, point: Readonly<Record<Name, number>>): void {
    this.#push('time', timeMs / 1_000);
    for (const name of this.#names) this.#push(name, point[name]);
  }

  #push(name: Name | 'time', value: number): void {
    const values = this.#values.get(name);
    if (values === undefined) return;
    values.push(value);
    if (values.length > MAX_POINTS) values.shift();
  }
}

export const RATE_NAMES = ['messagesIn', 'framesIn', 'framesOut', 'sessions', 'subscriptions'] as const;
export type RateName = (typeof RATE_NAMES)[number];
export type Rates = Readonly<Record<RateName, number>>;

interface NodeState {
  readonly points: Points<RateName>;
  timeMs: number;
  counters: Counters;
  rates: Rates | null;
}

/** Counters that only grow → so many a second. */
export class NodeRates {
  readonly together = new Points<RateName>(RATE_NAMES);
  readonly #nodes = new Map<string, NodeState>();
  #lastTogetherMs = 0;

  /** In the order in which they were heard of first. */
  get nodes(): readonly { readonly node: string; readonly points: Points<RateName>; readonly rates: Rates | null }[] {
    return [...this.#nodes].map(([node, { points, rates }]) => ({ node, points, rates }));
  }

  /** Of all nodes, now; null until there were two ticks of one. */
  get rates(): Rates | null {
    const all = [...this.#nodes.values()].map(({ rates }) => rates).filter((each) => each !== null);
    if (all.length === 0) return null;
    const sum = (name: RateName): number => all.reduce((total, each) => total + each[name], 0);
    return Object.fromEntries(RATE_NAMES.map((name) => [name, sum(name)])) as Rates;
  }

  add(node: string, timeMs: number, counters: Counters): void {
    const before = this.#nodes.get(node);
    if (before === undefined) {
      if (this.#nodes.size >= MAX_NODES) return;
      this.#nodes.set(node, { points: new Points(RATE_NAMES), timeMs, counters, rates: null });
      return;
    }
    const seconds = (timeMs - before.timeMs) / 1_000;
    // What was told twice, or out of turn.
    if (seconds <= 0) return;
    before.rates = ratesBetween(before.counters, counters, seconds);
    before.timeMs = timeMs;
    before.counters = counters;
    before.points.add(timeMs, before.rates);
    this.#addTogether(timeMs);
  }

  forget(node: string): void {
    this.#nodes.delete(node);
  }

  #addTogether(timeMs: number): void {
    for (const [node, state] of this.#nodes) if (timeMs - state.timeMs > SILENT_AFTER_MS) this.#nodes.delete(node);
    const { rates } = this;
    if (rates === null || timeMs - this.#lastTogetherMs < TOGETHER_MS) return;
    this.#lastTogetherMs = timeMs;
    this.together.add(timeMs, rates);
  }
}

/** A node that was started again counts from 0. */
function ratesBetween(before: Counters, now: Counters, seconds: number): Rates {
  const rate = (name: 'messagesIn' | 'framesIn' | 'framesOut'): number =>
    Math.max(0, (now[name] - before[name]) / seconds);
  return {
    messagesIn: rate('messagesIn'),
    framesIn: rate('framesIn'),
    framesOut: rate('framesOut'),
    sessions: now.connections.current,
    subscriptions: now.subscriptions,
  };
}
