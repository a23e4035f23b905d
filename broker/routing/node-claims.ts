/**
 * What subscriptions want of other nodes: each claims, before it is made, that what they publish for it is passed on, and
 * gives that up when it ends. On a single node that is about the server's own topics and durable subscriptions alone.
 */
import type { Cluster } from '../cluster/cluster.js';
import { userChannel } from '../cluster/cluster-users.js';
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import type { DurableSubscriptions } from '../destinations/durable-subscriptions.js';
import { isPattern } from '../destinations/pattern.js';
import type { ServerTopics } from '../server-topics.js';
import type { Topics } from './topics.js';

export interface NodeClaimsParts {
  readonly kinds: DestinationKinds;
  readonly topics: Topics;
  readonly durables: DurableSubscriptions;
  readonly serverTopics: ServerTopics;
  /** Null: a single node. */
  readonly cluster: Cluster | null;
  /** The user of a session; null: anonymous. */
  readonly userOf: (sessionId: string) => string | null;
}

export class NodeClaims {
  readonly #parts: NodeClaimsParts;

  constructor(parts: NodeClaimsParts) {
    this.#parts = parts;
  }

  /**
   * Before a subscription is made: has other nodes pass on what they publish there. To be followed by `Router.subscribe`, or
   * by `leave` when it comes to nothing. @returns as `NodeRelay.join`, of a durable one as `DurableSubscriptions.confirm`
   */
  join(destination: string, durableKey: string | null, sessionId: string): Promise<void> | undefined {
    const { kinds, serverTopics, durables, cluster, topics } = this.#parts;
    if (kinds.reserved.covers(destination)) return serverTopics.join(destination);
    if (kinds.of(destination) === 'user') return this.#joinUser(destination, durableKey, sessionId);
    if (durableKey !== null) return durables.confirm(durableKey);
    if (!this.#isShared(destination, durableKey)) return undefined;
    const joined = this.#sharesHistory(destination) ? undefined : cluster?.join(destination);
    const histories = topics.sharedHistories?.join(destination, isPattern(destination));
    if (joined === undefined) return histories;
    return histories === undefined ? joined : Promise.all([joined, histories]).then(() => undefined);
  }

  /** Its subscription is over, or was not made after all. */
  leave(destination: string, durableKey: string | null, sessionId: string): void {
    const { kinds, serverTopics, cluster, topics } = this.#parts;
    if (kinds.reserved.covers(destination)) {
      serverTopics.leave(destination);
      return;
    }
    const user = this.#channelOf(destination, durableKey, sessionId);
    if (user !== null) cluster?.leave(user);
    if (!this.#isShared(destination, durableKey)) return;
    if (!this.#sharesHistory(destination)) cluster?.leave(destination);
    topics.sharedHistories?.leave(destination, isPattern(destination));
  }

  #joinUser(destination: string, durableKey: string | null, sessionId: string): Promise<void> | undefined {
    const user = this.#channelOf(destination, durableKey, sessionId);
    return user === null ? undefined : this.#parts.cluster?.join(user);
  }

  /** Where what is for its user arrives; null: it is not under `/user`, or of nobody: anonymous sessions need no channel. */
  #channelOf(destination: string, durableKey: string | null, sessionId: string): string | null {
    const { cluster, kinds, userOf } = this.#parts;
    if (cluster === null || durableKey !== null || kinds.of(destination) !== 'user') return null;
    const user = userOf(sessionId);
    return user === null ? null : userChannel(user);
  }

  /** What is published there goes by way of its history. */
  #sharesHistory(destination: string): boolean {
    const { topics } = this.#parts;
    return topics.sharedHistories !== null && !isPattern(destination) && topics.historyOf(destination) !== null;
  }

  /** Whatever is fanned out, unless it outlives its session. */
  #isShared(destination: string, durableKey: string | null): boolean {
    return durableKey === null && this.#parts.topics.isShared(destination);
  }
}
