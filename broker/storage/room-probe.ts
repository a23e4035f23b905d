/** How a store that was full is asked whether it has room again: one message, which is removed once it was taken. */
import type { StoreOperation } from '../ports.js';

/** The most it is asked for: a single message that is larger says little about the next one. */
export const MAX_PROBE_BYTES = 64 * 1024;

export const PROBE_STREAM = 'probe';
const PLACE = { stream: PROBE_STREAM, priority: 0, sequence: 1 } as const;

/** @param bytes of the message, at least as many as there was no room for */
export function probe(bytes: number): StoreOperation {
  const { stream, priority, sequence } = PLACE;
  const times = { publishedEpochMs: 0, expiresEpochMs: 0, notBeforeEpochMs: 0 };
  const octets = Buffer.alloc(bytes);
  const message = { sequence, priority, octets, weightBytes: bytes, deliveryCount: 0, ...times };
  return { kind: 'append', stream, message };
}

/** Not in the commit of the probe itself: a store may look at what is left of a commit, and take both for nothing. */
export const PROBE_REMOVAL: StoreOperation = { kind: 'remove', ...PLACE };
