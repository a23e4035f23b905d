/** SEND: a message for a destination, now or at COMMIT (STOMP 1.2, SEND). */
import { after, chain } from '../maybe-promise.js';
import { senderOf } from '../message-keys.js';
import { weighHeaders } from '../message.js';
import { claimReplyTo, withReplyAddress } from './reply-to.js';
import { requireHeader } from './require-header.js';
import { isRenewal } from './renew.js';
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/**
 * @throws BrokerError `header-missing`, `header-invalid`, `destination-…`, `access-denied`, `transaction-unknown`, `queue-full`,
 * `limit-exceeded`, `subscription-exists` (for `reply-to`), `store-full`, `store-failed`, and with a receipt what a handler
 * refuses
 */
export function handleSend(context: CommandContext, frame: Frame): void | Promise<void> {
  const destination = requireHeader(frame, 'destination');
  const transactionId = frame.headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : context.transactions.get(transactionId);
  const receive = (): void | Promise<void> => {
    const key = context.keys.read(frame.headers, senderOf(context.principal?.name ?? null), destination);
    const addressed = withReplyAddress(context, frame);
    if (transaction === undefined) return publishNow(context, addressed, key);
    context.router.checkSend(destination, frame.headers);
    // The octets of the body belong to a read chunk; a transaction may last.
    const kept: Frame = { ...addressed, body: Buffer.from(frame.body) };
    const bytes = kept.body.length + weighHeaders(kept.headers);
    transaction.add({ destination, bytes, key, publish: (unit) => context.publish(kept, unit, key) });
    // The effect is to join it: some clients wait for this RECEIPT before they COMMIT (DESIGN D4).
    context.receipt(frame.headers.get('receipt'));
  };
  const allowed = after(authorize(context, destination), () => claimReplyTo(context, frame));
  return after(allowed, receive);
}

function publishNow(context: CommandContext, frame: Frame, key: string | null): void | Promise<void> {
  const unit = context.createUnit();
  const submit = (): void | Promise<void> => context.submit(unit, frame);
  if (key === null)
    return after(
      unit.fill(() => context.publish(frame, unit, null)),
      submit,
    );
  return chain(context.keys.claim([{ key }], unit), (fresh) => {
    if (fresh.length === 0) return submit();
    const published = unit.fill(() => context.publish(frame, unit, key));
    return after(published, () => {
      context.keys.store(fresh, unit);
      return submit();
    });
  });
}

/** Whoever may connect may show new credentials: that is no matter of the rules for destinations. */
function authorize(context: CommandContext, destination: string): void | Promise<void> {
  const path = context.router.handlerPath(destination);
  if (path === null || !isRenewal(path)) return context.authorize('send', destination);
}
