/**
 * What the broker tells about itself: `/topic/$broker/events` when something happens, `/topic/$broker/stats` every few
 * seconds. Counts are compared only while somebody is subscribed.
 */
import { WheelTimer } from '../wheel-timer.js';
import type { ReservedTopics } from '../destinations/reserved-topics.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import { Topic } from '../destinations/topic.js';
import type { TopicSource } from '../destinations/topic-source.js';
import type { NodeWatches, NodeWatchHandler } from '../cluster/node-watches.js';
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

export class BrokerFeed implements NodeWatchHandler {
  readonly #parts: BrokerFeedParts;
  readonly #topics: Readonly<Record<Kind, Topic>>;
  readonly #timers: Readonly<Record<Kind, WheelTimer>>;
  /** Set before the broker starts. */
  #source: FeedSource | null = null;
  #counted: FeedCounts | null = null;
  #health = '';
  /** Null: a single node. */
  #nodes: NodeWatches | null = null;
  /** Nodes that watch. */
  readonly #elsewhere: Readonly<Record<Kind, Set<string>>> = { events: new Set(), stats: new Set() };
  /** Watchers here. */
  readonly #claims: Record<Kind, number> = { events: 0, stats: 0 };

  constructor(parts: BrokerFeedParts) {
    this.#parts = parts;
    const topic = (kind: Kind): Topic => new Topic(parts.reserved.name(kind), NO_PATTERNS, parts.source);
    this.#topics = { events: topic('events'), stats: topic('stats') };
    this.#timers = {
      events: new WheelTimer(() => {
        this.#compare();
        this.#schedule('events');
      }),
      stats: new WheelTimer(() => {
        this.#tell('stats', this.#stats());
        this.#schedule('stats');
      }),
    };
  }

  /** To be called once, first. */
  connect(source: FeedSource): void {
    this.#source = source;
  }

  /** There are other nodes: who watches here hears of them too. To be called before anything is watched. */
  joinNodes(nodes: NodeWatches): void {
    this.#nodes = nodes;
  }

  /** One more wants to know; to be given up by `unwatch`. */
  watch(kind: Kind): Promise<void> | undefined {
    if (++this.#claims[kind] === 1) this.#begin(kind);
    return undefined;
  }

  unwatch(kind: Kind): void {
    if (--this.#claims[kind] > 0) return;
    this.#nodes?.unwatch(this.#topics[kind].destination);
    this.#endIdle(kind);
  }

  /** What this node has to say first, then what happens on any. Between `watch` and `unwatch`. */
  add(subscription: Subscription, kind: Kind): void {
    const topic = this.#topics[kind];
    topic.add(subscription);
    this.#parts.source.offer(subscription, this.#message(kind, this.#first(kind)));
    // Others tell what they have to say first when they hear of it.
    void this.#nodes?.watch(topic.destination);
  }

  remove(subscription: Subscription, kind: Kind): void {
    this.#topics[kind].remove(subscription);
  }

  watchedElsewhere(topic: string, node: string): object | null {
    const kind = this.#kindOf(topic);
    this.#elsewhere[kind].add(node);
    this.#begin(kind);
    return this.#first(kind);
  }

  unwatchedElsewhere(topic: string, node: string): void {
    const kind = this.#kindOf(topic);
    this.#elsewhere[kind].delete(node);
    this.#endIdle(kind);
  }

  onWhole(topic: string, _node: string, whole: object): void {
    this.#publish(this.#kindOf(topic), whole);
  }

  onChanges(topic: string, _node: string, changes: readonly object[]): void {
    for (const change of changes) this.#publish(this.#kindOf(topic), change);
  }

  dropNode(): void {
    // What it told has been told on.
  }

  #kindOf(topic: string): Kind {
    return topic === this.#topics.stats.destination ? 'stats' : 'events';
  }

  #begin(kind: Kind): void {
    if (this.#timers[kind].wheelSlot >= 0) return;
    if (kind === 'events') {
      this.#counted = this.#source?.counts() ?? null;
      this.#health = this.#healthText();
    }
    this.#schedule(kind);
  }

  #endIdle(kind: Kind): void {
    if (!this.#isWatched(kind)) this.#parts.wheel.cancel(this.#timers[kind]);
  }

  #isWatched(kind: Kind): boolean {
    return this.#claims[kind] > 0 || this.#elsewhere[kind].size > 0;
  }

  #first(kind: Kind): object {
    return kind === 'stats' ? this.#stats() : this.#told(this.#healthEvent());
  }

  /** To who watches, here and elsewhere. */
  #tell(kind: Kind, body: object): void {
    this.#publish(kind, body);
    if (this.#elsewhere[kind].size > 0) this.#nodes?.tell(this.#topics[kind].destination, body);
  }

  /** Tells an event, now. */
  emit(event: BrokerEvent): void {
    if (this.#isWatched('events')) this.#tell('events', this.#told(event));
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
    if (this.#topics[kind].subscriberCount === 0) return;
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
