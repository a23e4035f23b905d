/**
 * Delivery to subscriptions of users: what the inbox holds first, then what is published, as a topic does. An entry leaves
 * the inbox when it was written to the transport, in the client ack modes when it was acknowledged; what was not returns to
 * its place, for the next subscription or another that is there.
 */
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import type { Message } from '../message.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import { isPattern } from '../destinations/pattern.js';
import { backoffMs, reasonToDrop, type Refusal } from '../destinations/redelivery.js';
import { SubscriptionIndex } from '../destinations/subscription-index.js';
import type { LiveSource } from '../destinations/topic-source.js';
import type { InboxEntry } from './inbox-entry.js';
import { InboxFeed } from './inbox-feed.js';
import type { EntryKeeper } from './inbox-keeper.js';

export interface InboxSourceParts {
  readonly inboxes: EntryKeeper;
  /** For what is published to those who are there. */
  readonly live: LiveSource;
  readonly separator: string;
  /** Null: anonymous. */
  readonly userOf: (sessionId: string) => string | null;
  /** A subscription of the user that takes the message; rather one that can take it now. */
  readonly find: (user: string, rest: string, message: Message) => Subscription | null;
  /** Octets that may be held back behind the inbox of one subscription. */
  readonly maxWaitingBytes: number;
  /** More was held back: the subscription is to be ended. */
  readonly onOverflow: (subscription: Subscription) => void;
  /** As of queues: for what is refused. */
  readonly redelivery: Pick<QueueOptions, 'maxDeliveries' | 'backoff'>;
  readonly stats: BrokerStats;
}

export class InboxSource implements LiveSource {
  readonly #parts: InboxSourceParts;
  readonly #feeds = new Map<Subscription, InboxFeed>();
  /** Delivered and not settled. */
  readonly #lent = new Map<Message, InboxEntry>();

  constructor(parts: InboxSourceParts) {
    this.#parts = parts;
  }

  /** A new subscription: it gets what its user's inbox holds for it. @param rest behind the prefix, e.g. `/queue/**` */
  begin(subscription: Subscription, rest: string): void {
    const user = this.#parts.userOf(subscription.sessionId);
    if (user === null) return;
    const covers = this.#cover(rest);
    const wanted = [...this.#parts.inboxes.unreserved(user)].filter(
      (entry) => covers(entry.rest) && subscription.accepts(entry.message),
    );
    if (wanted.length > 0) {
      const feed = this.#feedOf(subscription);
      for (const entry of wanted) feed.reserve(entry);
      this.#pump(feed);
    }
    this.#parts.inboxes.subscribed(subscription, user, rest);
  }

  /** An entry waits that nobody has reserved: somebody may be there. @returns whether that is so */
  take(entry: InboxEntry): boolean {
    const subscription = this.#parts.find(entry.user, entry.rest, entry.message);
    if (subscription === null) return false;
    const feed = this.#feedOf(subscription);
    feed.reserve(entry);
    this.#pump(feed);
    return true;
  }

  /** There may be more of the inbox: what is published to the subscription waits behind it until `letGo`. */
  hold(subscription: Subscription): void {
    this.#feedOf(subscription).isHeld = true;
  }

  /** Whether it waits for `letGo`. */
  isHeld(subscription: Subscription): boolean {
    return this.#feeds.get(subscription)?.isHeld === true;
  }

