/** Queues, and keys of messages, in a store that the nodes of a cluster share. */
import type { DeadLetterReason } from '../destinations/dead-letter-reason.js';
import type { StoredMessage } from './store.js';

/** What a queue that all nodes share holds, and what becomes of the publisher when it cannot hold more (QueueOptions). */
export interface QueueBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly onFull: 'refuse' | 'drop-oldest' | 'dead-letter';
}

/**
 * One change of a queue that all nodes of a cluster share. Nobody owns such a queue: each node claims what its consumers can
 * take. What a node has claimed is settled or given back by its place; the store remembers whose it is.
 */
export type QueueOperation =
  /**
   * Refused as `queue-full`. The store gives it its place: behind all of its priority.
   * @returns AppendResult
   */
  | {
      readonly kind: 'queue-append';
      readonly stream: string;
      readonly message: Omit<StoredMessage, 'sequence'>;
      readonly bounds: QueueBounds;
      /** What a refusal calls it. */
      readonly title: string;
    }
  /** As many as come first, highest priority and oldest first. @returns ClaimResult */
  | {
      readonly kind: 'queue-claim';
      readonly stream: string;
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** When there are fewer: this node is to be told when there are more. */
      readonly waits: boolean;
      /** While this node says so no other gets anything, save those that said it before. */
      readonly isExclusive: boolean;
      /** Places of what this node has; whatever else it claimed, without hearing of it, goes back. Null: it heard of all. */
      readonly known: readonly number[] | null;
    }
  /** These very messages, those of them that still wait. @returns ClaimResult */
  | { readonly kind: 'queue-take'; readonly stream: string; readonly places: readonly number[] }
  /** What waits, for a look. @returns ScanResult */
  | {
      readonly kind: 'queue-scan';
      readonly stream: string;
      /** By priority: only what stands behind this place. */
      readonly after: readonly number[];
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** When the end is reached: this node is to be told of everything that is new. */
      readonly waits: boolean;
    }
  /**
   * Consumed. Of what this node has not claimed, or has not any more, nothing changes; with `isRequired` its unit is refused
   * as `message-gone` then. The same with `queue-return`.
   */
  | { readonly kind: 'queue-settle'; readonly stream: string; readonly place: number; readonly isRequired?: boolean }
  /** Not consumed: back in its place, now or when its time comes. One that is condemned is had by `queue-expire` alone then. */
  | {
      readonly kind: 'queue-return';
      readonly stream: string;
      readonly place: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
      readonly isRequired?: boolean;
      readonly condemned?: Condemned;
    }
  /** Claims what waits and has expired, and what is condemned when its time has come. @returns ClaimResult */
  | { readonly kind: 'queue-expire'; readonly stream: string; readonly maxMessages: number }
  /** This node waits for nothing there any more. */
  | { readonly kind: 'queue-leave'; readonly stream: string }
  /** Removes the queue with all it holds. */
  | { readonly kind: 'queue-drop'; readonly stream: string }
  /**
   * A node was given up: what it had claimed waits again, delivered once more. Of one that is there nothing changes. Null:
   * of whatever node that is not there.
   */
  | { readonly kind: 'queue-reclaim'; readonly incarnation: string | null }
  /** @returns readonly string[], streams with something for `queue-expire` */
  | { readonly kind: 'queue-overdue' };

/** What operators ask of a queue that all nodes share: of what waits there, for its turn or for its time, claimed by nobody. */
export type QueueInspection =
  /** @returns QueueSizes */
  | { readonly kind: 'queue-sizes'; readonly stream: string }
  /** These very messages, those of them that wait, for a look. @returns readonly SharedMessage[] */
  | { readonly kind: 'queue-read'; readonly stream: string; readonly places: readonly number[] }
  /**
   * Takes one out for good. With `isRequired` its unit is refused as `message-gone` when it does not wait any more.
   * @returns whether it waited
   */
  | { readonly kind: 'queue-withdraw'; readonly stream: string; readonly place: number; readonly isRequired: boolean }
  /** Takes out everything that waits, at once. @returns how many messages, as a number */
  | { readonly kind: 'queue-purge'; readonly stream: string };

/** How much a queue holds that all nodes share. */
export interface QueueSizes {
  /** Messages that wait, for a consumer or for their time. */
  readonly depth: number;
  /** Of these: sum of `weightBytes`. */
  readonly bytes: number;
  /** Messages that wait for their time. */
  readonly delayed: number;
  /** Claimed by any node: delivered and not settled, or about to be delivered. */
  readonly claimed: number;
}

/** Keys of messages that were sent before (`message-key`), known to all nodes. A key is taken, then seen or free again. */
export type KeyOperation =
  /**
   * All of them or, when another has taken one of them, none; what nobody says more of is free again after `leaseMs`.
   * @returns KeysResult
   */
  | { readonly kind: 'keys-take'; readonly keys: readonly string[]; readonly leaseMs: number }
  /** Its message has taken effect. */
  | { readonly kind: 'key-seen'; readonly key: string; readonly windowMs: number }
  /** It has not: this node gives up what it took, or what was seen when it is not sure of that. */
  | { readonly kind: 'key-free'; readonly key: string; readonly wasSeen: boolean };

export interface KeysResult {
  /** False: one of them is another's, and none was taken. */
  readonly areTaken: boolean;
  /** Of those asked for, the ones whose message was seen. */
  readonly seen: readonly string[];
}

/** A message is to be given up, and its dead letter found no room: until it does the message waits, and nobody is given it. */
export interface Condemned {
  readonly reason: DeadLetterReason;
  /** How long it waited this time. */
  readonly retryMs: number;
}

/** A message as a queue that nodes share holds it. */
export interface SharedMessage {
  /** Orders the queue: priority first, then age. Stays the same; greater than any number that a node counts by itself. */
  readonly place: number;
  readonly priority: number;
  /** Grows with each message, whatever its queue and priority. */
  readonly age: number;
  readonly octets: Buffer;
  readonly weightBytes: number;
  readonly expiresEpochMs: number;
  /** How often it was, or may have been, delivered before. */
  readonly deliveryCount: number;
  /** Null: it is for consumers. Forgotten when the node is gone that was to give it up. */
  readonly condemned: Condemned | null;
}

export interface AppendResult {
  /** Oldest ones that were dropped to make room. */
  readonly dropped: number;
  /** Oldest ones that made room and are this node's now, to be given up. */
  readonly displaced: readonly SharedMessage[];
}

export interface ClaimResult {
  /** False: this node was given up by the others, and gets nothing until it is one of them again. */
  readonly isMember: boolean;
  /** Highest priority and oldest first; those that have expired among them. */
  readonly messages: readonly SharedMessage[];
  /** When the next message whose time has not come is due; 0: there is none. */
  readonly nextDueEpochMs: number;
  /** Of a `queue-claim`: more waits that this node may have. Else it is told when there is something, if it asked for that. */
  readonly isMore: boolean;
}

export interface ScanResult {
  readonly messages: readonly SharedMessage[];
  /** Changes whenever something came back to an old place: what was looked at before is not all. */
  readonly returns: number;
  /** The greatest age so far. */
  readonly newest: number;
  readonly nextDueEpochMs: number;
}
