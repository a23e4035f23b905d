/** The inbox of users, put together: what is kept, for whom, and how it reaches them. The one door for the rest. */
import type { Clock, Logger, StoreContents } from '../ports.js';
import type { BrokerOptions } from '../options.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Message } from '../message.js';
import type { TimerWheel } from '../timer-wheel.js';
import { InboxSource, type InboxSourceParts } from './inbox-source.js';
import type { InboxAddress } from './inbox-storage.js';
import { KnownUsers } from './known-users.js';
import { UserInboxes } from './user-inboxes.js';

export interface InboxParts extends Pick<InboxSourceParts, 'live' | 'userOf' | 'find' | 'onOverflow'> {
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null: nothing is stored. */
  readonly journal: Journal | null;
}

/** What is kept, at one moment, and what became of it since start. */
export interface InboxSnapshot {
  /** Users with kept messages. */
  readonly users: number;
  readonly messages: number;
  /** As `inbox.maxBytes` counts them. */
  readonly bytes: number;
  /** Since start. */
  readonly kept: number;
  readonly delivered: number;
  /** Kept, and dropped: their time was over, or newer ones took their place. */
  readonly expired: number;
  readonly overflow: number;
  /** Not kept: no room for one more, or an unknown user. */
  readonly refused: number;
}

export class Inbox {
  /** Null: nothing is kept. */
  readonly source: InboxSource | null;
  readonly #known: KnownUsers | null;
  readonly #kept: UserInboxes;
  readonly #stats: BrokerStats;

  constructor(options: BrokerOptions, parts: InboxParts) {
    const { inbox, destinations, outbox, queueDefaults } = options;
    const { separator, maxLengthBytes: maxAddressBytes } = destinations;
    const { clock, journal } = parts;
    const isOn = inbox.rules.length > 0;
    this.#stats = parts.stats;
    this.#known = isOn && inbox.recipients === 'known' ? new KnownUsers(inbox, clock, journal) : null;
    this.#kept = new UserInboxes({
      ...parts,
      options: inbox,
      separator,
      maxAddressBytes,
      isKnown: (user) => this.#known?.has(user) ?? true,
      onWaiting: (entry) => {
        this.source?.take(entry);
      },
    });
    const source = { maxWaitingBytes: outbox.hardLimitBytes, redelivery: queueDefaults, inboxes: this.#kept };
    this.source = isOn ? new InboxSource({ ...parts, ...source, separator }) : null;
  }

  get snapshot(): InboxSnapshot {
    const { userCount: users, messageCount: messages, bytes } = this.#kept;
    return { users, messages, bytes, ...this.#stats.inbox };
  }

  /** A user has connected. */
  connected(user: string): void {
    this.#known?.add(user);
  }

  /** @see UserInboxes.keep */
  keep(address: InboxAddress, message: Message, unit: WriteUnit, isFromClient: boolean): boolean {
    return this.#kept.keep(address, message, unit, isFromClient);
  }

  /** What the store held when it was opened; once, before clients are let in. @throws BrokerError `store-failed` */
  async restore({ lanes, records }: StoreContents): Promise<void> {
    this.#known?.restore(records);
    await this.#kept.restore(lanes);
  }
}
