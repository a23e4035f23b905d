/** Queues: what is in them, emptying them, moving what is in them. In paths their names are encoded (`%2Fqueue%2Fjobs`). */
import { z } from 'zod';
import type { DestinationDetails, QueueDetails, QueueOperations } from '../../../broker/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { decodeCursor, encodeCursor } from '../paging/cursor.js';
import { Problem } from '../problem.js';
import { pageOf, pageQuery, queue, queueMessage } from '../schemas.js';
import { messageView, queueView } from '../views.js';
import { readList, sortNames } from './list.js';

type QueueEntry = DestinationDetails & { readonly queue: QueueDetails };

const ORDERS = {
  destination: { rankOf: (each: QueueEntry) => [each.destination] },
  depth: { rankOf: (each: QueueEntry) => [each.queue.depth, each.destination] },
  bytes: { rankOf: (each: QueueEntry) => [each.queue.bytes, each.destination] },
  consumers: { rankOf: (each: QueueEntry) => [each.subscriberCount, each.destination] },
  unsettled: { rankOf: (each: QueueEntry) => [each.queue.unsettled, each.destination] },
};

const name = z.string().min(1).max(1_024);
const queueParams = z.object({ queue: name.describe('E.g. `/queue/jobs`, encoded') });
const number = z.coerce.number().int().min(1);

const queueQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(['destination', 'depth', 'bytes', 'consumers', 'unsettled'])).default('destination'),
  prefix: name.optional().describe('Names that begin with this'),
});

/** Of queue messages there is one order: that of delivery. */
const DELIVERY = 'delivery';
const MAX_MESSAGES = 200;
const messageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(MAX_MESSAGES).default(50).describe('Most messages of one page'),
  cursor: pageQuery.cursor,
});

const moving = z.strictObject({
  target: name.optional().describe('Missing: each dead letter goes back to its original-destination'),
  numbers: z
    .array(z.int().min(1))
    .min(1)
    .max(1_000)
    .optional()
    .describe('Only these messages; of a single node, of those in memory'),
  limit: z.int().min(1).optional().describe('Most that are moved'),
});

export function queueRoutes({ broker: { operations }, pages }: AdminParts): AdminRoute[] {
  const found = (destination: string): QueueOperations => {
    const operated = operations.queue(destination);
    if (operated === null) throw new Problem('not-found', 'There is no such queue, or it is empty and unused');
    return operated;
  };
  return [
    route({
      method: 'GET',
      path: '/queues',
      operation: 'listQueues',
      tag: 'queues',
      summary: 'Queues with what they hold',
      role: 'viewer',
      query: queueQuery,
      response: pageOf(queue),
      problems: ['cursor-invalid', 'too-busy', 'unavailable'],
      handle: async ({ query }) => {
        await operations.readQueues();
        return readList(
          pages,
          {
            items: () => queuesAmong(operations.destinations()),
            total: () => operations.queueCount,
            orders: ORDERS,
            shapeOf: (order) => (order === 'destination' ? [''] : [0, '']),
            view: (each) => queueView(each.queue),
          },
          query,
          (each) => query.prefix === undefined || each.destination.startsWith(query.prefix),
        );
      },
    }),
    route({
      method: 'GET',
      path: '/queues/:queue',
      operation: 'getQueue',
      tag: 'queues',
      summary: 'One queue',
      role: 'viewer',
      params: queueParams,
      response: queue,
      problems: ['not-found', 'unavailable'],
      handle: async ({ params }) => queueView(await found(params.queue).readDetails()),
    }),
    route({
      method: 'GET',
      path: '/queues/:queue/messages',
      operation: 'browseQueue',
      tag: 'queues',
      summary: 'What waits, in the order of delivery, without taking anything',
      role: 'operator',
      params: queueParams,
      query: messageQuery,
      response: z.object({ items: z.array(queueMessage), next: z.string().nullable() }),
      problems: ['not-found', 'cursor-invalid', 'unavailable'],
      handle: async ({ params, query: { limit, cursor } }) => {
        const [priority = 0, last = 0] = cursor === undefined ? [] : decodeCursor(DELIVERY, [0, 0], cursor);
        const after = cursor === undefined ? null : { priority: Number(priority), number: Number(last) };
        const { messages, next } = await found(params.queue).browse(after, limit);
        return {
          items: messages.map(messageView),
          next: next === null ? null : encodeCursor(DELIVERY, [next.priority, next.number]),
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/queues/:queue/messages',
      operation: 'purgeQueue',
      tag: 'queues',
      summary: 'Drop everything that waits; what consumers have stays theirs',
      role: 'operator',
      params: queueParams,
      response: z.object({ purged: z.int() }),
      problems: ['not-found', 'unavailable'],
      subject: ({ params }) => ({ queue: params.queue }),
      handle: async ({ params }) => ({ purged: await found(params.queue).purge() }),
    }),
    route({
      method: 'DELETE',
      path: '/queues/:queue/messages/:number',
      operation: 'deleteMessage',
      tag: 'queues',
      summary: 'Drop one message; of a single node, of those in memory',
      role: 'operator',
      params: queueParams.extend({ number }),
      response: z.object({ deleted: z.int() }),
      problems: ['not-found', 'unavailable'],
      subject: ({ params }) => ({ queue: params.queue, number: params.number }),
      handle: async ({ params }) => {
        const deleted = await found(params.queue).remove(new Set([params.number]));
        if (deleted === 0) throw new Problem('not-found', 'No message of that number waits in memory');
        return { deleted };
      },
    }),
    route({
      method: 'POST',
      path: '/queues/:queue/move',
      operation: 'moveMessages',
      tag: 'queues',
      summary: 'Move what waits to another destination, or dead letters back to where they come from',
      role: 'operator',
      params: queueParams,
      body: moving,
      response: z.object({
        moved: z.int(),
        skipped: z.int().describe('Left where they are, as nothing says where they belong'),
        stoppedBy: z.object({ code: z.string(), message: z.string() }).nullable().describe('The refusal that ended it'),
      }),
      problems: ['not-found', 'broker-refused', 'unavailable'],
      subject: ({ params, body }) => ({ queue: params.queue, target: body.target ?? null }),
      handle: async ({ params, body: { target = null, numbers, limit = Infinity } }) => {
        const wanted = numbers === undefined ? null : new Set(numbers);
        const { moved, skipped, stoppedBy } = await found(params.queue).move({ target, numbers: wanted, limit });
        const stop = stoppedBy === null ? null : { code: stoppedBy.code, message: stoppedBy.message };
        return { moved, skipped, stoppedBy: stop };
      },
    }),
  ];
}

function* queuesAmong(destinations: Iterable<DestinationDetails>): Generator<QueueEntry> {
  for (const each of destinations) if (each.queue !== null) yield each as QueueEntry;
}
