/**
 * SockJS heart-beats (`h` after a time of silence, K-10) for all WebSocket sessions of an endpoint: one sweep, no timer
 * or clock reading per session.
 */

export interface QuietConnection {
  /** Called at every tick; `ticks` of them in a row without a write make one silence. */
  onHeartBeatTick(ticks: number): void;
}

/** A heart-beat leaves at most this part of the delay too early. */
const TICKS_PER_DELAY = 5;

export class SockJsHeartBeat {
  readonly #delayMs: number;
  readonly #connections = new Set<QuietConnection>();
  #timer: NodeJS.Timeout | null = null;

  /** @param delayMs 0 sends none */
  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  add(connection: QuietConnection): void {
    if (this.#delayMs === 0) return;
    this.#connections.add(connection);
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => {
      for (const each of this.#connections) each.onHeartBeatTick(TICKS_PER_DELAY);
    }, this.#delayMs / TICKS_PER_DELAY);
    this.#timer.unref();
  }

  delete(connection: QuietConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
