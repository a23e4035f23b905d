/** How long a message waits whose dead letter nobody took, until it is tried again. */
import type { Message } from '../message.js';

/** Each time twice as long; up to a second more, so that not all come at once. */
const LETTER_RETRY_MS = 1_000;
const MAX_LETTER_RETRY_MS = 60_000;

/** @param beforeMs how long it waited the last time; missing: this is the first */
export function letterRetryMs(beforeMs: number | undefined): number {
  return beforeMs === undefined ? LETTER_RETRY_MS : Math.min(beforeMs * 2, MAX_LETTER_RETRY_MS);
}

/** @param retryMs as of `letterRetryMs` */
export function letterWaitMs(retryMs: number, { id }: Message): number {
  return retryMs + (id % LETTER_RETRY_MS);
}
