/**
 * One SUBSCRIBE of one session: where its messages go and how they are settled.
 * In auto mode a message is done when it is in the outbox. In the client modes it is pending until ACK or NACK, and no
 * more than `window` may be pending: the rest waits at its source.
 */
import type { Message } from './message.js';
import type { GivingWay } from './overflow-policy.js';
import type { Refusal } from './destinations/redelivery.js';
import type { WriteUnit } from './storage/write-unit.js';
import type { Selector } from './selector/selector.js';
import { workload, WORTH_A_LOOK } from './turn-budget.js';
import { PendingAcks, type AckOwner } from './pending-acks.js';
import { Redelivery, redeliveryLines, type Delivery, type DeliveryHead, type ReturnedMessage } from './delivery.js';

export type AckMode = AckOwner['ackMode'];

/** Where a subscription puts its messages: its session's outbox. */
export interface MessageSink {
  /** Below the mark to which sources that can wait fill it. */
  readonly hasRoom: boolean;
  readonly queuedBytes: number;
  enqueue(head: DeliveryHead, message: Message): void;
  /** As `enqueue`, but older messages may give way to this one while the transport is backed up. */
  enqueueReplaceable(head: DeliveryHead, message: Message, way: GivingWay, destination: string): void;
  /** The subscription's next message will say whether it has everything up to it. */
  noteNext(subscription: Subscription, isRecovered: boolean): void;
  nextDelivery(): number;
  /** Behind what was enqueued last. */
  readonly place: number;
  /** Whether everything before a `place` has left. */
  hasSent(place: number): boolean;
  encode(text: string): Buffer;
  /** Asks to be told, through its source, when there is room again. */
  hold(subscription: Subscription): void;
  forget(subscription: Subscription): void;
  /** Takes out what was never sent, or `only` these; returns the messages of auto mode, oldest first. */
  takeUnsent(subscription: Subscription, only?: ReadonlySet<Message>): ReturnedMessage[];
}

/** Where a subscription's messages come from, and what is to happen with those it gives back. */
export interface MessageSource {
  /** Settled for good. What has to be stored for that goes into `unit`. */
  settled(subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void;
  /** Not consumed, as the session or the subscription ended. In the order they were delivered. */
  returned(subscription: Subscription, deliveries: readonly ReturnedMessage[]): void;
  /**
   * Not wanted: NACK. In the order they were delivered.
   * @returns of many, what resolves once all that has to be stored is in `unit`; never when that holds back
   */
  refused(
    subscription: Subscription,
    deliveries: readonly Delivery[],
    refusal: Refusal,
    unit: WriteUnit,
  ): void | Promise<void>;
  /** The subscription can take messages again. */
  ready(subscription: Subscription): void;
}

export interface SubscriptionSpec {
  /** Counts the subscriptions of one session, from 1; stands in front of ack ids. */
  readonly number: number;
  /** Null on 1.0 without an id: MESSAGE then has no `subscription` header. */
  readonly id: string | null;
  readonly destination: string;
  readonly ackMode: AckMode;
  /** Most deliveries pending in the client modes. */
  readonly window: number;
  /** While it lives, its queue gives to no other, save to those exclusive before it. */
  readonly isExclusive: boolean;
  /** Null: every message is wanted. */
  readonly selector: Selector | null;
  /** It does not get what its own session sends; default false. */
  readonly isNoLocal?: boolean;
  /** It gets copies of what waits in a queue, and consumes nothing; default false. */
  readonly isBrowser?: boolean;
  /** Of the durable subscription whose messages it takes; null: it lives and dies with its session. */
  readonly durableKey: string | null;
  readonly head: Buffer;
  readonly outbox: MessageSink;
  readonly sessionId: string;
}

export class Subscription implements DeliveryHead, AckOwner {
  readonly number: number;
  readonly id: string | null;
  readonly destination: string;
  readonly ackMode: AckMode;
  readonly window: number;
  readonly isExclusive: boolean;
  readonly selector: Selector | null;
  readonly durableKey: string | null;
  readonly isNoLocal: boolean;
  readonly isBrowser: boolean;
  readonly head: Buffer;
  readonly extra: Buffer | null = null;
  readonly owner: Subscription = this;
  readonly outbox: MessageSink;
  readonly sessionId: string;
  /** Null in auto mode. */
  readonly pending: PendingAcks | null;
  /** Place in the route's list, for removal in O(1); -1 when not in one. */
  routeIndex = -1;
  /** Set by the router when the subscription is taken up; null while it is not. */
  source: MessageSource | null = null;
  /** Not every message is wanted. */
  readonly #isPicky: boolean;

  constructor(spec: SubscriptionSpec) {
    this.number = spec.number;
    this.id = spec.id;
    this.destination = spec.destination;
    this.ackMode = spec.ackMode;
    this.window = spec.window;
    this.isExclusive = spec.isExclusive;
    this.selector = spec.selector;
    this.durableKey = spec.durableKey;
    this.isNoLocal = spec.isNoLocal ?? false;
    this.isBrowser = spec.isBrowser ?? false;
    this.#isPicky = spec.selector !== null || this.isNoLocal;
    this.head = spec.head;
    this.outbox = spec.outbox;
    this.sessionId = spec.sessionId;
    this.pending = spec.ackMode === 'auto' ? null : new PendingAcks(this);
  }

  /** Whether `deliver` may be called: the window has room, and the outbox is not backed up. */
  get canTake(): boolean {
    return this.outbox.hasRoom && (this.pending === null || this.pending.size < this.window);
  }

  /** Whether the message is one that the client asked for. */
  accepts(message: Message): boolean {
    return !this.#isPicky || this.#wants(message);
  }

  #wants(message: Message): boolean {
    if (this.isNoLocal && message.originId === this.sessionId) return false;
    if (this.selector === null) return true;
    workload.units += WORTH_A_LOOK;
    return this.selector.matches(message.headerMap());
  }

  /** Puts one message on its way. Order of calls is order on the wire. */
  deliver(message: Message, deliveryCount: number): void {
    if (this.pending !== null) this.outbox.enqueue(this.pending.add(message, deliveryCount), message);
    else if (deliveryCount === 1) this.outbox.enqueue(this, message);
    else
      this.outbox.enqueue(
        new Redelivery(this, this.outbox.encode(redeliveryLines(deliveryCount)), deliveryCount),
        message,
      );
  }
}
