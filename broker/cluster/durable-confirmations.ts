/**
 * Has every other node know of a durable subscription before its RECEIPT: what is published anywhere from then on reaches it.
 * Those that are made while a question is under way share the next one.
 */
import { BrokerError } from '../errors.js';
import type { DurableBinding } from '../destinations/durable-subscription.js';
import type { Clock } from '../ports.js';
import type { NodeQuestions } from './node-questions.js';

export interface DurableConfirmationsParts {
  readonly questions: NodeQuestions;
  readonly clock: Clock;
  /** This node learns of it. Rejects when it cannot for now. */
  readonly learn: (binding: DurableBinding) => Promise<void>;
}

interface Waiting {
  readonly binding: DurableBinding;
  readonly endMs: number;
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
}

const KIND = 'durable-bindings';
/** A node that is starting does not hear the first question. */
const DEADLINE_MS = 500;
const AGAIN_AFTER_MS = 100;
/** Longer than a lease by default: a dead node is given up before. */
const MAX_WAIT_MS = 15_000;
const MAX_AT_ONCE = 256;

export class DurableConfirmations {
  readonly #parts: DurableConfirmationsParts;
  #waiting: Waiting[] = [];
  #isAsking = false;

  constructor(parts: DurableConfirmationsParts) {
    this.#parts = parts;
    parts.questions.answer(KIND, async (args) => {
      await Promise.all((args as readonly DurableBinding[]).map((binding) => parts.learn(binding)));
    });
  }

  /**
   * To be called once the binding is stored. Resolves when every node of the cluster knows it or was given up.
   * @throws BrokerError `relay-unavailable`, naming the nodes that neither answered nor were given up in 15 s
   */
  confirm(binding: DurableBinding): Promise<void> {
    const endMs = this.#parts.clock.nowMs() + MAX_WAIT_MS;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ binding, endMs, resolve, reject });
      if (!this.#isAsking) void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_AT_ONCE);
      const why = await this.#ask(batch.map(({ binding }) => binding));
      if (why === null) for (const { resolve } of batch) resolve();
      else await this.#again(batch, why);
    }
    this.#isAsking = false;
  }

  /** @returns why not every node is known to know them; null: every node does */
  async #ask(bindings: readonly DurableBinding[]): Promise<string | null> {
    try {
      const { missing } = await this.#parts.questions.ask(KIND, bindings, { deadlineMs: DEADLINE_MS });
      return missing.length === 0 ? null : `no word of ${missing.join(', ')}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #again(batch: readonly Waiting[], why: string): Promise<void> {
    const { clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (const waiting of batch) {
      if (waiting.endMs > nowMs) this.#waiting.push(waiting);
      else {
        const text = `Not every node knows the durable subscription yet (${why}): subscribe again`;
        waiting.reject(new BrokerError('relay-unavailable', text));
      }
    }
    await new Promise<void>((resolve) => {
      const stop = clock.every(AGAIN_AFTER_MS, () => {
        stop();
        resolve();
      });
    });
  }
}
