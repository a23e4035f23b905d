/** One queue over TCP: filled, published to with receipts, consumed with acks. */
import type { LoadTarget } from './load-protocol.js';
import type { LoadSettings, LoadTask, RoundFigures } from './load-task.js';
import { consume, declareQuorumQueue, fill, publish, type Target } from './queue-actions.js';

export class QueueLoad implements LoadTask {
  readonly #target: Target;
  /** Published and not consumed yet. */
  #waiting = 0;

  private constructor(target: Target) {
    this.#target = target;
  }

  /** Settings: `queue` (its name), `isPersistent`, and `isQuorum` for that kind of queue of RabbitMQ. */
  static async open({ port }: LoadTarget, { queue, isPersistent, isQuorum }: LoadSettings): Promise<QueueLoad> {
    const name = String(queue);
    const destination = isQuorum === true ? await declareQuorumQueue(port, `quorum-${name}`) : `/queue/${name}`;
    return new QueueLoad({ port, destination, isPersistent: isPersistent === true });
  }

  /**
   * Settings: `action`, and for `publish` `producers`, `window` and `durationMs` (figures: `p50Ms`, `p99Ms` from SEND to
   * RECEIPT), for `fill` `messages`, for `consume` `ackMode`. `consume` and `drain` take all there is.
   */
  async round(settings: LoadSettings): Promise<RoundFigures> {
    const { action, producers, window, durationMs, messages, ackMode } = settings;
    switch (action) {
      case 'publish': {
        const figures = await publish(this.#target, Number(producers), Number(window), Number(durationMs));
        this.#waiting += figures.messages;
        const { p50Ms, p99Ms, elapsedMs } = figures;
        return { operations: figures.messages, elapsedMs, figures: { p50Ms, p99Ms } };
      }
      case 'fill':
        await fill(this.#target, Number(messages));
        this.#waiting += Number(messages);
        return { operations: Number(messages), elapsedMs: NaN };
      default: {
        const operations = this.#waiting;
        const mode = ackMode === 'client-individual' ? 'client-individual' : 'client';
        const elapsedMs = operations === 0 ? 0 : await consume(this.#target, operations, mode);
        this.#waiting = 0;
        return { operations, elapsedMs };
      }
    }
  }

  close(): void {
    // Connections live as long as an action.
  }
}
