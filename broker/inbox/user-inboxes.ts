/**
 * Messages for users who are not there (DESIGN D6): takes them on within bounds, keeps them in their places until they are
 * settled, lets go of what has expired. To whom they go is InboxSource's part. In memory, and all of it in the store where
 * there is one.
 */
import type { BrokerStats } from '../stats.js';
import type { Clock, Logger, StoredLane } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Message } from '../message.js';
import type { TimerWheel, WheelEntry } from '../timer-wheel.js';
import { readTerms } from '../destinations/message-terms.js';
import { WheelTimer } from '../wheel-timer.js';
import { InboxEntry } from './inbox-entry.js';
import type { InboxKeeper } from './inbox-keeper.js';
import { InboxRules, type InboxBounds, type InboxOptions } from './inbox-options.js';
import { InboxStorage, type InboxAddress } from './inbox-storage.js';
import { readStoredInboxes } from './stored-inboxes.js';
import { UserInbox, type RuleTally } from './user-inbox.js';

export interface UserInboxesParts {
  readonly options: InboxOptions;
  readonly separator: string;
  /** Longest name and destination together, in octets. */
  readonly maxAddressBytes: number;
  /** Whether messages of clients are kept for a user of whom nothing is kept yet. */
  readonly isKnown: (user: string) => boolean;
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
  /** An entry that nobody has reserved waits: it may be given to whoever is there. */
  readonly onWaiting: (entry: InboxEntry) => void;
}

const NONE = Object.freeze({ messages: 0, bytes: 0 });
const NOTHING: RuleTally = Object.freeze({ all: NONE, arriving: NONE, waiting: NONE });

/** One user's entries, and the moment when the first of them expires. */
class Mailbox extends UserInbox implements WheelEntry {
  dueMs = 0;
  wheelSlot = -1;
  wheelIndex = -1;
  readonly onDue: () => number;

  constructor(sweep: (mailbox: Mailbox) => number) {
    super();
    this.onDue = () => sweep(this);
  }
}

export class UserInboxes implements InboxKeeper {
  readonly #parts: UserInboxesParts;
  readonly #rules: InboxRules;
  /** Null: nothing is stored. */
  readonly #storage: InboxStorage | null;
  readonly #users = new Map<string, Mailbox>();
  #messages = 0;
  #bytes = 0;

  constructor(parts: UserInboxesParts) {
    const { options, separator, journal, clock } = parts;
    this.#parts = parts;
    this.#rules = new InboxRules(options.rules, separator);
    this.#storage = journal === null ? null : new InboxStorage(journal, clock);
  }

  get userCount(): number {
    return this.#users.size;
  }

  get messageCount(): number {
    return this.#messages;
  }

  get bytes(): number {
    return this.#bytes;
  }

