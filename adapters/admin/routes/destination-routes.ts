/** Topics and queues that the broker remembers. */
import { z } from 'zod';
import type { DestinationDetails } from '../../../broker/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { destination, pageOf, pageQuery } from '../schemas.js';
import { destinationView } from '../views.js';
import { readList, sortNames } from './list.js';

const ORDERS = {
  destination: { rankOf: (each: DestinationDetails) => [each.destination] },
  subscribers: { rankOf: (each: DestinationDetails) => [each.subscriberCount, each.destination] },
  depth: { rankOf: (each: DestinationDetails) => [each.queue?.depth ?? 0, each.destination] },
};

const destinationQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(['destination', 'subscribers', 'depth'])).default('destination'),
  kind: z.enum(['topic', 'queue']).optional(),
  prefix: z.string().min(1).max(1_024).optional().describe('Names that begin with this'),
});

export function destinationRoutes({ broker: { operations }, pages }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/destinations',
      operation: 'listDestinations',
      tag: 'destinations',
      summary: 'Topics and queues that have subscribers, hold something or were used lately',
      role: 'viewer',
      query: destinationQuery,
      response: pageOf(destination),
      problems: ['cursor-invalid', 'too-busy', 'unavailable'],
      handle: async ({ query }) => {
        await operations.readQueues();
        return readList(
          pages,
          {
            items: () => operations.destinations(),
            total: () => operations.destinationCount,
            orders: ORDERS,
            shapeOf: (order) => (order === 'destination' ? [''] : [0, '']),
            view: destinationView,
          },
          query,
          (each) =>
            (query.kind === undefined || each.kind === query.kind) &&
            (query.prefix === undefined || each.destination.startsWith(query.prefix)),
        );
      },
    }),
  ];
}
