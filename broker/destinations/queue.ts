/**
 * A queue: each message goes to one subscription, in turn among those that can take one, and is kept while none can
 * (DESIGN D2, D3). Bounded; in memory, and in the store what is to outlive the process (D5). What a client did not consume
 * returns to its old place, marked `redelivered`, or is given up after so many deliveries.
 */
import type { Delivery, ReturnedMessage } from '../delivery.js';
import type { Message } from '../message.js';
import type { OperatedQueue } from '../operations/queue-operations.js';
import type { Clock, Logger, StoredLane } from '../ports.js';
import type { QueueOptions } from '../queue-options.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import type { TurnBudget } from '../turn-budget.js';
import type { DeadLetters } from './dead-letters.js';
import { condemnedFor, GivingUp } from './giving-up.js';
import type { KeptQueue } from './kept-queue.js';
import { PutOffWork, type WorkOwner } from './put-off-work.js';
import { QueuedMessage } from './queue-backlog.js';
import { QueueBrowsers } from './queue-browsers.js';
import { QueueConsumers } from './queue-consumers.js';
import { QueueDispatcher } from './queue-dispatcher.js';
import { QueuePolicy } from './queue-policy.js';
import { QueueRoom } from './queue-room.js';
import { QueueStorage } from './queue-storage.js';
import type { Refusal } from './redelivery.js';
import { TakingBack } from './taking-back.js';
import { WaitingMessages, type WaitingOwner } from './waiting-messages.js';

/** What all queues share. */
export interface QueueParts {
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly stats: BrokerStats;
  readonly deadLetters: DeadLetters;
  readonly logger: Logger;
  readonly turns: TurnBudget;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  readonly nextMessageId: () => number;
}

/** What precedes the destination in the name of a queue's stream. */
export const QUEUE_STREAM = 'queue:';

export class Queue implements KeptQueue, OperatedQueue, WaitingOwner, WorkOwner {
  readonly kind = 'queue';
  /** What has to be stored has to be waited for. */
  readonly isDirect: boolean;
  readonly destination: string;
  isLive = true;
  readonly waiting: WaitingMessages;
  readonly #options: QueueOptions;
  readonly #parts: QueueParts;
  readonly #policy: QueuePolicy;
  readonly #consumers = new QueueConsumers();
  readonly #browsers = new QueueBrowsers();
  /** Null: nothing is stored. */
  readonly #storage: QueueStorage | null;
  readonly #givingUp: GivingUp;
  readonly #room: QueueRoom;
  readonly #later: PutOffWork;
  readonly #takingBack: TakingBack;
  readonly #dispatcher: QueueDispatcher;

  /** @param stream its name in the store */
  constructor(destination: string, options: QueueOptions, parts: QueueParts, stream = QUEUE_STREAM + destination) {
    const { journal, clock, logger, turns } = parts;
    this.destination = destination;
    this.isDirect = !options.durable || journal === null;
    this.#options = options;
    this.#parts = parts;
    const storage = journal === null ? null : new QueueStorage(stream, { journal, clock, logger });
    const policy = new QueuePolicy(destination, options, clock);
    const kept = { ...parts, policy, consumers: this.#consumers, storage };
    const waiting = new WaitingMessages(this, kept);
    const later = new PutOffWork(turns, this);
    const givingUp = new GivingUp({ ...kept, waiting });
    const inside = { ...kept, waiting, later, givingUp };
    const takingBack = new TakingBack(inside);
    this.waiting = waiting;
    this.#policy = policy;
    this.#storage = storage;
    this.#givingUp = givingUp;
    this.#room = new QueueRoom(options, inside);
    this.#later = later;
    this.#takingBack = takingBack;
    this.#dispatcher = new QueueDispatcher({ ...inside, takingBack });
  }

  /** What the store held of it when it was opened; once, before anything else. */
  restore(lanes: readonly StoredLane[]): void {
    this.waiting.restore(lanes);
  }

  /** Those that take messages, in the order they came. */
  get subscriptions(): Subscription[] {
    return this.#consumers.all;
  }

  get subscriberCount(): number {
    return this.#consumers.size;
  }

  get depth(): number {
    return this.waiting.depth;
  }

  get bytes(): number {
    return this.waiting.bytes;
  }

  /** Of `bytes`, what is not in the store alone. */
  get memoryBytes(): number {
    return this.waiting.memoryBytes;
  }

  get delayed(): number {
    return this.waiting.delayed;
  }

  get unsettled(): number {
    return this.#dispatcher.unsettled;
  }

  get deadLetter(): string | false {
    return this.#options.deadLetter;
  }

  get isDurable(): boolean {
    return this.#options.durable && this.#storage !== null;
  }

  get isIdle(): boolean {
    if (!this.#browsers.isEmpty || this.#takingBack.isUnderWay) return false;
    return this.#consumers.size === 0 && this.depth === 0 && this.unsettled === 0 && !this.#room.isPromised;
  }

  /** @throws BrokerError `queue-full`, `header-invalid` */
  publish(message: Message, unit: WriteUnit | null): void {
    this.#policy.setTerms(message);
    this.take(message, unit);
  }

  /** As `publish`, of a message whose terms are set. @throws BrokerError `queue-full` */
  take(message: Message, unit: WriteUnit | null): void {
    const storage = this.#options.durable || message.isPersistent ? this.#storage : null;
    if (unit !== null && (storage !== null || unit.holdsBack)) this.#announce(message, unit, storage);
    else this.#arrive(message, true);
  }

  /** Takes the message's place; it arrives when the unit is stored. */
  #announce(message: Message, unit: WriteUnit, storage: QueueStorage | null): void {
    const { weightBytes } = message.own();
    this.#room.promise(weightBytes);
    const release = (): void => {
      this.#room.release(weightBytes);
    };
    const arrive = (): void => {
      release();
      this.#arrive(message, false);
    };
    if (storage === null) unit.then(arrive, release);
    else storage.append(message, unit, arrive, release);
  }

  /**
   * @param isRefusable false when it has been accepted already
   * @throws BrokerError `queue-full`
   */
  #arrive(message: Message, isRefusable: boolean): void {
    const { waiting } = this;
    if (waiting.isClosed) return;
    const entry = new QueuedMessage(message, 0);
    if (this.#policy.isExpired(message)) {
      if (isRefusable) this.#room.check(1, message.weightBytes);
      this.#givingUp.giveUp(entry, 'expired');
      return;
    }
    const delayMs = this.#policy.msUntil(entry.notBeforeEpochMs);
    if (delayMs === 0 && this.#passesNone(entry)) {
      const subscription = this.#consumers.nextFor(message);
      if (subscription !== null) {
        if (message.isStored) waiting.backlog.passed(entry);
        this.#dispatcher.give(subscription, message, 1);
        return;
      }
    }
    if (isRefusable) this.#room.check(1, message.weightBytes);
    this.#room.make(message.weightBytes);
    message.own();
    if (delayMs > 0) waiting.delay(entry, delayMs);
    else waiting.put(entry);
  }

