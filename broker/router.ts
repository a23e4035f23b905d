/**
 * From a destination to what happens there: decides the kind once, remembers the route, and is the one door for
 * publishing and subscribing (DESIGN D1, P9).
 */
import { BrokerError } from './errors.js';
import { quoteInput, type Headers } from '../protocol/index.js';
import { isPattern } from './destinations/pattern.js';
import { DURABLE_PREFIX, DurableSubscriptions } from './destinations/durable-subscriptions.js';
import { DeadLetters } from './destinations/dead-letters.js';
import { DestinationKinds } from './destinations/destination-kinds.js';
import { readTerms } from './destinations/message-terms.js';
import type { KeptQueue } from './destinations/kept-queue.js';
import { Queue, QUEUE_STREAM, type QueueParts } from './destinations/queue.js';
import type { DestinationDetails } from './operations/details.js';
import type { OperatedQueue } from './operations/queue-operations.js';
import type { ReplyAddresses } from './destinations/reply-addresses.js';
import { SubscriptionIndex } from './destinations/subscription-index.js';
import { TemporaryQueue, TemporaryQueues } from './destinations/temporary-queues.js';
import { Topic } from './destinations/topic.js';
import { TopicSource } from './destinations/topic-source.js';
import { UserDestinations } from './destinations/user-destinations.js';
import { Histories } from './history/histories.js';
import { HistoryRules, type FilledHistoryRule } from './history/history-options.js';
import { HistoryRoute } from './history/history-route.js';
import { HistoryTopic } from './history/history-topic.js';
import type { ReplayPlan } from './history/replay-plan.js';
import type { ResumeRequest } from './history/replay.js';
import { Inbox } from './inbox/inbox.js';
import { BrokerFeed } from './feed/broker-feed.js';
import { Presence } from './presence/presence.js';
import { ServerTopics } from './server-topics.js';
import { Cluster } from './cluster/cluster.js';
import { ClusterUsers, userChannel } from './cluster/cluster-users.js';
import { RemoteReplies } from './cluster/remote-replies.js';
import { SharedHistories } from './cluster/shared-histories.js';
import { SharedHistoryTopic } from './cluster/shared-history-topic.js';
import { SharedQueue } from './cluster/shared-queue.js';
import { SharedQueues } from './cluster/shared-queues.js';
import { SharedTopic } from './cluster/shared-topic.js';
import { RelayedDestinations, type RelayedPlace } from './relay/relayed-destinations.js';
import type { UserRegistry } from './application/user-registry.js';
import type { Route } from './destinations/route.js';
import { RouteTable } from './destinations/route-table.js';
import { OverflowPolicies } from './overflow-policy.js';
import { decodeForeign } from './storage/message-codec.js';
import type { Message } from './message.js';
import type { BrokerOptions } from './options.js';
import type { BrokerRelay, Clock, Logger, NodeHistories, NodeRelay, StoreContents } from './ports.js';
import type { Journal } from './storage/journal.js';
import { lanesByStream } from './storage/lanes-by-stream.js';
import type { WriteUnit } from './storage/write-unit.js';
import { type QueueOptions, QueueRules } from './queue-options.js';
import type { BrokerStats } from './stats.js';
import type { Subscription } from './subscription.js';
import type { TurnBudget } from './turn-budget.js';
import type { TimerWheel } from './timer-wheel.js';

export interface RouterParts {
  readonly stats: BrokerStats;
  readonly users: UserRegistry;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly budget: TurnBudget;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly nextMessageId: () => number;
  /** The user of a session; null: anonymous. */
  readonly userOf: (sessionId: string) => string | null;
  /** Whether this node has the session. */
  readonly isHere: (sessionId: string) => boolean;
  readonly replyAddresses: ReplyAddresses;
  /** Names one incarnation of a history: letters, digits, `-` and `_` only, never the same again. */
  readonly createEpoch: () => string;
  /** Of this node, in what it tells about itself. */
  readonly nodeId: string;
  /** Null: every destination is this node's. */
  readonly relay: BrokerRelay | null;
  /** Null: there are no other nodes. */
  readonly nodeRelay: NodeRelay | null;
  /** Null: what a topic keeps is this node's own. */
  readonly nodeHistories: NodeHistories | null;
  /** Ends a session with ERROR. */
  readonly refuse: (sessionId: string, error: BrokerError) => void;
  /** A topic subscription whose client leaves too much unacknowledged. */
  readonly onOverflow: (subscription: Subscription) => void;
}

