/** What is to happen with a message that came back by NACK: again now, again later, or not again. */
import type { BackoffOptions } from '../queue-options.js';

/** What NACK asks for. */
export interface Refusal {
  /** False: not wanted by anybody. */
  readonly requeue: boolean;
  /** How long nobody is to get it, in ms; null leaves that to the backoff. */
  readonly delayMs: number | null;
}

/** Of a message that has no dead-letter destination: why it is not delivered again; null when it is. */
export function reasonToDrop(
  { requeue }: Refusal,
  deliveryCount: number,
  maxDeliveries: number,
): 'rejected' | 'max-deliveries' | null {
  if (!requeue) return 'rejected';
  return maxDeliveries > 0 && deliveryCount >= maxDeliveries ? 'max-deliveries' : null;
}

/** How long a message waits after its `deliveryCount`-th delivery was refused, in ms. */
export function backoffMs({ baseMs, factor, maxMs }: BackoffOptions, deliveryCount: number): number {
  // Once is bad luck, or was for another consumer to have; twice is a reason to slow down.
  return deliveryCount < 2 ? 0 : Math.min(maxMs, baseMs * factor ** (deliveryCount - 2));
}
