/**
 * Who has connected lately: the names that messages of clients are kept for, so that inventing names costs nobody
 * anything. Bounded, and in the store where there is one.
 */
import { OldestFirstMap } from '../oldest-first-map.js';
import type { Clock, StoredRecord } from '../ports.js';
import type { Journal } from '../storage/journal.js';
import type { InboxOptions } from './inbox-options.js';

const RECORD = 'user:';

export class KnownUsers {
  readonly #rememberMs: number;
  readonly #maxUsers: number;
  readonly #clock: Clock;
  readonly #journal: Journal | null;
  /** Name → until when it is known, by the time of day; whoever connected longest ago first. */
  readonly #users = new OldestFirstMap<string, number>();

  /** @param journal null: nothing is stored */
  constructor(
    { rememberUsersMs, maxKnownUsers }: Pick<InboxOptions, 'rememberUsersMs' | 'maxKnownUsers'>,
    clock: Clock,
    journal: Journal | null,
  ) {
    this.#rememberMs = rememberUsersMs;
    this.#maxUsers = maxKnownUsers;
    this.#clock = clock;
    this.#journal = journal;
  }

  get size(): number {
    return this.#users.size;
  }

  has(name: string): boolean {
    return (this.#users.get(name) ?? 0) > this.#clock.epochMs();
  }

  /** What the store held when it was opened. */
  restore(records: readonly StoredRecord[]): void {
    const users = records.filter(({ key }) => key.startsWith(RECORD));
    for (const { key, expiresEpochMs } of users.sort((a, b) => a.expiresEpochMs - b.expiresEpochMs)) {
      this.#set(key.slice(RECORD.length), expiresEpochMs);
    }
  }

  /** A user has connected. */
  add(name: string): void {
    const nowMs = this.#clock.epochMs();
    const storedUntilMs = this.#users.get(name) ?? 0;
    const untilMs = knownUntilMs(storedUntilMs, nowMs, this.#rememberMs);
    if (untilMs !== storedUntilMs)
      this.#journal?.owe({ kind: 'put', key: RECORD + name, value: '', expiresEpochMs: untilMs });
    this.#set(name, untilMs);
  }

  #set(name: string, untilMs: number): void {
    // To the end.
    this.#users.delete(name);
    this.#users.set(name, untilMs);
    if (this.#users.size <= this.#maxUsers) return;
    const [oldest] = this.#users.oldest ?? [];
    if (oldest === undefined) return;
    this.#users.delete(oldest);
    this.#journal?.owe({ kind: 'delete', key: RECORD + oldest });
  }
}

/**
 * Half as long again, so that the store is told once in a while, not at each of the connections that a restart brings.
 * @param storedUntilMs as the store has it; it stays while that is long enough
 */
export function knownUntilMs(storedUntilMs: number, nowMs: number, rememberMs: number): number {
  return storedUntilMs - nowMs > rememberMs ? storedUntilMs : nowMs + 1.5 * rememberMs;
}
