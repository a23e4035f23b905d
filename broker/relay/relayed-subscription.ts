/**
 * A subscription at an external broker that is one client's own: where its messages come from, and where ACKs and NACKs go.
 * The external broker keeps what is not acknowledged and gives it out again when the client's connection there ends.
 */
import { BrokerError } from '../errors.js';
import type { Delivery } from '../delivery.js';
import type { Refusal } from '../destinations/redelivery.js';
import type { Message } from '../message.js';
import type { RelayAck, RelayClient, RelayedMessage, RelaySubscription } from '../ports.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { MessageSource, Subscription } from '../subscription.js';

export interface RelayedSubscriptionParts {
  readonly client: RelayClient;
  /** The message as this subscription's client is to see it. */
  readonly toMessage: (message: RelayedMessage) => Message;
  /** Adds a frame of this client to what `unit` asks of the external broker. */
  readonly relay: (unit: WriteUnit, command: 'ACK' | 'NACK', headers: RelayAck['headers']) => void;
}

export class RelayedSubscription implements MessageSource {
  readonly #parts: RelayedSubscriptionParts;
  #upstream: RelaySubscription | null = null;
  #subscription: Subscription | null = null;
  /** What came before the client has its RECEIPT. */
  #early: RelayedMessage[] = [];
  /** Gone with the message when it is settled. */
  readonly #acks = new WeakMap<Message, RelayAck>();

  constructor(parts: RelayedSubscriptionParts) {
    this.#parts = parts;
  }

  receive(message: RelayedMessage): void {
    // The octets belong to a read chunk.
    if (this.#subscription === null) this.#early.push({ ...message, body: Buffer.from(message.body) });
    else this.#deliver(this.#subscription, message);
  }

  confirmed(upstream: RelaySubscription): this {
    this.#upstream = upstream;
    return this;
  }

  add(subscription: Subscription): void {
    subscription.source = this;
    this.#subscription = subscription;
    for (const message of this.#early.splice(0)) this.#deliver(subscription, message);
  }

  /** The client asks for the end. @param headers of its UNSUBSCRIBE */
  end(headers: Iterable<readonly [string, string]>, isAwaited: boolean): Promise<void> | undefined {
    return this.#upstream?.end(headers, isAwaited);
  }

  /** It is over here. */
  remove(subscription: Subscription): void {
    subscription.source = null;
    this.#subscription = null;
    subscription.outbox.takeUnsent(subscription);
    subscription.pending?.takeAll();
    this.#parts.client.resume();
  }

  settled(_subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const ack of this.#acksOf(deliveries, unit)) this.#parts.relay(unit, 'ACK', ack.headers);
  }

  refused(_subscription: Subscription, deliveries: readonly Delivery[], { requeue }: Refusal, unit: WriteUnit): void {
    const also: RelayAck['headers'] = requeue ? [] : [['requeue', 'false']];
    for (const ack of this.#acksOf(deliveries, unit)) this.#parts.relay(unit, 'NACK', [...ack.headers, ...also]);
  }

  returned(): void {
    // The external broker gives them out again.
  }

  ready(): void {
    this.#parts.client.resume();
  }

  /**
   * Those that still mean something. One for a connection that is gone does nothing, as the message comes again; but a
   * transaction is all or nothing.
   */
  #acksOf(deliveries: readonly Delivery[], unit: WriteUnit): RelayAck[] {
    const acks = deliveries.flatMap(({ message }) => this.#acks.get(message) ?? []);
    const live = acks.filter(({ isLive }) => isLive);
    if (unit.holdsBack && live.length < acks.length)
      throw new BrokerError('relay-lost', 'Connection to broker closed.');
    return live;
  }

  #deliver(subscription: Subscription, relayed: RelayedMessage): void {
    const message = this.#parts.toMessage(relayed);
    if (subscription.pending !== null && relayed.ack !== null) this.#acks.set(message, relayed.ack);
    subscription.deliver(message, relayed.isRedelivered ? 2 : 1);
    if (subscription.outbox.hasRoom) return;
    // In auto mode what is read counts as consumed: what the client has no room for stays with the external broker.
    this.#parts.client.pause();
    subscription.outbox.hold(subscription);
  }
}