export class Router {
  readonly #options: BrokerOptions;
  readonly #stats: BrokerStats;
  readonly #logger: Logger;
  readonly #routes: RouteTable;
  readonly #patterns: SubscriptionIndex<Subscription>;
  readonly #topicSource: TopicSource;
  readonly #queueRules: QueueRules;
  /** What destinations are by their names. */
  readonly kinds: DestinationKinds;
  readonly #queueParts: QueueParts;
  /** Subscriptions to topics that outlive their sessions. */
  readonly durables: DurableSubscriptions;
  /** `/user/…`, whose queues are each session's own. */
  readonly users: UserDestinations;
  /** What is kept for users who are not there. */
  readonly inbox: Inbox;
  /** Queues of all nodes; null: they are this node's own. */
  readonly sharedQueues: SharedQueues | null;
  /** Destinations of an external broker; null: there is none. */
  readonly relayed: RelayedDestinations | null;
  /** Null: a single node. */
  readonly cluster: Cluster | null;
  /** Sessions of users on other nodes; null: a single node. */
  readonly clusterUsers: ClusterUsers | null;
  readonly #userOf: RouterParts['userOf'];
  readonly #remoteReplies: RemoteReplies | null;
  readonly #nextMessageId: () => number;
  /** `/topic/$…`, which the server alone publishes to. */
  readonly serverTopics: ServerTopics;
  readonly #presence: Presence;
  /** `/temp-queue/…`, each session's own too. */
  readonly temporary: TemporaryQueues;
  readonly #replyAddresses: ReplyAddresses;
  /** For destinations that keep no subscriptions: one object each, as nothing is kept of them. */
  readonly #unkept: Readonly<Record<'app' | 'user' | 'unknown', Route>>;
  readonly #overflow: OverflowPolicies;
  readonly histories: Histories;
  readonly #historyRules: HistoryRules;
  /** Null: what topics keep is this node's own, or nothing. */
  readonly sharedHistories: SharedHistories | null;

