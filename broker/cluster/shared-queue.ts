/**
 * A queue of all nodes of a cluster, as one node has it: what is published goes to the shared store, and of what waits there
 * this node claims what its own consumers can take. Their acks, refusals and ends are told the store by place; who else
 * consumes is not known here, nor is it asked.
 */
import { countOf, type Delivery, type ReturnedMessage } from '../delivery.js';
import { quoteInput } from '../../protocol/index.js';
import type { DeadLetters } from '../destinations/dead-letters.js';
import type { KeptQueue } from '../destinations/kept-queue.js';
import { DEFAULT_TERMS } from '../destinations/message-terms.js';
import { QueueBrowsers } from '../destinations/queue-browsers.js';
import { QueueConsumers } from '../destinations/queue-consumers.js';
import { QueuePolicy } from '../destinations/queue-policy.js';
import type { Refusal } from '../destinations/redelivery.js';
import type { Message } from '../message.js';
import type { InspectedQueue } from '../operations/shared-queue-operations.js';
import type { AppendResult, QueueSizes, SharedMessage } from '../ports.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import { encodeMessage } from '../storage/message-codec.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import { HeldMessages, type Claimed } from './held-messages.js';
import { SharedBrowse } from './shared-browse.js';
import { SharedClaims, type ClaimsOwner, type ClaimsParts } from './shared-claims.js';
import { SharedDeliveries } from './shared-deliveries.js';
import { SharedGivingUp } from './shared-giving-up.js';

export interface SharedQueueParts extends ClaimsParts {
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
  readonly nextMessageId: () => number;
  /** It has consumers here, or none any more. */
  readonly onConsumed: (queue: SharedQueue, isConsumed: boolean) => void;
  /** Something that waits expires then, in ms since the epoch. */
  readonly onExpiring: (epochMs: number) => void;
}

const NO_SIZES: QueueSizes = { depth: 0, bytes: 0, delayed: 0, claimed: 0 };

export class SharedQueue implements KeptQueue, InspectedQueue, ClaimsOwner {
  readonly kind = 'queue';
  readonly isDirect = false;
  readonly destination: string;
  isLive = true;
  readonly stream: string;
  /** As they were when somebody asked the store last. */
  sizes = NO_SIZES;
  readonly #options: QueueOptions;
  readonly #parts: SharedQueueParts;
  readonly #policy: QueuePolicy;
  readonly #consumers = new QueueConsumers();
  readonly #browsers = new QueueBrowsers();
  readonly #held: HeldMessages;
  readonly #claims: SharedClaims;
  readonly #givingUp: SharedGivingUp;
  readonly #deliveries: SharedDeliveries;
  #isClosed = false;

  constructor(destination: string, stream: string, options: QueueOptions, parts: SharedQueueParts) {
    this.destination = destination;
    this.stream = stream;
    this.#options = options;
    this.#parts = parts;
    const consumers = this.#consumers;
    const policy = new QueuePolicy(destination, options, parts.clock);
    const held = new HeldMessages(stream, parts.journal);
    const claims = new SharedClaims(this, parts, { policy, consumers, held });
    const givingUp = new SharedGivingUp(parts, { destination, stream, policy, held, claims });
    this.#policy = policy;
    this.#held = held;
    this.#claims = claims;
    this.#givingUp = givingUp;
    this.#deliveries = new SharedDeliveries({ stats: parts.stats, policy, consumers, held, claims, givingUp });
  }

  get subscriptions(): readonly Subscription[] {
    return this.#consumers.all;
  }

  get subscriberCount(): number {
    return this.#consumers.size;
  }

  get depth(): number {
    return this.sizes.depth;
  }

  get bytes(): number {
    return this.sizes.bytes;
  }

  get delayed(): number {
    return this.sizes.delayed;
  }

  get unsettled(): number {
    return this.sizes.claimed;
  }

  get deadLetter(): string | false {
    return this.#options.deadLetter;
  }

