/**
 * Inboxes of users, kept once for all nodes: what nobody here takes goes to the shared store, which passes it on to the nodes
 * where its user is, or keeps it when there is none. Of what is kept, nodes claim what their subscriptions take.
 */
import { ENTRY_BYTES, type InboxEntry } from '../inbox/inbox-entry.js';
import { type FilledInboxRule, InboxRules, type InboxOptions } from '../inbox/inbox-options.js';
import { InboxStorage, type InboxAddress } from '../inbox/inbox-storage.js';
import type { InboxKeeper } from '../inbox/inbox-keeper.js';
import { interestIn } from '../inbox/interest.js';
import { expiryOf } from '../inbox/user-inboxes.js';
import { isPattern } from '../destinations/pattern.js';
import { WheelTimer } from '../wheel-timer.js';
import type { Message } from '../message.js';
import type { InboxAppendResult, InboxSizes, UserMessage } from '../ports.js';
import { decodeForeign, encodeMessage } from '../storage/message-codec.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import { SharedInterests } from './shared-interests.js';
import { isExpired, SharedMailbox, type SharedMailboxParts } from './shared-mailbox.js';

export interface SharedInboxesParts extends Omit<SharedMailboxParts, 'onWanting' | 'onFailed' | 'onIdle' | 'tenure'> {
  readonly options: InboxOptions;
  readonly separator: string;
  /** Longest name and destination together, in octets. */
  readonly maxAddressBytes: number;
  readonly nextMessageId: () => number;
}

/** What has expired is looked for so often, and how much is kept is asked. */
const SWEEP_EVERY_MS = 1_000;
/** After a commit that failed. */
const AGAIN_AFTER_MS = 1_000;

const NO_SIZES: InboxSizes = Object.freeze({ expired: 0, users: 0, messages: 0, bytes: 0 });