  constructor(options: BrokerOptions, parts: RouterParts) {
    const { stats, wheel, clock, nextMessageId, createEpoch, replyAddresses, onOverflow, logger, journal, relay } =
      parts;
    this.#options = options;
    this.#nextMessageId = nextMessageId;
    this.cluster = parts.nodeRelay === null ? null : new Cluster(parts.nodeRelay, parts.budget);
    this.#remoteReplies = this.cluster === null ? null : new RemoteReplies(this.cluster, replyAddresses);
    // In force with the first connection. Refused, replies that are sent on other nodes do not come here.
    this.cluster?.join(replyAddresses.channel)?.catch(() => undefined);
    this.#stats = stats;
    this.#logger = logger;
    this.#patterns = new SubscriptionIndex(options.destinations.separator);
    this.#topicSource = new TopicSource({
      maxWaitingBytes: options.outbox.hardLimitBytes,
      onOverflow,
      redelivery: options.queueDefaults,
      stats,
      wheel,
      clock,
    });
    this.#queueRules = new QueueRules(options.queues, options.queueDefaults, options.destinations.separator);
    this.kinds = new DestinationKinds(
      options,
      this.#queueRules,
      (destination) => relay !== null && relay.covers(destination),
    );
    const deadLetters = new DeadLetters({
      stats,
      nextMessageId,
      logger,
      hasRoom: (destination, messages, bytes) => {
        const route = this.#routes.get(destination);
        return !(route instanceof Queue) || route.hasRoom(messages, bytes);
      },
      publish: (destination, message, unit) => {
        this.#keptRoute(destination).publish(message, unit);
      },
    });
    this.#queueParts = { wheel, clock, stats, deadLetters, logger, turns: parts.budget, journal, nextMessageId };
    this.sharedQueues =
      journal?.isShared === true
        ? new SharedQueues({ ...this.#queueParts, journal, find: (stream) => this.#findShared(stream) })
        : null;
    this.#replyAddresses = replyAddresses;
    this.temporary = new TemporaryQueues({
      addresses: replyAddresses,
      queueParts: this.#queueParts,
      queueDefaults: options.queueDefaults,
      maxPerSession: options.limits.maxTempQueuesPerSession,
    });
    const { separator, userPrefix } = options.destinations;
    const { maxSubscriptions, maxMessages, maxBytes, onFull } = options.durableSubscriptions;
    this.durables = new DurableSubscriptions(
      {
        separator,
        queue: { ...options.queueDefaults, maxMessages, maxBytes, onFull, durable: false },
        maxSubscriptions,
        maxSelectorBytes: options.limits.maxSelectorBytes,
        createQueue: (destination, stream, own) => this.#createQueue(destination, own, stream),
      },
      this.#queueParts,
    );
    this.inbox = new Inbox(options, {
      ...parts,
      live: this.#topicSource,
      find: (user, rest, message) => this.users.find(user, rest, message),
      deliver: (user, rest, message) => this.users.publishToAll(user, rest, message),
      isReady: (user, rest, isHeld) => {
        for (const subscription of this.users.matching(user, rest)) if (!isHeld(subscription)) return true;
        return false;
      },
    });
    this.users = new UserDestinations(
      { prefix: `${userPrefix}/`, separator, isBrokerDestination: (rest) => this.kinds.isBrokerDestination(rest) },
      parts.users,
      this.#topicSource,
      this.inbox.source,
    );
    this.#userOf = parts.userOf;
    const { users, isHere } = parts;
    this.clusterUsers =
      this.cluster === null
        ? null
        : new ClusterUsers({ cluster: this.cluster, destinations: this.users, users, nextMessageId, isHere });
    this.relayed = relay === null ? null : this.#relayTo(relay, parts);
    this.#unkept = {
      app: new UnkeptRoute('app', stats),
      user: new UnkeptRoute('user', stats),
      unknown: new UnkeptRoute('unknown', stats),
    };
    this.#routes = new RouteTable(options.limits.maxCachedRoutes);
    this.#overflow = new OverflowPolicies(options.outbox.policies, separator);
    this.#historyRules = new HistoryRules(options.history, separator);
    this.serverTopics = this.#makeServerTopics(parts);
    this.#presence = this.serverTopics.presence;
    this.histories = new Histories({
      maxBytes: options.limits.maxHistoryBytes,
      separator,
      createEpoch,
      live: this.#topicSource,
      stats,
      wheel,
      clock,
      turns: parts.budget,
      logger,
      journal,
    });
    const { nodeHistories } = parts;
    this.sharedHistories =
      nodeHistories === null || options.history.length === 0 ? null : this.#shareHistories(nodeHistories, parts);
  }

  #shareHistories(port: NodeHistories, { wheel, clock, logger, nextMessageId }: RouterParts): SharedHistories {
    const subscribersOf = (destination: string): number => this.#routes.get(destination)?.subscriberCount ?? 0;
    return new SharedHistories({
      port,
      cache: this.histories,
      audienceOf: (destination) => this.route(destination) as SharedHistoryTopic,
      nextMessageId,
      wheel,
      clock,
      logger,
      maxBytes: this.#options.limits.maxHistoryBytes,
      separator: this.#options.destinations.separator,
      groups: this.#options.history.map(({ pattern }) => pattern),
      ruleOf: (destination) => this.#historyOf(destination),
      subscribersOf,
      isWanted: (destination) => subscribersOf(destination) > 0 || this.#patterns.groups(destination).length > 0,
    });
  }

  #makeServerTopics({ clock, wheel, nextMessageId, userOf, nodeId }: RouterParts): ServerTopics {
    const { presence, feed: options } = this.#options;
    const { reserved } = this.kinds;
    const shared = { clock, wheel, nextMessageId, reserved, source: this.#topicSource };
    const subscriptionsTo = (topic: string): Iterable<Subscription> => this.#subscriptionsTo(topic);
    const isTopic = (topic: string): boolean => this.kinds.of(topic) === 'topic' && !isPattern(topic);
    return new ServerTopics({
      options,
      reserved,
      presence: new Presence({ ...shared, options: presence, userOf, subscriptionsTo, isTopic }),
      feed: new BrokerFeed({ ...shared, options, nodeId }),
    });
  }

  /** Those to this very topic, durable ones whose clients are there among them. */
  *#subscriptionsTo(topic: string): Iterable<Subscription> {
    const route = this.#routes.get(topic);
    if (route instanceof Topic || route instanceof HistoryRoute) yield* route.subscriptions;
    yield* this.durables.subscriptionsTo(topic);
  }

  #relayTo(relay: BrokerRelay, { logger, nextMessageId, refuse }: RouterParts): RelayedDestinations {
    const { users } = this;
    return new RelayedDestinations({
      relay,
      logger,
      nextMessageId,
      refuse,
      live: this.#topicSource,
      restOf: (destination) => (users.covers(destination) ? users.restOf(destination) : null),
      visible: (rest) => users.visibleDestination(rest),
      isTopic: (destination) => this.kinds.isUnderTopics(destination),
    });
  }

  /**
   * The route of a literal destination, made at first need.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`), `limit-exceeded` (queues)
   */
  route(destination: string): Route {
    return this.#routes.get(destination) ?? this.#makeRoute(destination);
  }

  /**
   * Hands a message on; in the order of calls for each destination and subscription.
   * @param unit what has to be stored for it goes there; null for a message that asks for nothing, on a direct route
   * @throws BrokerError `queue-full`
   */
  publish(route: Route, message: Message, unit: WriteUnit | null): void {
    this.#stats.messagesIn++;
    route.publish(message, unit);
  }

  /**
   * A message that another node published: for subscribers here alone.
   * @returns whether it could be read, and is of a topic that nodes share, or for a user
   */
  receive(destination: string, octets: Buffer): boolean {
    if (this.kinds.reserved.covers(destination)) {
      this.serverTopics.receive(destination, octets);
      return true;
    }
    try {
      const listener = this.cluster?.listenerOf(destination);
      if (listener !== undefined) {
        listener(octets, destination);
        return true;
      }
      const message = decodeForeign(this.#nextMessageId(), octets);
      if (destination === this.#replyAddresses.channel) {
        this.#replyAddresses.find(message.headerMap().get('destination') ?? '')?.publish(message, null);
        return true;
      }
      const route = this.route(destination);
      if (!(route instanceof SharedTopic)) return false;
      route.receive(message);
      return true;
    } catch (error) {
      this.#logger.debug({ err: error, destination }, 'a message of another node is left out');
      return false;
    }
  }

  /** Topics and queues that are remembered. */
  get destinationCount(): number {
    return this.#routes.size;
  }

  /** Of these, the ones for one consumer each. */
  get queueCount(): number {
    return this.#routes.queueCount;
  }

  /** In the order they were first used; live. */
  *destinationDetails(): Generator<DestinationDetails> {
    for (const route of this.#routes.values()) yield detailsOf(route);
  }

  /** Octets of messages in memory, of one queue after the other. */
  *queueMemory(): Generator<number> {
    for (const route of this.#routes.values()) yield route instanceof Queue ? route.memoryBytes : 0;
  }

  /** Adds to each session's octets what its subscriptions to topics wait to acknowledge first. */
  addWaiting(bytesOf: Map<string, number>): void {
    this.#topicSource.addWaiting(bytesOf);
  }

  destinationDetailsOf(destination: string): DestinationDetails | undefined {
    const route = this.#routes.get(destination);
    return route === undefined ? undefined : detailsOf(route);
  }

  /** Null: nothing is known of such a queue. */
  operatedQueue(destination: string): OperatedQueue | null {
    const route = this.#routes.get(destination);
    return route instanceof Queue ? route : null;
  }

  /** As `operatedQueue`, of a queue that all nodes share: any may hold something, whether or not this node has used it. */
  inspectedQueue(destination: string): SharedQueue | null {
    return this.sharedQueues === null ? null : (this.#findShared(QUEUE_STREAM + destination) ?? null);
  }

  /** Those that this node remembers. */
  *inspectedQueues(): Generator<SharedQueue> {
    if (this.sharedQueues === null) return;
    for (const route of this.#routes.values()) if (route instanceof SharedQueue) yield route;
  }

  /**
   * As `route`, of topics and queues alone.
   * @throws BrokerError `destination-invalid`
   */
  brokerRoute(destination: string): Route {
    const kind = this.kinds.check(destination);
    if (kind === 'topic' || kind === 'queue') return this.route(destination);
    throw new BrokerError('destination-invalid', `${quote(destination)} is no topic and no queue`);
  }

  /** The queue of a stream of the shared store, whoever consumes it. */
  #findShared(stream: string): SharedQueue | undefined {
    if (stream.startsWith(DURABLE_PREFIX)) {
      const queue = this.durables.get(stream.slice(DURABLE_PREFIX.length))?.queue;
      return queue instanceof SharedQueue ? queue : undefined;
    }
    const destination = stream.startsWith(QUEUE_STREAM) ? stream.slice(QUEUE_STREAM.length) : '';
    const route = this.kinds.of(destination) === 'queue' ? this.route(destination) : null;
    return route instanceof SharedQueue ? route : undefined;
  }

  /** What the store held when it was opened; once, before anything is published. */
  restore(contents: StoreContents): Promise<void> {
    const streams = lanesByStream(contents.lanes);
    // What was published before found its topic without what the store has of it.
    this.#routes.forgetIdle();
    this.durables.restore(streams, contents.records);
    for (const [stream, lanes] of streams) {
      if (!stream.startsWith(QUEUE_STREAM)) continue;
      const destination = stream.slice(QUEUE_STREAM.length);
      const route = this.kinds.of(destination) === 'queue' ? this.#keptRoute(destination) : null;
      if (route instanceof Queue) route.restore(lanes);
      else this.#logger.warn({ destination }, 'stored messages are of a queue that is none any more: they stay stored');
    }
    return this.histories.restore(contents, (destination) => this.#historyOf(destination));
  }

  /**
   * As `DestinationKinds.check`, for a SEND that takes effect later: what its queue would refuse of its headers is refused now.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`), `header-invalid`
   */
  checkSend(destination: string, headers: Headers): void {
    const kind = this.kinds.check(destination);
    if (kind === 'temporary' || kind === 'reply' || kind === 'server') this.#makeRoute(destination);
    if (kind === 'reply' || (kind === 'queue' && !this.kinds.isBroadcast(destination))) readTerms(headers, 0);
  }

  /**
   * Whether queues have room for these messages, should nobody take any at once: for a COMMIT, which is all or nothing.
   * @throws BrokerError `queue-full`, `destination-unknown` (compat `strict`, a reply queue that is gone)
   */
  checkRoom(sends: readonly { readonly destination: string; readonly bytes: number }[]): void {
    const wanted = new Map<string, { messages: number; bytes: number }>();
    for (const { destination, bytes } of sends) {
      const kind = this.kinds.of(destination);
      if (kind !== 'queue' && kind !== 'reply') continue;
      const sum = wanted.get(destination) ?? { messages: 0, bytes: 0 };
      wanted.set(destination, { messages: sum.messages + 1, bytes: sum.bytes + bytes });
    }
    for (const [destination, { messages, bytes }] of wanted) {
      const route = this.route(destination);
      if (route instanceof Queue || route instanceof TemporaryQueue) route.checkRoom(messages, bytes);
    }
  }

  /** What the rules are asked about: the destination as written, and what a user destination leads to. */
  resolutions(action: 'send' | 'subscribe', destination: string): readonly string[] {
    if (!this.users.covers(destination)) return [destination];
    const rest = action === 'send' ? this.users.parse(destination)?.rest : this.users.restOf(destination);
    return rest === undefined ? [destination] : [destination, rest];
  }

  /**
   * Before `planReplay`, where what a topic keeps has to be asked for.
   * @returns undefined when there is nothing to wait for. What rejects with BrokerError `relay-unavailable`, `relay-lost` when
   * something was asked for that cannot be had at the moment
   */
  prepareReplay(
    destination: string,
    request: ResumeRequest | null,
    durableKey: string | null,
  ): Promise<void> | undefined {
    if (this.sharedHistories === null || !this.#isShared(destination, durableKey)) return undefined;
    if (isPattern(destination)) return this.sharedHistories.prepareAll(destination, request);
    return this.#historyOf(destination) === null ? undefined : this.sharedHistories.prepare(destination, request);
  }

  /**
   * What a subscription gets of what was published before; null where nothing is to be said or done.
   * @param request null: nothing
   * @param isDurable it keeps what it misses by itself
   * @throws BrokerError as `DestinationKinds.checkSubscribable`, `header-invalid`
   */
  planReplay(destination: string, request: ResumeRequest | null, isDurable: boolean): ReplayPlan | null {
    const kind = this.kinds.of(destination);
    if (!isDurable && (kind === 'topic' || kind === 'queue')) {
      if (isPattern(destination)) return request === null ? null : this.histories.planAll(destination, request);
      const route = this.route(destination);
      if (route instanceof HistoryRoute) return route.plan(request);
    }
    return request === null ? null : this.histories.planNone();
  }

  /**
   * Before a subscription is made: has other nodes pass on what they publish there. To be followed by `subscribe`, or by
   * `leave` when it comes to nothing. @returns as `NodeRelay.join`, of a durable one as `DurableSubscriptions.confirm`
   */
  join(destination: string, durableKey: string | null, sessionId: string): Promise<void> | undefined {
    if (this.kinds.reserved.covers(destination)) return this.serverTopics.join(destination);
    if (this.kinds.of(destination) === 'user') return this.#joinUser(destination, durableKey, sessionId);
    if (durableKey !== null) return this.durables.confirm(durableKey);
    if (!this.#isShared(destination, durableKey)) return undefined;
    const joined = this.#sharesHistory(destination) ? undefined : this.cluster?.join(destination);
    const histories = this.sharedHistories?.join(destination, isPattern(destination));
    if (joined === undefined) return histories;
    return histories === undefined ? joined : Promise.all([joined, histories]).then(() => undefined);
  }

  leave(destination: string, durableKey: string | null, sessionId: string): void {
    if (this.kinds.reserved.covers(destination)) {
      this.serverTopics.leave(destination);
      return;
    }
    const user = this.#channelOf(destination, durableKey, sessionId);
    if (user !== null) this.cluster?.leave(user);
    if (!this.#isShared(destination, durableKey)) return;
    if (!this.#sharesHistory(destination)) this.cluster?.leave(destination);
    this.sharedHistories?.leave(destination, isPattern(destination));
  }

  #joinUser(destination: string, durableKey: string | null, sessionId: string): Promise<void> | undefined {
    const user = this.#channelOf(destination, durableKey, sessionId);
    return user === null ? undefined : this.cluster?.join(user);
  }

  /** Where what is for its user arrives; null: it is not under `/user`, or of nobody: anonymous sessions need no channel. */
  #channelOf(destination: string, durableKey: string | null, sessionId: string): string | null {
    if (this.cluster === null || durableKey !== null || this.kinds.of(destination) !== 'user') return null;
    const user = this.#userOf(sessionId);
    return user === null ? null : userChannel(user);
  }

  /** What is published there goes by way of its history. */
  #sharesHistory(destination: string): boolean {
    return this.sharedHistories !== null && !isPattern(destination) && this.#historyOf(destination) !== null;
  }

  /** Whatever is fanned out, unless it outlives its session. */
  #isShared(destination: string, durableKey: string | null): boolean {
    if (this.cluster === null || durableKey !== null) return false;
    const kind = this.kinds.of(destination);
    return kind === 'topic' || (kind === 'queue' && this.kinds.isBroadcast(destination));
  }

  /**
   * Takes a subscription up: messages published from now on reach it, behind what `plan` replays.
   * @throws BrokerError as `DestinationKinds.checkSubscribable`
   */
  subscribe(subscription: Subscription, plan: ReplayPlan | null = null): void {
    const { destination } = subscription;
    const kind = this.kinds.of(destination);
    if (subscription.durableKey !== null) this.durables.attach(subscription, subscription.durableKey);
    else if (kind === 'user') this.users.add(subscription);
    else if (kind === 'server') this.serverTopics.add(subscription);
    else if (kind === 'temporary') this.temporary.claim(subscription.sessionId, destination).add(subscription);
    else if ((kind === 'topic' || kind === 'queue') && isPattern(destination)) {
      this.#patterns.add(destination, subscription);
      subscription.source = this.#topicSource;
    } else {
      const route = this.route(destination);
      this.#routes.hold(route);
      route.add(subscription);
    }
    this.#stats.subscriptions++;
    if (plan !== null && subscription.source === this.#topicSource && kind !== 'user') {
      this.histories.begin(subscription, plan);
    }
    if (kind === 'topic') this.#presence.subscribed(subscription);
  }

  /** Takes up a subscription that an external broker has confirmed. */
  subscribeRelayed(subscription: Subscription, place: RelayedPlace): void {
    this.relayed?.add(subscription, place);
    this.#stats.subscriptions++;
  }

  /**
   * Ends a subscription; what it left unsettled goes back to where it came from.
   * @param isSessionOver its session has ended, and the subscription with it
   */
  unsubscribe(subscription: Subscription, isSessionOver = false): void {
    const { destination } = subscription;
    subscription.outbox.forget(subscription);
    this.#stats.subscriptions--;
    if (this.relayed?.remove(subscription) === true) return;
    const kind = this.kinds.of(destination);
    if (kind === 'server') this.serverTopics.remove(subscription);
    if (kind === 'server' || this.cluster !== null) {
      this.leave(destination, subscription.durableKey, subscription.sessionId);
    }
    if (kind === 'server') return;
    if (kind === 'topic') this.#presence.unsubscribed(subscription, isSessionOver);
    if (subscription.durableKey !== null) this.durables.detach(subscription, subscription.durableKey);
    else if (kind === 'user') this.users.remove(subscription);
    else if (kind === 'temporary') this.temporary.find(subscription.sessionId, destination)?.remove(subscription);
    else if ((kind === 'topic' || kind === 'queue') && isPattern(destination)) {
      this.#patterns.remove(destination, subscription);
      this.#topicSource.end(subscription);
    } else {
      const route = this.#routes.get(destination);
      route?.remove(subscription);
      if (route !== undefined) this.#routes.unsubscribed(route);
    }
  }

  /** The session is over, and its subscriptions have ended: what only it could reach goes too. */
  endSession(sessionId: string): void {
    this.#stats.messagesDropped += this.temporary.end(sessionId);
    this.relayed?.endSession(sessionId);
  }

  /** As `route`, for what would be lost otherwise: however many queues there are. */
  #keptRoute(destination: string): Route {
    return this.#routes.get(destination) ?? this.#makeRoute(destination, true);
  }

  #makeRoute(destination: string, isKept = false): Route {
    const kind = this.kinds.check(destination);
    if (kind === 'reply') return this.#replyRoute(destination);
    if (kind === 'relayed' && this.relayed !== null) return this.relayed.route;
    if (kind === 'temporary') {
      throw new BrokerError(
        'destination-invalid',
        `${quote(destination)} cannot be sent to: name it in reply-to, or send to the reply-to of a message`,
      );
    }
    if (kind === 'server') throw this.kinds.unpublishable(destination);
    if (kind === 'unknown' || kind === 'app' || kind === 'user') return this.#unkept[kind];
    const route = kind === 'topic' ? this.#makeTopic(destination) : this.#makeQueue(destination, isKept);
    this.#routes.add(route);
    return route;
  }

  /** A reply to somebody who has left is dropped and counted, or refused in compat `strict`. */
  #replyRoute(destination: string): Route {
    const route = this.#replyAddresses.find(destination);
    if (route !== undefined) return route;
    if (this.#remoteReplies !== null && this.#replyAddresses.channelOf(destination) !== null)
      return this.#remoteReplies;
    if (this.#options.compat === 'strict' && !this.#replyAddresses.isOfApplication(destination)) {
      throw new BrokerError('destination-unknown', `Nobody waits for replies at ${quote(destination)} any more`);
    }
    return this.#unkept.unknown;
  }

  #makeTopic(destination: string): Topic | HistoryRoute {
    const givingWay = this.#overflow.of(destination);
    const options = this.#historyOf(destination);
    const { histories, durables, sharedHistories: shared } = this;
    const [patterns, source] = [this.#patterns, this.#topicSource];
    if (options === null) {
      return this.cluster === null
        ? new Topic(destination, patterns, source, durables, givingWay)
        : new SharedTopic(this.cluster, destination, patterns, source, durables, givingWay);
    }
    if (shared !== null) {
      const stats = this.#stats;
      return new SharedHistoryTopic(destination, {
        shared,
        rule: options,
        stats,
        patterns,
        source,
        durables,
        givingWay,
      });
    }
    return new HistoryTopic(destination, { histories, options, patterns, source, durables, givingWay });
  }

  /** What a topic keeps; null where that is nothing. */
  #historyOf(destination: string): FilledHistoryRule | null {
    const kind = this.kinds.of(destination);
    const isFannedOut = kind === 'topic' || (kind === 'queue' && this.kinds.isBroadcast(destination));
    return isFannedOut ? this.#historyRules.of(destination) : null;
  }

  /** @throws BrokerError `limit-exceeded` */
  #makeQueue(destination: string, isKept: boolean): KeptQueue | Topic | HistoryRoute {
    const options = this.#queueRules.of(destination);
    // Patterns reach broadcast queues alone: no other has itself matched against them.
    if (options.mode === 'broadcast') return this.#makeTopic(destination);
    const { maxQueues } = this.#options.limits;
    // Those of all nodes are kept elsewhere.
    if (this.sharedQueues === null && !isKept && !this.#routes.hasRoomForQueue(maxQueues)) {
      throw new BrokerError('limit-exceeded', `${maxQueues} queues on this server is the limit`);
    }
    return this.#createQueue(destination, options, QUEUE_STREAM + destination);
  }

  #createQueue(destination: string, options: QueueOptions, stream: string): KeptQueue {
    return this.sharedQueues === null
      ? new Queue(destination, options, this.#queueParts, stream)
      : this.sharedQueues.create(destination, stream, options);
  }
}

