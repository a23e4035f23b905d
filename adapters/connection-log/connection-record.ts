/** What is kept of a connection, what changes in it, and what can be asked. Times are those of the day, in ms since the epoch. */

export const CONNECTION_STATUSES = ['CONNECTED', 'DISCONNECTED', 'ERROR'] as const;

/** ERROR: the network failed, or the client was given up because nothing came from it or went to it any more. */
export type ConnectionStatus = (typeof CONNECTION_STATUSES)[number];

export interface ConnectionEntry {
  /** Of at most 255 characters; unique. */
  readonly connectionId: string;
  /** Whole numbers in decimal, anything else as it is; null when nobody knows. */
  readonly userId: string | null;
  readonly sessionId: string;
  readonly connectedEpochMs: number;
  /** Null while connected. */
  readonly disconnectedEpochMs: number | null;
  /** When it connected or subscribed last. */
  readonly lastActiveEpochMs: number;
  readonly userAgent: string | null;
  /** Of at most 45 characters. */
  readonly ipAddress: string | null;
  readonly status: ConnectionStatus;
}

export interface ConnectionRecord extends ConnectionEntry {
  /** Given by the sink, rising. */
  readonly id: number;
}

/** How a connection ended. */
export interface ConnectionEnd {
  readonly status: Exclude<ConnectionStatus, 'CONNECTED'>;
  readonly epochMs: number;
}

/** One change of one connection. */
export type ConnectionChange =
  /**
   * A new row, which may have ended already. Where there is one with this connection id, that one takes on its status,
   * time of disconnection and last activity and keeps everything else.
   */
  | { readonly kind: 'insert'; readonly connection: ConnectionEntry }
  /** Null leaves as it is. Without such a row nothing happens; one that has ended stays as it ended. */
  | {
      readonly kind: 'update';
      readonly connectionId: string;
      readonly lastActiveEpochMs: number | null;
      readonly end: ConnectionEnd | null;
    };

export interface ConnectionQuery {
  readonly status?: ConnectionStatus | undefined;
  /** Null: connections without a user. */
  readonly userId?: string | null | undefined;
  /** 1 to 10,000; default 100. */
  readonly limit?: number | undefined;
  /** Default 0. */
  readonly offset?: number | undefined;
}

export interface ConnectionStatistics {
  /** Rows. */
  readonly total: number;
  readonly byStatus: Readonly<Record<ConnectionStatus, number>>;
  /** Users with the most rows first. */
  readonly users: readonly UserConnections[];
}

export interface UserConnections {
  readonly userId: string;
  /** Rows of this user. */
  readonly connections: number;
  /** Of these, CONNECTED. */
  readonly connected: number;
}
