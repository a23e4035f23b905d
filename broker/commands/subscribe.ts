/** SUBSCRIBE and UNSUBSCRIBE (STOMP 1.2, SUBSCRIBE; 1.0 lets the id be missing). */
import { Headers, quoteInput, type Frame } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { isTrue } from '../flag-value.js';
import { after } from '../maybe-promise.js';
import { subscribeRelayed, unsubscribeRelayed } from './subscribe-relayed.js';
import { durableName } from './durable-headers.js';
import { findImplied, removeImplied } from './reply-to.js';
import { flagHeader, positiveHeader, requireHeader } from './require-header.js';
import { readFlags } from './subscriber-flags.js';
import { readResume } from './resume-headers.js';
import { Selector } from '../selector/selector.js';
import { patternWeight } from '../destinations/pattern.js';
import { isTemporaryQueue } from '../destinations/temporary-queues.js';
import type { ResumeRequest } from '../history/replay.js';
import type { AckMode } from '../subscription.js';
import type { CommandContext } from './command-context.js';

const ACK_MODES: readonly AckMode[] = ['auto', 'client', 'client-individual'];

/**
 * @throws BrokerError `header-missing`, `header-invalid`, `destination-…`, `subscription-exists`, `limit-exceeded`,
 * `selector-invalid`, `access-denied`
 */
export function handleSubscribe(context: CommandContext, given: Frame): void | Promise<void> {
  const frame = withAntPattern(context, given);
  const destination = requireHeader(frame, 'destination');
  return after(context.authorize('subscribe', destination), () =>
    // The first MESSAGE has to stand behind RECEIPT, and that behind the RECEIPTs before it.
    context.afterReceipts(() => subscribe(context, frame, destination)),
  );
}

function subscribe(context: CommandContext, frame: Frame, destination: string): void | Promise<void> {
  const key = subscriptionKey(context, frame);
  const implied = findImplied(context, destination);
  const existing = context.findSubscription(key);
  if (existing !== undefined && existing !== implied) {
    throw new BrokerError('subscription-exists', `Subscription ${describe(frame)} exists already`);
  }
  const { maxPendingAcks } = context.options.limits;
  const ackMode = parseAckMode(frame);
  const { relayed } = context.router;
  if (relayed?.covers(destination) === true) {
    return subscribeRelayed(context, relayed, frame, { key, destination, ackMode });
  }
  const prefetch = positiveHeader(frame, 'prefetch-count') ?? positiveHeader(frame, 'activemq.prefetchSize');
  const window = Math.min(prefetch ?? maxPendingAcks, maxPendingAcks);
  const isExclusive = flagHeader(frame, 'exclusive') ?? flagHeader(frame, 'activemq.exclusive') ?? false;
  const selector = parseSelector(context, frame.headers.get('selector'));
  const resume = readResume(frame);
  context.router.kinds.checkSubscribable(destination);
  checkPatternRoom(context, destination);
  if (isTemporaryQueue(destination)) context.claimTemporaryQueue(destination);
  const isDurable = durableName(context, frame) !== null;
  const flags = readFlags(context, frame, destination, isDurable);
  const durable = prepareDurable(context, frame, destination, selector);
  const joined = after(joinNodes(context, destination, durable), () =>
    prepareReplay(context, destination, resume, durable.key),
  );
  return after(joined, () => {
    if (implied !== null) removeImplied(context, implied);
    const id = frame.headers.get('id') ?? null;
    const durableKey = durable.key;
    const spec = { id, destination, ackMode, window, isExclusive, selector, durableKey, ...flags };
    const { plan, subscription } = orLeave(context, spec, () => ({
      plan: context.router.replays.plan(destination, resume, durableKey !== null),
      subscription: context.createSubscription(key, spec),
    }));
    // Nothing can be published between the two, and the first MESSAGE has to stand behind RECEIPT (conformance S-15).
    context.receipt(frame.headers.get('receipt'), plan?.headers);
    context.router.subscribe(subscription, plan);
    context.subscribed(subscription);
    return context.callSubscribeHandler(frame, subscription);
  });
}

/** In a cluster: its RECEIPT says that what other nodes publish from then on arrives. */
function joinNodes(
  context: CommandContext,
  destination: string,
  { key, ready }: PreparedDurable,
): void | Promise<void> {
  return after(ready, () => {
    const joined = context.router.claims.join(destination, key, context.id);
    return joined?.catch((error: unknown) => {
      context.router.claims.leave(destination, key, context.id);
      throw error;
    });
  });
}

/** In a cluster: what other nodes have of its history. */
function prepareReplay(
  { router, id }: CommandContext,
  destination: string,
  resume: ResumeRequest | null,
  durableKey: string | null,
): void | Promise<void> {
  return router.replays.prepare(destination, resume, durableKey)?.catch((error: unknown) => {
    router.claims.leave(destination, durableKey, id);
    throw error;
  });
}

/** When the subscription cannot be made after all, nobody here wants what other nodes publish for it. */
function orLeave<T>(
  { router, id }: CommandContext,
  { destination, durableKey }: { readonly destination: string; readonly durableKey: string | null },
  make: () => T,
): T {
  try {
    return make();
  } catch (error) {
    router.claims.leave(destination, durableKey, id);
    throw error;
  }
}

