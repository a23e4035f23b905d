/** Which nodes a cluster has. */
import type { RelayProblem } from './broker-relay.js';

/** What is told of the nodes of a cluster, in the order it was noticed. Told twice, it means the same again. */
export interface MembershipListener {
  /**
   * This node is a member now, under that name: at its start, again after others gave it up (under another name), and
   * after what keeps the members has lost what it knew (under the same). What it holds by its lease is to be put there.
   */
  onJoined?(incarnation: string): void;
  /** Others gave this node up, as its lease was over: what it held by it is not its own any more. `onJoined` follows. */
  onGivenUp?(former: string): void;
  /**
   * While this node was given up another one took its `nodeId`: it can be no member until that one leaves, which `onJoined`
   * tells. It is for its clients to go to another node.
   */
  onReplaced?(): void;
  /** Another node is a member. */
  onNodeJoined?(incarnation: string): void;
  /** Another node is none any more: it left, or its lease was over. Told on every node that knew it. */
  onNodeGone?(incarnation: string): void;
}

/** Which nodes a cluster has, and under which name this one is known: each holds a lease that it renews. */
export interface ClusterMembers {
  /** Of this run: `nodeId/` and letters and digits. Another one once the node was given up. */
  readonly incarnation: string;
  readonly nodeId: string;
  /** Whether this node is a member, as far as it knows. */
  readonly isMember: boolean;
  /** Incarnations of all nodes as they were known last, this one among them. */
  readonly members: readonly string[];
  /** Null: this node is a member, and its lease can be renewed. */
  readonly problem: RelayProblem | null;
  /**
   * Joins; resolves when it has, or when the members cannot be asked for now: then it joins as soon as they can be. Waits for
   * the lease of a former run with the same `nodeId`, at most as long as a lease lasts.
   * @throws BrokerError `node-id-in-use` when another node with the same `nodeId` is alive
   */
  start(): Promise<void>;
  /**
   * To be asked before anything is done on what this node knows of the others: whether it stood still beyond its lease.
   * @returns undefined when it did not, which costs a look at the clock. Else a promise that never rejects: resolved once the
   * lease is renewed, the node is a member under another name, or it is clear that neither can be for now
   */
  caughtUp(): Promise<void> | undefined;
  /** Asks for the members now. Resolves with them, or with those known last when that fails. */
  refresh(): Promise<readonly string[]>;
  /** Until the returned function is called. */
  listen(listener: MembershipListener): () => void;
  /** Leaves. */
  stop(): Promise<void>;
}
