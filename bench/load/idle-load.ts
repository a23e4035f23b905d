/** Clients that are connected and do nothing but keep their connections alive. */
import { HeartBeats } from './heart-beats.js';
import type { LoadConnection } from './load-connection.js';
import type { LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { openMany, openProtocol } from './open-protocol.js';

export class IdleLoad implements LoadTask {
  readonly #connections: readonly LoadConnection[];
  readonly #heartBeats: HeartBeats;

  private constructor(connections: readonly LoadConnection[], heartBeats: HeartBeats) {
    this.#connections = connections;
    this.#heartBeats = heartBeats;
  }

  /** Settings: `connections`, `isSubscribed` (each to a topic of its own). */
  static async open(target: LoadTarget, { connections, isSubscribed }: LoadSettings): Promise<IdleLoad> {
    const protocol = openProtocol(target);
    const heartBeats = new HeartBeats(protocol);
    const opened = await openMany(Number(connections), async (index) => {
      const connection = heartBeats.add(await protocol.open());
      if (isSubscribed === true) await protocol.subscribe(connection, `/topic/idle-${index}`);
      connection.onOctets = () => undefined;
      return connection;
    });
    return new IdleLoad(opened, heartBeats);
  }

  /** Settings: `durationMs`. Waits. */
  async round({ durationMs }: LoadSettings): Promise<RoundFigures> {
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, Number(durationMs)));
    return { operations: this.#connections.length, elapsedMs: performance.now() - start };
  }

  close(): void {
    this.#heartBeats.stop();
    for (const connection of this.#connections) connection.close();
  }
}
