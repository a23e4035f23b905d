/** Waiting for code of the application, which may hang: never longer than a deadline. */
import type { Clock } from './ports.js';

/** Settles as `promise` does; after `deadlineMs` rejects with what `late` returns, and what comes then is ignored. */
export function withDeadline<T>(
  promise: PromiseLike<T>,
  clock: Clock,
  deadlineMs: number,
  late: () => Error,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = clock.every(deadlineMs, () => {
      stop();
      reject(late());
    });
    promise.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}
