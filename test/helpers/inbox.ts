/**
 * Things that arrive, awaited one by one with a deadline: tests wait for what happens, never for time to pass.
 */

export const DEADLINE_MS = 5_000;

/** Rejects when `promise` takes longer than the deadline, naming what was waited for. */
export function inTime<T>(promise: Promise<T>, what: string, deadlineMs = DEADLINE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${String(deadlineMs)} ms for ${what}`));
    }, deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => {
    clearTimeout(timer);
  });
}

export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: { resolve: (item: T) => void; reject: (error: Error) => void }[] = [];
  #end: Error | null = null;

  /** What has arrived and was not taken. */
  get length(): number {
    return this.#items.length;
  }

  push(item: T): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#items.push(item);
    else next.resolve(item);
  }

  /** Nothing more comes: whoever waits is told why. */
  end(why: string): void {
    this.#end = new Error(why);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#end);
  }

  next(what = 'the next item'): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.#end !== null) return Promise.reject(new Error(`${what}: ${this.#end.message}`));
    return inTime(
      new Promise<T>((resolve, reject) => {
        this.#waiting.push({ resolve, reject });
      }),
      what,
    );
  }
}