function detailsOf(route: Route): DestinationDetails {
  const { destination, subscriberCount } = route;
  const queue = route instanceof Queue || route instanceof SharedQueue ? route : null;
  const history = route instanceof HistoryRoute ? route.kept : null;
  // A queue in mode broadcast is a topic in all but its name.
  const kind = route.kind === 'queue' ? 'queue' : 'topic';
  return { destination, kind, subscriberCount, queue, history };
}

function quote(destination: string): string {
  return quoteInput(destination, 120);
}

/**
 * A destination of which nothing is kept: outside every prefix in compat `spring` (Spring S4.1), `/app` without a handler,
 * and `/user` when nothing is resolved. What is published there is dropped and counted.
 */
class UnkeptRoute implements Route {
  readonly destination = '';
  readonly kind: 'app' | 'user' | 'unknown';
  readonly isDirect: boolean;
  readonly subscriberCount = 0;
  readonly isIdle = true;
  /** Never remembered by anybody: a destination's prefix is cheap to test again. */
  isLive = false;
  readonly #stats: BrokerStats;

  constructor(kind: 'app' | 'user' | 'unknown', stats: BrokerStats) {
    this.kind = kind;
    this.isDirect = kind === 'unknown';
    this.#stats = stats;
  }

  publish(): void {
    this.#stats.messagesDropped++;
  }

  add(): void {
    // The id stays taken on the session, so that UNSUBSCRIBE finds it; no message will ever come.
  }

  remove(): void {
    // See add.
  }
}
