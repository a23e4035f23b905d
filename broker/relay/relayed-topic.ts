/** One subscription at an external broker for all clients here that want the same: a topic whose publisher is outside. */
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { Topic } from '../destinations/topic.js';
import type { LiveSource } from '../destinations/topic-source.js';
import type { BrokerError } from '../errors.js';
import type { Message } from '../message.js';
import type { RelaySubscription } from '../ports.js';
import type { Subscription } from '../subscription.js';

/** Nobody subscribes to it by pattern: a pattern is the external broker's to understand. */
const NO_PATTERNS = new SubscriptionIndex<Subscription>('/');

export class RelayedTopic {
  /** As the external broker knows it. */
  readonly destination: string;
  readonly #topic: Topic;
  readonly #onIdle: () => void;
  /** Those that are there or waiting to be. */
  #claims = 0;
  #opening: Promise<RelaySubscription> | null = null;
  #isOver = false;

  /** @param onIdle nobody is left */
  constructor(destination: string, live: LiveSource, onIdle: () => void) {
    this.destination = destination;
    this.#topic = new Topic(destination, NO_PATTERNS, live);
    this.#onIdle = onIdle;
  }

  get subscriptions(): readonly Subscription[] {
    return this.#topic.subscriptions;
  }

  /**
   * Resolves once the external broker has confirmed it. Each call is one claim, to be given up by `leave`.
   * @param open asks for it, the first time
   */
  async join(open: () => Promise<RelaySubscription>): Promise<this> {
    this.#claims++;
    try {
      await (this.#opening ??= open());
    } catch (error) {
      this.leave();
      throw error;
    }
    return this;
  }

  leave(): void {
    if (--this.#claims > 0 || this.#isOver) return;
    this.#isOver = true;
    this.#onIdle();
    this.#opening?.then((upstream) => upstream.end([], false)).catch(() => undefined);
  }

  add(subscription: Subscription): void {
    this.#topic.add(subscription);
  }

  remove(subscription: Subscription): void {
    this.#topic.remove(subscription);
    this.leave();
  }

  publish(message: Message): void {
    this.#topic.publish(message, null);
  }

  /** The external broker does not let it be any more. */
  refuse(error: BrokerError, refuse: (sessionId: string, error: BrokerError) => void): void {
    for (const { sessionId } of [...this.#topic.subscriptions]) refuse(sessionId, error);
  }
}
