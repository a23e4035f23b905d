/**
 * For which destinations of users messages are kept while nobody is there, how many, and for whom (DESIGN D6): checked when
 * the broker is made. What the values have to satisfy is here; resolveBrokerOptions says where they stand.
 */
import { SubscriptionIndex } from '../destinations/subscription-index.js';

export interface InboxOptions {
  /** By what stands behind the user, e.g. `/queue/**`; the first that matches decides. None: nothing is kept. */
  readonly rules: readonly InboxRule[];
  /**
   * For whom messages of clients are kept: `known` is who has connected within `rememberUsersMs`, or has messages of the
   * application; `any` is whatever name a client writes. Messages of the application are kept for any name.
   */
  readonly recipients: 'known' | 'any';
  readonly rememberUsersMs: number;
  /** Above it the one who has not connected for the longest is forgotten. */
  readonly maxKnownUsers: number;
  /** Users with kept messages; nothing is kept for one more. */
  readonly maxUsers: number;
  /** Of everything kept, in octets as rules count them; above it only what takes the place of the same user's is kept. */
  readonly maxBytes: number;
}

/** What one user may have under one rule; the oldest gives way. */
export interface InboxBounds {
  readonly maxMessages: number;
  /** A message counts 256 octets besides its own. */
  readonly maxBytes: number;
  /** How long a message is kept, in ms; 0 is for ever. A sender may ask for less. */
  readonly ttlMs: number;
}

/** What a rule leaves open is as in DEFAULT_INBOX_BOUNDS. */
export type InboxRule = { readonly pattern: string } & {
  readonly [K in keyof InboxBounds]?: InboxBounds[K] | undefined;
};

/** A rule of which nothing is left open. */
export type FilledInboxRule = { readonly pattern: string } & InboxBounds;

const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;

export const DEFAULT_INBOX_BOUNDS: InboxBounds = { maxMessages: 1_000, maxBytes: MIB, ttlMs: DAY_MS };

export const DEFAULT_INBOX_OPTIONS: InboxOptions = {
  rules: [],
  recipients: 'known',
  rememberUsersMs: 30 * DAY_MS,
  maxKnownUsers: 100_000,
  maxUsers: 10_000,
  // All of it is in memory.
  maxBytes: 64 * MIB,
};

/** A wrong value: its option, what it is, and what is wanted. */
export interface InboxFault {
  readonly option: string;
  readonly got: unknown;
  readonly wants: string;
}

/**
 * The first fault of a rule whose types are right; null when there is none.
 * @param userPrefix what no pattern begins with, as it would match nothing
 */
export function findInboxFault(
  { pattern, maxMessages }: InboxRule & InboxBounds,
  userPrefix: string,
): InboxFault | null {
  if (pattern.startsWith(`${userPrefix}/`)) {
    return { option: 'pattern', got: pattern, wants: 'what stands behind the user, e.g. "/queue/**"' };
  }
  if (!Number.isInteger(maxMessages) || maxMessages < 1) {
    return { option: 'maxMessages', got: maxMessages, wants: 'a whole number, 1 or more' };
  }
  return null;
}

/** Which bounds hold for a destination. */
export class InboxRules {
  readonly #index: SubscriptionIndex<{ readonly order: number; readonly bounds: FilledInboxRule }>;

  /**
   * @param rules filled from the defaults
   * @throws BrokerError `destination-invalid` for a pattern that cannot be compiled
   */
  constructor(rules: readonly InboxRule[], separator: string) {
    this.#index = new SubscriptionIndex(separator);
    for (const [order, rule] of rules.entries()) {
      this.#index.add(rule.pattern, { order, bounds: rule as FilledInboxRule });
    }
  }

  /**
   * One object for all destinations of one rule.
   * @param rest what stands behind the user
   * @returns null: nothing is kept there
   */
  of(rest: string): FilledInboxRule | null {
    const [first] = this.#index.match(rest).sort((a, b) => a.order - b.order);
    return first?.bounds ?? null;
  }
}
