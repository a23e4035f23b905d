/**
 * A store that outlives the broker on it, as a file does, with commits that end when and how the test says. What it holds
 * is the model that real stores are held against.
 */
import { StoreModel } from '../contracts/store-model.js';
import type { Clock, Store, StoreContents, StoredMessage, StoreOperation } from '../../broker/ports.js';

export class LastingStore implements Store {
  readonly name = 'lasting';
  /** What the next commits fail with, one each. */
  readonly failures: Error[] = [];
  /** Every operation that was stored, in order. */
  readonly operations: StoreOperation[] = [];
  readonly #clock: Pick<Clock, 'epochMs'>;
  readonly #model = new StoreModel();
  #held: (() => void)[] | null = null;

  constructor(clock: Pick<Clock, 'epochMs'>) {
    this.#clock = clock;
  }

  /** From now on commits wait. */
  hold(): void {
    this.#held ??= [];
  }

  /** Those that wait end now, and so do later ones. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const end of held) end();
  }

  /** The process dies: those that wait never end, and are not stored. */
  lose(): void {
    this.#held = null;
  }

  async open(): Promise<StoreContents> {
    return this.contents();
  }

  /** As a broker that starts now would find it. */
  contents(): StoreContents {
    return this.#model.reopen(this.#clock.epochMs());
  }

  async commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.#held !== null) await new Promise<void>((resolve) => this.#held?.push(resolve));
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    this.#model.commit(operations);
    this.operations.push(...operations);
  }

  async read(
    stream: string,
    priority: number,
    afterSequence: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]> {
    return this.#model.read(stream, priority, afterSequence, limits);
  }

  async close(): Promise<void> {
    this.release();
  }
}
