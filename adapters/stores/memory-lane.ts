/**
 * The messages of one priority of one stream, sorted by sequence. Sequences mostly ascend and the oldest mostly go first,
 * so that adding, finding and removing cost a bisection at most.
 */
import type { StoredMessage } from '../../broker/ports.js';

/** Below this, moving entries up costs less than keeping count. */
const MIN_GAP = 32;

export class MemoryLane {
  /** From `#start` on, ascending. */
  readonly #sequences: number[] = [];
  /** Undefined where one was removed: cutting it out of the middle of a long list would cost its length. */
  readonly #messages: (StoredMessage | undefined)[] = [];
  #start = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Takes the place of one with the same sequence, which is returned. */
  add(message: StoredMessage): StoredMessage | undefined {
    const { sequence } = message;
    const last = this.#sequences.at(-1);
    if (last === undefined || sequence > last) {
      this.#sequences.push(sequence);
      this.#messages.push(message);
      this.#count++;
      return undefined;
    }
    const at = this.#firstFrom(sequence);
    if (this.#sequences[at] === sequence) {
      const replaced = this.#messages[at];
      this.#messages[at] = message;
      if (replaced === undefined) this.#count++;
      return replaced;
    }
    this.#sequences.splice(at, 0, sequence);
    this.#messages.splice(at, 0, message);
    this.#count++;
    return undefined;
  }

  find(sequence: number): StoredMessage | undefined {
    const at = this.#firstFrom(sequence);
    return this.#sequences[at] === sequence ? this.#messages[at] : undefined;
  }

  /** Returns what was removed. */
  remove(sequence: number): StoredMessage | undefined {
    const at = this.#firstFrom(sequence);
    const removed = this.#sequences[at] === sequence ? this.#messages[at] : undefined;
    if (removed === undefined) return undefined;
    this.#messages[at] = undefined;
    this.#count--;
    this.#closeGaps();
    return removed;
  }

  /** The messages behind `afterSequence`, in order. */
  *after(afterSequence: number): Generator<StoredMessage, void, undefined> {
    // Between whole numbers, so that one bisection serves both ends.
    for (let at = this.#firstFrom(afterSequence + 0.5); at < this.#messages.length; at++) {
      const message = this.#messages[at];
      if (message !== undefined) yield message;
    }
  }

  #closeGaps(): void {
    while (this.#start < this.#messages.length && this.#messages[this.#start] === undefined) this.#start++;
    const gaps = this.#messages.length - this.#count;
    if (gaps < MIN_GAP || gaps < this.#count) return;
    // As many moves as there were removals since the last time.
    let to = 0;
    for (let from = this.#start; from < this.#messages.length; from++) {
      const message = this.#messages[from];
      if (message === undefined) continue;
      this.#messages[to] = message;
      this.#sequences[to++] = message.sequence;
    }
    this.#messages.length = this.#sequences.length = to;
    this.#start = 0;
  }

  /** The first place whose sequence is not below `sequence`. */
  #firstFrom(sequence: number): number {
    let low = this.#start;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sequences[middle] ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
