/** What a client is told of a refusal (STOMP 1.2, ERROR): a stable code, one line, and a body a person can read. */
import { ProtocolError, STOMP_VERSIONS, type Headers } from '../protocol/index.js';
import { BrokerError } from './errors.js';
import type { CloseCode } from './close-reason.js';

/** A refusal in the form that frames, log and close reason are made of. */
export interface Refusal {
  readonly code: string;
  /** One line. */
  readonly message: string;
  readonly text: string;
  readonly closeCode: CloseCode;
  /** Undefined: nobody knows when it would pass. */
  readonly retryAfterMs?: number | undefined;
}

/** Codes whose way to end is not just "refused". */
const CLOSE_CODES: Readonly<Record<string, CloseCode | undefined>> = Object.freeze({
  'client-id-displaced': 'displaced',
  'connect-timeout': 'connect-timeout',
  'credentials-expired': 'credentials-expired',
  'heart-beat-timeout': 'heart-beat-timeout',
  'memory-low': 'memory-low',
  'server-shutdown': 'server-shutdown',
  'session-revoked': 'closed-by-server',
  'frame-timeout': 'frame-timeout',
  internal: 'internal',
});

/** Refusals of one frame, after which the session could go on (DESIGN D9). */
const SOFT_CODES: ReadonlySet<string> = new Set([
  'access-denied',
  // On an open session these are of a renewal, and what was shown before holds until it expires.
  'authentication-failed',
  'token-expired',
  'token-invalid',
  'keys-unreachable',
  'payload-invalid',
  'handler-failed',
  'handler-timeout',
  'destination-invalid',
  'destination-unknown',
  'queue-full',
  'store-full',
  'store-failed',
  'relay-unavailable',
  'limit-exceeded',
  'rate-limited',
  'memory-low',
]);

/** A gateway's frames are whole, but some of their headers are its client's words, which it cannot check. */
const CLIENT_WORDS: ReadonlySet<string> = new Set(['ack-unknown', 'header-invalid', 'selector-invalid']);

/** @param onUnknown notes an error that is nobody's refusal and returns the id it is logged under */
export function describeRefusal(error: unknown, onUnknown: (error: unknown) => string): Refusal {
  if (error instanceof BrokerError) {
    const { code, message, detail, retryAfterMs } = error;
    return { code, message, text: detail ?? message, closeCode: CLOSE_CODES[code] ?? 'refused', retryAfterMs };
  }
  if (error instanceof ProtocolError) {
    return { code: error.code, message: error.message, text: error.message, closeCode: 'protocol-error' };
  }
  const message = `Internal error, in the server's log as ${onUnknown(error)}`;
  return { code: 'internal', message, text: message, closeCode: 'internal' };
}

export function canBeSoft(refusal: Refusal, isGateway: boolean): boolean {
  return SOFT_CODES.has(refusal.code) || (isGateway && CLIENT_WORDS.has(refusal.code));
}

/** When to try again: in whole seconds as HTTP has it, and in milliseconds. */
export function retryHeaders({ retryAfterMs }: Pick<Refusal, 'retryAfterMs'>): [string, string][] {
  if (retryAfterMs === undefined) return [];
  return [
    ['retry-after', String(Math.ceil(retryAfterMs / 1_000))],
    ['retry-after-ms', String(Math.ceil(retryAfterMs))],
  ];
}

/** Headers and body of the ERROR frame; `receipt-id` when the refused frame asked for a receipt. */
export function errorFrame(
  refusal: Refusal,
  refused: Headers | undefined,
): { headers: [string, string][]; body: Buffer } {
  const body = Buffer.from(`${refusal.text}\n`);
  const headers: [string, string][] = [
    ['message', refusal.message],
    ['code', refusal.code],
    ['content-type', 'text/plain'],
    ['content-length', String(body.length)],
  ];
  if (refusal.code === 'version-unsupported') headers.push(['version', [...STOMP_VERSIONS].reverse().join(',')]);
  headers.push(...retryHeaders(refusal));
  const receiptId = refused?.get('receipt');
  if (receiptId !== undefined) headers.push(['receipt-id', receiptId]);
  return { headers, body };
}
