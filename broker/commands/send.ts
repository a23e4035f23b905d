/** SEND: a message for a destination, now or at COMMIT (STOMP 1.2, SEND). */
import { after } from '../maybe-promise.js';
import { weighHeaders } from '../message.js';
import { claimReplyTo, withReplyAddress } from './reply-to.js';
import { requireHeader } from './require-header.js';
import { isRenewal } from './renew.js';
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/**
 * @throws BrokerError `header-missing`, `destination-…`, `access-denied`, `transaction-unknown`, `queue-full`,
 * `limit-exceeded`, `subscription-exists` (for `reply-to`), `store-full`, `store-failed`, and with a receipt what a handler
 * refuses
 */
export function handleSend(context: CommandContext, frame: Frame): void | Promise<void> {
  const destination = requireHeader(frame, 'destination');
  const transactionId = frame.headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : context.transactions.get(transactionId);
  const receive = (): void | Promise<void> => {
    const addressed = withReplyAddress(context, frame);
    if (transaction === undefined) {
      const unit = context.createUnit();
      return after(context.publish(addressed, unit), () => context.submit(unit, frame));
    }
    context.router.checkSend(destination, frame.headers);
    // The octets of the body belong to a read chunk; a transaction may last.
    const kept: Frame = { ...addressed, body: Buffer.from(frame.body) };
    const bytes = kept.body.length + weighHeaders(kept.headers);
    transaction.add({ destination, bytes, publish: (unit) => context.publish(kept, unit) });
    // The effect is to join it: some clients wait for this RECEIPT before they COMMIT (DESIGN D4).
    context.receipt(frame.headers.get('receipt'));
  };
  const allowed = after(authorize(context, destination), () => claimReplyTo(context, frame));
  return after(allowed, receive);
}

/** Whoever may connect may show new credentials: that is no matter of the rules for destinations. */
function authorize(context: CommandContext, destination: string): void | Promise<void> {
  const path = context.router.handlerPath(destination);
  if (path === null || !isRenewal(path)) return context.authorize('send', destination);
}
