/** Headers of SUBSCRIBE that say what a subscription is not to get or to consume (conformance ). */
import { quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { CommandContext } from './command-context.js';
import { flagHeader } from './require-header.js';

export interface SubscriberFlags {
  /** What its own session sends is not for it. */
  readonly isNoLocal: boolean;
  /** It looks at a queue and takes nothing. */
  readonly isBrowser: boolean;
}

/**
 * `no-local` as Artemis has it, `activemq.noLocal` and `browser` as ActiveMQ.
 * @param isDurable the subscription outlives its session
 * @throws BrokerError `header-invalid` where they cannot be kept
 */
export function readFlags(
  { router, version }: CommandContext,
  frame: Frame,
  destination: string,
  isDurable: boolean,
): SubscriberFlags {
  const isNoLocal = flagHeader(frame, 'no-local') ?? flagHeader(frame, 'activemq.noLocal') ?? false;
  const isBrowser = flagHeader(frame, 'browser') ?? false;
  const isQueue = router.kinds.isPointToPoint(destination);
  const isFannedOut = !isQueue && ['topic', 'queue', 'user'].includes(router.kinds.check(destination));
  if (isNoLocal && (isDurable || !isFannedOut)) {
    throw new BrokerError(
      'header-invalid',
      `no-local: wants a topic and a subscription that ends with its session, got ${quoteInput(destination, 120)}`,
    );
  }
  if (isBrowser && version === '1.0') {
    throw new BrokerError('header-invalid', 'browser: wants version 1.1 or 1.2, as the client could not tell the end');
  }
  if (isBrowser && !isQueue) {
    throw new BrokerError('header-invalid', `browser: wants a queue, got ${quoteInput(destination, 120)}`);
  }
  return { isNoLocal, isBrowser };
}
