/**
 * Where users of this node have subscriptions, as the store of all nodes is told. What is told is always what is so then: a
 * commit that failed is followed by one that says the same of the same places, whatever it is by now.
 */
import type { InboxInterest, InboxOperation } from '../ports.js';
import { WriteUnit } from '../storage/write-unit.js';
import type { Journal } from '../storage/journal.js';

export interface SharedInterestsParts {
  readonly journal: Journal;
  /** Something is kept for them; told when everything was said anew. */
  readonly onKept: (users: readonly string[]) => void;
  /** `write` is to be called again. */
  readonly onMore: () => void;
  /** It could not be told: `write` is to be called again, later. */
  readonly onFailed: () => void;
}

/** Told at a time: a script holds the store up for its whole length. */
const MAX_AT_ONCE = 256;

export class SharedInterests {
  readonly #parts: SharedInterestsParts;
  /** By user, how many subscriptions each interest has. */
  readonly #here = new Map<string, Map<string, number>>();
  /** Not told as they are. */
  #changed = new Map<string, InboxInterest>();
  /** What the store believes is to be taken back, before anything is told. */
  #isForgetting = false;
  /** Everything is being told anew. */
  #isWhole = false;

  constructor(parts: SharedInterestsParts) {
    this.#parts = parts;
  }

  add(user: string, interest: string): void {
    const own = this.#here.get(user) ?? new Map<string, number>();
    this.#here.set(user, own);
    const count = own.get(interest) ?? 0;
    own.set(interest, count + 1);
    if (count === 0) this.#change({ user, interest });
  }

  remove(user: string, interest: string): void {
    const own = this.#here.get(user);
    const count = own?.get(interest) ?? 0;
    if (own === undefined || count === 0) return;
    if (count > 1) {
      own.set(interest, count - 1);
      return;
    }
    own.delete(interest);
    if (own.size === 0) this.#here.delete(user);
    this.#change({ user, interest });
  }

  /** The store may have forgotten, or believe what is not so any more: everything is to be told. */
  tellAll(): void {
    this.#isForgetting = this.#isWhole = true;
    this.#changed = new Map();
    for (const [user, own] of this.#here) for (const interest of own.keys()) this.#change({ user, interest });
  }

  /** Asks the store for what has changed. */
  write(): void {
    if (this.#isForgetting) {
      this.#forget();
      return;
    }
    const changed = [...this.#changed.values()];
    const isWhole = this.#isWhole;
    this.#isWhole = false;
    this.#changed = new Map();
    for (let at = 0; at < changed.length; at += MAX_AT_ONCE) this.#tell(changed.slice(at, at + MAX_AT_ONCE), isWhole);
  }

  /** @param isWhole for whom something is kept was not asked meanwhile */
  #tell(changed: readonly InboxInterest[], isWhole: boolean): void {
    const isHere = ({ user, interest }: InboxInterest): boolean => this.#here.get(user)?.has(interest) === true;
    const joined = changed.filter(isHere);
    const left = changed.filter((each) => !isHere(each));
    this.#ask(
      { kind: 'inbox-interest', joined, left },
      (kept) => {
        if (isWhole) this.#parts.onKept(kept as readonly string[]);
      },
      () => {
        // Which of them was done is not known.
        for (const each of changed) this.#change(each);
        this.#isWhole ||= isWhole;
      },
    );
  }

  #forget(): void {
    this.#ask(
      { kind: 'inbox-forget' },
      (left) => {
        if (left === 0) this.#isForgetting = false;
        this.#parts.onMore();
      },
      () => undefined,
    );
  }

  #ask(operation: InboxOperation, apply: (result: unknown) => void, undo: () => void): void {
    const unit = new WriteUnit(this.#parts.journal);
    unit.ask(operation, apply, () => {
      undo();
      this.#parts.onFailed();
    });
    unit.submit()?.catch(() => undefined);
  }

  #change(changed: InboxInterest): void {
    this.#changed.set(`${changed.user}\0${changed.interest}`, changed);
  }
}
