/**
 * What a destination is by its name: its kind (DESIGN D1), whether it can be subscribed to, what handlers know it by.
 * Keeps nothing of any destination, so that asking about one costs no route.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { BrokerOptions } from '../options.js';
import type { QueueRules } from '../queue-options.js';
import { isComposite } from './composite.js';
import { compileSegment, hasWildcard, isPattern, splitSegments, toAntPattern } from './pattern.js';
import { ReservedTopics } from './reserved-topics.js';
import { REPLY_QUEUE_PREFIX, TEMPORARY_QUEUE_PREFIX } from './reserved-prefixes.js';
import type { DestinationKind } from './route.js';

export class DestinationKinds {
  readonly #options: BrokerOptions;
  readonly #queueRules: QueueRules;
  readonly #userPrefix: string;
  /** Of handlers, each with its slash or dot at the end. */
  readonly #appPrefixes: readonly string[];
  readonly #isRelayed: (destination: string) => boolean;
  /** `/topic/$…`. */
  readonly reserved: ReservedTopics;

  /** @param isRelayed whether a destination by its prefix is an external broker's */
  constructor(
    options: BrokerOptions,
    queueRules: QueueRules,
    isRelayed: (destination: string) => boolean = () => false,
  ) {
    const { userPrefix, appPrefixes } = options.destinations;
    this.#options = options;
    this.#queueRules = queueRules;
    this.#isRelayed = isRelayed;
    this.reserved = new ReservedTopics(options.destinations);
    this.#userPrefix = `${userPrefix}/`;
    this.#appPrefixes = appPrefixes.map(withSlash);
  }

  /** The kind of any text, whether or not it may be used. */
  of(destination: string): DestinationKind {
    const { topicPrefixes, queuePrefixes } = this.#options.destinations;
    if (destination.startsWith(TEMPORARY_QUEUE_PREFIX)) return 'temporary';
    if (destination.startsWith(REPLY_QUEUE_PREFIX)) return 'reply';
    if (destination.startsWith(this.#userPrefix)) return 'user';
    if (this.handlerPath(destination) !== null) return 'app';
    if (this.reserved.covers(destination)) return 'server';
    if (this.#isRelayed(destination)) return 'relayed';
    if (topicPrefixes.some((prefix) => destination.startsWith(prefix))) return 'topic';
    if (queuePrefixes.some((prefix) => destination.startsWith(prefix))) return 'queue';
    return 'unknown';
  }

  /**
   * The kind of a destination that may be used.
   * @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`)
   */
  check(destination: string): DestinationKind {
    const { maxLengthBytes } = this.#options.destinations;
    // A character is at least one octet, so the cheap test comes first.
    if (destination.length > maxLengthBytes || Buffer.byteLength(destination) > maxLengthBytes) {
      throw new BrokerError(
        'destination-invalid',
        `Destination of ${Buffer.byteLength(destination)} octets, the limit is ${maxLengthBytes}`,
      );
    }
    const kind = this.of(destination);
    if (kind === 'unknown' && this.#options.compat === 'strict') {
      const { topicPrefixes, queuePrefixes } = this.#options.destinations;
      throw new BrokerError(
        'destination-unknown',
        `Destination ${quote(destination)} is under none of ${[...topicPrefixes, ...queuePrefixes].join(', ')}`,
      );
    }
    return kind;
  }

  /** @throws BrokerError `destination-invalid`, `destination-unknown` (compat `strict`) */
  checkSubscribable(destination: string): void {
    const kind = this.check(destination);
    if (kind === 'reply') {
      throw new BrokerError(
        'destination-invalid',
        `${quote(destination)} can only be sent to: its owner subscribes to a /temp-queue`,
      );
    }
    if (kind === 'server') {
      this.reserved.parse(destination);
      return;
    }
    if (isComposite(this.#options.destinations, destination)) {
      throw new BrokerError(
        'destination-invalid',
        `${quote(destination)} can only be sent to: subscribe to each of them`,
      );
    }
    if (!isPattern(destination) || kind === 'unknown' || kind === 'app') return;
    if (kind === 'queue' && !this.isBroadcast(destination)) {
      throw new BrokerError('destination-invalid', `A pattern cannot be subscribed on a queue: ${quote(destination)}`);
    }
    this.#checkPattern(destination);
  }

  #checkPattern(pattern: string): void {
    const { separator } = this.#options.destinations;
    const { maxPatternWildcards } = this.#options.limits;
    const wild = splitSegments(pattern, separator).filter(hasWildcard);
    if (wild.length > maxPatternWildcards) {
      throw new BrokerError(
        'destination-invalid',
        `Pattern ${quote(pattern)} has ${wild.length} wild segments, the limit is ${maxPatternWildcards}`,
      );
    }
    // A regex that is refused has to be refused here: behind it stand RECEIPT and the subscription's count.
    for (const segment of wild) compileSegment(segment);
  }

  /** The refusal of a message to where the server alone publishes. */
  unpublishable(destination: string): BrokerError {
    return new BrokerError(
      'destination-invalid',
      `${quote(destination)} can only be subscribed to: what is there comes from the server alone`,
    );
  }

  /** A durable subscription can be to topics alone, exact or by pattern. @throws BrokerError `destination-invalid` */
  checkDurable(destination: string): void {
    if (this.of(destination) === 'topic') return;
    throw new BrokerError(
      'destination-invalid',
      `A durable subscription is to a topic, got ${quote(destination)}: a queue keeps its messages by itself`,
    );
  }

  /** Whether each message there is for one consumer. */
  isPointToPoint(destination: string): boolean {
    return this.of(destination) === 'queue' && !this.isBroadcast(destination);
  }

  /** Of a queue: whether every subscriber gets each message. A pattern is, when a rule covers it as it is written. */
  isBroadcast(destination: string): boolean {
    return this.#queueRules.of(destination).mode === 'broadcast';
  }

  /** Whether it lies under a topic prefix, whoever it belongs to. */
  isUnderTopics(destination: string): boolean {
    return this.#options.destinations.topicPrefixes.some((prefix) => destination.startsWith(prefix));
  }

  /** Whether it lies under a topic or queue prefix, or is an external broker's. */
  isBrokerDestination(destination: string): boolean {
    const { topicPrefixes, queuePrefixes } = this.#options.destinations;
    if (this.#isRelayed(destination)) return true;
    return [...topicPrefixes, ...queuePrefixes].some((prefix) => destination.startsWith(prefix));
  }

  /** The path that handlers are registered for, when the destination is one of theirs (S3.2, S3.40). */
  handlerPath(destination: string): string | null {
    const prefix = this.#appPrefixes.find((candidate) => destination.startsWith(candidate));
    if (prefix === undefined) return null;
    const path = destination.slice(prefix.length);
    return this.#options.destinations.separator === '/' ? `/${path}` : path;
  }

  /** The pattern of SUBSCRIBE in Ant's form, where the options let clients write another broker's. */
  antPattern(destination: string): string {
    const { wildcards, separator } = this.#options.destinations;
    // An external broker reads its own language.
    return wildcards === 'ant' || this.of(destination) === 'relayed'
      ? destination
      : toAntPattern(destination, wildcards, separator);
  }
}

function quote(destination: string): string {
  return quoteInput(destination, 120);
}

function withSlash(prefix: string): string {
  return prefix.endsWith('/') || prefix.endsWith('.') ? prefix : `${prefix}/`;
}
