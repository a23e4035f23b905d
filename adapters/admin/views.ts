/** Live objects of the broker → what the admin API shows of them. */
import { isUtf8 } from 'node:buffer';
import type { z } from 'zod';
import type {
  BrowsedMessage,
  Clock,
  DestinationDetails,
  QueueDetails,
  SessionDetails,
  SubscriptionDetails,
} from '../../broker/index.js';
import type * as schemas from './schemas.js';

type View<Schema extends z.ZodType> = z.infer<Schema>;

/** More of a body is not shown: a page of messages is for looking, not for fetching. */
export const MAX_BODY_BYTES = 16 * 1024;
const MAX_SESSION_IDS = 100;

export function connectionView(session: SessionDetails, clock: Clock): View<typeof schemas.connection> {
  const nowMs = clock.nowMs();
  return {
    id: session.id,
    transport: session.transport,
    remoteAddress: session.remoteAddress,
    state: session.state,
    user: session.user?.name ?? null,
    connectedAt: new Date(clock.epochMs() - (nowMs - session.acceptedMs)).toISOString(),
    silentForMs: Math.max(0, Math.round(nowMs - session.lastReadMs)),
    queuedBytes: session.queuedBytes,
    transportBytes: session.transportBytes,
  };
}

export function sessionView(session: SessionDetails, clock: Clock): View<typeof schemas.session> {
  return {
    ...connectionView(session, clock),
    version: session.version,
    clientId: session.clientId ?? null,
    roles: [...(session.user?.roles ?? [])],
    subscriptions: session.subscriptionCount,
    heartBeat: { sendMs: session.heartBeat.sendEveryMs, receiveMs: session.heartBeat.receiveEveryMs },
    writtenAgoMs: Math.max(0, Math.round(clock.nowMs() - session.lastWriteMs)),
  };
}

export function subscriptionView(
  subscription: SubscriptionDetails,
  session: SessionDetails,
): View<typeof schemas.subscription> {
  return {
    sessionId: subscription.sessionId,
    number: subscription.number,
    id: subscription.id,
    destination: subscription.destination,
    user: session.user?.name ?? null,
    ack: subscription.ackMode,
    window: subscription.window,
    pending: subscription.pending?.size ?? 0,
    selector: subscription.selector?.text ?? null,
    isExclusive: subscription.isExclusive,
    isBrowser: subscription.isBrowser,
    durableName: subscription.durableKey,
  };
}

export function userView(name: string, sessions: readonly { readonly id: string }[]): View<typeof schemas.user> {
  return { name, sessions: sessions.length, sessionIds: sessions.slice(0, MAX_SESSION_IDS).map(({ id }) => id) };
}

export function destinationView(details: DestinationDetails): View<typeof schemas.destination> {
  const { destination, kind, subscriberCount, queue, history } = details;
  return { destination, kind, subscribers: subscriberCount, depth: queue?.depth ?? 0, history };
}

export function queueView(queue: QueueDetails): View<typeof schemas.queue> {
  return {
    destination: queue.destination,
    depth: queue.depth,
    bytes: queue.bytes,
    delayed: queue.delayed,
    unsettled: queue.unsettled,
    consumers: queue.subscriberCount,
    deadLetter: queue.deadLetter === false ? null : queue.deadLetter,
    isDurable: queue.isDurable,
  };
}

export function messageView(message: BrowsedMessage): View<typeof schemas.queueMessage> {
  const { body, expiresEpochMs } = message;
  const shown = body.subarray(0, MAX_BODY_BYTES);
  const encoding = isUtf8(body) ? 'utf8' : 'base64';
  return {
    number: message.number,
    messageId: message.messageId,
    priority: message.priority,
    deliveries: message.deliveryCount,
    isStored: message.isStored,
    expiresAt: expiresEpochMs === 0 ? null : new Date(expiresEpochMs).toISOString(),
    headers: message.headers.map(([name, value]) => [name, value]),
    body: shown.toString(encoding),
    encoding,
    bodyBytes: body.length,
    isCut: shown.length < body.length,
  };
}
