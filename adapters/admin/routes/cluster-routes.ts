/** What all nodes of a cluster have together; on a node of its own, what that has. Nodes that are silent are named. */
import { z } from 'zod';
import type { ClusterUser } from '../../../broker/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { decodeCursor, encodeCursor } from '../paging/cursor.js';
import { Problem } from '../problem.js';
import { clusterSession, clusterUser, missing, node, pageQuery } from '../schemas.js';

const name = z.string().min(1).max(1_024);
const deadlineMs = z.coerce.number().int().min(50).max(10_000).default(1_000).describe('How long nodes are waited for');
const asked = z.strictObject({ deadlineMs });
const paged = { ...pageQuery, deadlineMs };
const next = z.string().nullable().describe('Cursor of the next page; null: this was the last one');

export function clusterRoutes(parts: AdminParts): AdminRoute[] {
  return [nodesRoute(parts), ...clusterUserRoutes(parts), sessionsRoute(parts)];
}

function nodesRoute({ broker }: AdminParts): AdminRoute {
  return route({
    method: 'GET',
    path: '/cluster',
    operation: 'listNodes',
    tag: 'cluster',
    summary: 'The nodes that answer, and what all of them count together',
    role: 'viewer',
    query: asked,
    response: z.object({
      nodes: z.array(node),
      missing,
      together: z.looseObject({}).describe('Every counter, added up'),
    }),
    handle: async ({ query }) => {
      const [nodes, counted] = await Promise.all([broker.cluster.nodes(query), broker.cluster.stats(query)]);
      return {
        nodes: nodes.merged.map((each) => ({ ...each })),
        missing: [...new Set([...nodes.missing, ...counted.missing])],
        together: { ...counted.merged },
      };
    },
  });
}

function clusterUserRoutes({ broker }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/cluster/users',
      operation: 'listUsersOfAllNodes',
      tag: 'cluster',
      summary: 'Users with at least one session on any node, by name',
      role: 'viewer',
      query: z.strictObject(paged),
      response: z.object({ items: z.array(clusterUser), next, missing }),
      problems: ['cursor-invalid'],
      handle: async ({ query }) => {
        const { merged, missing: silent } = await broker.cluster.users(pageFor('name', query));
        const following = merged.next === null ? null : encodeCursor('name', [merged.next]);
        return { items: merged.users.map(viewOf), next: following, missing: [...silent] };
      },
    }),
    route({
      method: 'GET',
      path: '/cluster/users/:user',
      operation: 'getUserOfAllNodes',
      tag: 'cluster',
      summary: 'One user, with the sessions on all nodes',
      role: 'viewer',
      params: z.object({ user: name }),
      query: asked,
      response: clusterUser.extend({ missing }),
      problems: ['not-found'],
      handle: async ({ params, query }) => {
        const { merged, missing: silent } = await broker.cluster.user(params.user, query);
        if (merged === null && silent.length === 0) throw new Problem('not-found', 'That user has no session');
        return { ...viewOf(merged ?? { name: params.user, sessions: [] }), missing: [...silent] };
      },
    }),
  ];
}

function sessionsRoute({ broker }: AdminParts): AdminRoute {
  return route({
    method: 'GET',
    path: '/cluster/sessions',
    operation: 'listSessionsOfAllNodes',
    tag: 'cluster',
    summary: 'Sessions of all nodes that are connected, by id',
    role: 'viewer',
    query: z.strictObject({
      ...paged,
      user: name.optional().describe('Of this very user'),
      address: name.optional().describe('From this very remote address'),
    }),
    response: z.object({ items: z.array(clusterSession), next, missing }),
    problems: ['cursor-invalid'],
    handle: async ({ query }) => {
      const { user, address: remoteAddress } = query;
      const filter = { ...pageFor('id', query), user, remoteAddress };
      const { merged, missing: silent } = await broker.cluster.sessions(filter);
      const following = merged.next === null ? null : encodeCursor('id', [merged.next]);
      return { items: merged.sessions.map((each) => ({ ...each })), next: following, missing: [...silent] };
    },
  });
}

interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly deadlineMs: number;
}

/** @throws Problem `cursor-invalid` */
function pageFor(order: string, { limit, cursor, deadlineMs: waitMs }: PageQuery) {
  const after = cursor === undefined ? undefined : String(decodeCursor(order, [''], cursor)[0]);
  return { limit, after, deadlineMs: waitMs };
}

function viewOf({ name: user, sessions }: ClusterUser): z.infer<typeof clusterUser> {
  return { name: user, sessions: sessions.map((each) => ({ ...each })) };
}
