/**
 * One topic whose presence somebody watches: who of this node is subscribed (for watchers anywhere), what the topic looks
 * like over all nodes (for watchers here), and what watchers here are told.
 */
import { WheelTimer } from '../wheel-timer.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { Topic } from '../destinations/topic.js';
import type { TopicSource } from '../destinations/topic-source.js';
import { Message } from '../message.js';
import type { Clock } from '../ports.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import { Audience } from './audience.js';
import type { PresenceOptions } from './presence-options.js';
import { PresenceView } from './presence-view.js';

/** Who is subscribed to a topic. */
export interface PresenceSnapshot {
  readonly topic: string;
  /** In the order they came, as far as a snapshot may be long; 0 sessions: the last has just ended. */
  readonly users: readonly { readonly name: string; readonly sessions: number }[];
  /** All of them. */
  readonly userCount: number;
  /** Sessions without a user. */
  readonly anonymous: number;
  /** More users are there than are listed. */
  readonly truncated: boolean;
  /** False: not all nodes have said who is with them. */
  readonly complete: boolean;
}

export interface WatchedTopicParts {
  readonly options: PresenceOptions;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly source: TopicSource;
  readonly nextMessageId: () => number;
}

/** Header `presence` of what watchers are told. */
type Kind = 'snapshot' | 'join' | 'leave' | 'count';

/** How often the number of anonymous sessions is told at most: each of them may come and go with every page. */
const COUNT_EVERY_MS = 1_000;
/** Nobody subscribes by pattern to what is the server's. */
const NO_PATTERNS = new SubscriptionIndex<Subscription>('/');

export class WatchedTopic {
  readonly audience = new Audience();
  /** Nodes that watch. */
  readonly elsewhere = new Set<string>();
  readonly #topic: string;
  readonly #parts: WatchedTopicParts;
  readonly #watchers: Topic;
  #view: PresenceView | null = null;
  /** Of watchers here, and of questions of the application. */
  #claims = 0;
  #toldAnonymous = 0;
  readonly #counting = new WheelTimer(() => {
    this.#tellCount();
  });

  /** @param destination where it is told */
  constructor(topic: string, destination: string, parts: WatchedTopicParts) {
    this.#topic = topic;
    this.#parts = parts;
    this.#watchers = new Topic(destination, NO_PATTERNS, parts.source);
  }

  /** Null: nobody watches here. */
  get view(): PresenceView | null {
    return this.#view;
  }

  get isIdle(): boolean {
    return this.#view === null && this.elsewhere.size === 0;
  }

  /** @param here what this node is called in the view @returns whether it is the first */
  claim(here: string): boolean {
    if (++this.#claims > 1) return false;
    this.#view = this.#openView();
    this.#view.replace(here, this.audience);
    this.#toldAnonymous = this.#view.anonymous;
    return true;
  }

  /** @returns whether it was the last */
  release(): boolean {
    if (--this.#claims > 0) return false;
    this.#view?.close();
    this.#view = null;
    this.#parts.wheel.cancel(this.#counting);
    return true;
  }

  /** A watcher: the snapshot comes first, then what changes. */
  add(subscription: Subscription, snapshot: PresenceSnapshot): void {
    this.#watchers.add(subscription);
    this.#parts.source.offer(subscription, this.#message('snapshot', snapshot));
  }

  remove(subscription: Subscription): void {
    this.#watchers.remove(subscription);
  }

  snapshot(complete: boolean): PresenceSnapshot {
    const users = this.#view?.list(this.#parts.options.maxUsers) ?? [];
    const userCount = this.#view?.userCount ?? 0;
    const anonymous = this.#view?.anonymous ?? 0;
    return { topic: this.#topic, users, userCount, anonymous, truncated: userCount > users.length, complete };
  }

  #openView(): PresenceView {
    const { clock, wheel, options } = this.#parts;
    const events = {
      onJoin: (user: string): void => {
        this.#tell('join', user);
      },
      onLeave: (user: string): void => {
        this.#tell('leave', user);
      },
      onCount: (): void => {
        if (this.#counting.wheelSlot < 0) wheel.schedule(this.#counting, clock.nowMs() + COUNT_EVERY_MS);
      },
    };
    return new PresenceView(events, { clock, wheel, leaveDelayMs: options.leaveDelayMs });
  }

  #tellCount(): void {
    if (this.#view !== null && this.#view.anonymous !== this.#toldAnonymous) this.#tell('count');
  }

  #tell(kind: Kind, user?: string): void {
    const { userCount, anonymous } = this.#view ?? { userCount: 0, anonymous: 0 };
    this.#toldAnonymous = anonymous;
    if (this.#watchers.subscriberCount === 0) return;
    this.#watchers.publish(this.#message(kind, { topic: this.#topic, user, userCount, anonymous }), null);
  }

  #message(kind: Kind, body: object): Message {
    const headers: [string, string][] = [
      ['destination', this.#watchers.destination],
      ['content-type', 'application/json'],
      ['presence', kind],
    ];
    return Message.fromHeaders(this.#parts.nextMessageId(), headers, Buffer.from(JSON.stringify(body)));
  }
}
