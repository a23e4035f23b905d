/** Who has connected lately to any node, as the store of all of them is told: not at each connection that a restart brings. */
import { OldestFirstMap } from '../oldest-first-map.js';
import type { Clock } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import type { InboxOptions } from './inbox-options.js';
import { knownUntilMs } from './known-users.js';

export class SharedKnownUsers {
  readonly #options: Pick<InboxOptions, 'rememberUsersMs' | 'maxKnownUsers'>;
  readonly #clock: Clock;
  readonly #journal: Journal;
  /** Name → until when the store was told. */
  readonly #told = new OldestFirstMap<string, number>();

  constructor(options: Pick<InboxOptions, 'rememberUsersMs' | 'maxKnownUsers'>, clock: Clock, journal: Journal) {
    this.#options = options;
    this.#clock = clock;
    this.#journal = journal;
  }

  /** A user has connected. */
  add(user: string): void {
    const { rememberUsersMs, maxKnownUsers: maxUsers } = this.#options;
    const told = this.#told.get(user) ?? 0;
    const untilEpochMs = knownUntilMs(told, this.#clock.epochMs(), rememberUsersMs);
    if (untilEpochMs === told) return;
    this.#told.delete(user);
    this.#told.set(user, untilEpochMs);
    const [oldest] = this.#told.size > maxUsers ? (this.#told.oldest ?? []) : [];
    if (oldest !== undefined) this.#told.delete(oldest);
    this.#journal.owe({ kind: 'inbox-known', user, untilEpochMs, maxUsers });
  }

  /** The store may have forgotten. */
  tellAgain(): void {
    this.#told.clear();
  }
}
