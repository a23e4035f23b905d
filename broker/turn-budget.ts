/**
 * How long the frames of one turn of the event loop may keep everybody else waiting. A read brings thousands of frames,
 * and one frame can mean thousands of deliveries; above the budget a session's further frames wait for a later turn, in
 * the order of asking.
 */
import type { Clock } from './ports.js';

/**
 * What makes it worth looking at the clock, counted where work is done: about 100 ns each. One for the process, as it has
 * one event loop.
 */
export const workload = { units: 0 };
/** A look costs as much as a delivery, so there is none until so much was done. */
export const WORTH_A_LOOK = 512;
/** A plain frame's own work, whoever gets it. */
export const PLAIN_FRAME_UNITS = 8;
/** Without a sign of work for so long another turn has begun. */
const IDLE_MS = 1;

/** Lets work of many steps go on in later turns of the event loop; implemented by TurnBudget and Portions. */
export interface Turns {
  /**
   * Does steps one after the other: in this turn as far as it allows, the rest in later ones.
   * @param step returns whether anything is left to do
   * @returns undefined when all is done. What rejects does so with what a step threw, which ends the work
   */
  run(step: () => boolean): Promise<void> | undefined;
}

export class TurnBudget implements Turns {
  /** The budget of this turn is spent: what arrives has to wait. */
  isOver = false;
  /** Times that a session's frames, or the rest of one, had to wait. */
  waits = 0;
  readonly #clock: Clock;
  readonly #budgetMs: number;
  #beganMs = 0;
  #seenMs = 0;
  #waiting: (() => void)[] = [];
  #isScheduled = false;
  /** Works that were begun and are not done. */
  #running = 0;

  /** @param budgetMs 1 or more */
  constructor(clock: Clock, budgetMs: number) {
    this.#clock = clock;
    this.#budgetMs = budgetMs;
  }

  /** When the octets that are in work were taken up, or later. */
  get takenUpMs(): number {
    return this.#seenMs;
  }

  /** Work that was begun in an earlier turn is not done yet. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  /** Octets are taken up. */
  begin(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#seenMs > IDLE_MS) this.#beganMs = nowMs;
    this.#seenMs = nowMs;
  }

  /**
   * Work begins that may be of a turn of its own, such as what the store or a timer brings: what was done in earlier turns
   * does not count. Within a turn it changes nothing.
   */
  enter(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#seenMs >= this.#budgetMs) this.#beganMs = this.#seenMs = nowMs;
  }

  /** To be asked behind each frame: whether the next one has to wait. */
  isSpent(): boolean {
    if (workload.units < WORTH_A_LOOK) return this.isOver;
    workload.units = 0;
    this.#look();
    if (this.isOver) this.#schedule();
    return this.isOver;
  }

  /** A session's frames go on in a later turn. */
  wait(goOn: () => void): void {
    this.waits++;
    this.later(goOn);
  }

  /** Work that need not be done in this turn, such as giving back what a session held: in the order of asking. */
  later(task: () => void): void {
    this.#waiting.push(task);
    this.#schedule();
  }

  run(step: () => boolean): Promise<void> | undefined {
    this.enter();
    if (!this.#isLeft(step)) return undefined;
    this.#running++;
    return new Promise<void>((resolve, reject) => {
      const goOn = (): void => {
        try {
          if (this.#isLeft(step)) {
            this.wait(goOn);
            return;
          }
          resolve();
        } catch (error) {
          reject(error);
        }
        this.#running--;
      };
      this.wait(goOn);
    });
  }

  /** Goes on as long as the turn allows, by one step at least. @returns whether something is left */
  #isLeft(step: () => boolean): boolean {
    while (step()) {
      workload.units += PLAIN_FRAME_UNITS;
      if (this.isSpent()) return true;
    }
    return false;
  }

  #look(): void {
    this.#seenMs = this.#clock.nowMs();
    if (this.#seenMs - this.#beganMs >= this.#budgetMs) this.isOver = true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#clock.soon(() => {
      this.#isScheduled = false;
      this.#runTurn();
    });
  }

  #runTurn(): void {
    this.isOver = false;
    this.#beganMs = this.#seenMs = this.#clock.nowMs();
    const waiting = this.#waiting;
    this.#waiting = [];
    let next = 0;
    try {
      while (next < waiting.length && !this.isOver) {
        waiting[next++]?.();
        this.#look();
      }
    } finally {
      // Also behind one that throws, which is a fault of ours: the others would wait for ever.
      if (next < waiting.length) this.#waiting = [...waiting.slice(next), ...this.#waiting];
      if (this.#waiting.length > 0 || this.isOver) this.#schedule();
    }
  }
}
