/** Moves what waits in a queue, and says what came of it. */
import { ask } from '../api.js';
import { doing } from '../dialogs.js';
import { formatCount, plural } from '../format.js';

interface Moved {
  readonly moved: number;
  readonly skipped: number;
  readonly stoppedBy: { readonly message: string } | null;
}

/** @param target undefined: each message goes back to where it was sent first @param numbers undefined: all */
export function move(queue: string, target: string | undefined, numbers?: readonly number[]): Promise<boolean> {
  return doing(
    ask<Moved>('POST', `queues/${encodeURIComponent(queue)}/move`, { body: { target, numbers } }),
    ({ moved, skipped, stoppedBy }) =>
      [
        `${plural(moved, 'message')} moved`,
        ...(skipped === 0 ? [] : [`${formatCount(skipped)} left, as nothing says where they came from`]),
        ...(stoppedBy === null ? [] : [`stopped: ${stoppedBy.message}`]),
      ].join('; '),
  );
}
