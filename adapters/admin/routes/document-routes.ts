/** What clients of the broker can do, for programs. */
import { z } from 'zod';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { API_PREFIX } from '../api-prefix.js';
import { asyncApiDocument } from '../documents/asyncapi.js';
import { describeWebSocket } from '../documents/describe-websocket.js';
import { openApiDocument } from '../documents/openapi.js';
import { mergeWebSocket } from '../documents/websocket-extension.js';

/** @param routes all there are */
export function documentRoutes({ broker, server }: AdminParts, routes: () => readonly AdminRoute[]): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/openapi',
      operation: 'getOpenApi',
      tag: 'server',
      summary: 'The OpenAPI 3.1 document of this API with the WebSocket side of this server merged in',
      description:
        'Destinations of clients as webhooks, endpoints and what clients send as `x-websocket`, schemas of handlers as components. /docs/json is the same without them, for everybody.',
      role: 'viewer',
      response: z.looseObject({ openapi: z.string() }),
      handle: () => {
        const document = openApiDocument(routes(), API_PREFIX, server.version);
        const described = describeWebSocket(broker, server);
        const merged = described === null ? document : mergeWebSocket(document, described);
        return { openapi: '3.1.0', ...merged };
      },
    }),
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
