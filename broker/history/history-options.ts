/**
 * Which topics keep a history, and how much of it (DESIGN D6): rules by pattern, checked when the broker is made. What the
 * values have to satisfy is here; resolveBrokerOptions says where they stand.
 */
import { SubscriptionIndex } from '../destinations/subscription-index.js';

/** How much one topic keeps: whichever bound is reached first, the oldest goes. */
export interface HistoryOptions {
  readonly maxMessages: number;
  /** Of one topic's messages, in octets. */
  readonly maxBytes: number;
  /** How long a message is kept, in ms; 0 is for ever. */
  readonly maxAgeMs: number;
  /** Kept in the store too, so that it outlives the process. Without a store that lasts: in memory. */
  readonly durable: boolean;
  /** The header that tells keys apart for `replay:last-value`; empty: a topic has one last value. */
  readonly keyHeader: string;
}

/** The first rule whose pattern matches a topic decides; what it leaves open is as in DEFAULT_HISTORY_OPTIONS. */
export type HistoryRule = { readonly pattern: string } & {
  readonly [K in keyof HistoryOptions]?: HistoryOptions[K] | undefined;
};

export const DEFAULT_HISTORY_OPTIONS: HistoryOptions = {
  maxMessages: 1_000,
  maxBytes: 4 * 1024 * 1024,
  maxAgeMs: 3_600_000,
  durable: false,
  keyHeader: '',
};

/** A rule without anything left open. */
export type FilledHistoryRule = HistoryOptions & { readonly pattern: string };

/** A wrong value: its option, what it is, and what is wanted. */
export interface HistoryFault {
  readonly option: string;
  readonly got: unknown;
  readonly wants: string;
}

/** The first fault of options whose types are right; null when there is none. */
export function findHistoryFault(options: HistoryOptions): HistoryFault | null {
  const { maxMessages, maxBytes } = options;
  if (!Number.isInteger(maxMessages) || maxMessages < 1) {
    return { option: 'maxMessages', got: maxMessages, wants: 'a whole number, 1 or more' };
  }
  if (maxBytes < 1) return { option: 'maxBytes', got: maxBytes, wants: '1 or more' };
  return null;
}

/** Which options a topic has. */
export class HistoryRules {
  readonly #index: SubscriptionIndex<{ readonly order: number; readonly rule: FilledHistoryRule }>;

  /**
   * @param rules filled from the defaults
   * @throws BrokerError `destination-invalid` for a pattern that cannot be compiled
   */
  constructor(rules: readonly HistoryRule[], separator: string) {
    this.#index = new SubscriptionIndex(separator);
    for (const [order, rule] of rules.entries()) {
      this.#index.add(rule.pattern, { order, rule: rule as FilledHistoryRule });
    }
  }

  /** Null: the topic keeps nothing. */
  of(destination: string): FilledHistoryRule | null {
    const [first] = this.#index.match(destination).sort((a, b) => a.order - b.order);
    return first?.rule ?? null;
  }
}
