/** Decides once for each destination what happens there (DESIGN D1), and makes that. What is remembered is RouteTable's. */
import type { RemoteReplies } from '../cluster/remote-replies.js';
import type { DestinationKinds } from '../destinations/destination-kinds.js';
import type { ReplyAddresses } from '../destinations/reply-addresses.js';
import type { Route } from '../destinations/route.js';
import type { RouteTable } from '../destinations/route-table.js';
import { UnkeptRoute } from '../destinations/unkept-route.js';
import { BrokerError } from '../errors.js';
import type { BrokerOptions } from '../options.js';
import type { RelayedDestinations } from '../relay/relayed-destinations.js';
import type { BrokerStats } from '../stats.js';
import { quoteInput } from '../../protocol/index.js';
import type { Queues } from './queues.js';
import type { Topics } from './topics.js';

export interface RouteMakerParts {
  readonly compat: BrokerOptions['compat'];
  readonly kinds: DestinationKinds;
  readonly routes: RouteTable;
  readonly topics: Topics;
  readonly queues: Queues;
  /** Null: there is no external broker. */
  readonly relayed: RelayedDestinations | null;
  readonly replyAddresses: ReplyAddresses;
  /** Null: a single node. */
  readonly remoteReplies: RemoteReplies | null;
  readonly stats: BrokerStats;
}

export class RouteMaker {
  readonly #parts: RouteMakerParts;
  /** For destinations that keep no subscriptions: one object each, as nothing is kept of them. */
  readonly #unkept: Readonly<Record<'app' | 'user' | 'unknown', Route>>;

  constructor(parts: RouteMakerParts) {
    const { stats } = parts;
    this.#parts = parts;
    this.#unkept = {
      app: new UnkeptRoute('app', stats),
      user: new UnkeptRoute('user', stats),
      unknown: new UnkeptRoute('unknown', stats),
    };
  }

  /**
   * The route of a literal destination that is not in the table; topics and queues are there afterwards.
   * @param isKept what is for it would be lost otherwise: however many queues there are
   * @throws BrokerError as `Router.route`
   */
  make(destination: string, isKept = false): Route {
    const { kinds, relayed, topics, routes } = this.#parts;
    const kind = kinds.check(destination);
    if (kind === 'reply') return this.#replyRoute(destination);
    if (kind === 'relayed' && relayed !== null) return relayed.route;
    if (kind === 'temporary') {
      throw new BrokerError(
        'destination-invalid',
        `${quoteInput(destination, 120)} cannot be sent to: name it in reply-to, or send to the reply-to of a message`,
      );
    }
    if (kind === 'server') throw kinds.unpublishable(destination);
    if (kind === 'unknown' || kind === 'app' || kind === 'user') return this.#unkept[kind];
    const route = kind === 'topic' ? topics.make(destination) : this.#makeQueue(destination, isKept);
    routes.add(route);
    return route;
  }

  /** As `Router.route`, for what would be lost otherwise: however many queues there are. */
  kept(destination: string): Route {
    return this.#parts.routes.get(destination) ?? this.make(destination, true);
  }

  /** Patterns reach broadcast queues alone: no other has itself matched against them. */
  #makeQueue(destination: string, isKept: boolean): Route {
    const { queues, topics } = this.#parts;
    const options = queues.rules.of(destination);
    return options.mode === 'broadcast' ? topics.make(destination) : queues.make(destination, options, isKept);
  }

  /** A reply to somebody who has left is dropped and counted, or refused in compat `strict`. */
  #replyRoute(destination: string): Route {
    const { replyAddresses, remoteReplies, compat } = this.#parts;
    const route = replyAddresses.find(destination);
    if (route !== undefined) return route;
    if (remoteReplies !== null && replyAddresses.channelOf(destination) !== null) return remoteReplies;
    if (compat === 'strict' && !replyAddresses.isOfApplication(destination)) {
      throw new BrokerError(
        'destination-unknown',
        `Nobody waits for replies at ${quoteInput(destination, 120)} any more`,
      );
    }
    return this.#unkept.unknown;
  }
}
