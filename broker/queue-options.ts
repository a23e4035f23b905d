/**
 * What can be set on queues, by pattern: bounds, time to live, redelivery and dead letters (DESIGN D2, D3).
 * resolveBrokerOptions fills each rule from `queueDefaults`; here is what the values have to satisfy besides their type.
 */
import { isPattern } from './destinations/pattern.js';
import { SubscriptionIndex } from './destinations/subscription-index.js';

export interface QueueOptions {
  /** `broadcast` gives every subscriber each message and keeps none, as Spring's simple broker does. */
  readonly mode: 'point-to-point' | 'broadcast';
  /** Every message is stored, as if its sender had asked for it with `persistent:true`. */
  readonly durable: boolean;
  /** Messages and octets kept while nobody takes them. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /**
   * When there is no room: `refuse` answers the publisher with ERROR, `drop-oldest` lets the oldest message of the lowest
   * priority go, `dead-letter` does the same and keeps what went in the dead-letter destination.
   */
  readonly onFull: 'refuse' | 'drop-oldest' | 'dead-letter';
  /** How long a message may wait, in ms; 0 is for ever. A sender may ask for less. */
  readonly ttlMs: number;
  /** What becomes of a message whose time is over. */
  readonly onExpiry: 'drop' | 'dead-letter';
  /** Deliveries after which a message that still comes back is given up; 0 is never. */
  readonly maxDeliveries: number;
  /** Where messages go that are given up: a topic or queue, or false to drop them. */
  readonly deadLetter: string | false;
  readonly backoff: BackoffOptions;
}

/** How long a message waits after NACK: not at all after the first, then `baseMs`, and `factor` times more each time. */
export interface BackoffOptions {
  /** 0 is no waiting. */
  readonly baseMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** The first rule whose pattern matches a queue decides; what it leaves open is as in `queueDefaults`. */
export type QueueRule = { readonly pattern: string } & {
  readonly [K in Exclude<keyof QueueOptions, 'backoff'>]?: QueueOptions[K] | undefined;
} & { readonly backoff?: Partial<BackoffOptions> | undefined };

const MIB = 1024 * 1024;

export const DEFAULT_QUEUE_OPTIONS: QueueOptions = {
  mode: 'point-to-point',
  durable: false,
  maxMessages: 100_000,
  maxBytes: 64 * MIB,
  onFull: 'refuse',
  ttlMs: 0,
  onExpiry: 'drop',
  // ActiveMQ gives up after 6 redeliveries, Artemis after 10 deliveries.
  maxDeliveries: 10,
  deadLetter: '/queue/DLQ',
  backoff: { baseMs: 100, factor: 2, maxMs: 60_000 },
};

const ONE_OF: Readonly<Record<'mode' | 'onFull' | 'onExpiry', readonly string[]>> = {
  mode: ['point-to-point', 'broadcast'],
  onFull: ['refuse', 'drop-oldest', 'dead-letter'],
  onExpiry: ['drop', 'dead-letter'],
};

/** A wrong value: its option, what it is, and what is wanted. */
export interface QueueFault {
  readonly option: string;
  readonly got: unknown;
  readonly wants: string;
}

/**
 * The first fault of options whose types are right; null when there is none.
 * @param isDeadLetter whether a destination is a topic or a queue
 */
export function findQueueFault(
  options: QueueOptions,
  isDeadLetter: (destination: string) => boolean,
): QueueFault | null {
  for (const [option, allowed] of Object.entries(ONE_OF) as [keyof typeof ONE_OF, readonly string[]][]) {
    const got = options[option];
    const wants = allowed.map((value) => JSON.stringify(value)).join(' or ');
    if (!allowed.includes(got)) return { option, got, wants };
  }
  const { backoff, maxDeliveries, deadLetter } = options;
  if (!Number.isInteger(maxDeliveries)) return { option: 'maxDeliveries', got: maxDeliveries, wants: 'a whole number' };
  if (backoff.factor < 1) return { option: 'backoff.factor', got: backoff.factor, wants: '1 or more' };
  if (deadLetter !== false && (isPattern(deadLetter) || !isDeadLetter(deadLetter))) {
    return { option: 'deadLetter', got: deadLetter, wants: 'a topic or queue, no pattern, or false' };
  }
  return null;
}

/** Which options a queue has. */
export class QueueRules {
  readonly #defaults: QueueOptions;
  readonly #index: SubscriptionIndex<{ readonly order: number; readonly options: QueueOptions }>;
  /** Every destination that dead letters are sent to. */
  readonly #graveyards: ReadonlySet<string | false | undefined>;

  /**
   * @param rules filled from `defaults`
   * @throws BrokerError `destination-invalid` for a pattern that cannot be compiled
   */
  constructor(rules: readonly QueueRule[], defaults: QueueOptions, separator: string) {
    this.#defaults = defaults;
    this.#graveyards = new Set([defaults, ...rules].map(({ deadLetter }) => deadLetter));
    this.#index = new SubscriptionIndex(separator);
    for (const [order, rule] of rules.entries()) {
      this.#index.add(rule.pattern, { order, options: rule as QueueOptions & QueueRule });
    }
  }

  of(destination: string): QueueOptions {
    const [first] = this.#index.match(destination).sort((a, b) => a.order - b.order);
    const options = first?.options ?? this.#defaults;
    // Dead letters stay where they were sent: only a rule of that queue's own sends them further.
    const isLast = options.deadLetter === this.#defaults.deadLetter && this.#graveyards.has(destination);
    return isLast ? { ...options, deadLetter: destination } : options;
  }
}
