/**
 * Publishers wait while the way to other nodes, or to the store, is full to half: what they send behind that would be dropped
 * or refused. Whoever publishes nothing is not held up.
 */
import type { NodeRelay } from './ports.js';
import type { Journal } from './storage/journal.js';

export class PublisherHold {
  readonly #relay: NodeRelay | null;
  readonly #journal: Journal | null;

  /** @param journal null: nothing is stored, or by this node alone */
  constructor(relay: NodeRelay | null, journal: Journal | null) {
    this.#relay = relay;
    this.#journal = journal;
  }

  get isOn(): boolean {
    return this.#relay?.isBehind === true || this.#journal?.isBehind === true;
  }

  /** Resolves when there is room; never rejects. */
  async released(): Promise<void> {
    while (this.isOn) {
      await this.#relay?.caughtUp();
      await this.#journal?.caughtUp();
    }
  }
}
