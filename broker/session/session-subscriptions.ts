/**
 * What one session is subscribed to: made within its limits, ended by its client or by an operator, told to the application
 * as handles.
 */
import { quoteInput } from '../../protocol/index.js';
import { isPattern } from '../destinations/pattern.js';
import { BrokerError } from '../errors.js';
import { Subscription, type SubscriptionSpec } from '../subscription.js';
import { SubscriptionTable } from '../subscription-table.js';
import type { SessionHandle, SubscriptionHandle } from '../application/session-handle.js';
import type { Outbox } from '../outbox.js';
import type { SessionEnvironment } from '../session-environment.js';
import { PLAIN_TEXT, type SessionAnswers } from './session-answers.js';

/** What a SUBSCRIBE says; the rest is its session's. */
export type RequestedSubscription = Omit<SubscriptionSpec, 'head' | 'outbox' | 'sessionId' | 'number'>;

export class SessionSubscriptions {
  readonly table: SubscriptionTable;
  readonly #session: SessionHandle;
  readonly #outbox: Outbox;
  readonly #answers: SessionAnswers;
  readonly #environment: SessionEnvironment;
  /** Keys of those that an operator ended and their client does not know of; null until the first. */
  #revoked: Set<string> | null = null;

  constructor(session: SessionHandle, outbox: Outbox, answers: SessionAnswers, environment: SessionEnvironment) {
    this.table = new SubscriptionTable(environment.options.destinations.separator);
    this.#session = session;
    this.#outbox = outbox;
    this.#answers = answers;
    this.#environment = environment;
  }

  get handles(): readonly SubscriptionHandle[] {
    return [...this.table.values()].map((subscription) => this.#handleOf(subscription));
  }

  /** As `CommandContext.createSubscription`. @throws BrokerError `limit-exceeded` */
  create(key: string, spec: RequestedSubscription): Subscription {
    const { options, stats, heads } = this.#environment;
    const { maxSubscriptionsPerSession, maxSubscriptions } = options.limits;
    if (stats.subscriptions >= maxSubscriptions) {
      throw new BrokerError('limit-exceeded', `${maxSubscriptions} subscriptions on this server is the limit`);
    }
    if (this.table.size >= maxSubscriptionsPerSession) {
      throw new BrokerError(
        'limit-exceeded',
        `${maxSubscriptionsPerSession} subscriptions on one session is the limit`,
      );
    }
    const { id: sessionId, version } = this.#session;
    const head = heads.of(spec.id, version, this.#outbox.framing);
    const number = this.table.nextNumber();
    const subscription = new Subscription({ ...spec, number, head, outbox: this.#outbox, sessionId });
    this.table.add(key, subscription);
    this.#revoked?.delete(key);
    return subscription;
  }

  /** It is live: tells the application. */
  subscribed(subscription: Subscription): void {
    const { events } = this.#environment;
    if (!events.has('subscribe')) return;
    events.emit('subscribe', { session: this.#session, subscription: this.#handleOf(subscription) });
  }

  remove(key: string): void {
    const subscription = this.table.remove(key);
    if (subscription === undefined) return;
    const { router, events } = this.#environment;
    router.unsubscribe(subscription);
    if (!events.has('unsubscribe')) return;
    events.emit('unsubscribe', { session: this.#session, subscription: this.#handleOf(subscription) });
  }

  /** As `OperatedSession.revokeSubscription`: the client did not ask for it, so it is told. */
  revoke(number: number): boolean {
    const found = this.table.find(number);
    if (found === null) return false;
    const [key, { id, destination }] = found;
    this.remove(key);
    (this.#revoked ??= new Set()).add(key);
    const name = id === null ? '' : ` ${quoteInput(id, 120)}`;
    const text = `Subscription${name} to ${quoteInput(destination, 120)} was ended by an operator`;
    this.#answers.tell('/queue/errors', [['code', 'subscription-revoked'], PLAIN_TEXT], text);
    return true;
  }

  /** Whether an operator ended the subscription of that key; once. */
  takeRevoked(key: string): boolean {
    return this.#revoked?.delete(key) === true;
  }

  /** Whether the client sees what is told to this session alone. @param rest as of `SessionAnswers.tell` */
  hears(rest: string): boolean {
    const { userPrefix } = this.#environment.options.destinations;
    for (const { destination } of this.table.values()) {
      if (destination === `${userPrefix}${rest}`) return true;
      if (destination.startsWith(`${userPrefix}/`) && isPattern(destination)) return true;
    }
    return false;
  }

  /** All of them end with the session: unsettled messages go back to their queues. */
  release(): void {
    const { router } = this.#environment;
    for (const subscription of this.table.takeAll()) router.unsubscribe(subscription, true);
  }

  #handleOf({ id, destination }: Subscription): SubscriptionHandle {
    return { id, destination, session: this.#session };
  }
}
