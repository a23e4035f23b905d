/** What clients of the broker can do, for programs. */
import { z } from 'zod';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { asyncApiDocument } from '../documents/asyncapi.js';

export function documentRoutes({ broker, server }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/asyncapi',
      operation: 'getAsyncApi',
      tag: 'server',
      summary: 'The AsyncAPI 3 document of this server: endpoints, destinations, handlers',
      role: 'viewer',
      response: z.looseObject({ asyncapi: z.string() }),
      handle: () => ({ asyncapi: '3.0.0', ...asyncApiDocument(broker, server) }),
    }),
  ];
}
