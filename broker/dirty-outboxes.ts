/**
 * Outboxes with something to write, and in which turn they are. One message to ten thousand subscribers is ten thousand
 * writes, each a call of the system: what exceeds the turn's budget goes on in the next one, so that everybody else is read
 * from in between. Who has become dirty since then is not behind all of them, but takes turns with them.
 */
import type { Clock } from './ports.js';
import type { Outbox } from './outbox.js';

/** Written without a look at the clock: some 0.5 ms of small frames. */
const PORTION = 64;
/** Places of outboxes that were written are given back from so many on. */
const SHIFT_FROM = 4_096;

export class DirtyOutboxes {
  readonly #clock: Pick<Clock, 'nowMs'>;
  readonly #budgetMs: number;
  #fresh: Outbox[] = [];
  /** Left by earlier turns, from `#lateAt` on, in the order in which they became dirty. */
  #late: Outbox[] = [];
  #lateAt = 0;

  /** @param budgetMs 1 or more */
  constructor(clock: Pick<Clock, 'nowMs'>, budgetMs: number) {
    this.#clock = clock;
    this.#budgetMs = budgetMs;
  }

  add(outbox: Outbox): void {
    this.#fresh.push(outbox);
  }

  /**
   * Has written what fits into one turn: at least a portion of those that are new, and one of those that are late. What
   * becomes dirty meanwhile is of the next turn.
   * @param beganMs when the turn's writing began, by the clock
   * @returns whether there is more to write
   */
  write(beganMs: number, write: (outbox: Outbox) => void): boolean {
    const fresh = this.#fresh;
    this.#fresh = [];
    let at = 0;
    do {
      for (const end = Math.min(at + PORTION, fresh.length); at < end;) write(fresh[at++] as Outbox);
      const end = Math.min(this.#lateAt + PORTION, this.#late.length);
      while (this.#lateAt < end) write(this.#late[this.#lateAt++] as Outbox);
    } while ((at < fresh.length || this.#lateAt < this.#late.length) && this.#clock.nowMs() - beganMs < this.#budgetMs);
    this.#keep(fresh, at);
    return this.#late.length > 0 || this.#fresh.length > 0;
  }

  /** What is left of both is late from now on. */
  #keep(fresh: Outbox[], from: number): void {
    if (this.#lateAt === this.#late.length) {
      this.#late = from < fresh.length ? fresh : [];
      this.#lateAt = from < fresh.length ? from : 0;
      return;
    }
    while (from < fresh.length) this.#late.push(fresh[from++] as Outbox);
    if (this.#lateAt < SHIFT_FROM || this.#lateAt * 2 < this.#late.length) return;
    this.#late = this.#late.slice(this.#lateAt);
    this.#lateAt = 0;
  }
}
