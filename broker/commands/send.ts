/** SEND: a message for a destination, now or at COMMIT (STOMP 1.2, SEND). */
import { after, chain } from '../maybe-promise.js';
import { senderOf, type Keyed } from '../message-keys.js';
import { weighHeaders } from '../message.js';
import { copyFor, destinationsOf } from '../destinations/composite.js';
import { claimReplyTo, withReplyAddress } from './reply-to.js';
import { requireHeader } from './require-header.js';
import { isRenewal } from './renew.js';
import { Headers, type Frame } from '../../protocol/index.js';
import type { WriteUnit } from '../storage/write-unit.js';
import type { CommandContext } from './command-context.js';

const USER_ID = 'JMSXUserID';

/**
 * @throws BrokerError `header-missing`, `header-invalid`, `destination-…`, `access-denied`, `rate-limited`,
 * `transaction-unknown`, `queue-full`, `limit-exceeded`, `subscription-exists` (for `reply-to`), `store-full`, `store-failed`, and with a receipt what a handler
 * refuses
 */
export function handleSend(context: CommandContext, given: Frame): void | Promise<void> {
  const frame = signed(context, given);
  const destinations = destinationsOf(context.options.destinations, requireHeader(frame, 'destination'));
  const transactionId = frame.headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : context.transactions.get(transactionId);
  const take = (): void | Promise<void> => {
    const sender = senderOf(context.principal?.name ?? null);
    const addressed = withReplyAddress(context, frame);
    const sends = destinations.map((destination) => ({
      destination,
      key: context.keys.read(frame.headers, sender, destination),
    }));
    if (transaction === undefined) return publishNow(context, addressed, sends);
    for (const { destination } of sends) context.router.checkSend(destination, frame.headers);
    // The octets of the body belong to a read chunk; a transaction may last.
    const kept: Frame = { ...addressed, body: Buffer.from(frame.body) };
    const bytes = kept.body.length + weighHeaders(kept.headers);
    for (const { destination, key } of sends) {
      const copy = copyFor(kept, destination);
      transaction.add({ destination, bytes, key, publish: (unit) => context.publish(copy, unit, key) });
    }
    // The effect is to join it: some clients wait for this RECEIPT before they COMMIT (DESIGN D4).
    context.receipt(frame.headers.get('receipt'));
  };
  const receive = (): void | Promise<void> => {
    const waitMs = context.charge(destinations, frame);
    return waitMs === 0 ? take() : after(take(), () => context.pause(waitMs));
  };
  const allowed = after(authorizeFrom(context, destinations, 0), () => claimReplyTo(context, frame));
  return after(allowed, receive);
}

/** A message to one of the frame's destinations. */
interface Part extends Keyed {
  readonly destination: string;
}

function publishNow(context: CommandContext, frame: Frame, parts: readonly Part[]): void | Promise<void> {
  // To several destinations it goes as in a transaction: to all of them or, should one refuse it, to none.
  const unit = context.createUnit({ holdsBack: parts.length > 1, isReceipted: frame.headers.has('receipt') });
  const submit = (): void | Promise<void> => context.submit(unit, frame);
  const publish = (fresh: readonly Part[]): void | Promise<void> =>
    unit.fill(() => publishFrom(context, frame, fresh, unit));
  if (parts.every(({ key }) => key === null)) return after(publish(parts), submit);
  return chain(context.keys.claim(parts, unit), (fresh) => {
    if (fresh.length === 0) return submit();
    return after(publish(fresh), () => {
      context.keys.store(fresh, unit);
      return submit();
    });
  });
}

function publishFrom(
  context: CommandContext,
  frame: Frame,
  parts: readonly Part[],
  unit: WriteUnit,
): void | Promise<void> {
  for (const [k, { destination, key }] of parts.entries()) {
    const pending = context.publish(copyFor(frame, destination), unit, key);
    if (pending instanceof Promise) return pending.then(() => publishFrom(context, frame, parts.slice(k + 1), unit));
  }
}

/** Who sent it is said by the server or not at all (conformance X-12). */
function signed({ options, principal }: CommandContext, frame: Frame): Frame {
  const name = options.userIdHeader ? (principal?.name ?? null) : null;
  if (name === null && !frame.headers.has(USER_ID)) return frame;
  const headers = new Headers([...frame.headers].filter(([key]) => key !== USER_ID));
  if (name !== null) headers.append(USER_ID, name);
  return { ...frame, headers };
}

function authorizeFrom(context: CommandContext, destinations: readonly string[], start: number): void | Promise<void> {
  const destination = destinations[start];
  if (destination === undefined) return;
  return after(authorize(context, destination), () => authorizeFrom(context, destinations, start + 1));
}

/** Whoever may connect may show new credentials: that is no matter of the rules for destinations. */
function authorize(context: CommandContext, destination: string): void | Promise<void> {
  const path = context.router.kinds.handlerPath(destination);
  if (path === null || !isRenewal(path)) return context.authorize('send', destination);
}
