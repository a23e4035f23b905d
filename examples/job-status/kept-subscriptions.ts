/** What users were subscribed to, kept for a while after their last connection is gone: a reconnect goes on with it. */
import type { Broker, Clock, StandingSubscription } from '../../adapters/index.js';

const KEEP_MS = 300_000;
const MAX_USERS = 10_000;
/** Of one user; the oldest are forgotten. */
const MAX_SUBSCRIPTIONS = 200;

export type Subscription = Exclude<StandingSubscription, string>;

interface Kept {
  readonly subscriptions: Map<string, Subscription>;
  /** Null while the user is connected. */
  goneMs: number | null;
}

export class KeptSubscriptions {
  readonly #users = new Map<string, Kept>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Follows the broker's sessions. */
  watch(broker: Broker): void {
    broker.events.on('disconnect', ({ session }) => {
      const name = session.user?.name ?? '';
      const kept = this.#users.get(name);
      if (kept !== undefined && broker.users.get(name) === undefined) kept.goneMs = this.#clock.nowMs();
    });
  }

  add(user: string, subscription: Subscription): void {
    let kept = this.#users.get(user);
    if (kept === undefined) this.#users.set(user, (kept = { subscriptions: new Map(), goneMs: null }));
    kept.subscriptions.set(subscription.destination, subscription);
    const [first] = kept.subscriptions.keys();
    if (kept.subscriptions.size > MAX_SUBSCRIPTIONS && first !== undefined) kept.subscriptions.delete(first);
    const [oldest] = this.#users.keys();
    if (this.#users.size > MAX_USERS && oldest !== undefined) this.#users.delete(oldest);
  }

  delete(user: string, destination: string): void {
    this.#users.get(user)?.subscriptions.delete(destination);
  }

  /** What a user who comes back had; nothing for a second connection beside the first. */
  resume(user: string): readonly Subscription[] {
    const kept = this.#users.get(user);
    if (kept?.goneMs === null || kept === undefined) return [];
    const isRecent = this.#clock.nowMs() - kept.goneMs < KEEP_MS;
    kept.goneMs = null;
    if (!isRecent) kept.subscriptions.clear();
    return [...kept.subscriptions.values()];
  }
}
