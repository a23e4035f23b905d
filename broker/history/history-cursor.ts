/** Where one subscription reads in one history; notices when what it was to read next is not kept any more. */
import type { HistoryEntry, HistoryLog } from './history-log.js';
import type { ReplayStart } from './replay.js';

export class HistoryCursor {
  readonly log: HistoryLog;
  /** `order` of the entry to be read next, as it was last seen: what cursors are ordered by. */
  order = 0;
  /** The reader knows that there is something to read. */
  isQueued = false;
  readonly #picks: readonly number[];
  #picked = 0;
  #next: number;
  #hasLost = false;

  constructor(log: HistoryLog, { picks, next }: Pick<ReplayStart, 'picks' | 'next'>) {
    this.log = log;
    this.#picks = picks;
    this.#next = next;
  }

  /** The entry to be read next; undefined when everything is. */
  peek(): HistoryEntry | undefined {
    const { log } = this;
    for (; this.#picked < this.#picks.length; this.#picked++) {
      const offset = this.#picks[this.#picked] as number;
      if (offset > log.trimmedTo) return log.next(offset);
      this.#hasLost = true;
    }
    if (this.#next <= log.trimmedTo) {
      this.#hasLost = true;
      this.#next = log.trimmedTo + 1;
    }
    return log.next(this.#next);
  }

  /** Goes past the entry that `peek` gave. */
  advance(entry: HistoryEntry): void {
    if (this.#picked < this.#picks.length) this.#picked++;
    else this.#next = entry.offset + 1;
  }

  /** Whether something was lost since this was last asked. */
  takeLoss(): boolean {
    const hasLost = this.#hasLost;
    this.#hasLost = false;
    return hasLost;
  }
}