  letGo(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription);
    if (feed === undefined) return;
    feed.isHeld = false;
    this.#pump(feed);
  }

  /** What it was to get of the inbox, and has not been sent, is not to be sent any more: it is somebody else's. */
  forfeit(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription);
    const { pending, outbox } = subscription;
    const given = feed?.given.splice(0).map(({ entry }) => entry.message) ?? [];
    const deliveries = this.#lent.size === 0 ? [] : (pending?.takeAll() ?? []);
    const all = [...given, ...deliveries.map(({ message }) => message)];
    const lent = new Set(all.filter((message) => this.#lent.has(message)));
    const unsent = lent.size === 0 ? [] : outbox.takeUnsent(subscription, lent);
    for (const message of [...given, ...unsent.map((each) => each.message)]) this.#lent.delete(message);
    pending?.restore(deliveries.filter(({ message, wasSent }) => wasSent || !lent.has(message)));
    this.letGo(subscription);
  }

  offer(subscription: Subscription, message: Message): void {
    const feed = this.#feeds.size === 0 ? undefined : this.#feeds.get(subscription);
    if (feed === undefined || feed.isThrough) this.#parts.live.offer(subscription, message);
    else if (subscription.accepts(message) && feed.hold(message) > this.#parts.maxWaitingBytes) {
      this.#parts.onOverflow(subscription);
    }
  }

  settled(subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const { message } of this.#lent.size === 0 ? [] : deliveries) {
      const entry = this.#lent.get(message);
      if (entry === undefined) continue;
      this.#parts.inboxes.settle(entry, unit);
      this.#takeBack(message, unit);
    }
    this.#parts.live.settled(subscription, deliveries, unit);
    unit.show(() => {
      this.#resume(subscription);
    });
  }

  refused(
    subscription: Subscription,
    deliveries: readonly Delivery[],
    refusal: Refusal,
    unit: WriteUnit,
  ): void | Promise<void> {
    const others = deliveries.filter((delivery) => !this.#refuse(delivery, refusal, unit));
    const rest = others.length > 0 ? this.#parts.live.refused(subscription, others, refusal, unit) : undefined;
    unit.show(() => {
      this.#resume(subscription);
    });
    return rest;
  }

  /** Its ACK or NACK was undone after it had ended. */
  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    for (const delivery of deliveries) {
      const entry = this.#lent.get(delivery.message);
      if (entry !== undefined) this.#giveBack(entry, countOf(delivery));
    }
  }

  ready(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription);
    if (feed !== undefined) this.#settleSent(feed);
    this.#parts.live.ready(subscription);
    if (feed !== undefined) this.#pump(feed);
  }

  end(subscription: Subscription): void {
    this.#parts.inboxes.unsubscribed(subscription);
    const feed = this.#feeds.get(subscription);
    this.#feeds.delete(subscription);
    const pending = this.#lent.size === 0 ? [] : (subscription.pending?.takeAll() ?? []);
    const unacknowledged = pending.filter(({ message }) => this.#lent.has(message));
    const given = feed?.given.map(({ entry }) => entry.message) ?? [];
    const lent = new Set([...given, ...unacknowledged.map(({ message }) => message)]);
    const unsent = lent.size === 0 ? [] : subscription.outbox.takeUnsent(subscription, lent);
    this.#parts.live.end(subscription);
    const returned = new Map<InboxEntry, number>();
    for (const delivery of [...unacknowledged, ...unsent]) {
      const entry = this.#lent.get(delivery.message);
      if (entry !== undefined) returned.set(entry, countOf(delivery));
    }
    for (const { entry } of feed?.given ?? []) if (!returned.has(entry)) this.#settle(entry);
    // What is still arriving is nobody's now, and is offered when it has arrived.
    const reserved = feed?.takeReserved().filter(({ state }) => state === 'waiting') ?? [];
    for (const entry of [...returned.keys(), ...reserved].sort((a, b) => a.number - b.number)) {
      const deliveryCount = returned.get(entry);
      if (deliveryCount === undefined) this.#parts.inboxes.release(entry);
      else this.#giveBack(entry, deliveryCount);
    }
  }

  #cover(rest: string): (destination: string) => boolean {
    if (!isPattern(rest)) return (destination) => destination === rest;
    const index = new SubscriptionIndex<null>(this.#parts.separator);
    index.add(rest, null);
    return (destination) => index.match(destination).length > 0;
  }

  #feedOf(subscription: Subscription): InboxFeed {
    let feed = this.#feeds.get(subscription);
    if (feed === undefined) {
      feed = new InboxFeed(subscription, (held) => {
        this.#pump(held);
      });
      this.#feeds.set(subscription, feed);
    }
    return feed;
  }

  #resume(subscription: Subscription): void {
    const feed = this.#feeds.get(subscription);
    if (feed !== undefined) this.#pump(feed);
  }

  /** As much as the subscription can take, in order; what is on its way to the store holds up what is behind it. */
  #pump(feed: InboxFeed): void {
    // A delivery can end in `ready`.
    if (feed.isPumping) return;
    feed.isPumping = true;
    const { subscription } = feed;
    const { inboxes, live } = this.#parts;
    for (let entry = feed.peek(); entry !== undefined; entry = feed.peek()) {
      if (entry.state === 'arriving' || !subscription.canTake) break;
      feed.shift();
      if (inboxes.isExpired(entry)) inboxes.expire(entry);
      else this.#give(feed, entry);
    }
    feed.isPumping = false;
    const isThrough = feed.peek() === undefined;
    if (isThrough && !feed.isHeld) for (const message of feed.takeLive()) live.offer(subscription, message);
    else if (!isThrough && !subscription.outbox.hasRoom) subscription.outbox.hold(subscription);
    this.#settleSent(feed);
  }

  #give(feed: InboxFeed, entry: InboxEntry): void {
    const { subscription } = feed;
    const { inboxes, stats } = this.#parts;
    const deliveryCount = entry.deliveryCount + 1;
    inboxes.lend(entry);
    this.#lent.set(entry.message, entry);
    if (deliveryCount > 1) stats.redelivered++;
    subscription.deliver(entry.message, deliveryCount);
    if (subscription.pending === null) feed.given.push({ entry, place: subscription.outbox.place });
  }

  /** What has left is settled; a feed with nothing more to do is forgotten. */
  #settleSent(feed: InboxFeed): void {
    const { subscription, given } = feed;
    const { outbox } = subscription;
    let sent = 0;
    for (const { place } of given) {
      if (!outbox.hasSent(place)) break;
      sent++;
    }
    for (const { entry } of given.splice(0, sent)) this.#settle(entry);
    if (given.length > 0) outbox.hold(subscription);
    else if (feed.isThrough && !feed.isPumping) this.#feeds.delete(subscription);
  }

  #settle(entry: InboxEntry): void {
    this.#lent.delete(entry.message);
    this.#parts.inboxes.settle(entry, null);
  }

  #giveBack(entry: InboxEntry, deliveryCount: number): void {
    this.#lent.delete(entry.message);
    this.#parts.inboxes.giveBack(entry, deliveryCount);
  }

  /** @returns whether the message is one of an inbox */
  #refuse({ message, deliveryCount }: Delivery, refusal: Refusal, unit: WriteUnit): boolean {
    const entry = this.#lent.get(message);
    if (entry === undefined) return false;
    const { inboxes, redelivery, stats } = this.#parts;
    const reason = reasonToDrop(refusal, deliveryCount, redelivery.maxDeliveries);
    if (reason !== null) {
      this.#takeBack(message, unit);
      unit.then(() => {
        stats.givenUp[reason]++;
      });
      inboxes.giveUp(entry, deliveryCount, unit);
    } else {
      this.#takeBack(message, unit);
      inboxes.refuse(entry, deliveryCount, refusal.delayMs ?? backoffMs(redelivery.backoff, deliveryCount), unit);
    }
    return true;
  }

  /** It is with its client no longer. */
  #takeBack(message: Message, unit: WriteUnit): void {
    unit.show(() => {
      this.#lent.delete(message);
    });
  }
}
