/** Sending: to a destination, to everybody. */
import { z } from 'zod';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { missing, outgoing } from '../schemas.js';
import { payloadOf } from './payload-of.js';

const destination = z.string().min(1).max(1_024);

export function messageRoutes({ broker }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'POST',
      path: '/messages',
      operation: 'publish',
      tag: 'messages',
      summary: 'Publish to a destination, as the application does',
      role: 'operator',
      body: z.strictObject({ destination, ...outgoing }),
      response: z.object({ accepted: z.literal(true) }),
      status: 202,
      problems: ['broker-refused', 'unavailable'],
      subject: ({ body }) => ({ destination: body.destination }),
      handle: async ({ body }) => {
        await broker.convertAndSend(body.destination, payloadOf(body), body.headers ?? {});
        return { accepted: true as const };
      },
    }),
    route({
      method: 'POST',
      path: '/broadcast',
      operation: 'broadcast',
      tag: 'messages',
      summary: 'Send to every session that is connected, on all nodes, at its own /user destination',
      role: 'operator',
      body: z.strictObject({ destination: destination.describe('Behind /user, e.g. `/queue/notices`'), ...outgoing }),
      response: z.object({ sessions: z.int(), missing }),
      status: 202,
      problems: ['broker-refused', 'unavailable'],
      subject: ({ body }) => ({ destination: body.destination }),
      handle: async ({ body }) => {
        const { destination: to, headers = {} } = body;
        const { merged, missing: silent } = await broker.cluster.broadcast(to, payloadOf(body), headers);
        return { sessions: merged, missing: [...silent] };
      },
    }),
  ];
}
