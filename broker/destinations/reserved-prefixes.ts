/** Prefixes whose meaning no option changes: of temporary queues, as other brokers name them (conformance X-22). */

/** Each session's own queues. */
export const TEMPORARY_QUEUE_PREFIX = '/temp-queue/';
/** Where others send what is for them. */
export const REPLY_QUEUE_PREFIX = '/reply-queue/';

/** Whether a configured prefix would cover nothing but destinations that have their meaning already. */
export function isReserved(prefix: string): boolean {
  return [TEMPORARY_QUEUE_PREFIX, REPLY_QUEUE_PREFIX].some((reserved) => `${prefix}/`.startsWith(reserved));
}
