/**
 * From a destination to what happens there: decides the kind once, remembers the route, and is the one door for
 * publishing and subscribing (DESIGN D1, P9). What it is made of is in routing/.
 */
import { BrokerError } from './errors.js';
import { quoteInput, type Headers } from '../protocol/index.js';
import { isPattern } from './destinations/pattern.js';
import type { DurableSubscriptions } from './destinations/durable-subscriptions.js';
import type { DestinationKinds } from './destinations/destination-kinds.js';
import { readTerms } from './destinations/message-terms.js';
import { Queue, QUEUE_STREAM } from './destinations/queue.js';
import { TemporaryQueue, type TemporaryQueues } from './destinations/temporary-queues.js';
import type { UserDestinations } from './destinations/user-destinations.js';
import type { Histories } from './history/histories.js';
import type { ReplayPlan } from './history/replay-plan.js';
import type { Inbox } from './inbox/inbox.js';
import type { ServerTopics } from './server-topics.js';
import type { Cluster } from './cluster/cluster.js';
import type { ClusterUsers } from './cluster/cluster-users.js';
import type { SharedHistories } from './cluster/shared-histories.js';
import type { SharedQueues } from './cluster/shared-queues.js';
import type { RelayedDestinations, RelayedPlace } from './relay/relayed-destinations.js';
import type { Arrivals } from './routing/arrivals.js';
import { composeRouting, type RoutingParts } from './routing/compose-routing.js';
import type { KnownDestinations } from './routing/known-destinations.js';
import type { NodeClaims } from './routing/node-claims.js';
import type { Replays } from './routing/replays.js';
import type { RouteMaker } from './routing/route-maker.js';
import type { Topics } from './routing/topics.js';
import type { Route } from './destinations/route.js';
import type { RouteTable } from './destinations/route-table.js';
import type { Message } from './message.js';
import type { BrokerOptions } from './options.js';
import type { Logger, StoreContents } from './ports.js';
import { lanesByStream } from './storage/lanes-by-stream.js';
import type { WriteUnit } from './storage/write-unit.js';
import type { BrokerStats } from './stats.js';
import type { Subscription } from './subscription.js';

export class Router {
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

  constructor(options: BrokerOptions, parts: RoutingParts) {
    const routing = composeRouting(options, parts);
    this.#stats = parts.stats;
    this.#logger = parts.logger;
    this.#routes = routing.routes;
    this.#maker = routing.maker;
    this.#topics = routing.topics;
    this.kinds = routing.kinds;
    this.known = routing.known;
    this.arrivals = routing.arrivals;
    this.claims = routing.claims;
    this.replays = routing.replays;
    this.durables = routing.durables;
    this.users = routing.users;
    this.inbox = routing.inbox;
    this.sharedQueues = routing.sharedQueues;
    this.relayed = routing.relayed;
    this.cluster = routing.cluster;
    this.clusterUsers = routing.clusterUsers;
    this.serverTopics = routing.serverTopics;
    this.temporary = routing.temporary;
    this.histories = routing.topics.histories;
    this.sharedHistories = routing.topics.sharedHistories;
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
