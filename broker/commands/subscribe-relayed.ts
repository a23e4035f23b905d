/**
 * SUBSCRIBE and UNSUBSCRIBE to what an external broker has. It is asked first, and the session's input waits for its answer:
 * what the client sends next finds the subscription there.
 */
import type { Frame } from '../../protocol/index.js';
import { after } from '../maybe-promise.js';
import type { RelayedDestinations } from '../relay/relayed-destinations.js';
import type { AckMode, Subscription } from '../subscription.js';
import type { CommandContext } from './command-context.js';

/** @throws BrokerError `destination-invalid`, `limit-exceeded`, `access-denied`, `relay-…` */
export async function subscribeRelayed(
  context: CommandContext,
  relayed: RelayedDestinations,
  frame: Frame,
  { key, destination, ackMode }: { readonly key: string; readonly destination: string; readonly ackMode: AckMode },
): Promise<void> {
  const { headers } = frame;
  context.router.kinds.check(destination);
  const queue = headers.get('x-queue-name');
  // RabbitMQ's way to name the queue behind a topic, whatever is in it: the rules are about that queue too.
  if (queue !== undefined) await context.authorize('subscribe', relayed.checkQueue(queue, context.id));
  const maxPending = context.options.limits.maxPendingAcks;
  const place = await relayed.subscribe({ sessionId: context.id, destination, ackMode, headers, maxPending });
  const spec = {
    id: headers.get('id') ?? null,
    destination,
    ackMode,
    window: maxPending,
    isExclusive: false,
    selector: null,
    durableKey: null,
  };
  let subscription: Subscription;
  try {
    subscription = context.createSubscription(key, spec);
  } catch (error) {
    relayed.leave(place);
    throw error;
  }
  // The first MESSAGE has to stand behind RECEIPT.
  context.receipt(headers.get('receipt'));
  context.router.subscribeRelayed(subscription, place);
  context.subscribed(subscription);
}

/** @throws BrokerError `relay-…` */
export function unsubscribeRelayed(
  context: CommandContext,
  relayed: RelayedDestinations,
  { headers }: Frame,
  { key, subscription }: { readonly key: string; readonly subscription: Subscription },
): void | Promise<void> {
  const receiptId = headers.get('receipt');
  const ended = relayed.unsubscribe(subscription, headers, receiptId !== undefined);
  context.removeSubscription(key);
  return after(ended, () => {
    context.receipt(receiptId);
  });
}
