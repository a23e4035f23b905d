/** Users who are connected: who they are, ending their sessions, sending to them. */
import { z } from 'zod';
import type { UserHandle } from '../../../broker/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { Problem } from '../problem.js';
import { endQuery, missing, outgoing, pageOf, pageQuery, user } from '../schemas.js';
import { userView } from '../views.js';
import { readList, sortNames } from './list.js';
import { payloadOf } from './payload-of.js';

const name = z.string().min(1).max(1_024);
const userParams = z.object({ user: name });

const userQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(['name', 'sessions'])).default('name'),
  prefix: name.optional().describe('Names that begin with this'),
});

const ORDERS = {
  name: { rankOf: (each: UserHandle) => [each.name] },
  sessions: { rankOf: (each: UserHandle) => [each.sessions.length, each.name] },
};

const sending = z.strictObject({
  destination: z.string().min(1).max(1_024).describe('Behind the user, e.g. `/queue/orders`'),
  session: name.optional().describe('To this session of the user alone'),
  ...outgoing,
});

export function userRoutes({ broker, pages }: AdminParts): AdminRoute[] {
  const { operations, users } = broker;
  return [
    route({
      method: 'GET',
      path: '/users',
      operation: 'listUsers',
      tag: 'users',
      summary: 'Users with at least one session on this node',
      role: 'viewer',
      query: userQuery,
      response: pageOf(user),
      problems: ['cursor-invalid', 'too-busy'],
      handle: ({ query }) =>
        readList(
          pages,
          {
            items: () => operations.users(),
            total: () => operations.userCount,
            orders: ORDERS,
            shapeOf: (order) => (order === 'name' ? [''] : [0, '']),
            view: (each) => userView(each.name, each.sessions),
          },
          query,
          (each) => query.prefix === undefined || each.name.startsWith(query.prefix),
        ),
    }),
    route({
      method: 'GET',
      path: '/users/:user',
      operation: 'getUser',
      tag: 'users',
      summary: 'One user, as far as this node has it',
      role: 'viewer',
      params: userParams,
      response: user,
      problems: ['not-found'],
      handle: ({ params }) => {
        const found = users.get(params.user);
        if (found === undefined) throw new Problem('not-found', 'That user has no session');
        return userView(found.name, found.sessions);
      },
    }),
    route({
      method: 'DELETE',
      path: '/users/:user/sessions',
      operation: 'disconnectUser',
      tag: 'users',
      summary: 'End all sessions of a user, on all nodes',
      role: 'operator',
      params: userParams,
      query: endQuery,
      response: z.object({ disconnected: z.int(), missing }),
      problems: ['not-found'],
      subject: ({ params }) => ({ user: params.user }),
      handle: async ({ params, query }) => {
        const { merged, missing: silent } = await broker.cluster.disconnectUser(params.user, query);
        if (merged === 0 && silent.length === 0) throw new Problem('not-found', 'That user has no session');
        return { disconnected: merged, missing: [...silent] };
      },
    }),
    route({
      method: 'POST',
      path: '/users/:user/messages',
      operation: 'sendToUser',
      tag: 'users',
      summary: 'Send to every session of a user, or to one',
      description: 'For a user who is not there it is kept where the options say so (inbox), and dropped otherwise.',
      role: 'operator',
      params: userParams,
      body: sending,
      response: z.object({
        accepted: z.literal(true),
        sessions: z.int().describe('That are there, on the nodes that answered'),
        missing,
      }),
      status: 202,
      problems: ['broker-refused', 'unavailable'],
      subject: ({ params, body }) => ({
        user: params.user,
        destination: body.destination,
        session: body.session ?? null,
      }),
      handle: async ({ params, body }) => {
        const { destination, session, headers = {} } = body;
        const { merged, missing: silent } = await broker.cluster.user(params.user);
        await broker.convertAndSendToUser(params.user, destination, payloadOf(body), headers, { session });
        const sessions = session === undefined ? (merged?.sessions.length ?? 0) : 1;
        return { accepted: true as const, sessions, missing: [...silent] };
      },
    }),
  ];
}
