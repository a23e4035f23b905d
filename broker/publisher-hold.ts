/**
 * Publishers wait while the way to other nodes, or to the store, is full to half: what they send behind that would be dropped
 * or refused; and while memory is short. Whoever publishes nothing is not held up.
 */
import type { MemoryGuard } from './memory/memory-guard.js';
import type { NodeRelay } from './ports.js';
import type { Journal } from './storage/journal.js';

type MemoryPause = Pick<MemoryGuard, 'isPausing' | 'released'>;

export class PublisherHold {
  readonly #relay: NodeRelay | null;
  readonly #journal: Journal | null;
  readonly #memory: MemoryPause | null;

  /**
   * @param journal null: nothing is stored, or by this node alone
   * @param memory null: nobody watches it
   */
  constructor(relay: NodeRelay | null, journal: Journal | null, memory: MemoryPause | null = null) {
    this.#relay = relay;
    this.#journal = journal;
    this.#memory = memory;
  }

  get isOn(): boolean {
    return this.#memory?.isPausing === true || this.#isBehind;
  }

  /** Memory is short, and that is all. */
  get isForMemory(): boolean {
    return this.#memory?.isPausing === true && !this.#isBehind;
  }

  get #isBehind(): boolean {
    return this.#relay?.isBehind === true || this.#journal?.isBehind === true;
  }

  /**
   * Resolves when there is room; never rejects.
   * @param isConsumer what it sends may be what frees memory: it does not wait for that alone
   */
  async released(isConsumer = false): Promise<void> {
    while (this.isOn) {
      if (this.#memory?.isPausing === true) {
        await this.#memory.released(isConsumer);
        if (isConsumer && !this.#isBehind) return;
      }
      await this.#relay?.caughtUp();
      await this.#journal?.caughtUp();
    }
  }
}
