/** A promise that somebody else settles, and the text of what it may be rejected with. */

export interface Deferred {
  /** Nobody has to look at it. */
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export function createDeferred(): Deferred {
  let settlers: Omit<Deferred, 'promise'> = { resolve: () => undefined, reject: () => undefined };
  const promise = new Promise<void>((resolve, reject) => {
    settlers = { resolve, reject };
  });
  promise.catch(() => undefined);
  return { promise, ...settlers };
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
