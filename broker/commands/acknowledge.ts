/**
 * ACK and NACK: by `id` on 1.2, by `message-id` and `subscription` on 1.1, by `message-id` on 1.0.
 * Those that come after UNSUBSCRIBE are late, not wrong: what was pending has gone back, and nothing is left to do.
 */
import { quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { after } from '../maybe-promise.js';
import { flagHeader, requireHeader, wholeHeader } from './require-header.js';
import { settle, type Settlement } from '../transaction.js';
import type { Refusal } from '../destinations/redelivery.js';
import type { Subscription } from '../subscription.js';
import type { CommandContext } from './command-context.js';

/** @throws BrokerError `header-missing`, `ack-unknown`, `transaction-unknown`, `limit-exceeded` */
export function handleAck(context: CommandContext, frame: Frame): void | Promise<void> {
  return acknowledge(context, frame, null);
}

/**
 * NACK came with 1.1. `requeue:false` says that nobody is to get the message, `delay` how many ms nobody is.
 * @throws BrokerError as ACK, and `header-invalid`
 */
export function handleNack(context: CommandContext, frame: Frame): void | Promise<void> {
  if (context.version === '1.0') throw new BrokerError('header-invalid', 'NACK is no command of STOMP 1.0');
  const requeue = flagHeader(frame, 'requeue') ?? true;
  return acknowledge(context, frame, { requeue, delayMs: wholeHeader(frame, 'delay') ?? null });
}

function acknowledge(context: CommandContext, frame: Frame, refusal: Refusal | null): void | Promise<void> {
  const transactionId = frame.headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : context.transactions.get(transactionId);
  const named = context.version === '1.2' ? findById(context, frame) : findByMessage(context, frame);
  if (named === null) {
    context.receipt(frame.headers.get('receipt'));
    return;
  }
  const { subscription, ackId } = named;
  const { source } = subscription;
  const deliveries = subscription.pending?.take(ackId);
  if (deliveries === undefined || source === null) throw unknown(frame, ackId);
  const settlement: Settlement = { refusal, subscription, source, deliveries };
  // In a transaction the range is fixed now and takes effect at COMMIT (conformance T-13).
  if (transaction !== undefined) {
    transaction.addSettlement(settlement);
    context.receipt(frame.headers.get('receipt'));
    return;
  }
  // An ACK cannot be taken back: the client has consumed the messages.
  const unit = context.createUnit({ isRetried: refusal === null });
  return after(settle(settlement, unit), () => context.submit(unit, frame));
}

interface Named {
  readonly subscription: Subscription;
  readonly ackId: string;
}

/** Null when the subscription has ended. */
function findById(context: CommandContext, frame: Frame): Named | null {
  const ackId = requireHeader(frame, 'id');
  const subscription = context.findSubscriptionOfAck(ackId);
  if (subscription?.pending?.has(ackId) === true) return { subscription, ackId };
  const number = /^(\d{1,15})-\d+$/.exec(ackId)?.[1];
  if (number !== undefined && context.hasEndedSubscription(Number(number))) return null;
  throw unknown(frame, ackId);
}

/** Null when the subscription has ended. */
function findByMessage(context: CommandContext, frame: Frame): Named | null {
  const messageId = requireHeader(frame, 'message-id');
  const named =
    context.version === '1.1' ? [context.findSubscription(`id:${requireHeader(frame, 'subscription')}`)] : undefined;
  const number = messageId.startsWith(context.messageIdPrefix)
    ? Number(messageId.slice(context.messageIdPrefix.length))
    : NaN;
  for (const subscription of named ?? context.subscriptions()) {
    const ackId = subscription?.pending?.findByMessage(number);
    if (subscription !== undefined && ackId !== undefined) return { subscription, ackId };
  }
  const isLate = named === undefined || named[0] === undefined;
  if (isLate && Number.isInteger(number) && context.hasEndedSubscription()) return null;
  throw unknown(frame, messageId);
}

function unknown(frame: Frame, id: string): BrokerError {
  return new BrokerError(
    'ack-unknown',
    `${frame.command} of ${quoteInput(id, 120)}: no such message is pending on this session`,
  );
}
