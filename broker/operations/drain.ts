/**
 * Empties a node before it goes, at a pace: no new connections, and so many sessions a second are told to go elsewhere
 * (WebSocket status 1001). The node goes on working for those that are left; a drain can be called off.
 */
import type { CloseCode } from '../close-reason.js';
import type { Clock } from '../ports.js';

export interface DrainState {
  readonly isActive: boolean;
  /** 0: nobody is sent away. */
  readonly perSecond: number;
  /** Sessions that are still there. */
  readonly remaining: number;
}

interface Drained {
  close(code: CloseCode): void;
}

const TICK_MS = 100;

export class Drain {
  readonly #clock: Clock;
  readonly #sessions: { readonly size: number; values(): Iterator<Drained> };
  #perSecond = 0;
  #isActive = false;
  #stop: (() => void) | null = null;

  constructor(clock: Clock, sessions: { readonly size: number; values(): Iterator<Drained> }) {
    this.#clock = clock;
    this.#sessions = sessions;
  }

  get isActive(): boolean {
    return this.#isActive;
  }

  get state(): DrainState {
    return { isActive: this.#isActive, perSecond: this.#perSecond, remaining: this.#sessions.size };
  }

  /** @param perSecond 0 only keeps new connections out. Again with another pace goes on at that one. */
  start(perSecond: number): void {
    this.#stop?.();
    this.#stop = null;
    this.#isActive = true;
    this.#perSecond = perSecond;
    if (perSecond === 0) return;
    // Nobody comes in behind it, so one walk over all is enough.
    const sessions = this.#sessions.values();
    let due = 0;
    this.#stop = this.#clock.every(TICK_MS, () => {
      due += (perSecond * TICK_MS) / 1_000;
      while (due >= 1) {
        due--;
        const next = sessions.next();
        if (next.done === true) {
          this.#stop?.();
          this.#stop = null;
          return;
        }
        next.value.close('server-shutdown');
      }
    });
  }

  /** Connections are taken again; those that were sent away are gone. */
  cancel(): void {
    this.#stop?.();
    this.#stop = null;
    this.#isActive = false;
    this.#perSecond = 0;
  }
}
