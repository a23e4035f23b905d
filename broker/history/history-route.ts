/**
 * Who is subscribed to a topic with a history, and how a message that has its place reaches them. Who reads from the log is
 * woken; all others get the message as from any topic.
 */
import type { DurableSubscription } from '../destinations/durable-subscription.js';
import type { PatternGroup } from '../destinations/pattern-group.js';
import type { Route } from '../destinations/route.js';
import type { SubscriptionIndex } from '../destinations/subscription-index.js';
import type { DurableBindings } from '../destinations/topic.js';
import type { TopicSource } from '../destinations/topic-source.js';
import type { Message } from '../message.js';
import type { GivingWay } from '../overflow-policy.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { HistoryLog } from './history-log.js';
import type { HistoryReader } from './history-reader.js';
import type { ReplayPlan } from './replay-plan.js';
import type { ResumeRequest } from './replay.js';

export interface HistoryRouteParts {
  readonly patterns: SubscriptionIndex<Subscription>;
  readonly source: TopicSource;
  readonly durables: DurableBindings;
  /** Null: messages wait, and who reads too slowly is cut. */
  readonly givingWay: GivingWay | null;
}

export interface KeptMessages {
  readonly messages: number;
  readonly bytes: number;
}

export abstract class HistoryRoute implements Route {
  readonly kind = 'topic';
  /** What has to be stored has to be waited for. */
  abstract readonly isDirect: boolean;
  readonly destination: string;
  isLive = true;
  readonly #parts: HistoryRouteParts;
  readonly #subscriptions = new Set<Subscription>();
  /** Pattern subscriptions that match, good for one version of the index. */
  #matched: readonly PatternGroup<Subscription>[] = [];
  #matchedVersion = -1;
  /** Durable subscriptions that match, good for one version of theirs. */
  #durable: readonly DurableSubscription[] = [];
  #durableVersion = -1;
  /** Messages that wait for the store or for their transaction. */
  protected arriving = 0;

  constructor(destination: string, parts: HistoryRouteParts) {
    this.destination = destination;
    this.#parts = parts;
  }

  /** Those to this very topic. */
  get subscriptions(): Iterable<Subscription> {
    return this.#subscriptions;
  }

  get subscriberCount(): number {
    return this.#subscriptions.size;
  }

  /** The log outlives the route. */
  get isIdle(): boolean {
    return this.#subscriptions.size === 0 && this.arriving === 0;
  }

  /** What is kept of it on this node. */
  abstract readonly kept: KeptMessages;

  abstract publish(message: Message, unit: WriteUnit | null): void;

  /** What a SUBSCRIBE gets. @param request null: messages from now on */
  abstract plan(request: ResumeRequest | null): ReplayPlan | null;

  add(subscription: Subscription): void {
    subscription.source = this.#parts.source;
    this.#subscriptions.add(subscription);
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#parts.source.end(subscription);
  }

  /** Durable subscriptions keep a place of their own: theirs are messages without one in the history. */
  protected publishDurably(message: Message, unit: WriteUnit | null): void {
    const { durables } = this.#parts;
    if (this.#durableVersion !== durables.version) {
      this.#durable = durables.matching(this.destination);
      this.#durableVersion = durables.version;
    }
    if (this.#durable.length === 0) return;
    const unplaced = message.unplaced();
    for (const durable of this.#durable) durable.publish(unplaced, unit, durables.epochMs);
  }

  /** A message is in the log, with its place: to everybody who is subscribed. */
  protected show(stamped: Message, log: HistoryLog): void {
    for (const subscription of this.#subscriptions) this.#offer(subscription, stamped, log);
    for (const { members } of this.#groups()) {
      for (const subscription of members) this.#offer(subscription, stamped, log);
    }
  }

  /** Those that have read everything there was, and get messages as they come. */
  protected *liveSubscriptions(): Iterable<Subscription> {
    const { source } = this.#parts;
    for (const subscription of this.#subscriptions) if (subscription.source === source) yield subscription;
    for (const { members } of this.#groups()) {
      for (const subscription of members) if (subscription.source === source) yield subscription;
    }
  }

  #groups(): readonly PatternGroup<Subscription>[] {
    const { patterns } = this.#parts;
    if (this.#matchedVersion !== patterns.groupsVersion) {
      this.#matched = patterns.groups(this.destination);
      this.#matchedVersion = patterns.groupsVersion;
    }
    return this.#matched;
  }

  #offer(subscription: Subscription, message: Message, log: HistoryLog): void {
    const { source, givingWay } = this.#parts;
    if (subscription.source !== source) (subscription.source as HistoryReader).onPublished(log);
    // In the client ack modes the window decides: what is pending cannot give way.
    else if (givingWay === null || subscription.pending !== null) source.offer(subscription, message);
    else if (subscription.accepts(message))
      subscription.outbox.enqueueReplaceable(subscription, message, givingWay, this.destination);
  }
}
