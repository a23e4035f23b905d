/**
 * What is fanned out: topics, and queues in mode `broadcast`. Decides which class a topic is of, so that it pays for nothing
 * it does not need (a history, other nodes), and has what all of them share: patterns, source, what they keep.
 */
import type { Cluster } from '../cluster/cluster.js';
import { SharedHistories } from '../cluster/shared-histories.js';
import { SharedHistoryTopic } from '../cluster/shared-history-topic.js';
import { SharedTopic } from '../cluster/shared-topic.js';
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import type { DurableSubscriptions } from '../destinations/durable-subscriptions.js';
import type { Route } from '../destinations/route.js';
import type { RouteTable } from '../destinations/route-table.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { Topic } from '../destinations/topic.js';
import { TopicSource } from '../destinations/topic-source.js';
import { Histories } from '../history/histories.js';
import { HistoryRules, type FilledHistoryRule } from '../history/history-options.js';
import { HistoryRoute } from '../history/history-route.js';
import { HistoryTopic } from '../history/history-topic.js';
import type { BrokerOptions } from '../options.js';
import { OverflowPolicies } from '../overflow-policy.js';
import type { Clock, Logger, NodeHistories } from '../ports.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';

export interface TopicsParts {
  readonly kinds: DestinationKinds;
  readonly durables: DurableSubscriptions;
  readonly routes: RouteTable;
  /** The route of a destination, made at first need. */
  readonly routeOf: (destination: string) => Route;
  /** Null: a single node. */
  readonly cluster: Cluster | null;
  /** Null: what a topic keeps is this node's own. */
  readonly nodeHistories: NodeHistories | null;
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly turns: TurnBudget;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly nextMessageId: () => number;
  /** Names one incarnation of a history: letters, digits, `-` and `_` only, never the same again. */
  readonly createEpoch: () => string;
  /** A subscription whose client leaves too much unacknowledged. */
  readonly onOverflow: (subscription: Subscription) => void;
}

export class Topics {
  /** Where subscriptions have their messages from, when they have nothing to catch up with. */
  readonly source: TopicSource;
  readonly histories: Histories;
  /** Null: what topics keep is this node's own, or nothing. */
  readonly sharedHistories: SharedHistories | null;
  readonly #parts: TopicsParts;
  readonly #patterns: SubscriptionIndex<Subscription>;
  readonly #overflow: OverflowPolicies;
  readonly #historyRules: HistoryRules;

  constructor(options: BrokerOptions, parts: TopicsParts) {
    const { stats, wheel, clock, logger, journal, turns, createEpoch, onOverflow, nodeHistories } = parts;
    const { separator } = options.destinations;
    this.#parts = parts;
    this.#patterns = new SubscriptionIndex(separator);
    this.#overflow = new OverflowPolicies(options.outbox.policies, separator);
    this.#historyRules = new HistoryRules(options.history, separator);
    this.source = new TopicSource({
      maxWaitingBytes: options.outbox.hardLimitBytes,
      onOverflow,
      redelivery: options.queueDefaults,
      stats,
      wheel,
      clock,
    });
    this.histories = new Histories({
      maxBytes: options.limits.maxHistoryBytes,
      separator,
      createEpoch,
      live: this.source,
      stats,
      wheel,
      clock,
      turns,
      logger,
      journal,
    });
    this.sharedHistories =
      nodeHistories === null || options.history.length === 0 ? null : this.#shareHistories(nodeHistories, options);
  }

  #shareHistories(port: NodeHistories, { limits, destinations, history }: BrokerOptions): SharedHistories {
    const { routes, routeOf, nextMessageId, wheel, clock, logger } = this.#parts;
    const subscribersOf = (destination: string): number => routes.get(destination)?.subscriberCount ?? 0;
    return new SharedHistories({
      port,
      cache: this.histories,
      audienceOf: (destination) => routeOf(destination) as SharedHistoryTopic,
      nextMessageId,
      wheel,
      clock,
      logger,
      maxBytes: limits.maxHistoryBytes,
      separator: destinations.separator,
      groups: history.map(({ pattern }) => pattern),
      ruleOf: (destination) => this.historyOf(destination),
      subscribersOf,
      isWanted: (destination) => subscribersOf(destination) > 0 || this.#patterns.groups(destination).length > 0,
    });
  }

  /** A topic that nobody has asked for yet. */
  make(destination: string): Topic | HistoryRoute {
    const givingWay = this.#overflow.of(destination);
    const rule = this.historyOf(destination);
    const { cluster, durables, stats } = this.#parts;
    const { histories, sharedHistories: shared, source } = this;
    const patterns = this.#patterns;
    if (rule === null) {
      return cluster === null
        ? new Topic(destination, patterns, source, durables, givingWay)
        : new SharedTopic(cluster, destination, patterns, source, durables, givingWay);
    }
    const parts = { patterns, source, durables, givingWay };
    return shared === null
      ? new HistoryTopic(destination, { ...parts, histories, options: rule })
      : new SharedHistoryTopic(destination, { ...parts, shared, rule, stats });
  }

  /** What is kept of a destination; null where that is nothing. */
  historyOf(destination: string): FilledHistoryRule | null {
    return this.isFannedOut(destination) ? this.#historyRules.of(destination) : null;
  }

  /** Whether all its subscribers get each message. */
  isFannedOut(destination: string): boolean {
    const { kinds } = this.#parts;
    const kind = kinds.of(destination);
    return kind === 'topic' || (kind === 'queue' && kinds.isBroadcast(destination));
  }

  /** Whether other nodes have a part in it: in a cluster, whatever is fanned out. */
  isShared(destination: string): boolean {
    return this.#parts.cluster !== null && this.isFannedOut(destination);
  }

  /** A subscription by pattern: to what there is, and what there will be. */
  addPattern(subscription: Subscription): void {
    this.#patterns.add(subscription.destination, subscription);
    subscription.source = this.source;
  }

  removePattern(subscription: Subscription): void {
    this.#patterns.remove(subscription.destination, subscription);
    this.source.end(subscription);
  }

  /** Those to this very topic, durable ones whose clients are there among them. */
  *subscriptionsTo(topic: string): Iterable<Subscription> {
    const { routes, durables } = this.#parts;
    const route = routes.get(topic);
    if (route instanceof Topic || route instanceof HistoryRoute) yield* route.subscriptions;
    yield* durables.subscriptionsTo(topic);
  }
}
