/** What topics keep, in a store that the nodes of a cluster share. */
import type { StoredMessage } from './store.js';

/** How much one history keeps, as HistoryOptions say it. */
export interface HistoryBounds {
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/**
 * Gives a message the next place in a history that all nodes share, keeps it there, and passes it to the nodes that joined.
 * @returns HistoryPlace
 */
export interface HistoryAppend {
  readonly kind: 'history-append';
  readonly destination: string;
  /** Histories that are joined together are of one group. */
  readonly group: string;
  /** Without its place, in the broker's own form (broker/storage/message-codec.ts). */
  readonly message: Pick<StoredMessage, 'octets' | 'weightBytes'>;
  readonly bounds: HistoryBounds;
  /** Octets that all histories together may take: above, those published to the longest ago are forgotten. */
  readonly maxAllBytes: number;
}

/** Where a message stands. */
export interface HistoryPlace {
  readonly epoch: string;
  readonly offset: number;
  /** Grows with every message of every history. */
  readonly number: number;
  /** Number of the message before it in the same history; 0: there was none. */
  readonly previous: number;
}

/** Messages of one history, one behind the other, recorded by one node at a time. */
export interface RecordedMessages {
  readonly destination: string;
  /** This node has recorded them: it gets, or has got, their places as the result of HistoryAppend. */
  readonly isOwn: boolean;
  /** Of the first. */
  readonly place: HistoryPlace;
  readonly messages: readonly {
    readonly number: number;
    /** As in HistoryAppend. May be a view of what it arrived in. */
    readonly octets: Buffer;
  }[];
}

export interface HistoryPageRequest {
  readonly destination: string;
  /** Messages behind that place; `start`: all that are kept; `end`: none, only where the end is. */
  readonly after: { readonly epoch: string; readonly offset: number } | 'start' | 'end';
  /** Up to that offset; undefined: to the end. */
  readonly upTo?: number | undefined;
  readonly bounds: HistoryBounds;
  readonly maxPageMessages: number;
  readonly maxPageBytes: number;
}

export interface HistoryPage {
  readonly epoch: string;
  /** Epochs that this one goes on from, with their last offsets. */
  readonly former: readonly { readonly epoch: string; readonly end: number }[];
  /** The last offset that was given; 0 before the first. */
  readonly end: number;
  /** Of the message there, in the order of all. */
  readonly number: number;
  /** The greatest offset that is not kept any more; 0 while everything is. */
  readonly trimmedTo: number;
  /** How long ago that message was published. */
  readonly trimmedAgeMs: number;
  /** The last offset that is known to be the same as in `after`: messages behind it follow. */
  readonly after: number;
  /** False: there is no such place in this history; what was behind `after` was lost, or it has begun anew. */
  readonly isContinued: boolean;
  /** As many as fit, by offset. */
  readonly messages: readonly {
    readonly offset: number;
    readonly number: number;
    readonly ageMs: number;
    readonly octets: Buffer;
  }[];
}

/** How far all histories together have come. */
export interface HistoriesMark {
  /** Another whenever what keeps the histories has been started again or replaced, and may have lost its end. */
  readonly generation: string;
  /** Of the last message of any history. */
  readonly number: number;
}

export interface HistoryChanges {
  readonly mark: HistoriesMark;
  /** Histories with messages behind the mark that was asked about, by the number of their last. */
  readonly changed: readonly { readonly destination: string; readonly number: number }[];
}

export interface HistoryInterest {
  readonly kind: 'history' | 'group';
  /** The destination, or the group of HistoryAppend. */
  readonly name: string;
}

export interface NodeHistoriesEvents {
  /** What was recorded by any node, this one included, and joined here. At most once or twice; now and then not at all. */
  onRecorded(recorded: RecordedMessages): void;
  /** After a loss: what was recorded meanwhile was not told, and can be asked for. */
  onReachable(): void;
}

/**
 * Histories that the nodes of a cluster share. They are written by `HistoryAppend`; here they are read. Whatever was
 * recorded before a question was asked is in its answer. All reject with BrokerError `relay-unavailable`, `relay-lost`.
 */
export interface NodeHistories {
  /** Begins to connect; resolves after the first attempt, whether it succeeded or not. */
  start(events: NodeHistoriesEvents): Promise<void>;
  /**
   * Wants what is recorded in one history, or in all of a group. Each call is one claim, to be given up by `leave`.
   * @returns as `NodeRelay.join`
   */
  join(interest: HistoryInterest): Promise<void> | undefined;
  leave(interest: HistoryInterest): void;
  read(request: HistoryPageRequest): Promise<HistoryPage>;
  /** @param since null: where the histories are now, and none that changed; number 0: all there are */
  changes(since: HistoriesMark | null): Promise<HistoryChanges>;
  stop(): Promise<void>;
}
