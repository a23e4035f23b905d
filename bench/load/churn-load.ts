/** Clients that come and go: connect, subscribe, one message to themselves, gone. Many at the same time. */
import type { LoadProtocol, LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { openProtocol } from './open-protocol.js';

const BODY = 'one-message-and-no-more';

export class ChurnLoad implements LoadTask {
  readonly #protocol: LoadProtocol;
  readonly #clients: number;

  private constructor(protocol: LoadProtocol, clients: number) {
    this.#protocol = protocol;
    this.#clients = clients;
  }

  /** Settings: `clients` at a time. */
  static open(target: LoadTarget, { clients }: LoadSettings): Promise<ChurnLoad> {
    return Promise.resolve(new ChurnLoad(openProtocol(target), Number(clients)));
  }

  /** Settings: `durationMs`. */
  async round({ durationMs }: LoadSettings): Promise<RoundFigures> {
    const start = performance.now();
    const end = start + Number(durationMs);
    let operations = 0;
    const comeAndGo = async (client: number): Promise<void> => {
      do {
        await this.#visit(`/topic/churn-${client}`);
        operations++;
      } while (performance.now() < end);
    };
    await Promise.all(Array.from({ length: this.#clients }, (_, client) => comeAndGo(client)));
    return { operations, elapsedMs: performance.now() - start };
  }

  close(): void {
    // Nobody stays between the rounds.
  }

  async #visit(topic: string): Promise<void> {
    const connection = await this.#protocol.open();
    await this.#protocol.subscribe(connection, topic);
    connection.write(this.#protocol.publish(topic, BODY));
    await connection.until(BODY);
    connection.close();
  }
}
