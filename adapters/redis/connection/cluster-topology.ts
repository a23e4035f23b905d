/**
 * Which master of a Redis Cluster has which slot. Asked of any of its nodes that is part of a cluster that works, whenever a
 * connection is made or something points elsewhere.
 */
import { SLOTS } from './hash-slot.js';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** What a node answered. */
export interface ClusterView {
  /** Reply to CLUSTER INFO. */
  readonly info: string;
  /** Reply to CLUSTER SLOTS. */
  readonly slots: unknown;
}

const NOBODY = 0xffff;

export class ClusterTopology {
  readonly #seeds: readonly RedisAddress[];
  readonly #ask: (node: RedisAddress) => Promise<ClusterView>;
  readonly #listeners = new Set<() => void>();
  /** Every node heard of, by its name. */
  #nodes = new Map<string, RedisAddress>();
  #masters = new Map<string, RedisAddress>();
  #names: readonly string[] = [];
  /** Index into the names. */
  #owners = new Uint16Array(SLOTS).fill(NOBODY);
  #asking: Promise<void> | null = null;
  #turn = 0;

  /** @param ask rejects when the node does not answer in time */
  constructor(seeds: readonly RedisAddress[], ask: (node: RedisAddress) => Promise<ClusterView>) {
    this.#seeds = seeds;
    this.#ask = ask;
  }

  /** By name, `host:port`. Empty before the first answer. */
  get masters(): ReadonlyMap<string, RedisAddress> {
    return this.#masters;
  }

  /** Name of the master that has a slot; undefined: nobody is known to have it. */
  ownerOf(slot: number): string | undefined {
    return this.#names[this.#owners[slot] ?? NOBODY];
  }

  /** Called whenever a slot has changed its master, or a master came or went. @returns takes the listener away */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Asks one node after the other; who asks at the same time shares the answer. Rejects when none of them helps. */
  refresh(): Promise<void> {
    return (this.#asking ??= this.#askAll().finally(() => {
      this.#asking = null;
    }));
  }

  async #askAll(): Promise<void> {
    const known = new Map([...this.#nodes, ...this.#seeds.map((seed) => [nameOf(seed), seed] as const)]);
    const nodes = [...known.values()];
    // Another one first each time: one that stands still is not asked first for ever.
    const first = this.#turn++ % nodes.length;
    let why = 'no node of the cluster is known';
    for (const node of [...nodes.slice(first), ...nodes.slice(0, first)]) {
      try {
        const { info, slots } = await this.#ask(node);
        if (/^cluster_state:ok\r?$/m.test(info)) {
          this.#take(slots, node);
          return;
        }
        why = `${nameOf(node)} says that the cluster is down`;
      } catch (error) {
        why = `${nameOf(node)}: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
    throw new Error(why);
  }

  /** @param slots list of first slot, last slot, master, replicas …; a node is host, port, id. No host: who was asked */
  #take(slots: unknown, asked: RedisAddress): void {
    const nodes = new Map<string, RedisAddress>();
    const masters = new Map<string, RedisAddress>();
    const names: string[] = [];
    const owners = new Uint16Array(SLOTS).fill(NOBODY);
    for (const [from, to, ...holders] of slots as readonly (readonly [number, number, ...unknown[][]])[]) {
      const addresses = holders.map(([host, port]) => ({ host: textOr(host, asked.host), port: Number(port) }));
      for (const address of addresses) nodes.set(nameOf(address), address);
      const [master] = addresses;
      if (master === undefined) continue;
      const name = nameOf(master);
      if (!masters.has(name)) names.push(name);
      masters.set(name, master);
      owners.fill(names.indexOf(name), from, to + 1);
    }
    const isSame = names.join() === this.#names.join() && owners.every((owner, slot) => owner === this.#owners[slot]);
    this.#nodes = nodes;
    if (isSame) return;
    this.#masters = masters;
    this.#names = names;
    this.#owners = owners;
    for (const listener of [...this.#listeners]) listener();
  }
}

export function nameOf({ host, port }: RedisAddress): string {
  return `${host}:${port}`;
}

function textOr(host: unknown, other: string): string {
  return typeof host !== 'string' || host === '' || host === '?' ? other : host;
}