export class SharedInboxes implements InboxKeeper {
  readonly #parts: SharedInboxesParts;
  readonly #rules: InboxRules;
  readonly #interests: SharedInterests;
  /** Of users with subscriptions or claimed messages here. */
  readonly #mailboxes = new Map<string, SharedMailbox>();
  readonly #bySubscription = new Map<Subscription, SharedMailbox>();
  /** Those that are to claim. */
  #wanting = new Set<SharedMailbox>();
  #isWriting = false;
  #tenure = 0;
  readonly #again = new WheelTimer(() => {
    this.#write();
  });
  /** As they were when the store was asked last. */
  #sizes = NO_SIZES;
  #isSweeping = false;
  #stopSweeping: (() => void) | null = null;

  constructor(parts: SharedInboxesParts) {
    const { options, separator, journal } = parts;
    this.#parts = parts;
    this.#rules = new InboxRules(options.rules, separator);
    this.#interests = new SharedInterests({
      journal,
      onKept: (users) => {
        for (const user of users) this.onInbox(user);
      },
      onMore: () => {
        this.#write();
      },
      onFailed: () => {
        this.#writeLater();
      },
    });
  }

  get userCount(): number {
    return this.#sizes.users;
  }

  get messageCount(): number {
    return this.#sizes.messages;
  }

  get bytes(): number {
    return this.#sizes.bytes;
  }

  start(): void {
    this.#stopSweeping ??= this.#parts.clock.every(SWEEP_EVERY_MS, () => {
      this.#sweep();
    });
  }

  stop(): void {
    this.#stopSweeping?.();
    this.#stopSweeping = null;
    this.#parts.wheel.cancel(this.#again);
  }

  restore(): Promise<void> {
    // Nothing of it is this node's.
    return Promise.resolve();
  }

  keep(address: InboxAddress, message: Message, unit: WriteUnit, isFromClient: boolean): boolean {
    const rule = this.#rules.of(address.rest);
    if (rule === null) return false;
    const { user, rest } = address;
    const isNamed = InboxStorage.canName(address);
    if (!isNamed || Buffer.byteLength(user) + Buffer.byteLength(rest) > this.#parts.maxAddressBytes) {
      this.#parts.stats.inbox.refused++;
      return false;
    }
    this.#append(address, rule, message, unit, { isFromClient, missed: null });
    return true;
  }

  /** @param missed somebody was there, and has left before it came */
  #append(
    { user, rest }: InboxAddress,
    rule: FilledInboxRule,
    message: Message,
    unit: WriteUnit,
    { isFromClient, missed }: { readonly isFromClient: boolean; readonly missed: string | null },
  ): void {
    const { clock, options, stats } = this.#parts;
    const epochMs = clock.epochMs();
    const own = message.own();
    const { pattern, maxMessages, maxBytes } = rule;
    unit.ask(
      {
        kind: 'inbox-append',
        user,
        rest,
        message: {
          octets: encodeMessage(own),
          weightBytes: own.weightBytes + ENTRY_BYTES,
          publishedEpochMs: epochMs,
          expiresEpochMs: expiryOf(own, rule, epochMs),
          notBeforeEpochMs: 0,
          deliveryCount: 0,
        },
        bounds: {
          rule: pattern,
          maxMessages,
          maxBytes,
          maxUsers: options.maxUsers,
          maxTotalBytes: options.maxBytes,
        },
        isForKnown: isFromClient && options.recipients === 'known',
        missed,
      },
      (result) => {
        const { outcome, overflow } = result as InboxAppendResult;
        stats.inbox.overflow += overflow;
        if (outcome === 'kept') stats.inbox.kept++;
        if (outcome !== 'refused') return;
        stats.inbox.refused++;
        stats.messagesDropped++;
      },
    );
  }

  /** What is there is claimed, and goes to who is there. */
  unreserved(): readonly InboxEntry[] {
    return [];
  }

  subscribed(subscription: Subscription, user: string, rest: string): void {
    // Nobody can write to such a name, and nothing is kept where no rule asks for it.
    if (!InboxStorage.canName({ user, rest }) || (!isPattern(rest) && this.#rules.of(rest) === null)) return;
    const mailbox = this.#mailboxOf(user);
    const interest = interestIn(rest, this.#parts.separator);
    this.#bySubscription.set(subscription, mailbox);
    this.#interests.add(user, interest);
    mailbox.add(subscription, interest);
    this.#write();
  }

  unsubscribed(subscription: Subscription): void {
    const mailbox = this.#bySubscription.get(subscription);
    if (mailbox === undefined) return;
    this.#bySubscription.delete(subscription);
    const interest = mailbox.remove(subscription);
    if (interest !== undefined) this.#interests.remove(mailbox.user, interest);
    this.#write();
  }

  isExpired(entry: InboxEntry): boolean {
    return isExpired(entry, this.#parts.clock);
  }

  expire(entry: InboxEntry): void {
    this.#mailboxOf(entry.user).expire(entry);
  }

  lend(entry: InboxEntry): void {
    // Should this node die with it, it comes back counted once more.
    entry.state = 'lent';
  }

  settle(entry: InboxEntry, unit: WriteUnit | null): void {
    this.#mailboxOf(entry.user).settle(entry, unit);
  }

  giveUp(entry: InboxEntry, deliveryCount: number, unit: WriteUnit): void {
    this.#mailboxOf(entry.user).giveUp(entry, deliveryCount, unit);
  }

  refuse(entry: InboxEntry, deliveryCount: number, delayMs: number, unit: WriteUnit): void {
    const notBeforeEpochMs = delayMs > 0 ? this.#parts.clock.epochMs() + delayMs : 0;
    this.#mailboxOf(entry.user).refuse(entry, deliveryCount, notBeforeEpochMs, unit);
  }

  giveBack(entry: InboxEntry, deliveryCount: number): void {
    this.#mailboxOf(entry.user).giveBack(entry, deliveryCount);
  }

  release(entry: InboxEntry): void {
    this.giveBack(entry, entry.deliveryCount);
  }

  // ——— What the store and the other nodes say ———

  /** Something waits for the user. */
  onInbox(user: string): void {
    this.#mailboxes.get(user)?.wake();
  }

  /** Somebody is, or was, here for it. */
  onUserMessage({ user, rest, passed, octets }: UserMessage): void {
    const message = decodeForeign(this.#parts.nextMessageId(), octets);
    const mailbox = this.#mailboxes.get(user);
    const deliver = (): void => {
      if (!this.#parts.readers.deliver(user, rest, message)) this.#missed({ user, rest }, message, passed);
    };
    if (mailbox?.isHolding === true && !this.#parts.readers.isReady(user, rest)) {
      message.own();
      mailbox.defer(deliver);
    } else deliver();
  }

  /** Whether those who are here for it wait for the store, which decides then. */
  isUndecided(user: string, rest: string): boolean {
    if (this.#mailboxes.get(user)?.isHolding !== true) return false;
    return !this.#parts.readers.isReady(user, rest) && this.#rules.of(rest) !== null;
  }

  /** Who was here has left. */
  #missed(address: InboxAddress, message: Message, passed: string): void {
    const rule = this.#rules.of(address.rest);
    if (rule === null) return;
    const unit = new WriteUnit(this.#parts.journal);
    this.#append(address, rule, message, unit, { isFromClient: false, missed: passed });
    unit.submit()?.catch(() => {
      this.#parts.stats.messagesDropped++;
    });
  }

  /** What the store was told may be lost, and what it told was missed. */
  lookAgain(): void {
    this.#interests.tellAll();
    this.#write();
  }

  /** This node is one of the others now. What those claimed that are none any more goes back. */
  onJoined(): void {
    this.#reclaim(null);
    this.lookAgain();
  }

  /** The others have given this node up. */
  onGivenUp(): void {
    this.#tenure++;
    for (const mailbox of [...this.#mailboxes.values()]) mailbox.forfeit();
  }

  onNodeGone(incarnation: string): void {
    this.#reclaim(incarnation);
  }

  /** Messages at once, interests as far as they are; those that are left count for nothing, as their node is gone. */
  #reclaim(incarnation: string | null): void {
    this.#parts.journal.owe({ kind: 'inbox-reclaim', incarnation });
    const unit = new WriteUnit(this.#parts.journal);
    unit.ask({ kind: 'inbox-reclaim', incarnation }, (left) => {
      if (left !== 0) this.#reclaim(incarnation);
    });
    unit.submit()?.catch(() => undefined);
  }

  #mailboxOf(user: string): SharedMailbox {
    let mailbox = this.#mailboxes.get(user);
    if (mailbox === undefined) {
      mailbox = new SharedMailbox(user, {
        ...this.#parts,
        tenure: () => this.#tenure,
        onWanting: (wanting) => {
          this.#wanting.add(wanting);
          this.#write();
        },
        onFailed: (failed) => {
          this.#wanting.add(failed);
          this.#writeLater();
        },
        onIdle: (idle) => {
          this.#wanting.delete(idle);
          this.#mailboxes.delete(user);
        },
      });
      this.#mailboxes.set(user, mailbox);
    }
    return mailbox;
  }

  /** Interests first: what comes behind them is passed on, and what came before is claimed. */
  #write(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#parts.journal.beforeNext(() => {
      this.#isWriting = false;
      this.#interests.write();
      const wanting = this.#wanting;
      this.#wanting = new Set();
      for (const mailbox of wanting) mailbox.claim();
    });
  }

  #writeLater(): void {
    const { wheel, clock } = this.#parts;
    if (this.#again.wheelSlot < 0) wheel.schedule(this.#again, clock.nowMs() + AGAIN_AFTER_MS);
  }

  #sweep(): void {
    const { journal, stats } = this.#parts;
    if (this.#isSweeping || journal.problem !== null) return;
    this.#isSweeping = true;
    const unit = new WriteUnit(journal);
    unit.ask({ kind: 'inbox-sweep' }, (result) => {
      this.#sizes = result as InboxSizes;
      stats.inbox.expired += this.#sizes.expired;
    });
    const over = (): void => {
      this.#isSweeping = false;
    };
    unit.submit()?.then(over, over);
  }
}
