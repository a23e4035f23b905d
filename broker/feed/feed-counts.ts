/** Counters of things that an operator wants to hear of: the events of `/topic/$broker/events` that have a `count`. */

export interface FeedCounts {
  /** Connections that were refused: the server is full, not there yet, or one user or address has too many. */
  readonly 'connections-refused': number;
  /** Frames over a rate: refused, or their clients had to wait. */
  readonly 'rate-limited': number;
  /** Sessions that were cut, as their clients read too slowly. */
  readonly 'slow-consumers': number;
  /** Messages that gave way to newer ones for a slow subscriber (`outbox.policies`). */
  readonly 'dropped-oldest': number;
  readonly 'dropped-older-of-key': number;
  /** Messages that queues gave up, or topics for those who refuse them. */
  readonly 'given-up': number;
  readonly 'queue-full': number;
  /** Messages that found nobody: no such user, no such prefix. */
  readonly 'messages-dropped': number;
}
