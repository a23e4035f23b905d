/** Connections and sessions: the same things, seen as sockets and as STOMP; and their subscriptions. */
import { z } from 'zod';
import type { SessionDetails, SubscriptionDetails } from '../../../broker/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { Problem } from '../problem.js';
import { connection, endQuery, missing, pageOf, pageQuery, session, subscription } from '../schemas.js';
import { connectionView, sessionView, subscriptionView } from '../views.js';
import { type ListSpec, readList, sortNames } from './list.js';

const text = z.string().min(1).max(1_024);

const ORDERS = {
  connectedAt: { rankOf: ({ number }: SessionDetails) => [number], isNatural: true },
  queuedBytes: { rankOf: ({ queuedBytes, number }: SessionDetails) => [queuedBytes, number] },
  subscriptions: { rankOf: ({ subscriptionCount, number }: SessionDetails) => [subscriptionCount, number] },
  user: { rankOf: ({ user, number }: SessionDetails) => [user?.name ?? '', number] },
};
const ORDER_NAMES = ['connectedAt', 'queuedBytes', 'subscriptions', 'user'] as const;

const sessionQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(ORDER_NAMES)).default('connectedAt').describe('`-` in front: the other way round'),
  user: text.optional().describe('Of this very user'),
  transport: text.optional(),
  state: connection.shape.state.optional(),
  address: text.optional().describe('The remote address begins with this'),
});

type SessionQuery = z.infer<typeof sessionQuery>;

function isWantedBy({ user, transport, state, address }: SessionQuery): (session: SessionDetails) => boolean {
  return (each) =>
    (user === undefined || each.user?.name === user) &&
    (transport === undefined || each.transport === transport) &&
    (state === undefined || each.state === state) &&
    (address === undefined || each.remoteAddress.startsWith(address));
}

interface Subscribed {
  readonly session: SessionDetails;
  readonly subscription: SubscriptionDetails;
}

const SUBSCRIPTION_ORDERS = {
  session: { rankOf: (each: Subscribed) => [each.session.number, each.subscription.number], isNatural: false },
  destination: {
    rankOf: (each: Subscribed) => [each.subscription.destination, each.session.number, each.subscription.number],
  },
  pending: {
    rankOf: (each: Subscribed) => [each.subscription.pending?.size ?? 0, each.session.number, each.subscription.number],
  },
};
const SUBSCRIPTION_ORDER_NAMES = ['session', 'destination', 'pending'] as const;

const subscriptionQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(SUBSCRIPTION_ORDER_NAMES)).default('session'),
  destination: text.optional().describe('To this very destination or pattern, as the client wrote it'),
  prefix: text.optional().describe('To destinations that begin with this'),
  user: text.optional(),
  session: text.optional(),
});

const sessionParams = z.object({ session: text });

export function sessionRoutes(parts: AdminParts): AdminRoute[] {
  const { broker, clock, pages } = parts;
  const { operations } = broker;
  const found = (id: string): SessionDetails => {
    const details = operations.session(id);
    if (details === undefined) throw new Problem('not-found', 'There is no session of that id');
    return details;
  };
  const spec = <V>(view: (each: SessionDetails) => V): ListSpec<SessionDetails, V> => ({
    items: () => operations.sessions(),
    total: () => operations.sessionCount,
    orders: ORDERS,
    shapeOf: (order) => (order === 'connectedAt' ? [0] : order === 'user' ? ['', 0] : [0, 0]),
    view,
  });
  return [
    route({
      method: 'GET',
      path: '/connections',
      operation: 'listConnections',
      tag: 'sessions',
      summary: 'Open connections of this node, also those that have not said CONNECT',
      role: 'viewer',
      query: sessionQuery,
      response: pageOf(connection),
      problems: ['cursor-invalid', 'too-busy'],
      handle: ({ query }) =>
        readList(
          pages,
          spec((each) => connectionView(each, clock)),
          query,
          isWantedBy(query),
        ),
    }),
    route({
      method: 'GET',
      path: '/sessions',
      operation: 'listSessions',
      tag: 'sessions',
      summary: 'STOMP sessions',
      role: 'viewer',
      query: sessionQuery,
      response: pageOf(session),
      problems: ['cursor-invalid', 'too-busy'],
      handle: ({ query }) =>
        readList(
          pages,
          spec((each) => sessionView(each, clock)),
          query,
          isWantedBy(query),
        ),
    }),
    route({
      method: 'GET',
      path: '/sessions/:session',
      operation: 'getSession',
      tag: 'sessions',
      summary: 'One session',
      role: 'viewer',
      params: sessionParams,
      response: session,
      problems: ['not-found'],
      handle: ({ params }) => sessionView(found(params.session), clock),
    }),
    route({
      method: 'DELETE',
      path: '/sessions/:session',
      operation: 'disconnectSession',
      tag: 'sessions',
      summary: 'End a session, on whatever node: what is queued is written, then the connection closes',
      role: 'operator',
      params: sessionParams,
      query: endQuery,
      response: z.object({ disconnected: z.int(), missing }),
      problems: ['not-found'],
      subject: ({ params }) => ({
        session: params.session,
        user: operations.session(params.session)?.user?.name ?? null,
      }),
      handle: async ({ params, query }) => {
        const { merged, missing: silent } = await broker.cluster.disconnect(params.session, query);
        if (merged === 0 && silent.length === 0) throw new Problem('not-found', 'There is no session of that id');
        return { disconnected: merged, missing: [...silent] };
      },
    }),
    route({
      method: 'DELETE',
      path: '/sessions/:session/subscriptions/:number',
      operation: 'endSubscription',
      tag: 'sessions',
      summary: 'End a subscription, on whatever node',
      description: 'The client is told on /user/queue/errors (code subscription-revoked), if it listens there.',
      role: 'operator',
      params: z.object({ session: text, number: z.coerce.number().int().min(1) }),
      response: z.object({ ended: z.int(), missing }),
      problems: ['not-found'],
      subject: ({ params }) => ({ ...params }),
      handle: async ({ params }) => {
        const { merged, missing: silent } = await broker.cluster.unsubscribe(params.session, params.number);
        if (merged > 0 || silent.length > 0) return { ended: merged, missing: [...silent] };
        throw new Problem('not-found', 'The session has no subscription of that number');
      },
    }),
    route({
      method: 'GET',
      path: '/subscriptions',
      operation: 'listSubscriptions',
      tag: 'sessions',
      summary: 'Subscriptions of all sessions, or of one',
      role: 'viewer',
      query: subscriptionQuery,
      response: pageOf(subscription),
      problems: ['not-found', 'cursor-invalid', 'too-busy'],
      handle: ({ query }) =>
        readList(
          pages,
          {
            items: () => subscribed(query.session === undefined ? operations.sessions() : [found(query.session)]),
            total: () => operations.subscriptionCount,
            orders: SUBSCRIPTION_ORDERS,
            shapeOf: (order) => (order === 'session' ? [0, 0] : order === 'destination' ? ['', 0, 0] : [0, 0, 0]),
            view: (each) => subscriptionView(each.subscription, each.session),
          },
          query,
          ({ session: { user }, subscription: { destination } }) =>
            (query.user === undefined || user?.name === query.user) &&
            (query.destination === undefined || destination === query.destination) &&
            (query.prefix === undefined || destination.startsWith(query.prefix)),
        ),
    }),
  ];
}

function* subscribed(sessions: Iterable<SessionDetails>): Generator<Subscribed> {
  for (const each of sessions) for (const one of each.subscriptions()) yield { session: each, subscription: one };
}
