/**
 * From a destination to what happens there: decides the kind once, remembers the route, and is the one door for
 * publishing and subscribing (DESIGN D1, P9). What it is made of is in routing/.
 */
import { BrokerError } from './errors.js';
import { quoteInput, type Headers } from '../protocol/index.js';
import { isPattern } from './destinations/pattern.js';
import { DurableSubscriptions } from './destinations/durable-subscriptions.js';
import { DestinationKinds } from './destinations/destination-kinds.js';
import { readTerms } from './destinations/message-terms.js';
import { Queue, QUEUE_STREAM } from './destinations/queue.js';
import type { ReplyAddresses } from './destinations/reply-addresses.js';
import { TemporaryQueue, TemporaryQueues } from './destinations/temporary-queues.js';
import { UserDestinations } from './destinations/user-destinations.js';
import type { Histories } from './history/histories.js';
import type { ReplayPlan } from './history/replay-plan.js';
import { Inbox } from './inbox/inbox.js';
import { ServerTopics } from './server-topics.js';
import { Cluster } from './cluster/cluster.js';
import { ClusterUsers } from './cluster/cluster-users.js';
import { RemoteReplies } from './cluster/remote-replies.js';
import type { SharedHistories } from './cluster/shared-histories.js';
import type { SharedQueues } from './cluster/shared-queues.js';
import { RelayedDestinations, type RelayedPlace } from './relay/relayed-destinations.js';
import { Arrivals } from './routing/arrivals.js';
import { KnownDestinations } from './routing/known-destinations.js';
import { NodeClaims } from './routing/node-claims.js';
import { Queues } from './routing/queues.js';
import { Replays } from './routing/replays.js';
import { RouteMaker } from './routing/route-maker.js';
import { Topics } from './routing/topics.js';
import type { UserRegistry } from './application/user-registry.js';
import type { Route } from './destinations/route.js';
import { RouteTable } from './destinations/route-table.js';
import type { Message } from './message.js';
import type { BrokerOptions } from './options.js';
import type { BrokerRelay, Clock, Logger, NodeHistories, NodeRelay, StoreContents } from './ports.js';
import type { Journal } from './storage/journal.js';
import { lanesByStream } from './storage/lanes-by-stream.js';
import type { WriteUnit } from './storage/write-unit.js';
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
  readonly #maker: RouteMaker;
  readonly #topics: Topics;
  /** What destinations are by their names. */
  readonly kinds: DestinationKinds;
  /** Topics and queues that are remembered. */
  readonly known: KnownDestinations;
  /** What other nodes publish. */
  readonly arrivals: Arrivals;
  /** What subscriptions want of other nodes. */
  readonly claims: NodeClaims;
  /** What subscriptions get of what was published before. */
  readonly replays: Replays;
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
  /** `/topic/$…`, which the server alone publishes to. */
  readonly serverTopics: ServerTopics;
  /** `/temp-queue/…`, each session's own too. */
  readonly temporary: TemporaryQueues;
  readonly histories: Histories;
  /** Null: what topics keep is this node's own, or nothing. */
  readonly sharedHistories: SharedHistories | null;

  constructor(options: BrokerOptions, parts: RouterParts) {
    const { stats, clock, wheel, nextMessageId, replyAddresses, logger, journal, relay, budget: turns } = parts;
    const { nodeRelay, userOf, nodeHistories, createEpoch, onOverflow } = parts;
    this.#options = options;
    this.#stats = stats;
    this.#logger = logger;
    const cluster = nodeRelay === null ? null : new Cluster(nodeRelay, turns);
    this.cluster = cluster;
    const remoteReplies = cluster === null ? null : new RemoteReplies(cluster, replyAddresses);
    // In force with the first connection. Refused, replies that are sent on other nodes do not come here.
    cluster?.join(replyAddresses.channel)?.catch(() => undefined);
    const routes = new RouteTable(options.limits.maxCachedRoutes);
    this.#routes = routes;
    const routeOf = (destination: string): Route => this.route(destination);
    const making = { wheel, clock, stats, logger, turns, journal, nextMessageId };
    const queues = new Queues(options, {
      ...making,
      routes,
      keptRoute: (destination) => this.#maker.kept(destination),
      findShared: (stream) => this.known.queueOf(stream),
    });
    this.sharedQueues = queues.shared;
    this.kinds = new DestinationKinds(
      options,
      queues.rules,
      (destination) => relay !== null && relay.covers(destination),
    );
    this.durables = this.#makeDurables(queues);
    const { kinds, durables } = this;
    const kept = { nodeHistories, createEpoch, onOverflow };
    const topics = new Topics(options, { ...making, ...kept, kinds, durables, routes, routeOf, cluster });
    this.#topics = topics;
    this.histories = topics.histories;
    this.sharedHistories = topics.sharedHistories;
    this.temporary = new TemporaryQueues({
      addresses: replyAddresses,
      queueParts: queues.parts,
      queueDefaults: options.queueDefaults,
      maxPerSession: options.limits.maxTempQueuesPerSession,
    });
    this.inbox = this.#makeInbox(parts);
    this.users = this.#makeUsers(parts.users);
    this.clusterUsers = cluster === null ? null : this.#shareUsers(cluster, parts);
    this.relayed = relay === null ? null : this.#relayTo(relay, parts);
    this.serverTopics = this.#makeServerTopics(parts);
    const { relayed, serverTopics } = this;
    const { compat } = options;
    const made = { compat, kinds, routes, topics, queues, relayed, replyAddresses, remoteReplies, stats };
    this.#maker = new RouteMaker(made);
    const sharesQueues = queues.shared !== null;
    this.known = new KnownDestinations({ kinds, routes, durables, routeOf, sharesQueues });
    const arriving = { kinds, serverTopics, cluster, replyAddresses, routeOf, nextMessageId, logger };
    this.arrivals = new Arrivals(arriving);
    this.claims = new NodeClaims({ kinds, topics, durables, serverTopics, cluster, userOf });
    this.replays = new Replays({ kinds, topics, routeOf });
  }

  #makeDurables(queues: Queues): DurableSubscriptions {
    const { queueDefaults, limits, destinations, durableSubscriptions } = this.#options;
    const { maxSubscriptions, maxMessages, maxBytes, onFull } = durableSubscriptions;
    return new DurableSubscriptions(
      {
        separator: destinations.separator,
        queue: { ...queueDefaults, maxMessages, maxBytes, onFull, durable: false },
        maxSubscriptions,
        maxSelectorBytes: limits.maxSelectorBytes,
        createQueue: (destination, stream, own) => queues.create(destination, own, stream),
      },
      queues.parts,
    );
  }

  #makeInbox(parts: RouterParts): Inbox {
    return new Inbox(this.#options, {
      ...parts,
      live: this.#topics.source,
      find: (user, rest, message) => this.users.find(user, rest, message),
      deliver: (user, rest, message) => this.users.publishToAll(user, rest, message),
      isReady: (user, rest, isHeld) => {
        for (const subscription of this.users.matching(user, rest)) if (!isHeld(subscription)) return true;
        return false;
      },
    });
  }

  #makeUsers(registry: UserRegistry): UserDestinations {
    const { separator, userPrefix } = this.#options.destinations;
    return new UserDestinations(
      { prefix: `${userPrefix}/`, separator, isBrokerDestination: (rest) => this.kinds.isBrokerDestination(rest) },
      registry,
      this.#topics.source,
      this.inbox.source,
    );
  }

  #shareUsers(cluster: Cluster, { users, nextMessageId, isHere }: RouterParts): ClusterUsers {
    return new ClusterUsers({ cluster, destinations: this.users, users, nextMessageId, isHere });
  }

  #relayTo(relay: BrokerRelay, { logger, nextMessageId, refuse }: RouterParts): RelayedDestinations {
    const { users } = this;
    return new RelayedDestinations({
      relay,
      logger,
      nextMessageId,
      refuse,
      live: this.#topics.source,
      restOf: (destination) => (users.covers(destination) ? users.restOf(destination) : null),
      visible: (rest) => users.visibleDestination(rest),
      isTopic: (destination) => this.kinds.isUnderTopics(destination),
    });
  }

  #makeServerTopics({ clock, wheel, nextMessageId, userOf, nodeId }: RouterParts): ServerTopics {
    const topics = this.#topics;
    return new ServerTopics({
      options: this.#options,
      reserved: this.kinds.reserved,
      clock,
      wheel,
      nextMessageId,
      userOf,
      nodeId,
      source: topics.source,
      subscriptionsTo: (topic) => topics.subscriptionsTo(topic),
      isTopic: (topic) => this.kinds.of(topic) === 'topic' && !isPattern(topic),
    });
  }

  /**
   * The route of a literal destination, made at first need.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`), `limit-exceeded` (queues)
   */
  route(destination: string): Route {
    return this.#routes.get(destination) ?? this.#maker.make(destination);
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

  /** Adds to each session's octets what its subscriptions to topics wait to acknowledge first. */
  addWaiting(bytesOf: Map<string, number>): void {
    this.#topics.source.addWaiting(bytesOf);
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

  /** What the store held when it was opened; once, before anything is published. */
  restore(contents: StoreContents): Promise<void> {
    const streams = lanesByStream(contents.lanes);
    // What was published before found its topic without what the store has of it.
    this.#routes.forgetIdle();
    this.durables.restore(streams, contents.records);
    for (const [stream, lanes] of streams) {
      if (!stream.startsWith(QUEUE_STREAM)) continue;
      const destination = stream.slice(QUEUE_STREAM.length);
      const route = this.kinds.of(destination) === 'queue' ? this.#maker.kept(destination) : null;
      if (route instanceof Queue) route.restore(lanes);
      else this.#logger.warn({ destination }, 'stored messages are of a queue that is none any more: they stay stored');
    }
    return this.histories.restore(contents, (destination) => this.#topics.historyOf(destination));
  }

  /**
   * As `DestinationKinds.check`, for a SEND that takes effect later: what its queue would refuse of its headers is refused now.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`), `header-invalid`
   */
  checkSend(destination: string, headers: Headers): void {
    const kind = this.kinds.check(destination);
    if (kind === 'temporary' || kind === 'reply' || kind === 'server') this.#maker.make(destination);
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
      this.#topics.addPattern(subscription);
    } else {
      const route = this.route(destination);
      this.#routes.hold(route);
      route.add(subscription);
    }
    this.#stats.subscriptions++;
    if (plan !== null && subscription.source === this.#topics.source && kind !== 'user') {
      this.histories.begin(subscription, plan);
    }
    if (kind === 'topic') this.serverTopics.presence.subscribed(subscription);
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
      this.claims.leave(destination, subscription.durableKey, subscription.sessionId);
    }
    if (kind === 'server') return;
    if (kind === 'topic') this.serverTopics.presence.unsubscribed(subscription, isSessionOver);
    if (subscription.durableKey !== null) this.durables.detach(subscription, subscription.durableKey);
    else if (kind === 'user') this.users.remove(subscription);
    else if (kind === 'temporary') this.temporary.find(subscription.sessionId, destination)?.remove(subscription);
    else if ((kind === 'topic' || kind === 'queue') && isPattern(destination)) {
      this.#topics.removePattern(subscription);
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
}

function quote(destination: string): string {
  return quoteInput(destination, 120);
}
