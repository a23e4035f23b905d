/** Whether the server lives, whether it should be sent clients, and why not. */
import { z } from 'zod';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { Problem } from '../problem.js';
import { health } from '../schemas.js';

/** What else is broken is no reason to send clients elsewhere: what is this node's own works. */
const NOT_READY: ReadonlySet<string> = new Set(['store', 'connections', 'memory']);

export function healthRoutes({ broker }: Pick<AdminParts, 'broker'>): AdminRoute[] {
  const isReady = (): boolean => {
    const { problems } = broker.health();
    return broker.operations.isStaying && !problems.some(({ part }) => NOT_READY.has(part));
  };
  return [
    route({
      method: 'GET',
      path: '/health/live',
      operation: 'isLive',
      tag: 'health',
      summary: 'Whether the process answers: if not, it is to be started again',
      role: null,
      response: z.object({ isLive: z.literal(true) }),
      handle: () => ({ isLive: true as const }),
    }),
    route({
      method: 'GET',
      path: '/health/ready',
      operation: 'isReady',
      tag: 'health',
      summary: 'Whether clients are to be sent here; 503 if not',
      role: null,
      response: z.object({ isReady: z.literal(true) }),
      problems: ['not-ready'],
      handle: () => {
        if (isReady()) return { isReady: true as const };
        throw new Problem('not-ready');
      },
    }),
    route({
      method: 'GET',
      path: '/health',
      operation: 'getHealth',
      tag: 'health',
      summary: 'What does not work, and since when',
      role: 'viewer',
      response: health,
      handle: () => {
        const { isOk, problems } = broker.health();
        return {
          isLive: true as const,
          isReady: isReady(),
          isDegraded: !isOk,
          problems: problems.map((problem) => ({
            part: problem.part,
            code: 'code' in problem ? problem.code : `${problem.part}-unavailable`,
            message: problem.message,
            since: new Date(problem.sinceEpochMs).toISOString(),
          })),
        };
      },
    }),
  ];
}
