/**
 * What a router is made of, made in the order in which the parts need each other. Where two need one another, one of them
 * asks by a function: none is called before all are there.
 */
import type { UserRegistry } from '../application/user-registry.js';
import { Cluster } from '../cluster/cluster.js';
import { ClusterUsers } from '../cluster/cluster-users.js';
import { RemoteReplies } from '../cluster/remote-replies.js';
import type { SharedQueues } from '../cluster/shared-queues.js';
import { DestinationKinds } from '../destinations/destination-kinds.js';
import { DurableSubscriptions } from '../destinations/durable-subscriptions.js';
import { isPattern } from '../destinations/pattern.js';
import type { ReplyAddresses } from '../destinations/reply-addresses.js';
import type { Route } from '../destinations/route.js';
import { RouteTable } from '../destinations/route-table.js';
import { TemporaryQueues } from '../destinations/temporary-queues.js';
import { UserDestinations } from '../destinations/user-destinations.js';
import type { BrokerError } from '../errors.js';
import { Inbox } from '../inbox/inbox.js';
import type { BrokerOptions } from '../options.js';
import type { BrokerRelay, Clock, Logger, NodeHistories, NodeRelay } from '../ports.js';
import { RelayedDestinations } from '../relay/relayed-destinations.js';
import { ServerTopics } from '../server-topics.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';
import { Arrivals } from './arrivals.js';
import { KnownDestinations } from './known-destinations.js';
import { NodeClaims } from './node-claims.js';
import { Queues } from './queues.js';
import { Replays } from './replays.js';
import { RouteMaker } from './route-maker.js';
import { Topics } from './topics.js';

export interface RoutingParts {
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

export interface Routing {
  readonly routes: RouteTable;
  readonly maker: RouteMaker;
  readonly topics: Topics;
  readonly kinds: DestinationKinds;
  readonly known: KnownDestinations;
  readonly arrivals: Arrivals;
  readonly claims: NodeClaims;
  readonly replays: Replays;
  readonly durables: DurableSubscriptions;
  readonly users: UserDestinations;
  readonly inbox: Inbox;
  readonly sharedQueues: SharedQueues | null;
  readonly relayed: RelayedDestinations | null;
  readonly cluster: Cluster | null;
  readonly clusterUsers: ClusterUsers | null;
  readonly serverTopics: ServerTopics;
  readonly temporary: TemporaryQueues;
}

export function composeRouting(options: BrokerOptions, parts: RoutingParts): Routing {
  const { stats, nextMessageId, replyAddresses, logger, relay, userOf } = parts;
  const cluster = joinCluster(parts);
  const routes = new RouteTable(options.limits.maxCachedRoutes);
  const routeOf = (destination: string): Route => routes.get(destination) ?? maker.make(destination);
  const queues: Queues = new Queues(options, {
    ...parts,
    turns: parts.budget,
    routes,
    keptRoute: (destination) => maker.kept(destination),
    findShared: (stream) => known.queueOf(stream),
  });
  const isRelayed = (destination: string): boolean => relay !== null && relay.covers(destination);
  const kinds = new DestinationKinds(options, queues.rules, isRelayed);
  const durables = makeDurables(options, queues);
  const topics = new Topics(options, { ...parts, turns: parts.budget, kinds, durables, routes, routeOf, cluster });
  const temporary = new TemporaryQueues({
    addresses: replyAddresses,
    queueParts: queues.parts,
    queueDefaults: options.queueDefaults,
    maxPerSession: options.limits.maxTempQueuesPerSession,
  });
  const { inbox, users } = makeUsers(options, parts, topics, kinds);
  const toUsers = { destinations: users, users: parts.users, nextMessageId, isHere: parts.isHere };
  const clusterUsers = cluster === null ? null : new ClusterUsers({ ...toUsers, cluster });
  const relayed = relay === null ? null : relayTo(relay, parts, { topics, users, kinds });
  const serverTopics = makeServerTopics(options, parts, topics, kinds);
  const remoteReplies = cluster === null ? null : new RemoteReplies(cluster, replyAddresses);
  const replies = { replyAddresses, remoteReplies, compat: options.compat };
  const maker: RouteMaker = new RouteMaker({ ...replies, kinds, routes, topics, queues, relayed, stats });
  const sharesQueues = queues.shared !== null;
  const known: KnownDestinations = new KnownDestinations({ kinds, routes, durables, routeOf, sharesQueues });
  const arriving = { kinds, serverTopics, cluster, replyAddresses, routeOf, nextMessageId, logger };
  return {
    routes,
    maker,
    topics,
    kinds,
    known,
    arrivals: new Arrivals(arriving),
    claims: new NodeClaims({ kinds, topics, durables, serverTopics, cluster, userOf }),
    replays: new Replays({ kinds, topics, routeOf }),
    durables,
    users,
    inbox,
    sharedQueues: queues.shared,
    relayed,
    cluster,
    clusterUsers,
    serverTopics,
    temporary,
  };
}

/** Null: a single node. */
function joinCluster({ nodeRelay, budget, replyAddresses }: RoutingParts): Cluster | null {
  if (nodeRelay === null) return null;
  const cluster = new Cluster(nodeRelay, budget);
  // In force with the first connection. Refused, replies that are sent on other nodes do not come here.
  cluster.join(replyAddresses.channel)?.catch(() => undefined);
  return cluster;
}

function makeDurables(options: BrokerOptions, queues: Queues): DurableSubscriptions {
  const { queueDefaults, limits, destinations, durableSubscriptions } = options;
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

/** The inbox keeps what finds no subscription under `/user`, and stands in front of what those get live. */
function makeUsers(options: BrokerOptions, parts: RoutingParts, topics: Topics, kinds: DestinationKinds) {
  const inbox = new Inbox(options, {
    ...parts,
    live: topics.source,
    find: (user, rest, message) => users.find(user, rest, message),
    deliver: (user, rest, message) => users.publishToAll(user, rest, message),
    isReady: (user, rest, isHeld) => {
      for (const subscription of users.matching(user, rest)) if (!isHeld(subscription)) return true;
      return false;
    },
  });
  const { separator, userPrefix } = options.destinations;
  const users: UserDestinations = new UserDestinations(
    { prefix: `${userPrefix}/`, separator, isBrokerDestination: (rest) => kinds.isBrokerDestination(rest) },
    parts.users,
    topics.source,
    inbox.source,
  );
  return { inbox, users };
}

function relayTo(
  relay: BrokerRelay,
  { logger, nextMessageId, refuse }: RoutingParts,
  { topics, users, kinds }: Pick<Routing, 'topics' | 'users' | 'kinds'>,
): RelayedDestinations {
  return new RelayedDestinations({
    relay,
    logger,
    nextMessageId,
    refuse,
    live: topics.source,
    restOf: (destination) => (users.covers(destination) ? users.restOf(destination) : null),
    visible: (rest) => users.visibleDestination(rest),
    isTopic: (destination) => kinds.isUnderTopics(destination),
  });
}

function makeServerTopics(
  options: BrokerOptions,
  { clock, wheel, nextMessageId, userOf, nodeId }: RoutingParts,
  topics: Topics,
  kinds: DestinationKinds,
): ServerTopics {
  return new ServerTopics({
    options,
    reserved: kinds.reserved,
    clock,
    wheel,
    nextMessageId,
    userOf,
    nodeId,
    source: topics.source,
    subscriptionsTo: (topic) => topics.subscriptionsTo(topic),
    isTopic: (topic) => kinds.of(topic) === 'topic' && !isPattern(topic),
  });
}
