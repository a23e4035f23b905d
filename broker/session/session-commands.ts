/**
 * A session as its command handlers see it: what they ask for goes to the piece of the session that has it. Made for each
 * frame of the strict path, as it holds nothing of its own.
 */
import { handleRenewal, isRenewal } from '../commands/renew.js';
import { BrokerError } from '../errors.js';
import type { Frame, StompVersion } from '../../protocol/index.js';
import type { CommandContext, Welcome } from '../commands/command-context.js';
import type { TemporaryQueue } from '../destinations/temporary-queues.js';
import type { MessageKeys } from '../message-keys.js';
import type { BrokerOptions } from '../options.js';
import type { Principal } from '../ports.js';
import type { Router } from '../router.js';
import type { UnitTerms, WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TransactionTable } from '../transaction.js';
import type { FrameEffects } from './frame-effects.js';
import type { FrameIntake } from './frame-intake.js';
import type { OwnSession } from './own-session.js';
import type { SessionIdentity, ShownCredentials } from './session-identity.js';
import { chargeSend, pause } from './session-rates.js';
import type { RequestedSubscription, SessionSubscriptions } from './session-subscriptions.js';

/** What commands lead to that is the session's own business. */
export interface CommandedSession extends OwnSession {
  readonly isOpen: boolean;
  connected(welcome: Welcome): void | Promise<void>;
  renew(principal: Principal): void;
  goodbye(): void;
}

/** The pieces of it. */
export interface CommandParts {
  readonly identity: SessionIdentity;
  readonly intake: FrameIntake;
  readonly subscriptions: SessionSubscriptions;
  readonly effects: FrameEffects;
}

export class SessionCommands implements CommandContext {
  readonly #session: CommandedSession;
  readonly #identity: SessionIdentity;
  readonly #intake: FrameIntake;
  readonly #subscriptions: SessionSubscriptions;
  readonly #effects: FrameEffects;

  constructor(session: CommandedSession, parts: CommandParts) {
    this.#session = session;
    this.#identity = parts.identity;
    this.#intake = parts.intake;
    this.#subscriptions = parts.subscriptions;
    this.#effects = parts.effects;
  }

  get id(): string {
    return this.#session.id;
  }

  get version(): StompVersion {
    return this.#session.version;
  }

  get options(): BrokerOptions {
    return this.#session.environment.options;
  }

  get router(): Router {
    return this.#session.environment.router;
  }

  get keys(): MessageKeys {
    return this.#session.environment.keys;
  }

  get messageIdPrefix(): string {
    return this.#session.environment.messageIdPrefix;
  }

  // ——— Who it is, what it may ———

  get principal(): Principal | null {
    return this.#identity.principal;
  }

  get clientId(): string | undefined {
    return this.#identity.clientId;
  }

  authenticate(shown: ShownCredentials): Principal | Promise<Principal> {
    return this.#identity.authenticate(shown);
  }

  connected(welcome: Welcome): void | Promise<void> {
    return this.#session.connected(welcome);
  }

  renew(principal: Principal): void {
    this.#session.renew(principal);
  }

  authorize(action: 'send' | 'subscribe', destination: string): void | Promise<void> {
    return this.#identity.authorize(action, destination);
  }

  charge(destinations: readonly string[], frame: Frame): number {
    return chargeSend(this.#session.environment, destinations, frame);
  }

  pause(ms: number): Promise<void> {
    return pause(this.#session.environment, ms);
  }

  // ——— What its frames lead to ———

  get transactions(): TransactionTable {
    return this.#effects.transactions;
  }

  publish(frame: Frame, unit: WriteUnit, key: string | null): void | Promise<void> {
    const { publisher, invoker, keys } = this.#session.environment;
    const destination = frame.headers.get('destination') ?? '';
    const path = this.router.kinds.handlerPath(destination);
    if (path !== null) {
      if (isRenewal(path)) return handleRenewal(this, frame);
      if (key === null) return invoker.invoke('message', path, frame, this.#session);
      const onUnhandled = (): void => {
        keys.release(key);
      };
      return invoker.invoke('message', path, frame, this.#session, { onUnhandled });
    }
    publisher.publish(destination, frame.headers, frame.body, this.id, unit);
  }

  callSubscribeHandler(frame: Frame, subscription: Subscription): void | Promise<void> {
    const path = this.router.kinds.handlerPath(subscription.destination);
    if (path === null) return;
    return this.#session.environment.invoker.invoke('subscribe', path, frame, this.#session, { subscription });
  }

  createUnit(terms?: UnitTerms): WriteUnit {
    return this.#effects.createUnit(terms);
  }

  submit(unit: WriteUnit, frame: Frame): void | Promise<void> {
    return this.#effects.submit(unit, frame);
  }

  receipt(receiptId: string | undefined, also?: readonly (readonly [string, string])[]): void {
    this.#effects.receipt(receiptId, also);
  }

  afterReceipts(next: () => void | Promise<void>): void | Promise<void> {
    return this.#effects.afterReceipts(next);
  }

  goodbye(): void {
    this.#session.goodbye();
  }

  // ——— What it is subscribed to ———

  get selectorBytes(): number {
    return this.#subscriptions.selectorBytes;
  }

  get patternBytes(): number {
    return this.#subscriptions.patternBytes;
  }

  createSubscription(key: string, spec: RequestedSubscription): Subscription {
    this.#assertOpen();
    const subscription = this.#subscriptions.create(key, spec);
    // Its messages are to say whose they are, so that this one does not get them; also when it has ended.
    if (subscription.isNoLocal) this.#intake.beStrict();
    return subscription;
  }

  claimTemporaryQueue(name: string): TemporaryQueue {
    this.#assertOpen();
    return this.router.temporary.claim(this.id, name);
  }

  findSubscription(key: string): Subscription | undefined {
    return this.#subscriptions.get(key);
  }

  findSubscriptionOfAck(ackId: string): Subscription | undefined {
    return this.#subscriptions.ofAck(ackId);
  }

  hasEndedSubscription(number?: number): boolean {
    return this.#subscriptions.hasEnded(number);
  }

  subscriptions(): Iterable<Subscription> {
    return this.#subscriptions.values();
  }

  subscribed(subscription: Subscription): void {
    this.#subscriptions.subscribed(subscription);
  }

  removeSubscription(key: string): void {
    this.#subscriptions.end(key);
  }

  takeRevoked(key: string): boolean {
    return this.#subscriptions.takeRevoked(key);
  }

  /** Work may have had to wait: a session that has ended must not be given what nobody would take from it again. */
  #assertOpen(): void {
    if (!this.#session.isOpen) throw new BrokerError('not-connected', 'The session has ended');
  }
}
