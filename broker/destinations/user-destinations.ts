/**
 * `/user/…`: a SUBSCRIBE to `/user/queue/x` is the session's own, a SEND to `/user/{name}/queue/x` reaches the sessions of
 * that user (Spring S3.20–S3.28). Each session has queues of its own, outside the router's map and patterns, so that no
 * other client's wildcard or SEND can come near them (S15.13). Fan-out: every matching subscription gets each message.
 */
import type { UserRegistry } from '../application/user-registry.js';
import type { InboxSource } from '../inbox/inbox-source.js';
import type { Message } from '../message.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import { isPattern } from './pattern.js';
import { SubscriptionIndex } from './subscription-index.js';
import { Topic } from './topic.js';
import type { LiveSource } from './topic-source.js';

export interface UserDestinationSettings {
  /** With a slash at its end, e.g. `/user/`. */
  readonly prefix: string;
  readonly separator: string;
  /** Whether what stands behind the user lies under a topic or queue prefix: else it leads nowhere (S3.20). */
  readonly isBrokerDestination: (destination: string) => boolean;
}

/** What one session has subscribed under `/user`. */
class SessionQueues {
  readonly patterns: SubscriptionIndex<Subscription>;
  readonly topics = new Map<string, Topic>();

  constructor(separator: string) {
    this.patterns = new SubscriptionIndex(separator);
  }

  get isEmpty(): boolean {
    return this.topics.size === 0 && this.patterns.size === 0;
  }
}

/** A destination `/user/{name}/…` taken apart. */
export interface UserDestination {
  readonly user: string;
  /** Behind the user, with its leading slash, e.g. `/queue/x`. */
  readonly rest: string;
}

export class UserDestinations {
  readonly #settings: UserDestinationSettings;
  readonly #users: UserRegistry;
  readonly #source: LiveSource;
  /** Null: nothing is kept for who is not there. */
  readonly #inbox: InboxSource | null;
  readonly #sessions = new Map<string, SessionQueues>();

  /** @param inbox takes the place of `live`; null: nothing is kept for who is not there */
  constructor(
    settings: UserDestinationSettings,
    users: UserRegistry,
    live: LiveSource,
    inbox: InboxSource | null = null,
  ) {
    this.#settings = settings;
    this.#users = users;
    this.#source = inbox ?? live;
    this.#inbox = inbox;
  }

  covers(destination: string): boolean {
    return destination.startsWith(this.#settings.prefix);
  }

  /** `bob` + `/queue/x` → `/user/bob/queue/x`, slashes in the name written as `%2F` (S3.26). */
  format(user: string, rest: string): string {
    return `${this.#settings.prefix}${user.replaceAll('/', '%2F')}${rest}`;
  }

  /** What a subscriber sees as the destination of a message for `rest`: no name, no session (S3.24). */
  visibleDestination(rest: string): string {
    return `${this.#settings.prefix.slice(0, -1)}${rest}`;
  }

  /** Whether messages for what stands behind the user can reach anybody (S3.20). */
  leadsSomewhere(rest: string): boolean {
    return this.#settings.isBrokerDestination(rest);
  }

  /** Null when nothing stands behind the user (S3.28). `%2F` in the name is a slash. */
  parse(destination: string): UserDestination | null {
    const { prefix } = this.#settings;
    const slash = destination.indexOf('/', prefix.length);
    if (slash <= prefix.length) return null;
    const rest = destination.slice(slash);
    return { user: destination.slice(prefix.length, slash).replaceAll('%2F', '/'), rest };
  }

  add(subscription: Subscription): void {
    const rest = this.restOf(subscription.destination);
    subscription.source = this.#source;
    let queues = this.#sessions.get(subscription.sessionId);
    if (queues === undefined) {
      this.#sessions.set(subscription.sessionId, (queues = new SessionQueues(this.#settings.separator)));
    }
    if (isPattern(rest)) queues.patterns.add(rest, subscription);
    else {
      let topic = queues.topics.get(rest);
      if (topic === undefined) queues.topics.set(rest, (topic = new Topic(rest, queues.patterns, this.#source)));
      topic.add(subscription);
    }
    this.#inbox?.begin(subscription, rest);
  }

  remove(subscription: Subscription): void {
    const rest = this.restOf(subscription.destination);
    const queues = this.#sessions.get(subscription.sessionId);
    if (queues === undefined) return;
    if (isPattern(rest)) {
      queues.patterns.remove(rest, subscription);
      this.#source.end(subscription);
    } else {
      const topic = queues.topics.get(rest);
      topic?.remove(subscription);
      if (topic?.subscriberCount === 0) queues.topics.delete(rest);
    }
    if (queues.isEmpty) this.#sessions.delete(subscription.sessionId);
  }

  /**
   * Who a message for `user` goes to (S3.22): a session names itself by its id; a user who sends to its own name reaches
   * the sending session only; anyone else reaches all sessions of the user.
   * @param senderId the sending session; null for the application
   */
  resolve(user: string, senderId: string | null): Iterable<string> {
    if (senderId !== null && this.isOwn(user, senderId)) return [senderId];
    return this.#users.sessionIds(user) ?? [];
  }

  /** Whether a session means itself when it names `user`. */
  isOwn(user: string, senderId: string): boolean {
    return user === senderId || this.#users.has(user, senderId);
  }

  /** The sessions that a message of the application is for: all of the user's, or the one named if it is the user's. */
  sessionsOf(user: string, sessionId: string | null): Iterable<string> {
    if (sessionId === null) return this.#users.sessionIds(user) ?? [];
    return this.isOwn(user, sessionId) ? [sessionId] : [];
  }

  /** A subscription of the user that takes the message: the first that can take it now, else the first. */
  find(user: string, rest: string, message: Message): Subscription | null {
    let first: Subscription | null = null;
    for (const subscription of this.matching(user, rest)) {
      if (!subscription.accepts(message)) continue;
      if (subscription.canTake) return subscription;
      first ??= subscription;
    }
    return first;
  }

  /** Of all sessions of the user. */
  *matching(user: string, rest: string): Generator<Subscription> {
    for (const sessionId of this.#users.sessionIds(user) ?? []) {
      const queues = this.#sessions.get(sessionId);
      yield* queues?.topics.get(rest)?.subscriptions ?? [];
      yield* queues?.patterns.match(rest) ?? [];
    }
  }

  /** Hands a message to one session's own subscriptions; false when it has none that match. */
  publish(sessionId: string, rest: string, message: Message, unit: WriteUnit): boolean {
    const queues = this.#sessions.get(sessionId);
    if (queues === undefined) return false;
    const topic = queues.topics.get(rest);
    if (topic !== undefined) {
      topic.publish(message, unit);
      return true;
    }
    const matched = queues.patterns.match(rest);
    if (unit.holdsBack) message.own();
    unit.show(() => {
      for (const subscription of matched) this.#source.offer(subscription, message);
    });
    return matched.length > 0;
  }

  /** To every session of the user; false when none has a subscription that matches. */
  publishToAll(user: string, rest: string, message: Message): boolean {
    const unit = new WriteUnit(null);
    let isTaken = false;
    for (const id of this.#users.sessionIds(user) ?? []) {
      if (this.publish(id, rest, message, unit)) isTaken = true;
    }
    return isTaken;
  }

  /** `/user/queue/x` → `/queue/x`: in SUBSCRIBE no name stands behind the prefix (S3.27). */
  restOf(destination: string): string {
    return destination.slice(this.#settings.prefix.length - 1);
  }
}
