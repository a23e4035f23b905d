/**
 * How many sockets all listeners of a process may have open together. Beyond it a connection is closed at once: with the
 * system's own bound on open files reached, the store could not open a file, nor the log, nor a relay a connection.
 */
export class SocketBudget {
  readonly max: number;
  readonly #onChange: (isFull: boolean) => void;
  #open = 0;
  #isFull = false;

  /** @param onChange called when the first connection was refused for it, and when there is room again (a tenth) */
  constructor(max: number, onChange: (isFull: boolean) => void) {
    this.max = max;
    this.#onChange = onChange;
  }

  /** Taken and not given back. */
  get open(): number {
    return this.#open;
  }

  /** @returns false: the socket is to be closed, and not to be given back */
  take(): boolean {
    if (this.#open < this.max) {
      this.#open++;
      return true;
    }
    if (!this.#isFull) {
      this.#isFull = true;
      this.#onChange(true);
    }
    return false;
  }

  give(): void {
    this.#open--;
    if (!this.#isFull || this.#open > this.max * 0.9) return;
    this.#isFull = false;
    this.#onChange(false);
  }
}
