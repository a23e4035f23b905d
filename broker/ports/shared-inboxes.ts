/** Inboxes of users, and who has which client-id, in a store that the nodes of a cluster share. */
import type { StoredMessage } from './store.js';

/**
 * Inboxes of users, kept once for all nodes. An interest says where a user has subscriptions (broker/inbox/interest.ts); the
 * store knows those of every node, so that it can decide at one moment whether somebody is there or a message is kept. What
 * a node has claimed is settled or given back by its place, as in queues.
 */
export type InboxOperation =
  /**
   * To the nodes where the user has a subscription that matches, as UserMessage; when none hears it, it is kept.
   * @returns InboxAppendResult
   */
  | {
      readonly kind: 'inbox-append';
      readonly user: string;
      readonly rest: string;
      readonly message: Omit<StoredMessage, 'sequence' | 'priority'>;
      readonly bounds: InboxStoreBounds;
      /** It is kept for a user of whom something is kept already, or who is known, and for nobody else. */
      readonly isForKnown: boolean;
      /** `UserMessage.passed` of one that nobody took: kept when no other node took it either. Null: it is new. */
      readonly missed: string | null;
    }
  /** Takes back interests of this node, some at a time. @returns how many are left, as a number */
  | { readonly kind: 'inbox-forget' }
  /**
   * What has changed of this node's interests.
   * @returns readonly string[], those of the users of `joined` for whom something is kept
   */
  | {
      readonly kind: 'inbox-interest';
      readonly joined: readonly InboxInterest[];
      readonly left: readonly InboxInterest[];
    }
  /** What waits for a user and is covered by any of these interests, oldest first. @returns InboxClaimResult */
  | {
      readonly kind: 'inbox-claim';
      readonly user: string;
      readonly interests: readonly string[];
      readonly maxMessages: number;
      readonly maxBytes: number;
      /** As of `queue-claim`. */
      readonly known: readonly number[] | null;
    }
  /** As `inbox-claim`, behind a place, for a look: nothing is claimed. @returns InboxClaimResult */
  | {
      readonly kind: 'inbox-scan';
      readonly user: string;
      readonly interests: readonly string[];
      readonly after: number;
      readonly maxMessages: number;
      readonly maxBytes: number;
    }
  /** These very messages, those of them that still wait. @returns InboxClaimResult */
  | { readonly kind: 'inbox-take'; readonly user: string; readonly places: readonly number[] }
  /** As `queue-settle` and `queue-return`. */
  | { readonly kind: 'inbox-settle'; readonly user: string; readonly place: number }
  | {
      readonly kind: 'inbox-return';
      readonly user: string;
      readonly place: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
    }
  /** As `queue-reclaim`; the interests of who is gone end too, some at a time. @returns how many are left, as a number */
  | { readonly kind: 'inbox-reclaim'; readonly incarnation: string | null }
  /** Drops what has expired. @returns InboxSizes */
  | { readonly kind: 'inbox-sweep' }
  /** A user has connected. Above `maxUsers` those that are known for the shortest time to come are forgotten. */
  | { readonly kind: 'inbox-known'; readonly user: string; readonly untilEpochMs: number; readonly maxUsers: number };

export interface InboxInterest {
  readonly user: string;
  readonly interest: string;
}

/** What all nodes together keep. Octets as rules count them. */
export interface InboxStoreBounds {
  /** The rule that the first two are of: what one user may have under it. */
  readonly rule: string;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxUsers: number;
  /** Of all users. */
  readonly maxTotalBytes: number;
}

export interface InboxAppendResult {
  /** `there`: passed on to nodes where the user is. `refused`: not kept, as there is no room or the user is not known. */
  readonly outcome: 'there' | 'kept' | 'refused';
  /** Older ones that were dropped to make room. */
  readonly overflow: number;
}

/** A message of an inbox that nodes share. */
export interface KeptMessage {
  /** As of SharedMessage, and never the same as one of a queue. */
  readonly place: number;
  readonly rest: string;
  readonly octets: Buffer;
  readonly expiresEpochMs: number;
  readonly deliveryCount: number;
}

export interface InboxClaimResult {
  /** As of ClaimResult. */
  readonly isMember: boolean;
  /** Oldest first; those that have expired among them. */
  readonly messages: readonly KeptMessage[];
  readonly nextDueEpochMs: number;
  /** More waits behind these. */
  readonly isMore: boolean;
}

export interface InboxSizes {
  /** Dropped now. */
  readonly expired: number;
  readonly users: number;
  readonly messages: number;
  readonly bytes: number;
}

/** A message for a user who is on this node, as another node published it. */
export interface UserMessage {
  readonly user: string;
  readonly rest: string;
  /** Under which it was given to nodes; for `InboxOperation`, when nobody is there any more. */
  readonly passed: string;
  /** May be a view of what they arrived in. */
  readonly octets: Buffer;
}

/** Which session has a `client-id`, of all nodes. */
export type ClientOperation =
  /** Takes it, unless another client has it; the same client's other session is told to its node. @returns ClientClaimResult */
  | {
      readonly kind: 'client-claim';
      readonly clientId: string;
      readonly sessionId: string;
      /** Who the client is: the same client has the same. */
      readonly owner: string;
      readonly sinceEpochMs: number;
      /** It had it before: of the same client the later session stays, else this one. */
      readonly isAgain: boolean;
    }
  /** Of what another session has, nothing changes. */
  | { readonly kind: 'client-release'; readonly clientId: string; readonly sessionId: string }
  /** As `queue-reclaim`. */
  | { readonly kind: 'client-reclaim'; readonly incarnation: string | null };

export interface ClientClaimResult {
  /** `displaced`: a later session of the same client has it. */
  readonly outcome: 'claimed' | 'in-use' | 'displaced';
  /** Who had it, on a node that can be told; null: nobody. */
  readonly formerSessionId: string | null;
}
