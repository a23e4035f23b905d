/**
 * The ids of the conformance list: one testable fact of STOMP 1.0–1.2, of WebSocket and SockJS as carriers, or of what
 * existing brokers add, each. The number behind the hyphen has two digits.
 */

/** Group letter → what it is about, its highest number, and numbers that were never given out. */
export const GROUPS = {
  F: { about: 'framing', last: 60, gaps: [32] },
  C: { about: 'connecting', last: 36, gaps: [] },
  S: { about: 'subscribe, unsubscribe, send, message', last: 27, gaps: [] },
  A: { about: 'acknowledgement', last: 27, gaps: [] },
  T: { about: 'transactions', last: 19, gaps: [] },
  R: { about: 'receipts', last: 15, gaps: [] },
  E: { about: 'errors', last: 14, gaps: [] },
  W: { about: 'WebSocket', last: 25, gaps: [] },
  K: { about: 'SockJS', last: 37, gaps: [] },
  X: { about: 'extensions seen in the wild', last: 37, gaps: [] },
} as const satisfies Record<string, { about: string; last: number; gaps: readonly number[] }>;

export type Group = keyof typeof GROUPS;

/** Every id, in the order of the list. */
export const CONFORMANCE_IDS: readonly string[] = Object.entries(GROUPS).flatMap(([group, { last, gaps }]) =>
  Array.from({ length: last }, (_, index) => index + 1)
    .filter((number) => !(gaps as readonly number[]).includes(number))
    .map((number) => `${group}-${String(number).padStart(2, '0')}`),
);
