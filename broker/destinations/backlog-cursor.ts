/**
 * How far one subscription with a selector has looked through a queue's backlog. What it did not want once it is not asked
 * about again, so that draining a queue stays linear however much of it is for others.
 */
import type { Subscription } from '../subscription.js';
import { HIGHEST_PRIORITY } from './message-terms.js';
import type { QueueBacklog, QueuedMessage } from './queue-backlog.js';

const never = (): boolean => false;

export class BacklogCursor {
  readonly #subscription: Subscription;
  /** By priority: nothing that waits up to this message number is wanted. */
  readonly #marks: number[] = Array.from({ length: HIGHEST_PRIORITY + 1 }, () => 0);

  constructor(subscription: Subscription) {
    this.#subscription = subscription;
  }

  /**
   * The one that the subscription wants next; the same again until it is taken.
   * @param isEnough asked behind each that it does not want; undefined is returned when it is: the next call goes on there
   */
  next(backlog: QueueBacklog, isEnough: () => boolean = never): QueuedMessage | undefined {
    for (let priority = HIGHEST_PRIORITY; priority >= 0; priority--) {
      for (const entry of backlog.after(priority, this.#marks[priority] ?? 0)) {
        const isWanted = this.#subscription.accepts(entry.message);
        // What is taken from here on is not walked over again either.
        this.#marks[priority] = isWanted ? entry.message.id - 1 : entry.message.id;
        if (isWanted) return entry;
        if (isEnough()) return undefined;
      }
      // What stands behind, in the store, may be wanted: nothing of a lower priority before that is known.
      if (backlog.wantsMore(priority)) return undefined;
    }
    return undefined;
  }

  /** A message was put into the backlog, perhaps to an old place: from there on everything is looked at again. */
  onPut({ message, priority }: QueuedMessage): void {
    if (message.id <= (this.#marks[priority] ?? 0) && this.#subscription.accepts(message)) {
      this.#marks[priority] = message.id - 1;
    }
  }
}
