/** Project rooms: JSON envelopes over a WebSocket, a room for each project, presence, management. Row by row in README.md. */
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { z } from 'zod';
import { type Clock, hoofbeat, JsonGateway, RuleAuthorizer, SystemClock } from '../../adapters/index.js';
import { answerFaults } from '../shared/answer-faults.js';
import { type OperationOptions, operationOf } from '../shared/operation.js';
import { addDemoTokens, userOf } from '../shared/demo-tokens.js';
import { servePage } from '../shared/page.js';
import { ADMIN, addManagement, refusal } from './management.js';
import { type MessageProcessor, STANDARD_PROCESSORS } from './message-processors.js';
import { projectMessages } from './project-messages.js';
import { ProjectNotifier } from './project-notifier.js';
import { TaskBoard } from './task-board.js';

export interface ProjectRoomsOptions extends OperationOptions {
  /** Signs and checks tokens: at least 32 octets. */
  readonly secret: string;
  /** Whether a user may be in a project. Default: everybody in each. */
  readonly mayJoin?: ((userId: string, projectId: string) => boolean | Promise<boolean>) | undefined;
  /** By type, beside and over the standard ones. */
  readonly processors?: Readonly<Record<string, MessageProcessor>> | undefined;
  readonly requestsPerSecond?: number | undefined;
  readonly burst?: number | undefined;
  /** Errors of one connection, after which it is closed. */
  readonly maximumErrors?: number | undefined;
  readonly errorResetMs?: number | undefined;
  readonly storedMessages?: number | undefined;
  readonly storedTtlMs?: number | undefined;
  readonly pingMs?: number | undefined;
  readonly connectionTimeoutMs?: number | undefined;
  readonly maxMessageBytes?: number | undefined;
  /** What a room keeps for those who ask for `replay`. */
  readonly historyMessages?: number | undefined;
  /** permessage-deflate, for clients that offer it. Default false. */
  readonly compression?: boolean | undefined;
  /** How long a user whose last connection ended is still there. */
  readonly leaveDelayMs?: number | undefined;
  /** Whether `POST /api/demo/token` hands out tokens to anybody: for the page. */
  readonly demo?: boolean | undefined;
  readonly logLevel?: string | undefined;
  readonly clock?: Clock | undefined;
}

export const DEFAULTS = Object.freeze({
  requestsPerSecond: 10,
  burst: 20,
  maximumErrors: 5,
  errorResetMs: 600_000,
  storedMessages: 1_000,
  storedTtlMs: 86_400_000,
  pingMs: 54_000,
  connectionTimeoutMs: 60_000,
  maxMessageBytes: 512,
  historyMessages: 100,
  leaveDelayMs: 3_000,
});

const NewTask = z.object({ title: z.string().trim().min(1).max(120) });
const TaskChange = z
  .object({ title: z.string().trim().min(1).max(120), status: z.enum(['todo', 'doing', 'done']) })
  .partial();

export interface ProjectRoomsApp {
  readonly app: FastifyInstance;
  readonly notifier: ProjectNotifier;
  readonly board: TaskBoard;
}

/** The application, not listening yet. */
export async function createProjectRoomsApp(options: ProjectRoomsOptions): Promise<ProjectRoomsApp> {
  const { secret, logLevel = 'info', clock = new SystemClock(), mayJoin = () => true } = options;
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const chosen: typeof DEFAULTS = { ...DEFAULTS, ...given };
  const app = fastify({
    // Opening what is stored may take longer than the ten seconds that Fastify gives a plugin.
    pluginTimeout: 60_000,
    logger: { level: logLevel },
    logController: new LogController({ disableRequestLogging: true }),
  });
  const gateway = new JsonGateway({
    paths: { '/ws/connect': false },
    mapping: projectMessages(new Map(Object.entries({ ...STANDARD_PROCESSORS, ...options.processors }))),
    maxMessageBytes: chosen.maxMessageBytes,
    compression: options.compression ?? false,
    maxErrors: chosen.maximumErrors,
    errorResetMs: chosen.errorResetMs,
    pingIntervalMs: chosen.pingMs,
    timeoutMs: chosen.connectionTimeoutMs,
  });
  await app.register(hoofbeat, {
    endpoints: [{ path: '/stomp' }],
    gateways: [gateway],
    auth: { jwt: { secret } },
    authorizer: new RuleAuthorizer({
      rules: [
        { action: 'connect', authenticated: true, allow: true },
        { action: 'subscribe', destination: ['/topic/everybody', '/user/queue/**'], allow: true },
        {
          action: 'subscribe',
          destination: '/topic/projects/{project}',
          check: ({ principal }, { project = '' }) => mayJoin(principal.name ?? '', decodeURIComponent(project)),
          allow: true,
        },
      ],
    }),
    broker: {
      quotas: { session: { messagesPerSecond: chosen.requestsPerSecond, messageBurst: chosen.burst } },
      inbox: {
        rules: [{ pattern: '/queue/direct', maxMessages: chosen.storedMessages, ttlMs: chosen.storedTtlMs }],
        recipients: 'any',
      },
      presence: { leaveDelayMs: chosen.leaveDelayMs },
      history: [{ pattern: '/topic/projects/*', maxMessages: chosen.historyMessages }],
    },
    clock,
    ...operationOf(options),
  });
  answerFaults(app, (text) => refusal('invalid_message', text));
  const notifier = new ProjectNotifier(app.broker);
  const board = new TaskBoard(notifier);
  addManagement(app, { gateway, notifier, secret, requestsPerSecond: chosen.requestsPerSecond });
  addTasks(app, board, secret);
  if (options.demo === true) {
    addDemoTokens(app, { secret, adminRole: ADMIN, answer: (text) => refusal('invalid_message', text) });
  }
  await servePage(app, 'project-rooms', { title: 'Project rooms' });
  return { app, notifier, board };
}

/** The tasks themselves: what the page shows, and what tells the rooms. */
function addTasks(app: FastifyInstance, board: TaskBoard, secret: string): void {
  const answer = (message: string): object => ({ error: { code: 'unauthorized', message } });
  const path = '/api/v1/projects/:project/tasks';
  interface Params {
    Params: { project: string; task: string };
  }
  app.addHook('preHandler', async (request, reply) => {
    if (request.url.startsWith('/api/v1/projects/')) await userOf(request, reply, { secret, answer });
  });
  app.get<Params>(path, ({ params }) => board.tasks(params.project));
  app.post<Params>(path, async ({ params, body }, reply) => {
    const task = NewTask.safeParse(body);
    if (!task.success) return reply.code(400).send({ error: { code: 'invalid_message', message: 'title is missing' } });
    return reply.code(201).send(await board.create(params.project, task.data.title));
  });
  app.patch<Params>(`${path}/:task`, async ({ params, body }, reply) => {
    const change = TaskChange.safeParse(body);
    if (!change.success) return reply.code(400).send({ error: { code: 'invalid_message', message: 'no such change' } });
    const { title, status } = change.data;
    const changes = { ...(title === undefined ? {} : { title }), ...(status === undefined ? {} : { status }) };
    return (
      (await board.update(params.project, params.task, changes)) ??
      reply.code(404).send({ error: { code: 'processing_error', message: 'no such task' } })
    );
  });
  app.delete<Params>(`${path}/:task`, async ({ params }, reply) => {
    await board.delete(params.project, params.task);
    return reply.code(204).send();
  });
}