  /** Everything goes through the store, whatever it asks for. */
  get isDurable(): boolean {
    return true;
  }

  get isIdle(): boolean {
    if (!this.#browsers.isEmpty || this.#claims.isClaiming) return false;
    return this.#consumers.size === 0 && this.#held.size === 0;
  }

  get spareCount(): number {
    return this.#deliveries.waiting;
  }

  /** @throws BrokerError `header-invalid` */
  publish(message: Message, unit: WriteUnit | null): void {
    this.#policy.setTerms(message);
    this.take(message, unit);
  }

  take(message: Message, unit: WriteUnit | null): void {
    if (this.#isClosed) return;
    const { journal, stats } = this.#parts;
    if (unit === null && journal.isFull) {
      // Of a topic, to which somebody is durably subscribed: its publishers are held up before, unless it is the application.
      stats.messagesDropped++;
      return;
    }
    const own = unit ?? new WriteUnit(journal);
    if (this.#policy.isExpired(message)) this.#givingUp.discard({ message, deliveryCount: 0 }, 'expired', own);
    else this.#append(message, own);
    if (unit === null) own.submit()?.catch(() => undefined);
  }

  #append(message: Message, unit: WriteUnit): void {
    const { stream } = this;
    const { priority, expiresEpochMs, notBeforeEpochMs } = message.terms ?? DEFAULT_TERMS;
    const { weightBytes } = message.own();
    const times = { publishedEpochMs: this.#parts.clock.epochMs(), expiresEpochMs, notBeforeEpochMs };
    const stored = { priority, octets: encodeMessage(message), weightBytes, deliveryCount: 0, ...times };
    const title = `Queue ${quoteInput(this.destination, 120)}`;
    unit.ask(
      { kind: 'queue-append', stream, message: stored, bounds: this.#options, title },
      (result) => {
        this.#appended(result as AppendResult, expiresEpochMs);
      },
      (error) => {
        if (error?.code === 'queue-full') this.#parts.stats.queueFull++;
        // What it displaced was to become a dead letter by this node.
        else if (error !== undefined && this.#options.onFull === 'dead-letter') this.#claims.doubt();
      },
    );
    this.#claims.onAppend();
  }

  #appended({ dropped, displaced }: AppendResult, expiresEpochMs: number): void {
    const { stats, onExpiring } = this.#parts;
    stats.givenUp.overflow += dropped;
    for (const shared of displaced) this.#givingUp.giveUp(this.#held.take(shared), 'overflow', null);
    if (expiresEpochMs > 0) onExpiring(expiresEpochMs);
  }

  /** The store knows, and refuses the whole unit. */
  checkRoom(): void {
    // See above.
  }

  /** The binding is gone; what it held is dropped by whoever ended it. */
  close(): void {
    this.#isClosed = true;
    this.#deliveries.clear();
    this.#held.clear();
    this.#claims.close();
    this.#parts.onConsumed(this, false);
  }

  add(subscription: Subscription): void {
    if (subscription.isBrowser) {
      const { journal, turns } = this.#parts;
      const browse = new SharedBrowse(this.stream, this.destination, journal, (message) =>
        this.#policy.isExpired(message),
      );
      this.#browsers.add(subscription, browse, Number.MAX_SAFE_INTEGER, turns);
      return;
    }
    subscription.source = this;
    this.#consumers.add(subscription);
    this.#claims.add(subscription);
    this.#parts.onConsumed(this, true);
    this.#claims.want();
  }

  remove(subscription: Subscription): void {
    if (subscription.isBrowser) {
      this.#browsers.remove(subscription);
      return;
    }
    this.#consumers.remove(subscription);
    this.#claims.remove(subscription);
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    this.#deliveries.end(subscription, new Set(unsent.map(({ message }) => message)));
    this.returned(subscription, [...(subscription.pending?.takeAll() ?? []), ...unsent]);
    if (this.#consumers.size === 0) this.#claims.leave();
    else this.#claims.want();
  }

  /** @throws BrokerError `message-gone`, in a transaction: what else is in it would take effect, and this would not */
  settled(_subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const { message } of deliveries) {
      if (!this.#held.hasStill(message, unit)) continue;
      unit.add({ kind: 'queue-settle', stream: this.stream, place: message.id, isRequired: unit.holdsBack });
    }
    unit.show(() => {
      for (const { message } of deliveries) this.#held.letGo(message);
      this.#claims.want();
    });
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    for (const delivery of deliveries) {
      const entry = { message: delivery.message, deliveryCount: countOf(delivery) };
      if (!this.#held.has(entry.message)) continue;
      const reason = this.#policy.reasonToGiveUp(entry, null);
      if (reason === null) this.#claims.giveBack(entry, 0);
      else this.#givingUp.giveUp(entry, reason, null);
    }
    if (deliveries.length > 0) this.#claims.onGivenBack();
  }

  /** @throws BrokerError as `settled` */
  refused(_subscription: Subscription, deliveries: readonly Delivery[], refusal: Refusal, unit: WriteUnit): void {
    for (const delivery of deliveries) {
      const entry = { message: delivery.message.own(), deliveryCount: countOf(delivery) };
      if (!this.#held.hasStill(entry.message, unit)) continue;
      const reason = this.#policy.reasonToGiveUp(entry, refusal);
      if (reason === null) this.#refuse(entry, refusal, unit);
      else this.#givingUp.giveUp(entry, reason, unit);
    }
    unit.show(() => {
      this.#claims.want();
    });
  }

  #refuse(entry: Claimed, refusal: Refusal, unit: WriteUnit): void {
    const { message, deliveryCount } = entry;
    const waitMs = this.#policy.refusedForMs(refusal, deliveryCount);
    const notBeforeEpochMs = waitMs > 0 ? this.#parts.clock.epochMs() + waitMs : 0;
    const back = { stream: this.stream, place: message.id, deliveryCount, notBeforeEpochMs };
    unit.add(
      { kind: 'queue-return', ...back, isRequired: unit.holdsBack },
      () => {
        this.#held.letGo(message);
        this.#claims.watchDue(notBeforeEpochMs);
      },
      () => {
        // In a transaction it is pending again; elsewhere nobody else has it.
        if (!unit.holdsBack) this.#claims.giveBack(entry, notBeforeEpochMs);
      },
    );
  }

  ready(subscription: Subscription): void {
    this.#deliveries.settleSent(subscription);
    this.#deliveries.dispatch();
    this.#claims.want();
  }

  /** Something may wait in the store. */
  wake(): void {
    this.#claims.wake();
  }

  /** What expired while nobody took it: claimed here, to be given up. */
  expire(): void {
    this.#claims.expire();
  }

  /** A notice may have been lost: who could take something asks again. */
  look(): void {
    this.#claims.look();
  }

  /**
   * This node was given up by the others: what it had claimed is theirs. What clients have not been sent is taken back from
   * them; what they say of the rest changes nothing any more.
   */
  forfeit(): void {
    this.#held.clear();
    this.#claims.forfeit();
    this.#deliveries.forfeit();
  }

  onClaimed(messages: readonly SharedMessage[], only: Subscription | null): void {
    for (const shared of messages) {
      const entry = this.#held.take(shared);
      const reason = entry.condemned?.reason ?? this.#policy.reasonToGiveUp(entry, null);
      if (reason !== null) this.#givingUp.giveUp(entry, reason, null);
      else if (this.#isClosed) this.#held.letGo(entry.message);
      else if (only === null) this.#deliveries.push(entry);
      else if (only.source === this && only.canTake) this.#deliveries.give(only, entry);
      else this.#claims.giveBack(entry, 0);
    }
    this.#deliveries.dispatch();
  }

  onLeft(): void {
    this.#deliveries.giveBack();
    this.#parts.onConsumed(this, false);
  }
}
