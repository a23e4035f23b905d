/**
 * A topic that keeps a history (DESIGN D6): each message gets its place before anybody sees it. A class of its own, so that
 * topics without one pay nothing. Who reads from the log is woken; all others get the message as from any topic.
 */
import type { DurableSubscription } from '../destinations/durable-subscription.js';
import type { PatternGroup } from '../destinations/pattern-group.js';
import type { DurableBindings } from '../destinations/topic.js';
import type { TopicSource } from '../destinations/topic-source.js';
import type { Route } from '../destinations/route.js';
import type { SubscriptionIndex } from '../destinations/subscription-index.js';
import type { Message } from '../message.js';
import type { GivingWay } from '../overflow-policy.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { Histories } from './histories.js';
import type { HistoryLog } from './history-log.js';
import type { HistoryOptions } from './history-options.js';
import type { HistoryReader } from './history-reader.js';
import type { ReplayPlan } from './replay-plan.js';
import type { ResumeRequest } from './replay.js';

export interface HistoryTopicParts {
  readonly histories: Histories;
  readonly options: HistoryOptions;
  readonly patterns: SubscriptionIndex<Subscription>;
  readonly source: TopicSource;
  readonly durables: DurableBindings;
  /** Null: messages wait, and who reads too slowly is cut. */
  readonly givingWay: GivingWay | null;
}

export class HistoryTopic implements Route {
  readonly kind = 'topic';
  /** What has to be stored has to be waited for. */
  readonly isDirect: boolean;
  readonly destination: string;
  isLive = true;
  readonly #parts: HistoryTopicParts;
  readonly #subscriptions = new Set<Subscription>();
  /** Pattern subscriptions that match, good for one version of the index. */
  #matched: readonly PatternGroup<Subscription>[] = [];
  #matchedVersion = -1;
  /** Durable subscriptions that match, good for one version of theirs. */
  #durable: readonly DurableSubscription[] = [];
  #durableVersion = -1;
  #log: HistoryLog;
  /** Messages that wait for the store or for their transaction. */
  #arriving = 0;

  constructor(destination: string, parts: HistoryTopicParts) {
    this.destination = destination;
    this.#parts = parts;
    this.#log = parts.histories.open(destination, parts.options);
    this.isDirect = this.#log.storage === null;
  }

  /** Those to this very topic. */
  get subscriptions(): Iterable<Subscription> {
    return this.#subscriptions;
  }

  get subscriberCount(): number {
    return this.#subscriptions.size;
  }

  /** What is kept of it. */
  get kept(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#log.size, bytes: this.#log.bytes };
  }

  /** The log outlives the route. */
  get isIdle(): boolean {
    return this.#subscriptions.size === 0 && this.#arriving === 0;
  }

  publish(message: Message, unit: WriteUnit | null): void {
    this.#publishDurably(message, unit);
    if (unit !== null && !this.isDirect) this.#store(message, unit);
    else if (unit?.holdsBack === true) this.#holdBack(message, unit);
    else this.#append(message);
  }

  /** The place is given when the unit is on its way, and shown when that has arrived: both in one order. */
  #store(message: Message, unit: WriteUnit): void {
    message.own();
    this.#arriving++;
    let stored: { readonly log: HistoryLog; readonly offset: number; readonly message: Message } | null = null;
    unit.atSubmit(() => {
      const log = this.#currentLog();
      const offset = log.storage?.nextOffset() ?? 0;
      stored = { log, offset, message: message.stamped(log.epoch, offset) };
      log.storage?.append(offset, stored.message, unit);
    });
    const undo = (): void => {
      this.#arriving--;
      stored?.log.storage?.refused(stored.log.end);
    };
    unit.then(() => {
      this.#arriving--;
      if (stored === null) return;
      const { log, offset } = stored;
      log.storage?.published();
      this.#parts.histories.keep(log, offset, stored.message);
      this.#show(stored.message, log);
    }, undo);
  }

  /** Durable subscriptions keep a place of their own: theirs are messages without one in the history. */
  #publishDurably(message: Message, unit: WriteUnit | null): void {
    const { durables } = this.#parts;
    if (this.#durableVersion !== durables.version) {
      this.#durable = durables.matching(this.destination);
      this.#durableVersion = durables.version;
    }
    if (this.#durable.length === 0) return;
    const unplaced = message.unplaced();
    for (const durable of this.#durable) durable.publish(unplaced, unit, durables.epochMs);
  }

  #holdBack(message: Message, unit: WriteUnit): void {
    message.own();
    this.#arriving++;
    const arrived = (): void => {
      this.#arriving--;
    };
    unit.then(() => {
      arrived();
      this.#append(message);
    }, arrived);
  }

  /** What a SUBSCRIBE gets. @param request null: messages from now on */
  plan(request: ResumeRequest | null): ReplayPlan {
    return this.#parts.histories.plan(this.#currentLog(), request);
  }

  add(subscription: Subscription): void {
    subscription.source = this.#parts.source;
    this.#subscriptions.add(subscription);
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#parts.source.end(subscription);
  }

  #currentLog(): HistoryLog {
    if (this.#log.isForgotten) this.#log = this.#parts.histories.open(this.destination, this.#parts.options);
    return this.#log;
  }

  #append(message: Message): void {
    const log = this.#currentLog();
    this.#show(this.#parts.histories.append(log, message), log);
  }

  #show(stamped: Message, log: HistoryLog): void {
    const { patterns } = this.#parts;
    for (const subscription of this.#subscriptions) this.#offer(subscription, stamped, log);
    if (this.#matchedVersion !== patterns.groupsVersion) {
      this.#matched = patterns.groups(this.destination);
      this.#matchedVersion = patterns.groupsVersion;
    }
    for (const { members } of this.#matched) {
      for (const subscription of members) this.#offer(subscription, stamped, log);
    }
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
