/**
 * Holds up what a node does by itself after it stood still beyond its lease: until it is a member again, and knows what the
 * others have made meanwhile, a message would pass by who subscribed to it elsewhere.
 */
import type { ClusterMembers } from '../ports.js';

export class LeaseGuard {
  readonly #members: ClusterMembers;
  readonly #learned: () => Promise<unknown>;
  #waiting: Promise<void> | null = null;

  /** @param learned resolves when what was asked because of a return is known; never rejects */
  constructor(members: ClusterMembers, learned: () => Promise<unknown>) {
    this.#members = members;
    this.#learned = learned;
  }

  /** @returns undefined: nothing to wait for. What never rejects otherwise */
  caughtUp(): Promise<void> | undefined {
    if (this.#waiting !== null) return this.#waiting;
    const late = this.#members.caughtUp();
    if (late === undefined) return undefined;
    this.#waiting = late
      .then(() => this.#learned())
      .then(() => {
        this.#waiting = null;
      });
    return this.#waiting;
  }
}
