/**
 * What the broker tells about itself: `/topic/$broker/events` when something happens, `/topic/$broker/stats` every few
 * seconds. Counts are compared only while somebody is subscribed.
 */
import { QueueTimer } from '../destinations/queue-timer.js';
import type { ReservedTopics } from '../destinations/reserved-topics.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { Topic } from '../destinations/topic.js';
import type { TopicSource } from '../destinations/topic-source.js';
import { Message } from '../message.js';
import type { Clock } from '../ports.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { FeedCounts } from './feed-counts.js';
import type { FeedOptions } from './feed-options.js';

/**
 * What happens, by `type`; each with `node` and `time` (ms since the epoch) beside.
 * Those with counts say how many there were since the last of their type, at most once a second.
 */
export type BrokerEvent =
  /** At SUBSCRIBE, and when it changes. */
  | { readonly type: 'health'; readonly ok: boolean; readonly problems: readonly object[] }
  | { readonly type: 'node-joined' | 'node-left'; readonly peer: string }
  /** `gaps`: times that messages of others were missed; `dropped`: messages that others did not get. Since start. */
  | { readonly type: 'nodes-reachable' | 'nodes-unreachable'; readonly gaps: number; readonly dropped: number }
  | { readonly type: keyof FeedCounts; readonly count: number };

/** What the feed is made of. */
export interface FeedSource {
  counts(): FeedCounts;
  stats(): object;
  health(): { readonly isOk: boolean; readonly problems: readonly object[] };
}

export interface BrokerFeedParts {
  readonly options: FeedOptions;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly reserved: ReservedTopics;
  readonly source: TopicSource;
  readonly nextMessageId: () => number;
}

type Kind = 'events' | 'stats';

/** How often counts and health are compared. */
const COMPARE_EVERY_MS = 1_000;
const NO_PATTERNS = new SubscriptionIndex<Subscription>('/');

export class BrokerFeed {
  readonly #parts: BrokerFeedParts;
  readonly #topics: Readonly<Record<Kind, Topic>>;
  readonly #timers: Readonly<Record<Kind, QueueTimer>>;
  /** Set before the broker starts. */
  #source: FeedSource | null = null;
  #counted: FeedCounts | null = null;
  #health = '';

  constructor(parts: BrokerFeedParts) {
    this.#parts = parts;
    const topic = (kind: Kind): Topic => new Topic(parts.reserved.name(kind), NO_PATTERNS, parts.source);
    this.#topics = { events: topic('events'), stats: topic('stats') };
    this.#timers = {
      events: new QueueTimer(() => {
        this.#compare();
        this.#schedule('events');
      }),
      stats: new QueueTimer(() => {
        this.#publish('stats', this.#stats());
        this.#schedule('stats');
      }),
    };
  }

  /** To be called once, first. */
  connect(source: FeedSource): void {
    this.#source = source;
  }

  /** One more wants to know; to be given up by `unwatch`. */
  watch(_kind: Kind): Promise<void> | undefined {
    return undefined;
  }

  unwatch(_kind: Kind): void {
    // A single node has nobody to ask.
  }

  add(subscription: Subscription, kind: Kind): void {
    const topic = this.#topics[kind];
    if (topic.subscriberCount === 0) {
      this.#counted = this.#source?.counts() ?? null;
      this.#health = this.#healthText();
      this.#schedule(kind);
    }
    topic.add(subscription);
    const first = kind === 'stats' ? this.#stats() : this.#told(this.#healthEvent());
    this.#parts.source.offer(subscription, this.#message(kind, first));
  }

  remove(subscription: Subscription, kind: Kind): void {
    const topic = this.#topics[kind];
    topic.remove(subscription);
    if (topic.subscriberCount === 0) this.#parts.wheel.cancel(this.#timers[kind]);
  }

  /** Tells an event, now. */
  emit(event: BrokerEvent): void {
    if (this.#topics.events.subscriberCount > 0) this.#publish('events', this.#told(event));
  }

  #compare(): void {
    const counts = this.#source?.counts() ?? null;
    const before = this.#counted;
    this.#counted = counts;
    if (counts !== null && before !== null) {
      for (const type of Object.keys(counts) as (keyof FeedCounts)[]) {
        const count = counts[type] - before[type];
        if (count > 0) this.emit({ type, count });
      }
    }
    const health = this.#healthText();
    if (health === this.#health) return;
    this.#health = health;
    this.emit(this.#healthEvent());
  }

  #healthEvent(): BrokerEvent {
    const { isOk, problems } = this.#source?.health() ?? { isOk: true, problems: [] };
    return { type: 'health', ok: isOk, problems };
  }

  #healthText(): string {
    return JSON.stringify(this.#healthEvent());
  }

  #stats(): object {
    return this.#told(this.#source?.stats() ?? {});
  }

  #told(what: object): object {
    const { nodeId, clock } = this.#parts;
    return { ...what, node: nodeId, time: Math.round(clock.epochMs()) };
  }

  #schedule(kind: Kind): void {
    const { wheel, clock, options } = this.#parts;
    const afterMs = kind === 'stats' ? options.statsIntervalMs : COMPARE_EVERY_MS;
    wheel.schedule(this.#timers[kind], clock.nowMs() + afterMs);
  }

  #publish(kind: Kind, body: object): void {
    this.#topics[kind].publish(this.#message(kind, body), null);
  }

  #message(kind: Kind, body: object): Message {
    const headers: [string, string][] = [
      ['destination', this.#topics[kind].destination],
      ['content-type', 'application/json'],
    ];
    return Message.fromHeaders(this.#parts.nextMessageId(), headers, Buffer.from(JSON.stringify(body)));
  }
}
