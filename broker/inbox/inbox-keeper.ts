/** What holds the inboxes of users: in this process, or for all nodes in a store that they share. */
import type { Message } from '../message.js';
import type { StoredLane } from '../ports.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Subscription } from '../subscription.js';
import type { InboxEntry } from './inbox-entry.js';
import type { InboxAddress } from './inbox-storage.js';

/** What InboxSource asks of it. */
export interface EntryKeeper {
  /** What a user's new subscription may reserve at once, oldest first. */
  unreserved(user: string): Iterable<InboxEntry>;
  /** A subscription is there, behind what it may have reserved. @param rest behind the prefix, e.g. `/queue/**` */
  subscribed(subscription: Subscription, user: string, rest: string): void;
  /** Before anything of it is given back. */
  unsubscribed(subscription: Subscription): void;
  isExpired(entry: InboxEntry): boolean;
  expire(entry: InboxEntry): void;
  /** It is on its way to a client. */
  lend(entry: InboxEntry): void;
  /** The client has it. In a transaction, once that is stored. @param unit null: nobody waits until it is stored */
  settle(entry: InboxEntry, unit: WriteUnit | null): void;
  /** Nobody is to get it any more, once that is stored. When the store fails it waits again. */
  giveUp(entry: InboxEntry, deliveryCount: number, unit: WriteUnit): void;
  /** Its client does not want it now: it waits in its place again after `delayMs`. In a transaction, once that is stored. */
  refuse(entry: InboxEntry, deliveryCount: number, delayMs: number, unit: WriteUnit): void;
  /** It was not consumed, and waits in its place again, for whoever is there. */
  giveBack(entry: InboxEntry, deliveryCount: number): void;
  /** It was reserved, and never lent: it waits for whoever is there. */
  release(entry: InboxEntry): void;
}

export interface InboxKeeper extends EntryKeeper {
  /** Users with kept messages. */
  readonly userCount: number;
  readonly messageCount: number;
  /** As bounds count them. */
  readonly bytes: number;
  /**
   * Takes on a message that nobody here was there for; it waits once `unit` is stored.
   * @param isFromClient who may write any name
   * @returns false when it is not kept: no rule asks for it, or there is no room, which is counted
   */
  keep(address: InboxAddress, message: Message, unit: WriteUnit, isFromClient: boolean): boolean;
  /** What the store held when it was opened; once, before anything is kept. @throws BrokerError `store-failed` */
  restore(lanes: readonly StoredLane[]): Promise<void>;
}
