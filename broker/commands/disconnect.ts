/** DISCONNECT: everything before it has been handled, so its RECEIPT is the last frame (STOMP 1.2, DISCONNECT). */
import { after } from '../maybe-promise.js';
import type { Frame } from '../../protocol/index.js';
import type { CommandContext } from './command-context.js';

export function handleDisconnect(context: CommandContext, frame: Frame): void | Promise<void> {
  return context.afterReceipts(() =>
    // What asked for no receipt has to have been received all the same.
    after(context.router.relayed?.settled(context.id), () => {
      context.receipt(frame.headers.get('receipt'));
      context.goodbye();
    }),
  );
}
