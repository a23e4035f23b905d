/**
 * Deliveries of one subscription that wait for ACK or NACK, in order (STOMP 1.2, ACK and SUBSCRIBE ack).
 * `client` settles everything up to the one named, `client-individual` just that one.
 */
import { Delivery, pendingLines, type DeliveryOwner } from './delivery.js';
import type { Message } from './message.js';
import { OldestFirstMap } from './oldest-first-map.js';

/** The subscription, as far as its pending deliveries need it. */
export interface AckOwner extends DeliveryOwner {
  /** Counts the subscriptions of one session; stands in front of ack ids. */
  readonly number: number;
  readonly ackMode: 'auto' | 'client' | 'client-individual';
  readonly outbox: {
    /** Numbers the deliveries of the connection. */
    nextDelivery(): number;
    /** ASCII text as octets for this connection. */
    encode(text: string): Buffer;
  };
}

/** What is kept of a delivery beside its message. */
const DELIVERY_BYTES = 400;

export class PendingAcks {
  readonly #subscription: AckOwner;
  /** By ack id; insertion order is delivery order. */
  readonly #deliveries = new OldestFirstMap<string, Delivery>();

  constructor(subscription: AckOwner) {
    this.#subscription = subscription;
  }

  get size(): number {
    return this.#deliveries.size;
  }

  /** Memory, as if all were as large as the oldest. */
  get bytes(): number {
    const [, oldest] = this.#deliveries.oldest ?? [];
    return oldest === undefined ? 0 : this.size * (oldest.message.weightBytes + DELIVERY_BYTES);
  }

  add(message: Message, deliveryCount: number): Delivery {
    const { outbox, number } = this.#subscription;
    const sequence = outbox.nextDelivery();
    const ackId = `${number}-${sequence}`;
    const extra = outbox.encode(pendingLines(ackId, deliveryCount));
    const delivery = new Delivery(this.#subscription, message.own(), ackId, sequence, deliveryCount, extra);
    this.#deliveries.set(ackId, delivery);
    return delivery;
  }

  has(ackId: string): boolean {
    return this.#deliveries.has(ackId);
  }

  /** The ack id of the pending delivery of one message: 1.0 and 1.1 settle by message-id. */
  findByMessage(messageId: number): string | undefined {
    for (const { ackId, message } of this.#deliveries.values()) if (message.id === messageId) return ackId;
    return undefined;
  }

  /**
   * Takes out what an ACK or NACK of `ackId` covers, oldest first. Nobody else can settle these any more.
   * @returns undefined when `ackId` is not pending here
   */
  take(ackId: string): Delivery[] | undefined {
    const named = this.#deliveries.get(ackId);
    if (named === undefined) return undefined;
    if (this.#subscription.ackMode === 'client-individual') {
      this.#deliveries.delete(ackId);
      return [named];
    }
    const taken: Delivery[] = [];
    for (let oldest = this.#deliveries.oldest; oldest !== undefined; oldest = this.#deliveries.oldest) {
      const [, delivery] = oldest;
      taken.push(delivery);
      this.#deliveries.delete(delivery.ackId);
      if (delivery === named) break;
    }
    return taken;
  }

  takeAll(): Delivery[] {
    const all = [...this.#deliveries.values()];
    this.#deliveries.clear();
    return all;
  }

  /** Puts back what `take` took, in its old place: an aborted transaction undoes its ACKs. */
  restore(deliveries: readonly Delivery[]): void {
    const later = this.takeAll();
    const all = [...deliveries, ...later].sort((a, b) => a.sequence - b.sequence);
    for (const delivery of all) this.#deliveries.set(delivery.ackId, delivery);
  }
}
