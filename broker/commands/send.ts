/** SEND: a message for a destination, now or at COMMIT (STOMP 1.2, SEND). */
import { Message } from '../message.js';
import { requireHeader } from './require-header.js';
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

/** @throws BrokerError `header-missing`, `destination-…`, `transaction-unknown`, `queue-full`, `limit-exceeded` */
export function handleSend(context: CommandContext, frame: Frame): void {
  const route = context.route(requireHeader(frame, 'destination'));
  const transactionId = frame.headers.get('transaction');
  const message = Message.fromHeaders(context.nextMessageId(), frame.headers, frame.body);
  if (transactionId === undefined) context.router.publish(route, message);
  else context.transactions.get(transactionId).addSend(route, message.own());
  // Inside a transaction the effect is to join it: some clients wait for this RECEIPT before they COMMIT (DESIGN D4).
  context.receipt(frame.headers.get('receipt'));
}
