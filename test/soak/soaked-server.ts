/**
 * The process that is soaked: the whole server, and a side door for the test by which it tells what it holds. With
 * HOOFBEAT_SOAK_PLANT it has a fault of that name, so that each check can be seen to fail (DESIGN.md, 8).
 */
import { Server } from 'socket.io';
import { createStompServer, SocketIoGateway, type SocketIoMapping } from '../../adapters/index.js';
import type { StatsSnapshot } from '../../broker/stats-snapshot.js';
import { plantFault } from './planted-faults.js';
import { collect, type Look, lookAround, type Memory, resourcesOf } from './server-look.js';
import { SOCKET_IO_PATH, soakedOptions } from './soaked-options.js';

export interface Ports {
  readonly tcp: number;
  readonly http: number;
  readonly admin: number;
}

export interface QueueState {
  readonly destination: string;
  readonly depth: number;
  readonly unsettled: number;
}

/** What the server counts, at one moment. */
export interface Counts {
  readonly stats: StatsSnapshot;
  /** Calls of `/app` handlers, and what they answered. */
  readonly handled: number;
  readonly replied: number;
  readonly sessions: number;
  /** Of all sessions, added up. */
  readonly subscriptions: number;
  readonly users: number;
  readonly queues: readonly QueueState[];
  /** As `Look.resources`. */
  readonly resources: Readonly<Record<string, number>>;
  /** User and system, in ms. */
  readonly cpuMs: number;
}

export interface Orders {
  ports: Ports;
  counts: Counts;
  look: Look;
  lookBefore: Look;
  lookAfter: Look;
  collect: Memory;
  stop: null;
}

const mapping: SocketIoMapping = {
  events: {
    subscribe: (_client, destination, headers) => ({
      type: 'subscribe',
      destination: String(destination),
      headers: headers as Record<string, string>,
    }),
    unsubscribe: (_client, destination) => ({ type: 'unsubscribe', destination: String(destination) }),
    send: (_client, destination, payload, headers) => ({
      type: 'send',
      destination: String(destination),
      payload,
      headers: headers as Record<string, string>,
    }),
    ack: (_client, id) => ({ type: 'ack', id: String(id) }),
    nack: (_client, id) => ({ type: 'nack', id: String(id) }),
  },
  render: ({ destination, subscription, headers, body }) => ({
    event: 'message',
    args: [{ ...Object.fromEntries(headers), destination, subscription, payload: body.toString() }],
  }),
};

const [data = ''] = process.argv.slice(2);
const io = new Server({ path: SOCKET_IO_PATH, serveClient: false, pingInterval: 1_000, pingTimeout: 2_000 });
const server = createStompServer(soakedOptions(data), { gateways: [new SocketIoGateway({ io, mapping })] });
const { broker } = server;
let handled = 0;
let replied = 0;
broker.message('/count', () => {
  handled++;
});
broker.message(
  '/echo',
  ({ payload }) => {
    handled++;
    replied++;
    return String(payload);
  },
  { sendToUser: '/queue/echo', broadcast: false },
);
plantFault(process.env['HOOFBEAT_SOAK_PLANT'], broker, io);

function counts(): Counts {
  const { operations } = broker;
  const queues: QueueState[] = [];
  for (const { queue } of operations.destinations()) {
    if (queue !== null) queues.push({ destination: queue.destination, depth: queue.depth, unsettled: queue.unsettled });
  }
  let subscriptions = 0;
  for (const { subscriptionCount } of operations.sessions()) subscriptions += subscriptionCount;
  const { user, system } = process.cpuUsage();
  const { sessionCount: sessions, userCount: users } = operations;
  return {
    stats: broker.stats(),
    handled,
    replied,
    sessions,
    subscriptions,
    users,
    queues,
    resources: resourcesOf(),
    cpuMs: (user + system) / 1e3,
  };
}

async function obey(order: keyof Orders): Promise<unknown> {
  switch (order) {
    case 'ports': {
      const portOf = (name: string, isAdmin: boolean): number =>
        server.addresses.find((each) => each.transport === name && (each.isAdmin === true) === isAdmin)?.port ?? 0;
      return { tcp: portOf('tcp', false), http: portOf('http', false), admin: portOf('http', true) } satisfies Ports;
    }
    case 'counts':
      return counts();
    case 'look':
      return lookAround([]);
    case 'lookBefore':
      return lookAround(['Socket', 'Timeout']);
    case 'lookAfter':
      return lookAround(['Session', 'Subscription', 'Message', 'Socket', 'Timeout']);
    case 'collect':
      return collect();
    case 'stop':
      await server.stop();
      return null;
  }
}

process.on('message', ({ id, order }: { id: number; order: keyof Orders }) => {
  obey(order).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? (error.stack ?? '') : String(error) }),
  );
});
process.on('disconnect', () => {
  process.exit(0);
});
await server.start();
process.send?.({ id: 0, answer: null });
