/**
 * Every way a session ends. The code feeds log and stats, the WebSocket status goes on the wire
 * (RFC 6455, 7.4; STOMP has no close codes of its own).
 */

export interface CloseReason {
  /** Stable, for logs, stats and tests. */
  readonly code: CloseCode;
  /** WebSocket close status; on SockJS the first element of the `c[…]` frame. */
  readonly webSocketStatus: number;
  /** At most 123 octets, as RFC 6455 5.5 demands of a close frame's reason. */
  readonly text: string;
}

const REASONS = {
  'client-disconnected': { webSocketStatus: 1000, text: 'Disconnected' },
  'client-gone': { webSocketStatus: 1006, text: 'Connection lost' },
  'protocol-error': { webSocketStatus: 1002, text: 'STOMP protocol error' },
  refused: { webSocketStatus: 1002, text: 'Refused' },
  'connect-timeout': { webSocketStatus: 1002, text: 'No CONNECT frame in time' },
  'frame-timeout': { webSocketStatus: 1002, text: 'A frame took too long' },
  'heart-beat-timeout': { webSocketStatus: 1002, text: 'No heart-beat in time' },
  'slow-consumer': { webSocketStatus: 1008, text: 'Slow consumer' },
  'memory-low': { webSocketStatus: 1013, text: 'Server is short of memory' },
  'closed-by-server': { webSocketStatus: 1000, text: 'Closed by the server' },
  'credentials-expired': { webSocketStatus: 1008, text: 'Credentials have expired' },
  displaced: { webSocketStatus: 1008, text: 'Client id connected elsewhere' },
  'linger-expired': { webSocketStatus: 1006, text: 'Client did not close' },
  'server-shutdown': { webSocketStatus: 1001, text: 'Server is going away' },
  internal: { webSocketStatus: 1011, text: 'Internal error' },
} as const;

export type CloseCode = keyof typeof REASONS;

/** Looks up one way to end; every value is shared and frozen. */
export function closeReason(code: CloseCode): CloseReason {
  return CLOSE_REASONS[code];
}

const CLOSE_REASONS = Object.freeze(
  Object.fromEntries(Object.entries(REASONS).map(([code, reason]) => [code, Object.freeze({ code, ...reason })])),
) as Readonly<Record<CloseCode, CloseReason>>;

export const CLOSE_CODES = Object.keys(REASONS) as readonly CloseCode[];
