/** Counters: those that Spring's WebSocketMessageBrokerStats logs, all of the broker's own, and what the process takes. */
import type { AdminParts, WorkerProcessState } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { stats } from '../schemas.js';

export function statsRoutes({ broker, clock, eventLoop, outboxes, server }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/stats',
      operation: 'getStats',
      tag: 'statistics',
      summary: 'What this node has counted since its start, and what is there now',
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
            nodeId: broker.cluster.nodeId,
            version: server.version,
            startedAt: new Date(server.startedEpochMs).toISOString(),
            uptimeMs: Math.max(0, Math.round(clock.epochMs() - server.startedEpochMs)),
            processId: process.pid,
            workers: server.workers,
            workerProcesses: server.workerStates().map(shown),
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

function shown({ report, ...state }: WorkerProcessState) {
  if (report === null) return { ...state, report };
  const { heapBytes, heapLimitBytes, totalBytes, residentBytes, cpuMs, delay, sockets } = report;
  return { ...state, report: { heapBytes, heapLimitBytes, totalBytes, residentBytes, cpuMs, delay, sockets } };
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
