/** What one subscription is given of one message: the head that stands before the shared tail, and its fate until settled. */
import type { Message } from './message.js';

/** Who a delivery is for. */
export interface DeliveryOwner {
  /** Counts the subscriptions of one session, from 1. */
  readonly number: number;
  /** Null on 1.0 without an id: MESSAGE then has no `subscription` header. */
  readonly id: string | null;
  /** From `MESSAGE` to the message-id's prefix, encoded as the connection's framing wants it. */
  readonly head: Buffer;
}

/** What stands before the tail of a MESSAGE: of a subscription in auto mode, or of one delivery in the client modes. */
export interface DeliveryHead {
  /** The owner's. */
  readonly head: Buffer;
  /** Header lines behind the message-id, each with its LF in front; null when there are none. */
  readonly extra: Buffer | null;
  readonly owner: DeliveryOwner;
}

/** A message that was not consumed, with how often it was delivered so far. */
export interface ReturnedMessage {
  readonly message: Message;
  readonly deliveryCount: number;
}

/** A message that was delivered before, on its way to a subscription in auto mode. */
export class Redelivery implements DeliveryHead {
  readonly head: Buffer;

  constructor(
    readonly owner: DeliveryOwner,
    readonly extra: Buffer,
    /** 2 or more. */
    readonly deliveryCount: number,
  ) {
    this.head = owner.head;
  }
}

/** The next message of a subscription that is to be told whether it has everything up to it (DESIGN D6). */
export class NotedDelivery implements DeliveryHead {
  readonly owner: DeliveryOwner;
  readonly head: Buffer;

  constructor(
    readonly delivery: DeliveryHead,
    readonly isRecovered: boolean,
    /** Those of the delivery, and the note. */
    readonly extra: Buffer,
  ) {
    this.owner = delivery.owner;
    this.head = delivery.head;
  }
}

/** The header line that tells it, with its LF in front. */
export function recoveryLine(isRecovered: boolean): string {
  return `\nrecovered:${isRecovered}`;
}

/** Header lines that say so of a message that was delivered before, each with its LF in front. @param deliveryCount 2 or more */
export function redeliveryLines(deliveryCount: number): string {
  return `\nredelivered:true\ndelivery-count:${deliveryCount}`;
}

/**
 * Header lines of a delivery that waits for its ACK, each with its LF in front. It says so too when it is the first, as
 * RabbitMQ's do: workers written for that read the header of every message they acknowledge.
 */
export function pendingLines(ackId: string, deliveryCount: number): string {
  return `\nack:${ackId}${deliveryCount > 1 ? redeliveryLines(deliveryCount) : '\nredelivered:false'}`;
}

/** How often the client side has seen a message that comes back. */
export function countOf(returned: ReturnedMessage): number {
  return returned instanceof Delivery && !returned.wasSent ? returned.deliveryCount - 1 : returned.deliveryCount;
}

/** One message on its way to one client, pending. */
export class Delivery implements DeliveryHead {
  readonly head: Buffer;
  /** False once it was taken out of the outbox unsent: the client never saw it. */
  wasSent = true;

  constructor(
    readonly owner: DeliveryOwner,
    readonly message: Message,
    /** Unique on the connection, never reused: an ack of an earlier delivery does not settle a later one. */
    readonly ackId: string,
    /** Grows with each delivery of the connection. */
    readonly sequence: number,
    /** 1 at the first delivery. */
    readonly deliveryCount: number,
    readonly extra: Buffer,
  ) {
    this.head = owner.head;
  }
}
