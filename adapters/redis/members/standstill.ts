/**
 * Notices that this process stood still (stopped, paused with its machine, a loop that was blocked) beyond the end of its
 * lease: what it knows of the others is old then, and it may have been given up. A Redis that is away is none of that.
 */
import type { Clock } from '../../../broker/ports.js';

/** Of a lease: so rarely a process that runs is seen at least. */
const LOOKS_PER_LEASE = 12;
/** Of a lease: renewed each third, it outlasts any standstill that is shorter. */
const SHORTEST_PART = 1 / 3;

export interface StandstillParts {
  readonly clock: Clock;
  readonly leaseMs: number;
  /** Asks until this node knows what it is. Never rejects. @param stoodMs how long it stood still */
  readonly recover: (stoodMs: number) => Promise<void>;
}

export class Standstill {
  readonly #parts: StandstillParts;
  #seenMs = 0;
  #leaseEndMs = Infinity;
  #recovering: Promise<void> | null = null;
  #stopLooking: (() => void) | null = null;

  constructor(parts: StandstillParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, leaseMs } = this.#parts;
    this.#seenMs = clock.nowMs();
    this.#stopLooking = clock.every(leaseMs / LOOKS_PER_LEASE, () => {
      void this.caughtUp();
    });
  }

  stop(): void {
    this.#stopLooking?.();
    this.#stopLooking = null;
  }

  /** @param askedMs when Redis was asked: the lease is no shorter than from then on */
  renewed(askedMs: number): void {
    this.#leaseEndMs = askedMs + this.#parts.leaseMs;
  }

  get isLeaseOver(): boolean {
    return this.#parts.clock.nowMs() >= this.#leaseEndMs;
  }

  /** @returns undefined: it did not stand still, or has asked since */
  caughtUp(): Promise<void> | undefined {
    if (this.#stopLooking === null) return undefined;
    if (this.#recovering !== null) return this.#recovering;
    const { clock, leaseMs, recover } = this.#parts;
    const nowMs = clock.nowMs();
    const stoodMs = nowMs - this.#seenMs;
    this.#seenMs = nowMs;
    if (stoodMs < leaseMs * SHORTEST_PART || nowMs < this.#leaseEndMs) return undefined;
    this.#recovering = recover(stoodMs).then(() => {
      this.#recovering = null;
      this.#seenMs = clock.nowMs();
    });
    return this.#recovering;
  }
}
