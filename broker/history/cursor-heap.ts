/** Cursors of one subscription, the one with the oldest message first: a binary heap, as a pattern may cover many topics. */
import type { HistoryCursor } from './history-cursor.js';

export class CursorHeap {
  readonly #cursors: HistoryCursor[] = [];

  get first(): HistoryCursor | undefined {
    return this.#cursors[0];
  }

  push(cursor: HistoryCursor): void {
    let at = this.#cursors.push(cursor) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (this.#order(above) <= cursor.order) break;
      this.#cursors[at] = this.#cursors[above] as HistoryCursor;
      at = above;
    }
    this.#cursors[at] = cursor;
  }

  /** Takes the first out. */
  pop(): void {
    const last = this.#cursors.pop();
    if (last === undefined || this.#cursors.length === 0) return;
    this.#cursors[0] = last;
    this.sink();
  }

  /** Puts the first in its place: its message is another, a newer one. */
  sink(): void {
    const first = this.#cursors[0];
    if (first === undefined) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below + 1 < this.#cursors.length && this.#order(below + 1) < this.#order(below)) below++;
      if (below >= this.#cursors.length || this.#order(below) >= first.order) break;
      this.#cursors[at] = this.#cursors[below] as HistoryCursor;
      at = below;
    }
    this.#cursors[at] = first;
  }

  #order(at: number): number {
    return (this.#cursors[at] as HistoryCursor).order;
  }
}
