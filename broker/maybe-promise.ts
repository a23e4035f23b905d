/** Work that is usually done at once and sometimes later: without a promise where nothing has to be waited for. */

/** As `after`, of work with a result. */
export function chain<T, U>(first: T | Promise<T>, next: (value: T) => U | Promise<U>): U | Promise<U> {
  return first instanceof Promise ? first.then(next) : next(first);
}

/** Runs `next` now, or once `first` is settled well. What `first` rejects with, the result rejects with. */
export function after<T>(first: void | Promise<void>, next: () => T | Promise<T>): T | Promise<T> {
  return first instanceof Promise ? first.then(next) : next();
}
