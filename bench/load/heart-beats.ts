/** Keeps connections alive that send nothing: one timer for all of a load, a slice of them at a time. */
import type { LoadConnection } from './load-connection.js';
import type { LoadProtocol } from './load-protocol.js';

/** Below the ten seconds that were negotiated. */
const INTERVAL_MS = 7_000;
const SLICES = 70;

export class HeartBeats {
  #connections: LoadConnection[] = [];
  readonly #timer: NodeJS.Timeout;
  #slice = 0;

  constructor(protocol: LoadProtocol) {
    this.#timer = setInterval(() => {
      const { heartBeat } = protocol;
      for (let k = this.#slice; heartBeat !== null && k < this.#connections.length; k += SLICES) {
        this.#connections[k]?.write(heartBeat);
      }
      this.#slice = (this.#slice + 1) % SLICES;
    }, INTERVAL_MS / SLICES);
  }

  /** From now on: thousands of others may still have to be opened. */
  add(connection: LoadConnection): LoadConnection {
    this.#connections.push(connection);
    return connection;
  }

  remove(connection: LoadConnection): void {
    this.#connections = this.#connections.filter((other) => other !== connection);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
