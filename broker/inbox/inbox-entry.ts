/** One message kept for a user, from when it is accepted until its client has it. It keeps its place all the time. */
import type { Message } from '../message.js';
import type { InboxBounds } from './inbox-options.js';

/** What one message counts besides its octets: about what the objects around it take. */
export const ENTRY_BYTES = 256;

/**
 * `arriving`: on its way to the store. `waiting`: for a subscription, or for its turn. `delayed`: refused, and its time has
 * not come. `lent`: with a client, not settled. `gone`: settled, or dropped.
 */
export type EntryState = 'arriving' | 'waiting' | 'delayed' | 'lent' | 'gone';

/** A subscription that entries are reserved for; implemented by InboxFeed. */
export interface EntryHolder {
  /** An entry that was arriving has arrived, or is gone. */
  onArrival(): void;
}

export class InboxEntry {
  /** Set by the UserInbox it is in. */
  state: EntryState = 'arriving';
  /** How often the client side has seen it. */
  deliveryCount = 0;
  /** Time of day before which it is not delivered, in ms since the epoch; 0 is at once. */
  notBeforeEpochMs = 0;
  /** Null while nobody has reserved it. */
  holder: EntryHolder | null = null;
  readonly user: string;
  /** What stands behind the user, e.g. `/queue/orders`. */
  readonly rest: string;
  readonly message: Message;
  readonly bounds: InboxBounds;
  /** 0 is never. */
  readonly expiresEpochMs: number;

  constructor(
    { user, rest }: { readonly user: string; readonly rest: string },
    message: Message,
    bounds: InboxBounds,
    expiresEpochMs: number,
  ) {
    this.user = user;
    this.rest = rest;
    this.message = message;
    this.bounds = bounds;
    this.expiresEpochMs = expiresEpochMs;
  }

  /** Its place among the entries of its user. */
  get number(): number {
    return this.message.id;
  }

  get bytes(): number {
    return this.message.weightBytes + ENTRY_BYTES;
  }
}
