/** The other nodes of a cluster as this node knows them, and what has changed with each answer of Redis. */
import type { LeaseAnswer } from './lease-scripts.js';

interface KnownMember {
  /** End of its lease in the time of this node. */
  readonly untilMs: number;
  /** Redis lost what it knew, and it has not been heard of since. */
  readonly isUnheard: boolean;
}

export interface MemberChanges {
  readonly joined: readonly string[];
  readonly gone: readonly string[];
}

export class KnownMembers {
  #known = new Map<string, KnownMember>();

  get incarnations(): readonly string[] {
    return [...this.#known.keys()];
  }

  /** When the first of their leases is over, in the time of this node; Infinity when there are no others. */
  get firstEndMs(): number {
    let firstMs = Infinity;
    for (const { untilMs } of this.#known.values()) firstMs = Math.min(firstMs, untilMs);
    return firstMs;
  }

  /** Redis has lost what it knew: whoever is known has until then to be heard of again. */
  forgive(untilMs: number): void {
    for (const incarnation of this.#known.keys()) this.#known.set(incarnation, { untilMs, isUnheard: true });
  }

  /** @param own incarnation, which is none of the others @param nowMs when the answer arrived, in the time of this node */
  update(answer: LeaseAnswer, own: string, nowMs: number): MemberChanges {
    const before = this.#known;
    this.#known = new Map();
    for (const [incarnation, endMs] of answer.leases) {
      if (incarnation === own) continue;
      this.#known.set(incarnation, { untilMs: nowMs + endMs - answer.nowMs, isUnheard: false });
    }
    const joined = [...this.#known.keys()].filter((incarnation) => !before.has(incarnation));
    const gone: string[] = [];
    for (const [incarnation, member] of before) {
      if (this.#known.has(incarnation)) continue;
      if (member.isUnheard && nowMs < member.untilMs) this.#known.set(incarnation, member);
      else gone.push(incarnation);
    }
    return { joined, gone };
  }
}
