/**
 * From a destination to what happens there: decides the kind once, remembers the route, and is the one door for
 * publishing and subscribing (DESIGN D1, P9).
 */
import { BrokerError } from './errors.js';
import { quoteInput } from '../protocol/index.js';
import { isPattern, splitSegments, hasWildcard } from './destinations/pattern.js';
import { Queue } from './destinations/queue.js';
import { SubscriptionIndex } from './destinations/subscription-index.js';
import { Topic, TopicSource } from './destinations/topic.js';
import type { DestinationKind, Route } from './destinations/route.js';
import type { Message } from './message.js';
import type { BrokerOptions } from './options.js';
import type { BrokerStats } from './stats.js';
import type { Subscription } from './subscription.js';

export class Router {
  readonly #options: BrokerOptions;
  readonly #stats: BrokerStats;
  readonly #routes = new Map<string, Route>();
  readonly #patterns: SubscriptionIndex<Subscription>;
  readonly #topicSource: TopicSource;
  /** One for all destinations outside every prefix: nothing is kept of them. */
  readonly #nowhere: Route;
  /** Number of routes at which idle ones are next looked for. */
  #forgetAt: number;

  /** @param onOverflow a topic subscription whose client leaves too much unacknowledged */
  constructor(options: BrokerOptions, stats: BrokerStats, onOverflow: (subscription: Subscription) => void) {
    this.#options = options;
    this.#stats = stats;
    this.#patterns = new SubscriptionIndex(options.destinations.separator);
    this.#topicSource = new TopicSource(options.outbox.hardLimitBytes, onOverflow);
    this.#nowhere = new Nowhere(stats);
    this.#forgetAt = options.limits.maxCachedRoutes;
  }

  get patternCount(): number {
    return this.#patterns.size;
  }

  get routeCount(): number {
    return this.#routes.size;
  }

  /**
   * The route of a literal destination, made at first need.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`)
   */
  route(destination: string): Route {
    return this.#routes.get(destination) ?? this.#makeRoute(destination);
  }

  /**
   * Hands a message on; in the order of calls for each destination and subscription.
   * @throws BrokerError `queue-full`
   */
  publish(route: Route, message: Message): void {
    this.#stats.messagesIn++;
    route.publish(message);
  }

  /** @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`) */
  checkSubscribable(destination: string): void {
    const kind = this.#check(destination);
    if (!isPattern(destination) || kind === 'unknown') return;
    if (kind === 'queue') {
      throw new BrokerError('destination-invalid', `A pattern cannot be subscribed on a queue: ${quote(destination)}`);
    }
    const { separator } = this.#options.destinations;
    const { maxPatternWildcards } = this.#options.limits;
    const wildcards = splitSegments(destination, separator).filter(hasWildcard).length;
    if (wildcards > maxPatternWildcards) {
      throw new BrokerError(
        'destination-invalid',
        `Pattern ${quote(destination)} has ${wildcards} wild segments, the limit is ${maxPatternWildcards}`,
      );
    }
  }

  /**
   * Takes a subscription up: messages published from now on reach it.
   * @throws BrokerError as `checkSubscribable`
   */
  subscribe(subscription: Subscription): void {
    const { destination } = subscription;
    if (this.#kindOf(destination) === 'topic' && isPattern(destination)) {
      this.#patterns.add(destination, subscription);
      subscription.source = this.#topicSource;
    } else this.route(destination).add(subscription);
    this.#stats.subscriptions++;
  }

  /** Ends a subscription; what it left unsettled goes back to where it came from. */
  unsubscribe(subscription: Subscription): void {
    const { destination } = subscription;
    subscription.outbox.forget(subscription);
    if (this.#kindOf(destination) === 'topic' && isPattern(destination)) {
      this.#patterns.remove(destination, subscription);
      this.#topicSource.end(subscription);
    } else this.#routes.get(destination)?.remove(subscription);
    this.#stats.subscriptions--;
  }

  #makeRoute(destination: string): Route {
    const kind = this.#check(destination);
    if (kind === 'unknown') return this.#nowhere;
    if (this.#routes.size >= this.#forgetAt) this.#forgetIdle();
    const route =
      kind === 'topic'
        ? new Topic(destination, this.#patterns, this.#topicSource)
        : new Queue(destination, this.#options.limits);
    this.#routes.set(destination, route);
    return route;
  }

  #check(destination: string): DestinationKind {
    const { maxLengthBytes } = this.#options.destinations;
    // A character is at least one octet, so the cheap test comes first.
    if (destination.length > maxLengthBytes || Buffer.byteLength(destination) > maxLengthBytes) {
      throw new BrokerError(
        'destination-invalid',
        `Destination of ${Buffer.byteLength(destination)} octets, the limit is ${maxLengthBytes}`,
      );
    }
    const kind = this.#kindOf(destination);
    if (kind === 'unknown' && this.#options.compat === 'strict') {
      const { topicPrefixes, queuePrefixes } = this.#options.destinations;
      throw new BrokerError(
        'destination-unknown',
        `Destination ${quote(destination)} is under none of ${[...topicPrefixes, ...queuePrefixes].join(', ')}`,
      );
    }
    return kind;
  }

  #kindOf(destination: string): DestinationKind {
    const { topicPrefixes, queuePrefixes } = this.#options.destinations;
    if (topicPrefixes.some((prefix) => destination.startsWith(prefix))) return 'topic';
    if (queuePrefixes.some((prefix) => destination.startsWith(prefix))) return 'queue';
    return 'unknown';
  }

  /**
   * Publishers may name any number of destinations: those without subscriber or message are forgotten. A route with
   * either stays whatever the number; then the next look is put off, so that its cost stays constant per new route.
   */
  #forgetIdle(): void {
    for (const [destination, route] of this.#routes) {
      if (!route.isIdle) continue;
      route.isLive = false;
      this.#routes.delete(destination);
    }
    this.#forgetAt = Math.max(this.#options.limits.maxCachedRoutes, 2 * this.#routes.size);
  }
}

function quote(destination: string): string {
  return quoteInput(destination, 120);
}

/** Where frames outside every prefix go in compat `spring`: dropped and counted (Spring S4.1). */
class Nowhere implements Route {
  readonly destination = '';
  readonly kind = 'unknown';
  readonly subscriberCount = 0;
  readonly isIdle = true;
  /** Never remembered by anybody: a destination's prefix is cheap to test again. */
  isLive = false;
  readonly #stats: BrokerStats;

  constructor(stats: BrokerStats) {
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