  keep(address: InboxAddress, message: Message, unit: WriteUnit, isFromClient: boolean): boolean {
    const bounds = this.#rules.of(address.rest);
    if (bounds === null) return false;
    const { stats, clock } = this.#parts;
    const entry = new InboxEntry(address, message.own(), bounds, expiryOf(message, bounds, clock.epochMs()));
    if (!this.#isAddressable(address, isFromClient) || !this.#hasRoom(entry)) {
      stats.inbox.refused++;
      return false;
    }
    stats.inbox.kept++;
    this.#add(entry);
    const arrive = (): void => {
      this.#arrive(entry);
    };
    const undo = (): void => {
      this.#forget(entry, 'never-stored');
    };
    if (this.#storage !== null) this.#storage.append(entry, unit, arrive, undo);
    else if (unit.holdsBack) unit.then(arrive, undo);
    else arrive();
    return true;
  }

  *unreserved(user: string): Iterable<InboxEntry> {
    for (const entry of this.#users.get(user) ?? []) {
      if (entry.holder === null && (entry.state === 'waiting' || entry.state === 'arriving')) yield entry;
    }
  }

  subscribed(): void {
    // What is kept here was reserved.
  }

  unsubscribed(): void {
    // See above.
  }

  isExpired({ expiresEpochMs }: InboxEntry): boolean {
    return expiresEpochMs > 0 && expiresEpochMs <= this.#parts.clock.epochMs();
  }

  expire(entry: InboxEntry): void {
    this.#drop(entry, 'expired');
  }

  lend(entry: InboxEntry): void {
    this.#setState(entry, 'lent');
    entry.notBeforeEpochMs = 0;
    // Ahead of the delivery: after a crash nobody could say whether the client has seen it.
    this.#storage?.count(entry, entry.deliveryCount + 1, 0, null);
  }

  settle(entry: InboxEntry, unit: WriteUnit | null): void {
    const finish = (): void => {
      this.#parts.stats.inbox.delivered++;
      this.#forget(entry, unit === null ? 'stored' : 'removed');
    };
    if (unit === null) finish();
    else {
      this.#storage?.remove(entry, unit);
      unit.show(finish);
    }
  }

  giveUp(entry: InboxEntry, deliveryCount: number, unit: WriteUnit): void {
    this.#storage?.remove(entry, unit);
    unit.then(
      () => {
        this.#forget(entry, 'removed');
      },
      () => {
        // In a transaction it is pending again.
        if (!unit.holdsBack) this.giveBack(entry, deliveryCount);
      },
    );
  }

  refuse(entry: InboxEntry, deliveryCount: number, delayMs: number, unit: WriteUnit): void {
    const notBeforeEpochMs = delayMs > 0 ? this.#parts.clock.epochMs() + delayMs : 0;
    this.#storage?.count(entry, deliveryCount, notBeforeEpochMs, unit);
    unit.show(() => {
      entry.deliveryCount = deliveryCount;
      entry.notBeforeEpochMs = notBeforeEpochMs;
      this.#putBack(entry);
    });
  }

  giveBack(entry: InboxEntry, deliveryCount: number): void {
    // That it was delivered once more was told when it was lent: what is new is that it was not.
    if (deliveryCount === entry.deliveryCount) this.#storage?.count(entry, deliveryCount, 0, null);
    entry.deliveryCount = deliveryCount;
    this.#putBack(entry);
  }

  release(entry: InboxEntry): void {
    this.#parts.onWaiting(entry);
  }

  async restore(lanes: readonly StoredLane[]): Promise<void> {
    if (this.#storage === null) return;
    const entries = await readStoredInboxes(lanes, this.#storage, this.#rules, this.#parts.logger);
    for (const entry of entries) this.#restore(entry);
    for (const mailbox of this.#users.values()) mailbox.sort();
  }

  #restore(entry: InboxEntry): void {
    this.#add(entry);
    const delayMs = entry.notBeforeEpochMs - this.#parts.clock.epochMs();
    if (delayMs > 0 && !this.isExpired(entry)) this.#delay(entry, delayMs);
    else this.#arrive(entry);
  }

  #isAddressable(address: InboxAddress, isFromClient: boolean): boolean {
    const { isKnown, maxAddressBytes } = this.#parts;
    const { user, rest } = address;
    if (!InboxStorage.canName(address)) return false;
    if (Buffer.byteLength(user) + Buffer.byteLength(rest) > maxAddressBytes) return false;
    return !isFromClient || this.#users.has(user) || isKnown(user);
  }

  /** Only what the user has under the same rule gives way: nobody's messages push out another's. */
  #hasRoom({ user, bounds, bytes }: InboxEntry): boolean {
    const { maxUsers, maxBytes } = this.#parts.options;
    const mailbox = this.#users.get(user);
    if (mailbox === undefined && this.#users.size >= maxUsers) return false;
    // What is on its way will give way in its turn; how much that may be is the store's bound.
    const { all, waiting, arriving } = mailbox?.under(bounds) ?? NOTHING;
    const givingWayBytes = waiting.bytes + arriving.bytes;
    return (
      all.messages - waiting.messages - arriving.messages + 1 <= bounds.maxMessages &&
      all.bytes - givingWayBytes + bytes <= bounds.maxBytes &&
      this.#bytes - givingWayBytes + bytes <= maxBytes
    );
  }

  #add(entry: InboxEntry): void {
    let mailbox = this.#users.get(entry.user);
    if (mailbox === undefined) {
      mailbox = new Mailbox((due) => this.#sweep(due));
      this.#users.set(entry.user, mailbox);
    }
    mailbox.add(entry);
    this.#messages++;
    this.#bytes += entry.bytes;
    if (entry.expiresEpochMs > 0) this.#watch(mailbox, entry.expiresEpochMs);
  }

  #arrive(entry: InboxEntry): void {
    if (this.isExpired(entry)) {
      this.expire(entry);
      return;
    }
    this.#setState(entry, 'waiting');
    this.#makeRoom(entry);
    if (entry.holder === null) this.#parts.onWaiting(entry);
    else entry.holder.onArrival();
  }

  #putBack(entry: InboxEntry): void {
    const delayMs = entry.notBeforeEpochMs - this.#parts.clock.epochMs();
    if (this.isExpired(entry)) this.expire(entry);
    else if (delayMs > 0) this.#delay(entry, delayMs);
    else this.#wait(entry);
  }

