/**
 * Who is subscribed to a topic: told to whoever subscribes to `/topic/$presence/…`, first as a snapshot, then as each user
 * comes and goes. Nothing is counted of topics that nobody watches.
 */
import { quoteInput } from '../../protocol/index.js';
import type { ReservedTopics } from '../destinations/reserved-topics.js';
import type { NodeWatches, NodeWatchHandler } from '../cluster/node-watches.js';
import { BrokerError } from '../errors.js';
import type { Subscription } from '../subscription.js';
import type { AudienceChange } from './audience.js';
import type { AudiencePart } from './presence-view.js';
import { WatchedTopic, type PresenceSnapshot, type WatchedTopicParts } from './watched-topic.js';

export interface PresenceParts extends WatchedTopicParts {
  readonly reserved: ReservedTopics;
  /** The user of a session; null: anonymous. */
  readonly userOf: (sessionId: string) => string | null;
  /** Whether it is one topic of this server: no pattern, and no external broker's. */
  readonly isTopic: (destination: string) => boolean;
  /** Subscriptions to this very topic. */
  readonly subscriptionsTo: (topic: string) => Iterable<Subscription>;
}

/** This node, in views. */
const HERE = '';

export class Presence implements NodeWatchHandler {
  readonly #parts: PresenceParts;
  readonly #watched = new Map<string, WatchedTopic>();
  /** Null: a single node. */
  #nodes: NodeWatches | null = null;
  /** Topics that are watched from here. */
  #viewCount = 0;

  constructor(parts: PresenceParts) {
    this.#parts = parts;
  }

  /** There are other nodes. To be called before anything is watched. */
  joinNodes(nodes: NodeWatches): void {
    this.#nodes = nodes;
  }

  // ——— Who is there ———

  /** A subscription has been taken up. */
  subscribed({ destination, sessionId }: Subscription): void {
    const watched = this.#watched.get(destination);
    if (watched === undefined) return;
    this.#changed(destination, watched, watched.audience.add(sessionId, this.#parts.userOf(sessionId)));
  }

  /** A subscription is over. @param isSessionOver and so its client may be back in a moment */
  unsubscribed({ destination, sessionId }: Subscription, isSessionOver: boolean): void {
    const watched = this.#watched.get(destination);
    if (watched === undefined) return;
    this.#changed(destination, watched, watched.audience.remove(sessionId, isSessionOver));
  }

  #changed(topic: string, { view, elsewhere }: WatchedTopic, change: AudienceChange | null): void {
    if (change === null) return;
    view?.change(HERE, change);
    if (elsewhere.size > 0) this.#nodes?.tell(topic, change);
  }

  // ——— Who wants to know ———

  /**
   * One more wants to know; to be given up by `unwatch`.
   * @returns what to wait for until it is known who is there; undefined: it is
   * @throws BrokerError `limit-exceeded`, `destination-unknown` when presence is switched off, `destination-invalid`
   */
  watch(topic: string): Promise<void> | undefined {
    const { enabled, maxTopics } = this.#parts.options;
    if (!enabled) throw new BrokerError('destination-unknown', 'Presence is switched off on this server');
    const known = this.#watched.get(topic);
    if ((known?.view ?? null) === null && this.#viewCount >= maxTopics) {
      throw new BrokerError('limit-exceeded', `${maxTopics} topics whose presence is watched is the limit`);
    }
    if ((known ?? this.#track(topic)).claim(HERE)) this.#viewCount++;
    return this.#nodes?.watch(topic);
  }

  unwatch(topic: string): void {
    const watched = this.#watched.get(topic);
    if (watched?.release() !== true) return;
    this.#viewCount--;
    this.#nodes?.unwatch(topic);
    this.#forgetIdle(topic, watched);
  }

  /** A watcher: the snapshot comes first, then what changes. Between `watch` and `unwatch`. */
  add(subscription: Subscription, topic: string): void {
    this.#watched.get(topic)?.add(subscription, this.snapshot(topic));
  }

  remove(subscription: Subscription, topic: string): void {
    this.#watched.get(topic)?.remove(subscription);
  }

  /** Of a topic that is watched here. */
  snapshot(topic: string): PresenceSnapshot {
    const watched = this.#watched.get(topic);
    const complete = this.#nodes?.isComplete(topic) ?? true;
    const nobody = { topic, users: [], userCount: 0, anonymous: 0, truncated: false, complete };
    return watched?.snapshot(complete) ?? nobody;
  }

  // ——— Other nodes ———

  watchedElsewhere(topic: string, node: string): AudiencePart | null {
    if (!this.#parts.options.enabled) return null;
    const { audience, elsewhere } = this.#watched.get(topic) ?? this.#track(topic);
    elsewhere.add(node);
    return { users: [...audience.users], anonymous: audience.anonymous };
  }

  unwatchedElsewhere(topic: string, node: string): void {
    const watched = this.#watched.get(topic);
    if (watched?.elsewhere.delete(node) === true) this.#forgetIdle(topic, watched);
  }

  onWhole(topic: string, node: string, whole: object): void {
    const { users = [], anonymous = 0 } = whole as Partial<AudiencePart>;
    this.#watched.get(topic)?.view?.replace(node, { users, anonymous });
  }

  onChanges(topic: string, node: string, changes: readonly object[]): void {
    const view = this.#watched.get(topic)?.view;
    for (const change of changes as readonly AudienceChange[]) view?.change(node, change);
  }

  dropNode(node: string): void {
    for (const { view } of this.#watched.values()) view?.drop(node);
  }

  /** From now on it is known who is subscribed here, beginning with those who are. */
  #track(topic: string): WatchedTopic {
    const { reserved, isTopic, subscriptionsTo, userOf } = this.#parts;
    const destination = isTopic(topic) ? reserved.presenceOf(topic) : null;
    if (destination === null) {
      throw new BrokerError(
        'destination-invalid',
        `Presence is of one topic of this server, got ${quoteInput(topic, 120)}`,
      );
    }
    const watched = new WatchedTopic(topic, destination, this.#parts);
    for (const { sessionId } of subscriptionsTo(topic)) watched.audience.add(sessionId, userOf(sessionId));
    this.#watched.set(topic, watched);
    return watched;
  }

  #forgetIdle(topic: string, watched: WatchedTopic): void {
    if (watched.isIdle) this.#watched.delete(topic);
  }
}
