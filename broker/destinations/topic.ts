/** A topic: every subscription that matches gets each message published while it is subscribed. */
import type { Message } from '../message.js';
import type { GivingWay } from '../overflow-policy.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { DurableSubscription } from './durable-subscription.js';
import type { PatternGroup } from './pattern-group.js';
import type { Route } from './route.js';
import type { SubscriptionIndex } from './subscription-index.js';
import type { LiveSource } from './topic-source.js';
import { workload, WORTH_A_LOOK } from '../turn-budget.js';

const NONE: readonly never[] = [];
/** Never added to. */
const NOBODY: Subscription[] = [];

/** Which durable subscriptions there are; implemented by DurableSubscriptions. */
export interface DurableBindings {
  readonly version: number;
  /** Time of day, in ms since the epoch. */
  readonly epochMs: number;
  matching(topic: string): readonly DurableSubscription[];
}

/** Of topics that cannot be subscribed to durably. */
const UNBOUND: DurableBindings = { version: 0, epochMs: 0, matching: () => NONE };

export class Topic implements Route {
  readonly kind = 'topic';
  readonly isDirect = true;
  readonly destination: string;
  isLive = true;
  readonly #patterns: SubscriptionIndex<Subscription>;
  readonly #source: LiveSource;
  #subscriptions = NOBODY;
  /** Pattern subscriptions that match, good for one version of the index. */
  #matched: readonly PatternGroup<Subscription>[] = NONE;
  #matchedVersion = -1;

  readonly #durables: DurableBindings;
  /** Durable subscriptions that match, good for one version of theirs. */
  #durable: readonly DurableSubscription[] = NONE;
  #durableVersion = -1;
  /** Null: messages wait, and who reads too slowly is cut. */
  readonly #givingWay: GivingWay | null;
  /** Messages that wait for their transaction. */
  #arriving = 0;

  constructor(
    destination: string,
    patterns: SubscriptionIndex<Subscription>,
    source: LiveSource,
    durables: DurableBindings = UNBOUND,
    givingWay: GivingWay | null = null,
  ) {
    this.#durables = durables;
    this.#givingWay = givingWay;
    this.destination = destination;
    this.#patterns = patterns;
    this.#source = source;
  }

  /** Those to this very topic. */
  get subscriptions(): readonly Subscription[] {
    return this.#subscriptions;
  }

  get subscriberCount(): number {
    return this.#subscriptions.length;
  }

  get isIdle(): boolean {
    return this.#subscriptions.length === 0 && this.#arriving === 0;
  }

  publish(message: Message, unit: WriteUnit | null): void {
    if (this.#durableVersion !== this.#durables.version) {
      this.#durable = this.#durables.matching(this.destination);
      this.#durableVersion = this.#durables.version;
    }
    if (this.#durable.length > 0) this.#publishDurably(message, unit);
    if (unit?.holdsBack === true) this.#holdBack(message, unit);
    else this.offer(message);
  }

  #holdBack(message: Message, unit: WriteUnit): void {
    message.own();
    this.#arriving++;
    const arrived = (): void => {
      this.#arriving--;
    };
    unit.then(() => {
      arrived();
      this.offer(message);
    }, arrived);
  }

  #publishDurably(message: Message, unit: WriteUnit | null): void {
    const epochMs = this.#durables.epochMs;
    for (const durable of this.#durable) durable.publish(message, unit, epochMs);
  }

  /** To those that are subscribed and there. */
  protected offer(message: Message): void {
    this.#offerTo(this.#subscriptions, message);
    if (this.#matchedVersion !== this.#patterns.groupsVersion) {
      workload.units += WORTH_A_LOOK;
      this.#matched = this.#patterns.groups(this.destination);
      this.#matchedVersion = this.#patterns.groupsVersion;
    }
    for (const { members } of this.#matched) this.#offerTo(members, message);
  }

  #offerTo(subscriptions: readonly Subscription[], message: Message): void {
    const givingWay = this.#givingWay;
    workload.units += subscriptions.length;
    if (givingWay === null) {
      for (const subscription of subscriptions) this.#source.offer(subscription, message);
      return;
    }
    for (const subscription of subscriptions) {
      // In the client ack modes the window decides: what is pending cannot give way.
      if (subscription.pending !== null) this.#source.offer(subscription, message);
      else if (subscription.accepts(message))
        subscription.outbox.enqueueReplaceable(subscription, message, givingWay, this.destination);
    }
  }

  add(subscription: Subscription): void {
    subscription.source = this.#source;
    subscription.routeIndex = this.#subscriptions.length;
    // A list that grows to its first member has room for 17, and most of a million topics have one.
    if (this.#subscriptions.length === 0) this.#subscriptions = [subscription];
    else this.#subscriptions.push(subscription);
  }

  remove(subscription: Subscription): void {
    const last = this.#subscriptions.pop() as Subscription;
    if (last !== subscription) {
      this.#subscriptions[subscription.routeIndex] = last;
      last.routeIndex = subscription.routeIndex;
    }
    subscription.routeIndex = -1;
    this.#source.end(subscription);
  }
}
