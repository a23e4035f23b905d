/** What outlives the process: messages and records in a store of one node. */
/** A message as a store keeps it. */
export interface StoredMessage {
  /** Place in its stream: a whole number, 1 or more, below 2^53. */
  readonly sequence: number;
  /** 0 to 9. Streams are read one priority at a time. */
  readonly priority: number;
  /** The message, in a form of the broker's own (broker/storage/message-codec.ts); not changed by either side. */
  readonly octets: Uint8Array;
  /** What it counts in `StoredLane.bytes`. */
  readonly weightBytes: number;
  /** Times of day, in ms since the epoch; 0 is never, at once. */
  readonly publishedEpochMs: number;
  readonly expiresEpochMs: number;
  readonly notBeforeEpochMs: number;
  /** How often it was delivered before, as far as that was told by `update`. */
  readonly deliveryCount: number;
}

/**
 * One change of what is stored. A stream is a sequence of messages under a name: a queue, a history, an inbox. A record is
 * a text under a key. Names and keys are any text; a stream is there once something was appended to it.
 */
export type StoreOperation =
  /** One with the same stream, priority and sequence is replaced. */
  | { readonly kind: 'append'; readonly stream: string; readonly message: StoredMessage }
  /** Removing, updating and trimming what is not there is no error. */
  | { readonly kind: 'remove'; readonly stream: string; readonly priority: number; readonly sequence: number }
  | {
      readonly kind: 'update';
      readonly stream: string;
      readonly priority: number;
      readonly sequence: number;
      readonly deliveryCount: number;
      readonly notBeforeEpochMs: number;
    }
  /**
   * Everything up to `sequence` may have been delivered. A mark only moves forward; those of a stream that is empty when
   * the store opens may be forgotten.
   */
  | { readonly kind: 'mark'; readonly stream: string; readonly priority: number; readonly sequence: number }
  /** Removes everything of one priority up to `sequence`. */
  | { readonly kind: 'trim'; readonly stream: string; readonly priority: number; readonly sequence: number }
  /** Removes a stream with all messages and marks. */
  | { readonly kind: 'drop'; readonly stream: string }
  /** Sets a record. It may be forgotten from `expiresEpochMs` on; 0 is never. */
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly expiresEpochMs: number }
  | { readonly kind: 'delete'; readonly key: string };

/** One priority of one stream, as it is when the store opens. */
export interface StoredLane {
  readonly stream: string;
  readonly priority: number;
  readonly messages: number;
  /** Sum of `weightBytes`. */
  readonly bytes: number;
  /** The greatest sequence that was marked as delivered; 0 when none was. */
  readonly markedSequence: number;
}

export interface StoredRecord {
  readonly key: string;
  readonly value: string;
  readonly expiresEpochMs: number;
}

export interface StoreContents {
  /** Those with messages. In no order. */
  readonly lanes: readonly StoredLane[];
  /** Those that have not expired. In no order. */
  readonly records: readonly StoredRecord[];
}

/**
 * Keeps what has to outlive a session or the process (DESIGN D5). Calls take effect in the order they are made, whether
 * or not earlier ones were awaited.
 */
export interface Store {
  /** What logs and health call it, e.g. `memory`, `sqlite`. */
  readonly name: string;
  /** False: what it holds is gone with the process, so that what is in memory anyway need not be in it. Default: true. */
  readonly isLasting?: boolean | undefined;
  /**
   * To be called once, first.
   * @throws Error of one line, naming the file, when what is there cannot be used; it is then left as it is
   */
  open(): Promise<StoreContents>;
  /**
   * All of it or nothing. Once resolved it is as durable as the store is: it survives the death of the process.
   * @throws BrokerError `store-full` (no room, by limit or on the disk), `store-failed`; the store stays usable, and later
   * calls succeed once the cause is gone
   */
  commit(operations: readonly StoreOperation[]): Promise<void>;
  /**
   * Messages of one priority behind `afterSequence`, by sequence; as many as come first of `maxMessages` and `maxBytes` (by
   * `weightBytes`), but at least one when there is one.
   * @throws BrokerError `store-failed`
   */
  read(
    stream: string,
    priority: number,
    afterSequence: number,
    limits: { readonly maxMessages: number; readonly maxBytes: number },
  ): Promise<readonly StoredMessage[]>;
  /** Ends it, after everything asked for before. */
  close(): Promise<void>;
}
