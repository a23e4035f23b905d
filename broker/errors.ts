/**
 * What the broker refuses, and why: one table of stable codes. Faults of the octets themselves are ProtocolError's
 * (protocol/protocol-error.ts). The message of either is fit for the client's eyes.
 */

const BROKER_ERRORS = {
  'authentication-failed': 'CONNECT refused: login, passcode or token is wrong or missing',
  'token-expired': 'the token shown has expired',
  'token-invalid': 'the token shown is malformed, forged, signed with an unknown key, or meant for somebody else',
  'keys-unreachable': 'the keys that tokens are checked with cannot be read at the moment',
  'csrf-failed': 'CONNECT refused: the CSRF token is missing or wrong',
  'login-limited': 'CONNECT refused: too many wrong credentials from this address or for this login: see `retry-after`',
  'host-unknown': 'CONNECT refused: `host` is not a virtual host of this server',
  'client-id-in-use': 'CONNECT refused: another user is connected with this `client-id`',
  'not-connected': 'a frame other than CONNECT or STOMP came first',
  'already-connected': 'CONNECT or STOMP on a session that is connected',
  'header-missing': 'a header that the command needs is missing or empty',
  'header-invalid': 'a header has a value that the command does not allow',
  'destination-invalid': 'the destination is malformed',
  'destination-unknown': 'the destination is outside every prefix (compat `strict`)',
  'selector-invalid': 'the `selector` of SUBSCRIBE is empty, malformed, or beyond a limit',
  'subscription-exists': 'SUBSCRIBE with an id that is in use on this session',
  'subscription-unknown': 'UNSUBSCRIBE with an id that is not in use on this session',
  'subscription-revoked': 'an operator ended the subscription',
  'session-revoked': 'an operator ended the session',
  'client-id-displaced': 'another connection of the same user took over this `client-id`',
  'ack-unknown': 'ACK or NACK of a message that is not pending on this session',
  'transaction-exists': 'BEGIN with an id that is open on this session',
  'transaction-unknown': 'a transaction that is not open on this session',
  'limit-exceeded': 'a limit of this server was exceeded',
  'rate-limited':
    'more messages or octets than this session, user or address may send, or the destination takes: see `retry-after`',
  'connection-limit': 'this user, or this address, has as many connections as it may',
  'memory-low': 'the server is short of memory: see `retry-after`',
  'queue-full': 'the queue holds as much as it may',
  'message-gone': 'the message does not wait in its queue any more, or is with another node',
  'store-full': 'the store has no room, by its limit or on its disk: nothing of the frame has taken effect',
  'store-failed': 'the store could not write or read: nothing of the frame has taken effect',
  'relay-unavailable': 'the external broker that the destination belongs to, or the other nodes, cannot be reached',
  'relay-lost':
    'the connection to the external broker or to Redis broke: what was on its way may have been taken or not',
  'relay-refused': 'the external broker answered ERROR, or Redis does not allow it',
  'node-id-in-use': 'another node of the cluster has the same `nodeId`',
  'access-denied': 'the rules do not allow this user to do this',
  'credentials-expired': 'the token the session was opened with has expired',
  'payload-invalid': 'the body does not fit its content-type or the schema of the handler',
  'handler-timeout': 'a handler took longer than its deadline',
  'request-timeout': 'no reply to a request of the application arrived in time',
  'handler-failed': 'a handler threw; the log has what',
  'handler-exists': 'a handler is registered for this pattern already',
  'invalid-option': 'a configuration option is unknown or has a wrong value',
  'frame-timeout': 'a frame began and did not end in time',
  'heart-beat-timeout': 'nothing was received in the time that heart-beats promise',
  'slow-consumer': 'the client reads more slowly than messages arrive',
  'connect-timeout': 'no CONNECT frame arrived in time',
  'server-shutdown': 'the server is going away',
  internal: 'a fault of the server; the log has it under the id given',
} as const;

export type BrokerErrorCode = keyof typeof BROKER_ERRORS;

/** Code → what it means; the README's table is held equal to this by a test. */
export const BROKER_ERROR_CODES: Readonly<Record<BrokerErrorCode, string>> = BROKER_ERRORS;

export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly code: BrokerErrorCode;
  /** Longer text for the body of ERROR; safe for the client. */
  readonly detail: string | undefined;
  /** When to try again, in ms from now; undefined: nobody knows. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: BrokerErrorCode,
    message: string,
    options: { detail?: string; cause?: unknown; retryAfterMs?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.retryAfterMs = options.retryAfterMs;
  }
}
