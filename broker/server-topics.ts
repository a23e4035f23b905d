/**
 * The topics that the server alone publishes to, `/topic/$…`, as the router sees them: who may subscribe, and where a
 * subscription goes. Clients and the application can send nothing there.
 */
import { quoteInput } from '../protocol/index.js';
import type { ReservedTopics } from './destinations/reserved-topics.js';
import { BrokerError } from './errors.js';
import type { BrokerFeed } from './feed/broker-feed.js';
import { NodeWatches, type NodeWatchesParts } from './cluster/node-watches.js';
import type { FeedOptions } from './feed/feed-options.js';
import type { Presence } from './presence/presence.js';
import type { Subscription } from './subscription.js';

export interface ServerTopicsParts {
  readonly options: FeedOptions;
  readonly reserved: ReservedTopics;
  readonly presence: Presence;
  readonly feed: BrokerFeed;
}

export class ServerTopics {
  readonly #parts: ServerTopicsParts;
  /** Null: a single node. */
  #nodes: NodeWatches | null = null;

  constructor(parts: ServerTopicsParts) {
    this.#parts = parts;
  }

  get presence(): Presence {
    return this.#parts.presence;
  }

  get feed(): BrokerFeed {
    return this.#parts.feed;
  }

  /** There are other nodes: what is told is told of all of them. Once, before anybody subscribes. */
  joinNodes(parts: Omit<NodeWatchesParts, 'reserved' | 'handlerOf' | 'handlers'>): NodeWatches {
    const { reserved, presence, feed } = this.#parts;
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
    const { reserved, options } = this.#parts;
    if (!reserved.covers(destination)) return 'rules';
    const about = reserved.parse(destination);
    if (about.kind === 'presence') return { presenceOf: about.topic };
    if (options.roles.some((role) => role === '*' || roles.includes(role))) return null;
    const wants = options.roles.length === 0 ? 'nobody may' : `that takes role ${options.roles.join(' or ')}`;
    throw new BrokerError('access-denied', `Not allowed to subscribe to ${quoteInput(destination, 120)}: ${wants}`);
  }

  /** What one may do who only looks. @throws BrokerError `access-denied`, and as `ReservedTopics.parse` */
  checkObserver(action: 'send' | 'subscribe', destination: string): void {
    const { reserved } = this.#parts;
    if (action === 'subscribe' && reserved.covers(destination) && reserved.parse(destination).kind !== 'presence')
      return;
    const what = `${action} to ${quoteInput(destination, 120)}`;
    throw new BrokerError('access-denied', `Not allowed to ${what}: this way in only shows what the broker tells`);
  }

  /** Before a subscription is made, to be followed by `add` or given up by `leave`. @throws BrokerError as `Presence.watch` */
  join(destination: string): Promise<void> | undefined {
    const about = this.#parts.reserved.parse(destination);
    return about.kind === 'presence' ? this.presence.watch(about.topic) : this.feed.watch(about.kind);
  }

  leave(destination: string): void {
    const about = this.#parts.reserved.parse(destination);
    if (about.kind === 'presence') this.presence.unwatch(about.topic);
    else this.feed.unwatch(about.kind);
  }

  add(subscription: Subscription): void {
    const about = this.#parts.reserved.parse(subscription.destination);
    if (about.kind === 'presence') this.presence.add(subscription, about.topic);
    else this.feed.add(subscription, about.kind);
  }

  /** To be followed by `leave`. */
  remove(subscription: Subscription): void {
    const about = this.#parts.reserved.parse(subscription.destination);
    if (about.kind === 'presence') this.presence.remove(subscription, about.topic);
    else this.feed.remove(subscription, about.kind);
  }
}
