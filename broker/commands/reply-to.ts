/**
 * `reply-to:/temp-queue/x` on SEND (conformance ): the receivers see the queue's address in its place, and a
 * session that has not subscribed to the queue gets a subscription, RabbitMQ's way, whose id is the name of the queue.
 */
import { Headers, quoteInput, type Frame } from '../../protocol/index.js';
import { isTemporaryQueue } from '../destinations/temporary-queues.js';
import { BrokerError } from '../errors.js';
import { after } from '../maybe-promise.js';
import type { Subscription } from '../subscription.js';
import type { CommandContext } from './command-context.js';

const REPLY_TO = 'reply-to';

/**
 * Makes sure that replies have somewhere to go and somebody to go to.
 * @throws BrokerError `access-denied` (asked as a SUBSCRIBE), `destination-invalid`, `limit-exceeded`, `subscription-exists`
 */
export function claimReplyTo(context: CommandContext, frame: Frame): void | Promise<void> {
  const name = temporaryReplyTo(frame);
  if (name === undefined) return;
  const queue = context.router.temporary.find(context.id, name);
  if (queue !== undefined && queue.subscriberCount > 0) return;
  return after(context.authorize('subscribe', name), () => {
    imply(context, name);
  });
}

/** The frame as its receivers are to see it, once the queue was claimed. */
export function withReplyAddress(context: CommandContext, frame: Frame): Frame {
  const name = temporaryReplyTo(frame);
  if (name === undefined) return frame;
  const { destination } = context.claimTemporaryQueue(name);
  const headers = new Headers();
  for (const [key, value] of frame.headers) {
    // Of several the first counts; a second one could only mislead.
    if (key !== REPLY_TO) headers.append(key, value);
    else if (!headers.has(REPLY_TO)) headers.append(REPLY_TO, destination);
  }
  return { ...frame, headers };
}

/** The subscription that a SEND brought about, to be replaced by that of the client itself. */
export function findImplied(context: CommandContext, destination: string): Subscription | null {
  return context.router.temporary.find(context.id, destination)?.implied ?? null;
}

/** What was on its way to it waits for the next. */
export function removeImplied(context: CommandContext, implied: Subscription): void {
  context.removeSubscription(keyOf(implied.destination));
}

function imply(context: CommandContext, name: string): void {
  context.router.kinds.check(name);
  const key = keyOf(name);
  if (context.findSubscription(key) !== undefined) {
    throw new BrokerError(
      'subscription-exists',
      `reply-to ${quoteInput(name, 120)} needs a subscription of that id, which is in use for something else`,
    );
  }
  const queue = context.claimTemporaryQueue(name);
  const subscription = context.createSubscription(key, {
    id: name,
    destination: name,
    ackMode: 'auto',
    window: context.options.limits.maxPendingAcks,
    isExclusive: false,
    selector: null,
    durableKey: null,
  });
  queue.implied = subscription;
  context.router.subscribe(subscription);
  context.subscribed(subscription);
}

function temporaryReplyTo(frame: Frame): string | undefined {
  const value = frame.headers.get(REPLY_TO);
  return value !== undefined && isTemporaryQueue(value) ? value : undefined;
}

/** As SUBSCRIBE names it, so that UNSUBSCRIBE finds it. */
function keyOf(name: string): string {
  return `id:${name}`;
}
