/** Frames as they come and go, as lines of JSON for as long as somebody reads them. */
import { z } from 'zod';
import { type CommandName, findCommand } from '../../../protocol/index.js';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { Problem } from '../problem.js';
import { tappedLine } from '../schemas.js';
import { TapStream } from '../tap-stream.js';
import { MAX_BODY_BYTES } from '../views.js';

/** Each costs what the frames cost that it shows. */
const MAX_TAPS = 8;
const MAX_PER_SECOND = 5_000;

const name = z.string().min(1).max(1_024).optional();
const query = z.strictObject({
  session: name,
  user: name,
  destination: name.describe('Exactly, or a pattern as of SUBSCRIBE; frames without a destination are then not shown'),
  command: z
    .string()
    .refine((text) => text.split(',').every(isCommand), 'wants commands of STOMP')
    .optional()
    .describe('One or several, e.g. `SEND,MESSAGE`'),
  direction: z.enum(['in', 'out']).optional().describe('`in`: from clients'),
  bodyBytes: z.coerce.number().int().min(0).max(MAX_BODY_BYTES).default(200).describe('Most that is shown of a body'),
  perSecond: z.coerce
    .number()
    .int()
    .min(1)
    .max(MAX_PER_SECOND)
    .default(200)
    .describe('What is more is counted instead of shown'),
  count: z.coerce.number().int().min(1).optional().describe('Ends after so many frames'),
});

function isCommand(word: string): word is CommandName {
  return findCommand(word, 'client') !== undefined || findCommand(word, 'server') !== undefined;
}

export function tapRoutes({ broker, clock }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/tap',
      operation: 'tapFrames',
      tag: 'messages',
      summary: 'Frames of the sessions of this node as they come and go, secrets masked',
      description:
        'The first line says what is shown. Meanwhile every SEND leaves the fast path: narrow filters do not change that.',
      role: 'operator',
      query,
      response: tappedLine,
      stream: { mediaType: 'application/x-ndjson' },
      problems: ['too-busy', 'broker-refused'],
      subject: ({ query: { session, user, destination } }) => ({
        ...(session === undefined ? {} : { session }),
        ...(user === undefined ? {} : { user }),
        ...(destination === undefined ? {} : { destination }),
      }),
      handle: ({ query: asked }) => {
        const { operations } = broker;
        if (operations.tapCount >= MAX_TAPS) throw new Problem('too-busy', `${MAX_TAPS} taps at once is the limit`);
        const { session, user, destination, command, direction, bodyBytes, perSecond, count = null } = asked;
        const commands = command === undefined ? undefined : new Set(command.split(',').filter(isCommand));
        const filter = { sessionId: session, user, destination, commands, direction, perSecond };
        const stream = new TapStream(operations, clock, { node: broker.cluster.nodeId }, { filter, bodyBytes, count });
        return stream as unknown as z.infer<typeof tappedLine>;
      },
    }),
  ];
}
