/**
 * Meters by name, of users or of addresses: made with the first connection and kept until the last is gone and nothing is
 * left to remember, so that connecting anew clears nothing.
 */
import { WheelTimer } from '../wheel-timer.js';
import type { Clock } from '../ports.js';
import type { TimerWheel } from '../timer-wheel.js';
import { Meter } from './meter.js';
import type { ShareOptions } from './quota-options.js';

export interface MetersParts {
  readonly options: ShareOptions;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  /** Connections of that name on other nodes. */
  readonly elsewhere: (name: string) => number;
  /** The number of connections here has changed. */
  readonly onChange: (name: string) => void;
}

export class Meters {
  readonly #parts: MetersParts;
  readonly #meters = new Map<string, Meter>();

  constructor(parts: MetersParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#meters.size;
  }

  entries(): IterableIterator<[string, Meter]> {
    return this.#meters.entries();
  }

  get(name: string): Meter | undefined {
    return this.#meters.get(name);
  }

  /** Whether one more connection would be too many. */
  isFull(name: string): boolean {
    const { options, elsewhere } = this.#parts;
    if (options.maxConnections === 0) return false;
    return (this.#meters.get(name)?.connections ?? 0) + elsewhere(name) >= options.maxConnections;
  }

  /** A connection more; to be given up by `leave`. */
  enter(name: string): Meter {
    let meter = this.#meters.get(name);
    if (meter === undefined) this.#meters.set(name, (meter = new Meter(this.#parts.options)));
    meter.connections++;
    this.#parts.onChange(name);
    return meter;
  }

  leave(name: string): void {
    const meter = this.#meters.get(name);
    if (meter === undefined) return;
    meter.connections--;
    this.#parts.onChange(name);
    if (meter.connections === 0) this.#forget(name, meter);
  }

  /** Now, or when it has nothing to say any more. */
  #forget(name: string, meter: Meter): void {
    const { clock, wheel } = this.#parts;
    if (meter.connections > 0 || this.#meters.get(name) !== meter) return;
    if (meter.freeAtMs <= clock.nowMs()) this.#meters.delete(name);
    else {
      const timer = new WheelTimer(() => {
        this.#forget(name, meter);
      });
      wheel.schedule(timer, meter.freeAtMs);
    }
  }
}
