/**
 * Open transactions of one session: SENDs held back, ACKs and NACKs taken but not in effect (STOMP 1.2, BEGIN).
 * Bounded in number, frames and octets. A session that ends aborts them.
 */
import { quoteInput } from '../protocol/index.js';
import { BrokerError } from './errors.js';
import { after, chain } from './maybe-promise.js';
import type { LimitOptions } from './options.js';
import type { Delivery } from './delivery.js';
import type { Refusal } from './destinations/redelivery.js';
import type { Keyed, MessageKeys } from './message-keys.js';
import type { WriteUnit } from './storage/write-unit.js';
import type { MessageSource, Subscription } from './subscription.js';

/** An ACK or NACK whose deliveries are taken out of the pending ones and not yet settled. */
export interface Settlement {
  /** What a NACK asks for; null for an ACK. */
  readonly refusal: Refusal | null;
  readonly subscription: Subscription;
  /** Where the messages came from: the subscription may have ended by the time of COMMIT. */
  readonly source: MessageSource;
  readonly deliveries: readonly Delivery[];
}

/** A SEND held back. */
export interface HeldSend extends Keyed {
  readonly destination: string;
  /** Of headers and body. */
  readonly bytes: number;
  /** What COMMIT is to do. */
  readonly publish: (unit: WriteUnit) => void | Promise<void>;
}

/** What COMMIT asks before anything takes effect; implemented by Router. */
export interface RoomCheck {
  /** @throws BrokerError `queue-full` */
  checkRoom(sends: readonly HeldSend[]): void;
}

/** What has to be stored for it goes into `unit`. @returns as `MessageSource.refused` */
export function settle(
  { refusal, subscription, source, deliveries }: Settlement,
  unit: WriteUnit,
): void | Promise<void> {
  if (refusal !== null) return source.refused(subscription, deliveries, refusal, unit);
  source.settled(subscription, deliveries, unit);
}

/** Undoes ACKs and NACKs: pending again, or back to their source when the subscription is gone. */
function undo(settlements: readonly Settlement[]): void {
  // Together for each subscription: putting one back looks at all that is pending there.
  const pending = new Map<Subscription, Delivery[]>();
  for (const { subscription, source, deliveries } of settlements) {
    if (subscription.source === null) source.returned(subscription, deliveries);
    else {
      const own = pending.get(subscription);
      if (own === undefined) pending.set(subscription, [...deliveries]);
      else for (const delivery of deliveries) own.push(delivery);
    }
  }
  for (const [subscription, deliveries] of pending) subscription.pending?.restore(deliveries);
}

export class Transaction {
  readonly #limits: LimitOptions;
  readonly #keys: MessageKeys;
  readonly #sends: HeldSend[] = [];
  #settlements: Settlement[] = [];
  #bytes = 0;

  constructor(limits: LimitOptions, keys: MessageKeys) {
    this.#limits = limits;
    this.#keys = keys;
  }

  /** @throws BrokerError `limit-exceeded` */
  add(send: HeldSend): void {
    this.#countOne(send.bytes);
    this.#sends.push(send);
  }

  /** Of the SENDs in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws BrokerError `limit-exceeded`; what was taken is then put back */
  addSettlement(settlement: Settlement): void {
    try {
      this.#countOne(0);
    } catch (error) {
      undo([settlement]);
      throw error;
    }
    this.#settlements.push(settlement);
  }

  /**
   * SENDs become visible in order, ACKs and NACKs take effect; all of it or, when a queue has no room or the store fails,
   * nothing. SENDs whose key was seen do nothing. A promise only when a handler, or another SEND of the same key, has to be
   * waited for.
   * @param unit holds back what others could see until everything is stored; to be submitted by the caller
   * @throws BrokerError `queue-full`, `message-gone`
   */
  commit(room: RoomCheck, unit: WriteUnit): void | Promise<void> {
    const committed = chain(this.#keys.claim(this.#sends, unit), (sends) =>
      unit.fill(() => this.#takeEffect(sends, room, unit)),
    );
    if (!(committed instanceof Promise)) return;
    // The table has let go of a transaction that has to wait, so it has to undo itself.
    return committed.catch((error: unknown) => {
      this.abort();
      throw error;
    });
  }

  #takeEffect(sends: readonly HeldSend[], room: RoomCheck, unit: WriteUnit): void | Promise<void> {
    room.checkRoom(sends);
    return after(this.#publishFrom(0, sends, unit), () => {
      for (const settlement of this.#settlements) void settle(settlement, unit);
      unit.then(null, () => {
        this.abort();
      });
      this.#keys.store(sends, unit);
    });
  }

  #publishFrom(start: number, sends: readonly HeldSend[], unit: WriteUnit): void | Promise<void> {
    for (let k = start; k < sends.length; k++) {
      const pending = sends[k]?.publish(unit);
      if (pending instanceof Promise) return pending.then(() => this.#publishFrom(k + 1, sends, unit));
    }
  }

  /** Once: what is undone is pending again, and can be settled anew. */
  abort(): void {
    const settlements = this.#settlements;
    this.#settlements = [];
    undo(settlements);
  }

  #countOne(bytes: number): void {
    const { maxTransactionFrames, maxTransactionBytes } = this.#limits;
    this.#bytes += bytes;
    if (this.#sends.length + this.#settlements.length >= maxTransactionFrames) {
      throw new BrokerError('limit-exceeded', `${maxTransactionFrames} frames in one transaction is the limit`);
    }
    if (this.#bytes > maxTransactionBytes) {
      throw new BrokerError('limit-exceeded', `${maxTransactionBytes} octets in one transaction is the limit`);
    }
  }
}

export class TransactionTable {
  readonly #limits: LimitOptions;
  readonly #keys: MessageKeys;
  readonly #open = new Map<string, Transaction>();

  constructor(limits: LimitOptions, keys: MessageKeys) {
    this.#limits = limits;
    this.#keys = keys;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Of the SENDs in all that are open. */
  get bytes(): number {
    let sum = 0;
    for (const transaction of this.#open.values()) sum += transaction.bytes;
    return sum;
  }

  /** @throws BrokerError `transaction-exists`, `limit-exceeded` */
  begin(id: string): void {
    const open = this.#open;
    if (open.has(id)) throw new BrokerError('transaction-exists', `Transaction ${quoteInput(id, 120)} is open already`);
    const { maxTransactionsPerSession } = this.#limits;
    if (open.size >= maxTransactionsPerSession) {
      throw new BrokerError(
        'limit-exceeded',
        `${maxTransactionsPerSession} open transactions on one session is the limit`,
      );
    }
    open.set(id, new Transaction(this.#limits, this.#keys));
  }

  /** @throws BrokerError `transaction-unknown` */
  get(id: string): Transaction {
    const transaction = this.#open.get(id);
    if (transaction !== undefined) return transaction;
    throw new BrokerError('transaction-unknown', `No transaction ${quoteInput(id, 120)} is open`);
  }

  /** @throws BrokerError `transaction-unknown`, or what publishing throws */
  commit(id: string, room: RoomCheck, unit: WriteUnit): void | Promise<void> {
    const transaction = this.get(id);
    // When it is refused it stays open, and ends with its session as any open one does.
    const pending = transaction.commit(room, unit);
    this.#open.delete(id);
    return pending;
  }

  /** @throws BrokerError `transaction-unknown` */
  abort(id: string): void {
    const transaction = this.get(id);
    this.#open.delete(id);
    transaction.abort();
  }

  abortAll(): void {
    for (const transaction of this.#open.values()) transaction.abort();
    this.#open.clear();
  }
}
