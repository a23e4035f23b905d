/**
 * What the frames of one session have set going: units on their way to the store with the RECEIPTs that wait for them in
 * order (DESIGN D4), work that goes on in later turns, open transactions, deliveries that await their ACK.
 */
import { withDeadline } from '../deadline.js';
import { BrokerError } from '../errors.js';
import { Portions } from '../portions.js';
import { ReceiptOrder } from '../receipt-order.js';
import { WriteUnit, type UnitTerms } from '../storage/write-unit.js';
import { TransactionTable } from '../transaction.js';
import type { Frame } from '../../protocol/index.js';
import type { SubscriptionTable } from '../subscription-table.js';
import type { OwnSession } from './own-session.js';
import { sendReceipt } from './session-answers.js';
import type { OngoingWork } from './session-input.js';

/** Whose frames they are. */
export interface EffectsOwner extends OwnSession {
  /** The store, or another broker, has refused what a frame is about. */
  refuse(error: unknown, frame: Frame): void;
}

export class FrameEffects implements OngoingWork {
  readonly #owner: EffectsOwner;
  readonly #subscriptions: SubscriptionTable;
  /** Null until something had to be stored. */
  #receipts: ReceiptOrder | null = null;
  /** Null until the first COMMIT. */
  #portions: Portions | null = null;
  /** Null until the first BEGIN: most sessions never open one. */
  #transactions: TransactionTable | null = null;

  constructor(owner: EffectsOwner, subscriptions: SubscriptionTable) {
    this.#owner = owner;
    this.#subscriptions = subscriptions;
  }

  get transactions(): TransactionTable {
    const { options, keys } = this.#owner.environment;
    return (this.#transactions ??= new TransactionTable(options.limits, keys));
  }

  get rest(): Promise<void> | undefined {
    return this.#portions?.finished();
  }

  get transactionBytes(): number {
    return this.#transactions?.bytes ?? 0;
  }

  get awaitsAcks(): boolean {
    return this.#subscriptions.awaitsAcks;
  }

  /** There is what only the client can finish: deliveries without their ACK, open transactions. */
  get awaitsClient(): boolean {
    return (this.#transactions !== null && this.#transactions.size > 0) || this.awaitsAcks;
  }

  /** RECEIPTs wait. */
  get owesReceipts(): boolean {
    return this.#receipts !== null && !this.#receipts.isEmpty;
  }

  /** As `CommandContext.createUnit`. */
  createUnit(terms?: UnitTerms): WriteUnit {
    const { journal, budget } = this.#owner.environment;
    if (terms?.holdsBack !== true) return new WriteUnit(journal, terms);
    return new WriteUnit(journal, { ...terms, turns: (this.#portions ??= new Portions(budget)) });
  }

  /** As `CommandContext.submit`. */
  submit(unit: WriteUnit, frame: Frame): void | Promise<void> {
    const { journal, router } = this.#owner.environment;
    const receiptId = frame.headers.get('receipt');
    const stored = unit.submit(receiptId !== undefined);
    if (stored === undefined) {
      this.receipt(receiptId);
      return router.relayed?.caughtUp(this.#owner.id);
    }
    this.#receipts ??= new ReceiptOrder((id, also) => {
      sendReceipt(this.#owner, id, also);
    });
    const owed = this.#receipts.owe(receiptId);
    stored.then(owed.give, (error: unknown) => {
      this.#owner.refuse(error, frame);
      owed.drop();
    });
    const { rest } = this;
    if (rest !== undefined) return rest;
    if (journal?.isBehind === true) return journal.caughtUp();
    return router.relayed?.caughtUp(this.#owner.id);
  }

  /** As `CommandContext.receipt`. */
  receipt(receiptId: string | undefined, also: readonly (readonly [string, string])[] = []): void {
    if (receiptId === undefined) return;
    if (this.#receipts === null || this.#receipts.isEmpty) sendReceipt(this.#owner, receiptId, also);
    else this.#receipts.add(receiptId, also);
  }

  /** As `CommandContext.afterReceipts`. */
  afterReceipts(next: () => void | Promise<void>): void | Promise<void> {
    return this.#receipts === null || this.#receipts.isEmpty ? next() : this.#receipts.emptied().then(next);
  }

  /**
   * What is on its way to the store is answered first; a store that takes longer than a handler may is not waited for.
   * @returns undefined: no RECEIPT is owed
   */
  receiptsGiven(): Promise<void> | undefined {
    if (this.#receipts === null || this.#receipts.isEmpty) return undefined;
    const { clock, options } = this.#owner.environment;
    const late = (): BrokerError => new BrokerError('internal', 'The store does not answer');
    return withDeadline(this.#receipts.emptied(), clock, options.handlers.deadlineMs, late).catch(() => undefined);
  }

  /** The session ends: what is not committed is undone. */
  release(): void {
    this.#transactions?.abortAll();
  }
}
