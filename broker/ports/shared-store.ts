/** The store that the nodes of a cluster share: units of operations, each all or nothing (DESIGN D11). */
import type { BrokerError } from '../errors.js';
import type { HistoryAppend } from './node-histories.js';
import type { ClientOperation, InboxOperation, UserMessage } from './shared-inboxes.js';
import type { KeyOperation, QueueInspection, QueueOperation } from './shared-queues.js';
import type { Store, StoreOperation, StoredRecord } from './store.js';

/** Tells all nodes, this one included, of something under a name. */
export interface AnnounceOperation {
  readonly kind: 'announce';
  readonly name: string;
}

/** What can be asked of a store that nodes share. */
export type SharedOperation =
  | StoreOperation
  | QueueOperation
  | QueueInspection
  | InboxOperation
  | ClientOperation
  | KeyOperation
  | AnnounceOperation
  | HistoryAppend;

/** What became of one unit: a result for each operation, by place, or why nothing of it was done. */
export type UnitOutcome =
  | { readonly isDone: true; readonly results: readonly unknown[] }
  | { readonly isDone: false; readonly error: BrokerError };

export interface SharedStoreEvents {
  /** Something waits in a queue from which this node wanted more than there was. May come without reason. */
  onWake(stream: string): void;
  /** Something waits for a user who has an interest here. May come without reason. */
  onInbox(user: string): void;
  /** A message for a user who has, or had, an interest here. */
  onUserMessage(message: UserMessage): void;
  /** Another session of its client has the client-id of this one. */
  onDisplaced(sessionId: string): void;
  /** Some node announced this. */
  onAnnounced(name: string): void;
  /** It can be reached again: what was told meanwhile was missed. */
  onReachable(): void;
}

/** A store that all nodes of a cluster share (DESIGN D11). */
export interface SharedStore extends Store {
  readonly isShared: true;
  /** To be called once, before `open`. */
  listen(events: SharedStoreEvents): void;
  /**
   * Units take effect one after the other, each all or nothing by itself.
   * @returns what became of each. Of those with the error `store-failed` it is not known whether they took effect when the
   * connection was lost meanwhile
   */
  commitUnits(units: readonly (readonly SharedOperation[])[]): Promise<readonly UnitOutcome[]>;
  /** Those whose key begins so, and that have not expired. @throws BrokerError `store-failed` */
  records(prefix: string): Promise<readonly StoredRecord[]>;
  /** Null: there is none of this key. @throws BrokerError `store-failed` */
  record(key: string): Promise<StoredRecord | null>;
}
