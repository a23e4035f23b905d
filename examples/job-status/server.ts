/** Job status: JSON over SockJS and WebSocket, tokens, job channels, administration by REST. Row by row in README.md. */
import cors from '@fastify/cors';
import fastify, { type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import { z } from 'zod';
import { type Broker, hoofbeat, JsonGateway, type Rule, RuleAuthorizer, SystemClock } from '../../adapters/index.js';
import { answerFaults } from '../shared/answer-faults.js';
import { type OperationOptions, operationOf } from '../shared/operation.js';
import { addDemoTokens, userOf } from '../shared/demo-tokens.js';
import { servePage } from '../shared/page.js';
import { jobMessages } from './job-messages.js';
import { JobNotifier } from './job-notifier.js';
import { KeptSubscriptions } from './kept-subscriptions.js';

const ADMIN = 'ADMIN';
const HEART_BEAT_MS = 30_000;

export interface JobStatusAppOptions extends OperationOptions {
  /** Signs and checks tokens: at least 32 octets. */
  readonly secret: string;
  /** Whether a user may see a job. Default: owners only, as told by `owners`; admins see all. */
  readonly maySee?: ((userId: string, jobId: string) => boolean | Promise<boolean>) | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Whether `POST /api/demo/token` hands out tokens to anybody: for the page. */
  readonly demo?: boolean | undefined;
  readonly logLevel?: string | undefined;
  /** Where the log goes. Default: standard output. */
  readonly logStream?: { write(line: string): void } | undefined;
  /** Of one connection, with as many at once as in two seconds. Default 50. */
  readonly messagesPerSecond?: number | undefined;
  /** Components that are logged at debug: `websocket`, `jobs`. */
  readonly debug?: readonly ('websocket' | 'jobs')[] | undefined;
}

export interface JobStatusApp {
  readonly app: FastifyInstance;
  readonly notifier: JobNotifier;
  /** User by job. */
  readonly owners: Map<string, string>;
}

const SystemNotice = z.object({ message: z.string().min(1), level: z.string().default('info') });
const MaintenanceNotice = z.object({ message: z.string().min(1), scheduledTime: z.string().optional() });

/** The application, not listening yet. */
export async function createJobStatusApp(options: JobStatusAppOptions): Promise<JobStatusApp> {
  const { secret, logLevel = 'info', logStream, debug = [], messagesPerSecond = 50 } = options;
  const { allowedOrigins = ['http://localhost:3000', 'http://localhost:5173'] } = options;
  const owners = new Map<string, string>();
  const maySee = options.maySee ?? ((userId, jobId) => owners.get(jobId) === userId);
  const app = fastify({
    // Opening what is stored may take longer than the ten seconds that Fastify gives a plugin.
    pluginTimeout: 60_000,
    logger: { level: logLevel, ...(logStream === undefined ? {} : { stream: logStream }) },
    logController: new LogController({ disableRequestLogging: true }),
  });
  const componentLog = (component: 'websocket' | 'jobs') =>
    app.log.child({ component }, debug.includes(component) ? { level: 'debug' } : {});
  const clock = new SystemClock();
  const kept = new KeptSubscriptions(clock);
  const gateway = new JsonGateway({
    paths: { '/ws/job-status': true, '/ws/job-status-native': false },
    mapping: jobMessages(kept),
    allowedOrigins,
    pingIntervalMs: HEART_BEAT_MS,
  });
  await app.register(cors, {
    origin: [...allowedOrigins],
    methods: ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'],
    credentials: true,
  });
  await app.register(hoofbeat, {
    // STOMP clients see the same jobs, with the same tokens.
    endpoints: [{ path: '/stomp', allowedOrigins }],
    gateways: [gateway],
    auth: { jwt: { secret } },
    authorizer: new RuleAuthorizer({ rules: rulesFor(maySee) }),
    broker: {
      inbox: { rules: [{ pattern: '/queue/jobs' }], recipients: 'any' },
      quotas: { session: { messagesPerSecond, messageBurst: messagesPerSecond * 2 } },
    },
    clock,
    ...operationOf(options),
    logger: componentLog('websocket'),
  });
  answerFaults(app, answer);
  kept.watch(app.broker);
  const notifier = new JobNotifier(app.broker, componentLog('jobs'));
  addRoutes(app, notifier, { secret, connections: () => gateway.stats.connections });
  if (options.demo === true) {
    addDemoTokens(app, { secret, adminRole: ADMIN, answer });
    app.get('/api/demo/jobs', () => [...owners.keys()]);
  }
  await servePage(app, 'job-status', { title: 'Job status' });
  return { app, notifier, owners };
}

function rulesFor(maySee: (userId: string, jobId: string) => boolean | Promise<boolean>): Rule[] {
  const seesJob: Rule['check'] = ({ principal }, { job = '' }) => maySee(principal.name ?? '', decodeURIComponent(job));
  return [
    { action: 'connect', authenticated: true, allow: true },
    { action: 'subscribe', destination: ['/topic/system', '/topic/channels/*', '/user/queue/**'], allow: true },
    { action: 'subscribe', destination: '/topic/jobs/**', roles: [ADMIN], allow: true },
    { action: 'subscribe', destination: '/topic/jobs/{job}', check: seesJob, allow: true },
  ];
}

function answer(errorMessage: string, data: unknown = null): unknown {
  return { errorMessage, data };
}

function addRoutes(
  app: FastifyInstance,
  notifier: JobNotifier,
  { secret, connections }: { readonly secret: string; readonly connections: () => number },
): void {
  const admin = { secret, role: ADMIN, answer };
  const base = '/api/v1/websocket';
  app.get(`${base}/stats`, async (request, reply) => {
    if ((await userOf(request, reply, admin)) === null) return reply;
    return answer('WebSocket statistics retrieved successfully', {
      activeConnections: connections(),
      activeJobSubscriptions: countSubscriptions(app.broker, '/topic/jobs/'),
      activeChannelSubscriptions: countSubscriptions(app.broker, '/topic/channels/'),
    });
  });
  app.get(`${base}/user/:userId/status`, async (request: FastifyRequest<{ Params: { userId: string } }>, reply) => {
    const { userId } = request.params;
    const user = await userOf(request, reply, { secret, answer });
    if (user === null) return reply;
    if (user.userId !== userId && !user.roles.includes(ADMIN)) return reply.code(403).send(answer('Access denied'));
    const sessions = app.broker.users.get(userId)?.sessions.length ?? 0;
    const data = { userId, connected: sessions > 0, activeConnections: sessions };
    return answer('User WebSocket status retrieved successfully', data);
  });
  app.post(`${base}/broadcast/system`, async (request, reply) => {
    if ((await userOf(request, reply, admin)) === null) return reply;
    const notice = SystemNotice.safeParse(request.body);
    if (!notice.success) return reply.code(400).send(answer('message wants to be a text'));
    await notifier.broadcastSystemNotification(notice.data.message, notice.data.level);
    return answer('System notification broadcast successfully');
  });
  app.post(`${base}/broadcast/maintenance`, async (request, reply) => {
    if ((await userOf(request, reply, admin)) === null) return reply;
    const notice = MaintenanceNotice.safeParse(request.body);
    if (!notice.success) return reply.code(400).send(answer('message wants to be a text'));
    await notifier.broadcastMaintenance(notice.data.message, notice.data.scheduledTime);
    return answer('Maintenance notification broadcast successfully');
  });
}

function countSubscriptions(broker: Broker, prefix: string): number {
  let count = 0;
  for (const session of broker.operations.sessions()) {
    for (const { destination } of session.subscriptions()) if (destination.startsWith(prefix)) count++;
  }
  return count;
}
