/**
 * Meters of destinations, for all who send there: each destination that a rule covers has one of its own, made with the
 * first SEND and forgotten when it says nothing any more. Bounded, as clients name destinations as they like.
 */
import { OldestFirstMap } from '../oldest-first-map.js';
import { WheelTimer } from '../wheel-timer.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import type { Clock } from '../ports.js';
import type { TimerWheel } from '../timer-wheel.js';
import { Meter } from './meter.js';
import { type DestinationRule, hasRate, NO_RATE, type RateOptions } from './quota-options.js';

export interface DestinationMetersParts {
  /** Filled; the first whose pattern matches decides. */
  readonly rules: readonly DestinationRule[];
  readonly separator: string;
  /** What is longer is refused elsewhere, and must not be remembered here. */
  readonly maxLengthBytes: number;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
}

/** Some 30 MB of short names; above it the oldest is forgotten, and may send its burst again. */
const MAX_METERS = 100_000;
const SWEEP_EVERY_MS = 1_000;
/** Looked at in one sweep: under a millisecond. */
const SWEPT_AT_ONCE = 2_000;
/** Longer than nodes take to tell each other what is wanted of a rate. */
const KEPT_MS = 2_500;

export class DestinationMeters {
  readonly #parts: DestinationMetersParts;
  readonly #rules: SubscriptionIndex<{ readonly order: number; readonly rate: RateOptions }>;
  /** Null: no rule covers it, or one that bounds nothing. */
  readonly #meters = new OldestFirstMap<string, Meter | null>();
  readonly #timer: WheelTimer = new WheelTimer(() => {
    this.#sweep();
  });

  /** @throws BrokerError `destination-invalid` for a pattern that cannot be compiled */
  constructor(parts: DestinationMetersParts) {
    this.#parts = parts;
    this.#rules = new SubscriptionIndex(parts.separator);
    for (const [order, { pattern, ...rate }] of parts.rules.entries()) {
      this.#rules.add(pattern, { order, rate: { ...NO_RATE, ...rate } as RateOptions });
    }
  }

  /** Destinations that are remembered. */
  get size(): number {
    return this.#meters.size;
  }

  *entries(): Iterable<[string, Meter]> {
    for (const [destination, meter] of this.#meters) if (meter !== null) yield [destination, meter];
  }

  get(destination: string): Meter | undefined {
    return this.#meters.get(destination) ?? undefined;
  }

  /** Made at first need; null where nothing is measured. */
  of(destination: string): Meter | null {
    const known = this.#meters.get(destination);
    if (known !== undefined) return known;
    if (destination.length > this.#parts.maxLengthBytes) return null;
    const [first] = this.#rules.match(destination).sort((a, b) => a.order - b.order);
    const meter = first !== undefined && hasRate(first.rate) ? new Meter(first.rate) : null;
    const [oldest] = this.#meters.size >= MAX_METERS ? (this.#meters.oldest ?? []) : [];
    if (oldest !== undefined) this.#meters.delete(oldest);
    this.#meters.set(destination, meter);
    if (this.#timer.wheelSlot < 0) this.#schedule();
    return meter;
  }

  #schedule(): void {
    const { wheel, clock } = this.#parts;
    wheel.schedule(this.#timer, clock.nowMs() + SWEEP_EVERY_MS);
  }

  /** Forgets what was idle for a while, some of them at a time: those made longest ago, or looked at longest ago. */
  #sweep(): void {
    const idleSinceMs = this.#parts.clock.nowMs() - KEPT_MS;
    const count = Math.min(this.#meters.size, SWEPT_AT_ONCE);
    for (let k = 0; k < count; k++) {
      const [destination, meter = null] = this.#meters.oldest ?? [];
      if (destination === undefined) break;
      this.#meters.delete(destination);
      if (meter !== null && meter.freeAtMs > idleSinceMs) this.#meters.set(destination, meter);
    }
    if (this.#meters.size > 0) this.#schedule();
  }
}
