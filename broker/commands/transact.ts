/** BEGIN, COMMIT and ABORT (STOMP 1.2, BEGIN). */
import { after } from '../maybe-promise.js';
import { requireHeader } from './require-header.js';
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/** @throws BrokerError `header-missing`, `transaction-exists`, `limit-exceeded` */
export function handleBegin(context: CommandContext, frame: Frame): void {
  context.transactions.begin(requireHeader(frame, 'transaction'));
  context.receipt(frame.headers.get('receipt'));
}

/** @throws BrokerError `header-missing`, `transaction-unknown`, `queue-full`, `message-gone`, `store-full`, `store-failed` */
export function handleCommit(context: CommandContext, frame: Frame): void | Promise<void> {
  const unit = context.createUnit({ holdsBack: true, isReceipted: frame.headers.has('receipt') });
  const published = context.transactions.commit(requireHeader(frame, 'transaction'), context.router, unit);
  return after(published, () => context.submit(unit, frame));
}

/** @throws BrokerError `header-missing`, `transaction-unknown` */
export function handleAbort(context: CommandContext, frame: Frame): void {
  context.transactions.abort(requireHeader(frame, 'transaction'));
  context.receipt(frame.headers.get('receipt'));
}
