/**
 * What a sender asks of a queue in the headers of SEND: priority, time to live, delay (conformance ).
 * Headers that topics relay like any other.
 */
import { quoteInput, type Headers } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';

export interface MessageTerms {
  /** 0 to 9; higher first. */
  readonly priority: number;
  /** Time of day after which the message is not delivered any more, in ms since the epoch; 0 is never. */
  readonly expiresEpochMs: number;
  /** Time of day before which it is not delivered; 0 is at once. */
  readonly notBeforeEpochMs: number;
}

export const DEFAULT_PRIORITY = 4;
export const HIGHEST_PRIORITY = 9;

export const DEFAULT_TERMS: MessageTerms = Object.freeze({
  priority: DEFAULT_PRIORITY,
  expiresEpochMs: 0,
  notBeforeEpochMs: 0,
});

/** Headers that say when a message may be delivered: they do not hold for its dead letter. */
export const TIMING_HEADERS: readonly string[] = [
  'expires',
  'expiration',
  'x-message-ttl',
  'AMQ_SCHEDULED_DELAY',
  'AMQ_SCHEDULED_TIME',
];

const REPEATING: readonly string[] = ['AMQ_SCHEDULED_PERIOD', 'AMQ_SCHEDULED_REPEAT', 'AMQ_SCHEDULED_CRON'];
/** 15 digits are exact in a number, and enough for any time of day. */
const WHOLE = /^\d{1,15}$/;

/**
 * Of several times to live the shortest holds.
 * @param headers null for a message without any header that the server acts on
 * @throws BrokerError `header-invalid`
 */
export function readTerms(headers: Headers | null, epochMs: number): MessageTerms {
  if (headers === null) return DEFAULT_TERMS;
  const priority = whole(headers, 'priority') ?? DEFAULT_PRIORITY;
  if (priority > HIGHEST_PRIORITY) throw invalid('priority', String(priority), 'a whole number from 0 to 9');
  const repeating = REPEATING.find((name) => headers.has(name));
  if (repeating !== undefined)
    throw invalid(repeating, headers.get(repeating) ?? '', 'no such header: messages are not repeated');
  const expires = whole(headers, 'expires') ?? 0;
  const ttls = [whole(headers, 'expiration'), whole(headers, 'x-message-ttl')].filter((ttl) => ttl !== undefined);
  const ends = [...(expires === 0 ? [] : [expires]), ...ttls.map((ttl) => epochMs + ttl)];
  const delay = whole(headers, 'AMQ_SCHEDULED_DELAY') ?? 0;
  return {
    priority,
    expiresEpochMs: ends.length === 0 ? 0 : Math.min(...ends),
    notBeforeEpochMs: Math.max(delay === 0 ? 0 : epochMs + delay, whole(headers, 'AMQ_SCHEDULED_TIME') ?? 0),
  };
}

/**
 * As `readTerms`, in a queue where messages live no longer than `ttlMs`; 0 is for ever.
 * @throws BrokerError `header-invalid`
 */
export function queueTerms(headers: Headers | null, ttlMs: number, epochMs: number): MessageTerms {
  if (headers === null && ttlMs === 0) return DEFAULT_TERMS;
  const terms = readTerms(headers, epochMs);
  const ownEnd = terms.expiresEpochMs === 0 ? Infinity : terms.expiresEpochMs;
  const end = ttlMs === 0 ? ownEnd : Math.min(ownEnd, epochMs + ttlMs);
  return { ...terms, expiresEpochMs: end === Infinity ? 0 : end };
}

function whole(headers: Headers, name: string): number | undefined {
  const value = headers.get(name)?.trim();
  if (value === undefined) return undefined;
  if (WHOLE.test(value)) return Number(value);
  throw invalid(name, value, 'a whole number, 0 or more');
}

function invalid(name: string, got: string, wants: string): BrokerError {
  return new BrokerError('header-invalid', `SEND to a queue, header "${name}": got ${quoteInput(got)}, wants ${wants}`);
}
