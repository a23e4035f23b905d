/** The way of topics between the nodes of a cluster. */
import type { RelayProblem } from './broker-relay.js';

/** What a relay between nodes tells its node. */
export interface NodeRelayEvents {
  /**
   * A message that another node published. @param octets what it gave to `publish`; may be a view of what they arrived in
   */
  onMessage(destination: string, octets: Buffer): void;
  /** Whether other nodes can be reached; told when it changes, and once at the start. */
  onAvailable(isAvailable: boolean): void;
}

/** What a relay between nodes has counted since start; all of them messages but `gaps`. */
export interface NodeRelayCounts {
  /** Accepted for other nodes, also where none of them wants it but that was not known. */
  readonly published: number;
  readonly received: number;
  /** Not handed over, or not surely: other nodes could not be reached, or too much was on its way. */
  readonly dropped: number;
  /** Times that the way in was lost while something was subscribed: an unknown number of messages was missed. */
  readonly gaps: number;
}

/**
 * Brings what is published on topics to the other nodes of a cluster (DESIGN D11): at most once, in order for each node and
 * destination, never back to where it came from, and only to nodes that have joined. Null in place of one: a single node.
 */
export interface NodeRelay {
  /** What logs and health call it, e.g. `redis`. */
  readonly name: string;
  /** Null: other nodes can be reached. */
  readonly problem: RelayProblem | null;
  readonly counts: NodeRelayCounts;
  /** Whether what is published now can be handed over; else it is dropped and counted. */
  readonly isAccepting: boolean;
  /** So much is on its way that publishers should not be read from: half of what `isAccepting` bounds. */
  readonly isBehind: boolean;
  /** Resolves once it is not behind any more, if only as what was on its way is lost. Never rejects. */
  caughtUp(): Promise<void>;
  /** Begins to connect; resolves after the first attempt, whether it succeeded or not: others follow by themselves. */
  start(events: NodeRelayEvents): Promise<void>;
  /**
   * Whether another node may want what is published there now; false only where it is sure that none does, and that one whose
   * `join` comes later is waited for. Asked for each message.
   * @param atMs when the message was here, by the clock; default: now, which costs a look at it
   */
  isWanted(destination: string, atMs?: number): boolean;
  /** Takes a message on for the other nodes. @param octets not written again by the caller; kept for this turn at most */
  publish(destination: string, octets: Buffer): void;
  /**
   * What was published so far is with whatever brings it to the other nodes.
   * @returns a promise that rejects with BrokerError `relay-lost` when that is not sure
   */
  accepted(): Promise<void>;
  /**
   * Wants what other nodes publish there. Each call is one claim, to be given up by `leave` (also after a refusal).
   * @param destination as in SUBSCRIBE, patterns included; more may be delivered than was asked for
   * @returns undefined when it is in force already, or nobody can be reached: then it comes into force with the next
   * connection. Else a promise, which rejects with BrokerError `relay-refused`
   */
  join(destination: string): Promise<void> | undefined;
  leave(destination: string): void;
  /** Says goodbye: what was published is still handed over. */
  stop(): Promise<void>;
}