  #wait(entry: InboxEntry): void {
    this.#setState(entry, 'waiting');
    this.#parts.onWaiting(entry);
  }

  #delay(entry: InboxEntry, delayMs: number): void {
    const { wheel, clock } = this.#parts;
    this.#setState(entry, 'delayed');
    const timer = new WheelTimer(() => {
      if (entry.state === 'delayed') this.#wait(entry);
    });
    wheel.schedule(timer, clock.nowMs() + delayMs);
  }

  /** The oldest go, never the one that has just come: that was promised. */
  #makeRoom(entry: InboxEntry): void {
    const { bounds, user } = entry;
    const mailbox = this.#users.get(user);
    if (mailbox === undefined) return;
    const { all, arriving } = mailbox.under(bounds);
    while (
      all.messages - arriving.messages > bounds.maxMessages ||
      all.bytes - arriving.bytes > bounds.maxBytes ||
      this.#bytes > this.#parts.options.maxBytes
    ) {
      const oldest = mailbox.oldestBeside(entry);
      if (oldest === undefined) return;
      this.#drop(oldest, 'overflow');
    }
  }

  #drop(entry: InboxEntry, reason: 'expired' | 'overflow'): void {
    this.#parts.stats.inbox[reason]++;
    this.#forget(entry, 'stored');
  }

  /** @param still what the store is to be told: `stored` entries are to be removed, `removed` ones are on the way out */
  #forget(entry: InboxEntry, still: 'stored' | 'removed' | 'never-stored'): void {
    const mailbox = this.#users.get(entry.user);
    if (mailbox === undefined || entry.state === 'gone') return;
    const wasArriving = entry.state === 'arriving';
    const wasLast = mailbox.delete(entry);
    this.#messages--;
    this.#bytes -= entry.bytes;
    if (mailbox.size === 0) {
      this.#parts.wheel.cancel(mailbox);
      this.#users.delete(entry.user);
    }
    if (still !== 'never-stored' && wasLast) this.#storage?.drop(entry);
    else if (still === 'stored') this.#storage?.remove(entry, null);
    if (wasArriving) entry.holder?.onArrival();
  }

  #setState(entry: InboxEntry, state: 'waiting' | 'delayed' | 'lent'): void {
    this.#users.get(entry.user)?.setState(entry, state);
  }

  #watch(mailbox: Mailbox, expiresEpochMs: number): void {
    const { wheel, clock } = this.#parts;
    const dueMs = clock.nowMs() + Math.max(1, expiresEpochMs - clock.epochMs());
    if (mailbox.wheelSlot < 0 || dueMs < mailbox.dueMs) wheel.schedule(mailbox, dueMs);
  }

  /** What is with a client or on its way is looked at again when it comes. @returns when to sweep again; 0 is never */
  #sweep(mailbox: Mailbox): number {
    const { clock } = this.#parts;
    let next = Infinity;
    for (const entry of mailbox) {
      const { state, expiresEpochMs } = entry;
      if (expiresEpochMs === 0) continue;
      if (!this.isExpired(entry)) next = Math.min(next, expiresEpochMs);
      else if (state === 'waiting' || state === 'delayed') this.expire(entry);
    }
    return next === Infinity ? 0 : clock.nowMs() + Math.max(1, next - clock.epochMs());
  }
}

/**
 * The shorter of what the rule and the sender say. What the sender says and cannot be read is left alone, as it is when the
 * user is there.
 */
export function expiryOf(message: Message, { ttlMs }: InboxBounds, epochMs: number): number {
  const ends = [ttlMs === 0 ? 0 : epochMs + ttlMs, sendersExpiry(message, epochMs)].filter((end) => end > 0);
  return ends.length === 0 ? 0 : Math.min(...ends);
}

function sendersExpiry({ decodedHeaders }: Message, epochMs: number): number {
  try {
    return readTerms(decodedHeaders, epochMs).expiresEpochMs;
  } catch {
    return 0;
  }
}