  /** Whether a new message may be given at once. */
  #passesNone({ priority }: QueuedMessage): boolean {
    if (this.#later.isPutOff || this.#takingBack.isUnderWay) return false;
    const { backlog } = this.waiting;
    // With selectors, what waits is what nobody who is ready wants: a new message passes nothing that was before it.
    return backlog.size === 0 || (this.#consumers.hasSelectors && !backlog.isPaged(priority));
  }

  checkRoom(messages: number, bytes: number): void {
    this.#room.check(messages, bytes);
  }

  hasRoom(messages: number, bytes: number): boolean {
    return this.#room.has(messages, bytes);
  }

  close(): void {
    this.#takingBack.close();
    this.waiting.close();
  }

  add(subscription: Subscription): void {
    if (subscription.isBrowser) {
      const { nextMessageId, turns } = this.#parts;
      this.#browsers.add(subscription, this.waiting, nextMessageId(), turns);
      return;
    }
    subscription.source = this;
    this.#consumers.add(subscription);
    this.#dispatcher.dispatch();
  }

  remove(subscription: Subscription): void {
    if (subscription.isBrowser) {
      this.#browsers.remove(subscription);
      return;
    }
    this.#consumers.remove(subscription);
    subscription.source = null;
    subscription.outbox.forget(subscription);
    const unsent = subscription.outbox.takeUnsent(subscription);
    this.#storage?.end(subscription, new Set(unsent.map(({ message }) => message)));
    const pending = subscription.pending?.takeAll() ?? [];
    this.#dispatcher.unsettled -= pending.length;
    this.#giveBack([...pending, ...unsent]);
  }

  settled(_subscription: Subscription, deliveries: readonly Delivery[], unit: WriteUnit): void {
    for (const { message } of deliveries) this.#storage?.remove(message, unit);
    unit.show(() => {
      this.#dispatcher.unsettled -= deliveries.length;
      this.#dispatcher.dispatch();
    });
  }

  returned(_subscription: Subscription, deliveries: readonly ReturnedMessage[]): void {
    this.#dispatcher.unsettled -= deliveries.length;
    this.#giveBack(deliveries);
  }

  #giveBack(returned: readonly ReturnedMessage[]): void {
    if (returned.length === 0) this.#dispatcher.dispatch();
    else this.#takingBack.takeReturned(returned);
  }

  refused(
    _subscription: Subscription,
    deliveries: readonly Delivery[],
    refusal: Refusal,
    unit: WriteUnit,
  ): void | Promise<void> {
    if (!unit.holdsBack) {
      this.#dispatcher.unsettled -= deliveries.length;
      return this.#takingBack.takeRefused(deliveries, refusal, unit);
    }
    // What is told the store is told now; what others can see may have to wait for it.
    const staying = this.#takingBack.record(deliveries, refusal, unit);
    unit.then(() => {
      this.#dispatcher.unsettled -= deliveries.length;
      this.waiting.putBackInTime(staying);
    });
  }

  ready(subscription: Subscription): void {
    this.#storage?.settleSent(subscription);
    this.#dispatcher.dispatch();
  }

  onExpired(entry: QueuedMessage): void {
    this.#givingUp.giveUp(entry, 'expired');
  }

  onDue(entry: QueuedMessage): void {
    const reason = condemnedFor(entry);
    if (reason !== undefined) {
      this.#givingUp.giveUp(entry, reason);
      return;
    }
    this.waiting.putBack([entry]);
    this.#dispatcher.dispatch();
  }

  onPutBack(): void {
    this.#dispatcher.dispatch();
  }

  goOn(): void {
    this.#takingBack.goOn();
    this.#dispatcher.dispatch();
  }
}
