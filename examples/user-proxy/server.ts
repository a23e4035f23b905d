/** The user proxy: workers register over SockJS or TCP, tasks go to the next healthy one. Row by row in README.md. */
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { type AuthenticateHook, type Broker, type Clock, hoofbeat, SystemClock } from '../../adapters/index.js';
import { type OperationOptions, operationOf } from '../shared/operation.js';
import { servePage } from '../shared/page.js';
import { SWEEP_MS, UserPool } from './user-pool.js';

/** Ids are numbers or texts, as their clients like. */
const Id = z.union([z.string().min(1), z.number()]).transform(String);
const RegisterRequest = z.object({ userId: Id, proxyUrl: z.string(), geo: z.string().optional() });
const TaskRequest = z.object({
  taskId: Id,
  userId: Id.optional(),
  trackUrl: z.string(),
  quantity: z.number(),
  geoTarget: z.string().optional(),
});
const DoneReport = z.object({ taskId: Id });

/** Options of the broker: `/topic`, and `/queue/user-proxy` as a simple broker has it; 30 s heart-beats, cut after 60. */
export const BROKER_OPTIONS = {
  heartBeat: { sendMs: 30_000, receiveMs: 30_000, tolerance: 2 },
  queues: [{ pattern: '/queue/user-proxy/**', mode: 'broadcast' }],
} as const;

/** Every connection is a user of its own, by the login that it shows, so that the user registry counts them. */
export const nameGuests: AuthenticateHook = ({ login = '', sessionId }) => ({
  name: login === '' ? `guest-${sessionId}` : login,
  roles: [],
});

/** The handlers; apart from the server, so that they can be tested without one. */
export function registerUserProxy(broker: Broker, pool: UserPool): void {
  broker.group('/user-proxy', (group) => {
    group.message(
      '/register',
      async ({ payload, session }) => {
        await pool.register(session, payload);
        return { status: 'registered', userId: payload.userId };
      },
      { schema: RegisterRequest, sendToUser: '/queue/register-response', broadcast: false },
    );
    group.message(
      '/task',
      async ({ payload }) => {
        await pool.dispatch(payload);
        return payload;
      },
      { schema: TaskRequest, sendTo: '/topic/user-tasks' },
    );
    group.message(
      '/done',
      ({ payload, session }) => {
        pool.done(session, payload.taskId);
      },
      { schema: DoneReport },
    );
  });
}

export interface UserProxyAppOptions extends OperationOptions {
  readonly logLevel?: string | undefined;
  /** For workers over TCP; false: none. Default 61613. */
  readonly tcpPort?: number | false | undefined;
  readonly clock?: Clock | undefined;
}

export interface UserProxyApp {
  readonly app: FastifyInstance;
  readonly pool: UserPool;
}

/** The application, not listening yet. */
export async function createUserProxyApp(options: UserProxyAppOptions = {}): Promise<UserProxyApp> {
  const { logLevel = 'info', tcpPort = 61613, clock = new SystemClock() } = options;
  const app = fastify({
    // Opening what is stored may take longer than the ten seconds that Fastify gives a plugin.
    pluginTimeout: 60_000,
    logger: { level: logLevel },
    logController: new LogController({ disableRequestLogging: true }),
  });
  await app.register(hoofbeat, {
    endpoints: [{ path: '/ws/user-proxy', allowedOriginPatterns: ['*'] }],
    tcp: tcpPort === false ? false : { port: tcpPort },
    broker: BROKER_OPTIONS,
    authenticate: nameGuests,
    clock,
    ...operationOf(options),
  });
  const pool = new UserPool(app.broker, { clock, logger: app.log });
  registerUserProxy(app.broker, pool);
  const stopSweeping = clock.every(SWEEP_MS, () => void pool.sweep());
  app.addHook('preClose', (done) => {
    stopSweeping();
    done();
  });
  app.get('/api/proxy/user/count', async () => ({ connectedUserCount: await pool.countUsersOfAllNodes() }));
  app.get('/api/proxy/workers', () => ({ activeSessions: pool.activeSessionCount, workers: pool.workers() }));
  await servePage(app, 'user-proxy', { title: 'User proxy', libraries: ['sockjs.js', 'stomp.js'] });
  return { app, pool };
}
