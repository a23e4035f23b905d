/** The inbox of users, put together: what is kept, for whom, and how it reaches them. The one door for the rest. */
import type { Clock, Logger, StoreContents } from '../ports.js';
import type { BrokerOptions } from '../options.js';
import type { BrokerStats } from '../stats.js';
import type { Journal } from '../storage/journal.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { Message } from '../message.js';
import type { Subscription } from '../subscription.js';
import type { TimerWheel } from '../timer-wheel.js';
import { SharedInboxes } from '../cluster/shared-inboxes.js';
import type { InboxKeeper } from './inbox-keeper.js';
import { InboxSource, type InboxSourceParts } from './inbox-source.js';
import type { InboxAddress } from './inbox-storage.js';
import { KnownUsers } from './known-users.js';
import { SharedKnownUsers } from './shared-known-users.js';
import { UserInboxes } from './user-inboxes.js';

export interface InboxParts extends Pick<InboxSourceParts, 'live' | 'userOf' | 'find' | 'onOverflow'> {
  readonly stats: BrokerStats;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null: nothing is stored. Where nodes share it they share the inboxes. */
  readonly journal: Journal | null;
  /** To all subscriptions of the user here that are there for it. @returns false: there is none */
  readonly deliver: (user: string, rest: string, message: Message) => boolean;
  /** Whether a subscription of the user here matches that is not held. */
  readonly isReady: (user: string, rest: string, isHeld: (subscription: Subscription) => boolean) => boolean;
  readonly nextMessageId: () => number;
}

/** What is kept, at one moment, and what became of it since start. In a cluster: what all nodes keep, as of a second ago at most. */
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
  /** Null: it is this node's own. */
  readonly shared: SharedInboxes | null;
  readonly #known: KnownUsers | null;
  readonly #sharedKnown: SharedKnownUsers | null;
  readonly #kept: InboxKeeper;
  readonly #stats: BrokerStats;

  constructor(options: BrokerOptions, parts: InboxParts) {
    const { inbox, outbox, queueDefaults, destinations } = options;
    const { clock, journal } = parts;
    const isOn = inbox.rules.length > 0;
    const sharedJournal = isOn && journal?.isShared === true ? journal : null;
    const remembers = isOn && inbox.recipients === 'known';
    this.#stats = parts.stats;
    this.#known = remembers && sharedJournal === null ? new KnownUsers(inbox, clock, journal) : null;
    this.#sharedKnown = remembers && sharedJournal !== null ? new SharedKnownUsers(inbox, clock, sharedJournal) : null;
    this.shared = sharedJournal === null ? null : this.#share(options, parts, sharedJournal);
    this.#kept = this.shared ?? this.#keepHere(options, parts);
    const source = { maxWaitingBytes: outbox.hardLimitBytes, redelivery: queueDefaults, inboxes: this.#kept };
    this.source = isOn ? new InboxSource({ ...parts, ...source, separator: destinations.separator }) : null;
  }

  #keepHere({ inbox, destinations }: BrokerOptions, parts: InboxParts): UserInboxes {
    return new UserInboxes({
      ...parts,
      options: inbox,
      separator: destinations.separator,
      maxAddressBytes: destinations.maxLengthBytes,
      isKnown: (user) => this.#known?.has(user) ?? true,
      onWaiting: (entry) => {
        this.source?.take(entry);
      },
    });
  }

  #share({ inbox, destinations }: BrokerOptions, parts: InboxParts, journal: Journal): SharedInboxes {
    const { find, deliver, isReady } = parts;
    return new SharedInboxes({
      ...parts,
      journal,
      options: inbox,
      separator: destinations.separator,
      maxAddressBytes: destinations.maxLengthBytes,
      readers: {
        find,
        deliver,
        isReady: (user, rest) => isReady(user, rest, (subscription) => this.source?.isHeld(subscription) === true),
        take: (entry) => this.source?.take(entry) === true,
        hold: (subscription) => {
          this.source?.hold(subscription);
        },
        letGo: (subscription) => {
          this.source?.letGo(subscription);
        },
        forfeit: (subscription) => {
          this.source?.forfeit(subscription);
        },
      },
    });
  }

  get snapshot(): InboxSnapshot {
    const { userCount: users, messageCount: messages, bytes } = this.#kept;
    return { users, messages, bytes, ...this.#stats.inbox };
  }

  /** A user has connected. */
  connected(user: string): void {
    this.#known?.add(user);
    this.#sharedKnown?.add(user);
  }

  /** @see InboxKeeper.keep */
  keep(address: InboxAddress, message: Message, unit: WriteUnit, isFromClient: boolean): boolean {
    return this.#kept.keep(address, message, unit, isFromClient);
  }

  /** What the store was told may be lost, and what it told was missed. */
  lookAgain(): void {
    this.#sharedKnown?.tellAgain();
    this.shared?.lookAgain();
  }

  /** What the store held when it was opened; once, before clients are let in. @throws BrokerError `store-failed` */
  async restore({ lanes, records }: StoreContents): Promise<void> {
    this.#known?.restore(records);
    await this.#kept.restore(lanes);
  }
}
