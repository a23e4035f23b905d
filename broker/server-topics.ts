/**
 * The topics that the server alone publishes to, `/topic/$…`, as the router sees them: who may subscribe, and where a
 * subscription goes. Clients and the application can send nothing there.
 */
import { quoteInput } from '../protocol/index.js';
import { NodeWatches, type NodeWatchesParts } from './cluster/node-watches.js';
import type { ReservedTopics } from './destinations/reserved-topics.js';
import { BrokerError } from './errors.js';
import { BrokerFeed, type BrokerFeedParts } from './feed/broker-feed.js';
import type { BrokerOptions } from './options.js';
import { Presence, type PresenceParts } from './presence/presence.js';
import type { Subscription } from './subscription.js';

export interface ServerTopicsParts extends Omit<PresenceParts & BrokerFeedParts, 'options'> {
  readonly options: Pick<BrokerOptions, 'presence' | 'feed'>;
}

export class ServerTopics {
  readonly presence: Presence;
  readonly feed: BrokerFeed;
  readonly #reserved: ReservedTopics;
  /** Who may see the feed: `feed.roles`. */
  readonly #feedRoles: readonly string[];
  /** Null: a single node. */
  #nodes: NodeWatches | null = null;

  constructor({ options, ...parts }: ServerTopicsParts) {
    this.presence = new Presence({ ...parts, options: options.presence });
    this.feed = new BrokerFeed({ ...parts, options: options.feed });
    this.#reserved = parts.reserved;
    this.#feedRoles = options.feed.roles;
  }

  /** There are other nodes: what is told is told of all of them. Once, before anybody subscribes. */
  joinNodes(parts: Omit<NodeWatchesParts, 'reserved' | 'handlerOf' | 'handlers'>): NodeWatches {
    const { presence, feed } = this;
    const reserved = this.#reserved;
    this.#nodes = new NodeWatches({
      ...parts,
      reserved,
      handlerOf: (topic) => (reserved.covers(topic) ? feed : presence),
      handlers: [feed, presence],
    });
    presence.joinNodes(this.#nodes);
    feed.joinNodes(this.#nodes);
    return this.#nodes;
  }

  /** What another node says. */
  receive(destination: string, octets: Buffer): void {
    this.#nodes?.receive(destination, octets);
  }

  /**
   * What decides about a SUBSCRIBE: the topic whose rules hold for its presence too; `rules` for any other destination;
   * null where roles have decided already.
   * @throws BrokerError `access-denied`, and as `ReservedTopics.parse`
   */
  decide(destination: string, roles: readonly string[]): { readonly presenceOf: string } | 'rules' | null {
    const reserved = this.#reserved;
    const feedRoles = this.#feedRoles;
    if (!reserved.covers(destination)) return 'rules';
    const about = reserved.parse(destination);
    if (about.kind === 'presence') return { presenceOf: about.topic };
    if (feedRoles.some((role) => role === '*' || roles.includes(role))) return null;
    const wants = feedRoles.length === 0 ? 'nobody may' : `that takes role ${feedRoles.join(' or ')}`;
    throw new BrokerError('access-denied', `Not allowed to subscribe to ${quoteInput(destination, 120)}: ${wants}`);
  }

  /** What one may do who only looks. @throws BrokerError `access-denied`, and as `ReservedTopics.parse` */
  checkObserver(action: 'send' | 'subscribe', destination: string): void {
    const reserved = this.#reserved;
    if (action === 'subscribe' && reserved.covers(destination) && reserved.parse(destination).kind !== 'presence')
      return;
    const what = `${action} to ${quoteInput(destination, 120)}`;
    throw new BrokerError('access-denied', `Not allowed to ${what}: this way in only shows what the broker tells`);
  }

  /** Before a subscription is made, to be followed by `add` or given up by `leave`. @throws BrokerError as `Presence.watch` */
  join(destination: string): Promise<void> | undefined {
    const about = this.#reserved.parse(destination);
    return about.kind === 'presence' ? this.presence.watch(about.topic) : this.feed.watch(about.kind);
  }

  leave(destination: string): void {
    const about = this.#reserved.parse(destination);
    if (about.kind === 'presence') this.presence.unwatch(about.topic);
    else this.feed.unwatch(about.kind);
  }

  add(subscription: Subscription): void {
    const about = this.#reserved.parse(subscription.destination);
    if (about.kind === 'presence') this.presence.add(subscription, about.topic);
    else this.feed.add(subscription, about.kind);
  }

  /** To be followed by `leave`. */
  remove(subscription: Subscription): void {
    const about = this.#reserved.parse(subscription.destination);
    if (about.kind === 'presence') this.presence.remove(subscription, about.topic);
    else this.feed.remove(subscription, about.kind);
  }
}
