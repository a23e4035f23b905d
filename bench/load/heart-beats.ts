/** Keeps connections alive that send nothing: one timer for all of a load, a slice of them at a time. */
import type { LoadConnection } from './load-connection.js';

/** Below the ten seconds that were negotiated. */
const INTERVAL_MS = 7_000;
const SLICES = 70;

export class HeartBeats {
  readonly #timer: NodeJS.Timeout | undefined;
  #slice = 0;

  /** @param octets null where nobody waits for them */
  constructor(octets: Buffer | null, connections: readonly LoadConnection[]) {
    if (octets === null) return;
    this.#timer = setInterval(() => {
      for (let k = this.#slice; k < connections.length; k += SLICES) connections[k]?.write(octets);
      this.#slice = (this.#slice + 1) % SLICES;
    }, INTERVAL_MS / SLICES);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