interface PreparedDurable {
  /** Null: the subscription lives and dies with its session. */
  readonly key: string | null;
  /** Until then it is not stored. */
  readonly ready: void | Promise<void>;
}

function prepareDurable(
  context: CommandContext,
  frame: Frame,
  destination: string,
  selector: Selector | null,
): PreparedDurable {
  const { router, options } = context;
  const name = durableName(context, frame);
  // A queue keeps its messages whoever listens: RabbitMQ's headers for one say nothing that would not be so.
  if (name === null || (name.isShared && router.kinds.check(destination) === 'queue'))
    return { key: null, ready: undefined };
  router.kinds.checkDurable(destination);
  const { expireAfterMs } = options.durableSubscriptions;
  const wanted = positiveHeader(frame, 'x-expires') ?? expireAfterMs;
  const unit = context.createUnit();
  router.durables.prepare({ ...name, destination, selector, expireAfterMs: Math.min(wanted, expireAfterMs) }, unit);
  return { key: name.key, ready: unit.submit() };
}

/**
 * With the header that made a subscription durable, it is deleted; without, it only loses this client.
 * @throws BrokerError `header-missing`, `subscription-unknown`
 */
export function handleUnsubscribe(context: CommandContext, given: Frame): void | Promise<void> {
  const frame = withAntPattern(context, given);
  const key = subscriptionKey(context, frame);
  const subscription = context.findSubscription(key);
  const { relayed } = context.router;
  if (subscription !== undefined && relayed?.covers(subscription.destination) === true) {
    return unsubscribeRelayed(context, relayed, frame, { key, subscription });
  }
  const destination = subscription?.destination ?? frame.headers.get('destination');
  const name = durableName(context, destination === undefined ? frame : withDestination(frame, destination));
  // One that is not this session's own any more can be deleted too: its client may be gone for good.
  const unit = context.createUnit({ isRetried: true });
  if (subscription !== undefined) context.removeSubscription(key);
  const isDeleted = name !== null && context.router.durables.delete(name.key, unit);
  const isRevoked = subscription === undefined && context.takeRevoked(key);
  if (subscription === undefined && !isDeleted && !isRevoked) {
    throw new BrokerError('subscription-unknown', `No subscription ${describe(frame)}`);
  }
  return context.submit(unit, frame);
}

/** Before anything else is asked, the rules above all: they know one way of writing patterns. */
function withAntPattern({ router }: CommandContext, frame: Frame): Frame {
  const written = frame.headers.get('destination') ?? '';
  const pattern = router.kinds.antPattern(written);
  if (pattern === written) return frame;
  const others = [...frame.headers].filter(([name]) => name !== 'destination');
  return { ...frame, headers: new Headers([['destination', pattern], ...others]) };
}

function withDestination(frame: Frame, destination: string): Frame {
  const headers = new Headers(frame.headers);
  if (!headers.has('destination')) headers.append('destination', destination);
  return { ...frame, headers };
}

/** What names a subscription on its session: the id, or on 1.0 without one the destination. */
function subscriptionKey(context: CommandContext, frame: Frame): string {
  if (context.version !== '1.0' || frame.headers.has('id')) return `id:${requireHeader(frame, 'id')}`;
  if (frame.headers.has('destination')) return `destination:${requireHeader(frame, 'destination')}`;
  throw new BrokerError('header-missing', `${frame.command} needs a header "id" or "destination"`);
}

/** An empty one is a fault, not the wish for everything: a client that means that leaves the header out. */
function parseSelector(context: CommandContext, text: string | undefined): Selector | null {
  if (text === undefined) return null;
  const { maxSelectorBytes, maxSelectorBytesPerSession } = context.options.limits;
  const selector = new Selector(text, maxSelectorBytes);
  if (context.selectorBytes + selector.bytes <= maxSelectorBytesPerSession) return selector;
  throw new BrokerError(
    'limit-exceeded',
    `${maxSelectorBytesPerSession} octets of selectors on one session is the limit`,
  );
}

function checkPatternRoom({ options, patternBytes }: CommandContext, destination: string): void {
  const { maxPatternBytesPerSession } = options.limits;
  const weight = patternWeight(destination, options.destinations.separator);
  if (weight === 0 || patternBytes + weight <= maxPatternBytesPerSession) return;
  throw new BrokerError(
    'limit-exceeded',
    `Pattern ${quoteInput(destination, 120)}: with it ${patternBytes + weight} octets of patterns that have to be compared, ` +
      `${maxPatternBytesPerSession} on one session is the limit`,
  );
}

function describe(frame: Frame): string {
  const id = frame.headers.get('id');
  return id === undefined
    ? `to ${quoteInput(frame.headers.get('destination') ?? '', 120)} without id`
    : `with id ${quoteInput(id, 120)}`;
}

/** Whoever browses has nothing to acknowledge, whatever it says. */
function parseAckMode({ headers }: Frame): AckMode {
  const value = isTrue(headers.get('browser')) ? 'auto' : headers.get('ack');
  const mode = value === undefined ? 'auto' : ACK_MODES.find((candidate) => candidate === value);
  if (mode !== undefined) return mode;
  throw new BrokerError('header-invalid', `ack: got ${quoteInput(value ?? '')}, wants one of ${ACK_MODES.join(', ')}`);
}
