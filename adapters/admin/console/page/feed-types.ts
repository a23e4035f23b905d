/** What `/topic/$broker/stats` and `/topic/$broker/events` tell, as far as the console reads it. */

/** Counters of one node; those of `broker` in `/stats` are the same. */
export interface Counters {
  readonly connections: { readonly current: number };
  readonly subscriptions: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly messagesIn: number;
}

export interface NodeStats extends Counters {
  readonly node: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface BrokerEvent {
  readonly type: string;
  readonly node: string;
  readonly time: number;
  readonly count?: number;
  readonly peer?: string;
  readonly ok?: boolean;
}
