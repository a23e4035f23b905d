/**
 * What one session is subscribed to: made within its limits, ended by its client or by an operator, told to the application
 * as handles.
 */
import { quoteInput } from '../../protocol/index.js';
import { isPattern } from '../destinations/pattern.js';
import { BrokerError } from '../errors.js';
import { Subscription, type SubscriptionSpec } from '../subscription.js';
import { SubscriptionTable } from '../subscription-table.js';
import type { SubscriptionHandle } from '../application/session-handle.js';
import type { OwnSession } from './own-session.js';
import { PLAIN_TEXT, tell } from './session-answers.js';

/** What a SUBSCRIBE says; the rest is its session's. */
export type RequestedSubscription = Omit<SubscriptionSpec, 'head' | 'outbox' | 'sessionId' | 'number'>;

export class SessionSubscriptions extends SubscriptionTable {
  readonly #session: OwnSession;
  /** Keys of those that an operator ended and their client does not know of; null until the first. */
  #revoked: Set<string> | null = null;

  constructor(session: OwnSession) {
    super(session.environment.options.destinations.separator);
    this.#session = session;
  }

  get handles(): readonly SubscriptionHandle[] {
    return [...this.values()].map((subscription) => this.#handleOf(subscription));
  }

  /** As `CommandContext.createSubscription`. @throws BrokerError `limit-exceeded` */
  create(key: string, spec: RequestedSubscription): Subscription {
    const { id: sessionId, version, outbox, environment } = this.#session;
    const { options, stats, heads } = environment;
    const { maxSubscriptionsPerSession, maxSubscriptions } = options.limits;
    if (stats.subscriptions >= maxSubscriptions) {
      throw new BrokerError('limit-exceeded', `${maxSubscriptions} subscriptions on this server is the limit`);
    }
    if (this.size >= maxSubscriptionsPerSession) {
      throw new BrokerError(
        'limit-exceeded',
        `${maxSubscriptionsPerSession} subscriptions on one session is the limit`,
      );
    }
    const head = heads.of(spec.id, version, outbox.framing);
    const number = this.nextNumber();
    const subscription = new Subscription({ ...spec, number, head, outbox, sessionId });
    this.add(key, subscription);
    this.#revoked?.delete(key);
    return subscription;
  }

  /** It is live: tells the application. */
  subscribed(subscription: Subscription): void {
    const { events } = this.#session.environment;
    if (!events.has('subscribe')) return;
    events.emit('subscribe', { session: this.#session, subscription: this.#handleOf(subscription) });
  }

  /** Its client does not want it any more, or an operator. */
  end(key: string): void {
    const subscription = this.remove(key);
    if (subscription === undefined) return;
    const { router, events } = this.#session.environment;
    router.unsubscribe(subscription);
    if (!events.has('unsubscribe')) return;
    events.emit('unsubscribe', { session: this.#session, subscription: this.#handleOf(subscription) });
  }

  /** As `OperatedSession.revokeSubscription`: the client did not ask for it, so it is told. */
  revoke(number: number): boolean {
    const found = this.find(number);
    if (found === null) return false;
    const [key, { id, destination }] = found;
    this.end(key);
    (this.#revoked ??= new Set()).add(key);
    const name = id === null ? '' : ` ${quoteInput(id, 120)}`;
    const text = `Subscription${name} to ${quoteInput(destination, 120)} was ended by an operator`;
    tell(this.#session, '/queue/errors', [['code', 'subscription-revoked'], PLAIN_TEXT], text);
    return true;
  }

  /** Whether an operator ended the subscription of that key; once. */
  takeRevoked(key: string): boolean {
    return this.#revoked?.delete(key) === true;
  }

  /** Whether the client sees what is told to this session alone. @param rest as of `tell` */
  hears(rest: string): boolean {
    const { userPrefix } = this.#session.environment.options.destinations;
    for (const { destination } of this.values()) {
      if (destination === `${userPrefix}${rest}`) return true;
      if (destination.startsWith(`${userPrefix}/`) && isPattern(destination)) return true;
    }
    return false;
  }

  /** All of them end with the session: unsettled messages go back to their queues. */
  release(): void {
    const { router } = this.#session.environment;
    for (const subscription of this.takeAll()) router.unsubscribe(subscription, true);
  }

  #handleOf({ id, destination }: Subscription): SubscriptionHandle {
    return { id, destination, session: this.#session };
  }
}
