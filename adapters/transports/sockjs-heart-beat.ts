/**
 * SockJS heart-beats (`h` after a time of silence, K-10) for all WebSocket sessions of an endpoint: one sweep, no timer
 * or clock reading per session. A sweep is made in slices, so that ten thousand quiet sessions are not all written to in
 * one turn.
 */

export interface QuietConnection {
  /** Called at every tick; `ticks` of them in a row without a write make one silence. */
  onHeartBeatTick(ticks: number): void;
}

/** A heart-beat leaves at most this part of the delay too early. */
const TICKS_PER_DELAY = 5;
/** Of one sweep; fewer where they would be shorter than this. */
const MAX_SLICES = 50;
const MIN_SLICE_MS = 20;

export class SockJsHeartBeat {
  readonly #delayMs: number;
  readonly #slices: number;
  readonly #connections = new Set<QuietConnection>();
  #timer: NodeJS.Timeout | null = null;
  /** Of this sweep: those it has not come to yet, how many had their tick, and how many slices are over. */
  #rest: Iterator<QuietConnection> | null = null;
  #done = 0;
  #slice = 0;

  /** @param delayMs 0 sends none */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
    const sweepMs = delayMs / TICKS_PER_DELAY;
    this.#slices = Math.min(Math.max(Math.floor(sweepMs / MIN_SLICE_MS), 1), MAX_SLICES);
  }

  add(connection: QuietConnection): void {
    if (this.#delayMs === 0) return;
    this.#connections.add(connection);
    if (this.#timer !== null) return;
    const sliceMs = this.#delayMs / TICKS_PER_DELAY / this.#slices;
    this.#timer = setInterval(() => {
      this.#sweepOn();
    }, sliceMs);
    this.#timer.unref();
  }

  delete(connection: QuietConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#endSweep();
  }

  /** The last slice takes whatever is left, so that each connection has its tick in each sweep. */
  #sweepOn(): void {
    const rest = (this.#rest ??= this.#connections.values());
    const isLast = ++this.#slice === this.#slices;
    const until = isLast ? Infinity : (this.#connections.size * this.#slice) / this.#slices;
    for (; this.#done < until; this.#done++) {
      const next = rest.next();
      if (next.done === true) break;
      next.value.onHeartBeatTick(TICKS_PER_DELAY);
    }
    if (isLast) this.#endSweep();
  }

  #endSweep(): void {
    this.#rest = null;
    this.#done = this.#slice = 0;
  }
}
