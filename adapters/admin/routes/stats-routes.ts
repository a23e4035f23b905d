/** Counters: those that Spring's WebSocketMessageBrokerStats logs, all of the broker's own, and what the process takes. */
import { z } from 'zod';
import type { AdminParts } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { missing, node, stats } from '../schemas.js';

export function statsRoutes({ broker, clock, eventLoop, outboxes, server }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/cluster',
      operation: 'listNodes',
      tag: 'statistics',
      summary: 'The nodes that answer, and what all of them count together',
      role: 'viewer',
      response: z.object({
        nodes: z.array(node),
        missing,
        together: z.looseObject({}).describe('Every counter, added up'),
      }),
      problems: ['unavailable'],
      handle: async () => {
        const [nodes, counted] = await Promise.all([broker.cluster.nodes(), broker.cluster.stats()]);
        return {
          nodes: nodes.merged.map((each) => ({ ...each })),
          missing: [...new Set([...nodes.missing, ...counted.missing])],
          together: { ...counted.merged },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/stats',
      operation: 'getStats',
      tag: 'statistics',
      summary: 'What was counted since the start, and what is there now',
      role: 'viewer',
      response: stats,
      problems: ['too-busy'],
      handle: async () => {
        const outbox = await outboxes.totals();
        const { user, system } = process.cpuUsage();
        const counted = broker.stats();
        const { rss, heapUsed, external } = process.memoryUsage();
        const { operations } = broker;
        return {
          server: {
            version: server.version,
            startedAt: new Date(server.startedEpochMs).toISOString(),
            uptimeMs: Math.max(0, Math.round(clock.epochMs() - server.startedEpochMs)),
            processId: process.pid,
            workers: server.workers,
            memory: { rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external },
            cpuMs: Math.round((user + system) / 1_000),
            eventLoopDelay: eventLoop.delay(),
          },
          sessions: sessionsOf(counted),
          users: operations.userCount,
          destinations: operations.destinationCount,
          outbox: { ...outbox },
          drain: { ...operations.drain.state },
          broker: { ...counted },
        };
      },
    }),
  ];
}

type Counted = ReturnType<AdminParts['broker']['stats']>;

/** Spring S13.1. */
function sessionsOf({ connections, closed }: Counted) {
  const current = (...names: readonly (keyof Counted['connections']['byTransport'])[]): number =>
    names.reduce((sum, name) => sum + (connections.byTransport[name] ?? 0), 0);
  return {
    total: connections.total,
    current: connections.current,
    tcp: current('tcp', 'tls'),
    webSocket: current('websocket', 'sockjs-websocket'),
    httpStreaming: current('sockjs-xhr-streaming', 'sockjs-eventsource', 'sockjs-htmlfile'),
    httpPolling: current('sockjs-xhr-polling', 'sockjs-jsonp'),
    closedAbnormally: {
      sendLimit: closed['slow-consumer'],
      noMessages: closed['connect-timeout'],
      transportError: connections.transportErrors,
    },
  };
}
