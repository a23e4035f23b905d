/** The REST calls of project-rooms: health, counts, metrics, and what administrators do. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { JsonGateway, SessionDetails } from '../../adapters/index.js';
import { userOf } from '../shared/demo-tokens.js';
import type { ErrorCode } from './envelope.js';
import { projectTopic } from './message-processors.js';
import type { ProjectNotifier } from './project-notifier.js';

export interface ManagementParts {
  readonly gateway: JsonGateway;
  readonly notifier: ProjectNotifier;
  readonly secret: string;
  readonly requestsPerSecond: number;
}

const Message = z.object({ type: z.string().min(1), data: z.unknown() });
export const ADMIN = 'admin';
const BASE = '/api/v1/websocket';
const ROOMS = projectTopic('');

type ById = FastifyRequest<{ Params: { id: string } }>;

export const refusal = (code: ErrorCode, message: string): object => ({ error: { code, message } });

export function addManagement(app: FastifyInstance, parts: ManagementParts): void {
  const { gateway, notifier, secret } = parts;
  const answer = (text: string): object => refusal('unauthorized', text);
  const isUser = (request: FastifyRequest, reply: FastifyReply): Promise<boolean> =>
    userOf(request, reply, { secret, answer }).then((user) => user !== null);
  const isAdmin = (request: FastifyRequest, reply: FastifyReply): Promise<boolean> =>
    userOf(request, reply, { secret, answer, role: ADMIN }).then((user) => user !== null);
  const sessions = (): SessionDetails[] => [...app.broker.operations.sessions()].filter(({ user }) => user !== null);

  app.get(`${BASE}/health`, () => {
    const { isOk, problems } = app.broker.health();
    return { status: isOk ? 'healthy' : 'degraded', active_connections: gateway.stats.connections, problems };
  });
  app.get(`${BASE}/metrics`, () => metrics(app, parts));
  app.get(`${BASE}/connections/count`, () => ({ count: gateway.stats.connections }));
  app.get(`${BASE}/projects/:id/connections/count`, ({ params: { id } }: ById) => ({
    project_id: id,
    count: sessions().filter((session) => projectsOf(session).includes(id)).length,
  }));
  app.get(`${BASE}/users/:id/connections/count`, ({ params: { id } }: ById) => ({
    user_id: id,
    count: app.broker.users.get(id)?.sessions.length ?? 0,
  }));

  app.get(`${BASE}/connections`, async (request, reply) => {
    if (!(await isUser(request, reply))) return reply;
    const connections = sessions().map((session) => ({
      id: session.id,
      user_id: session.user?.name,
      projects: projectsOf(session),
    }));
    return { connections, total: connections.length };
  });
  app.get(`${BASE}/stats`, async (request, reply) => {
    if (!(await isUser(request, reply))) return reply;
    const projects: Record<string, number> = {};
    for (const id of sessions().flatMap(projectsOf)) projects[id] = (projects[id] ?? 0) + 1;
    const { connections, totalConnections } = gateway.stats;
    const users = app.broker.users.count();
    return { active_connections: connections, total_connections: totalConnections, users, projects };
  });

  const sending = (
    path: string,
    allowed: typeof isUser,
    send: (id: string, message: z.infer<typeof Message>) => Promise<void>,
  ): void => {
    app.post(path, async (request: ById, reply) => {
      if (!(await allowed(request, reply))) return reply;
      const message = Message.safeParse(request.body);
      if (!message.success) return reply.code(400).send(refusal('invalid_message', 'type wants to be a text'));
      await send(request.params.id, message.data);
      return { status: 'sent' };
    });
  };
  sending(`${BASE}/broadcast`, isUser, (_id, { type, data }) => notifier.broadcast(type, data));
  sending(`${BASE}/users/:id/message`, isAdmin, (id, { type, data }) => notifier.sendDirectMessage(id, type, data));
  sending(`${BASE}/projects/:id/message`, isAdmin, (id, { type, data }) => notifier.sendProjectMessage(id, type, data));

  const ending = (path: string, whom: (id: string) => readonly SessionDetails[]): void => {
    app.post(path, async (request: ById, reply) => {
      if (!(await isAdmin(request, reply))) return reply;
      const ended = whom(request.params.id);
      for (const session of ended) session.disconnect();
      return { status: 'disconnected', disconnected: ended.length };
    });
  };
  ending(`${BASE}/users/:id/disconnect`, (id) => sessions().filter(({ user }) => user?.name === id));
  ending(`${BASE}/projects/:id/disconnect`, (id) => sessions().filter((session) => projectsOf(session).includes(id)));
}

function metrics(app: FastifyInstance, { gateway, notifier, requestsPerSecond }: ManagementParts): object {
  const { connections, totalConnections, messagesSent, messagesReceived, refused, connectionsWithErrors } =
    gateway.stats;
  const { messages, users } = app.broker.stats().inbox;
  return {
    hub: {
      active_connections: connections,
      total_connections: totalConnections,
      messages_sent: messagesSent,
      messages_received: messagesReceived,
      broadcasts_sent: notifier.broadcastsSent,
    },
    middleware: {
      rate_limiter: { active_limiters: connections, requests_per_second: requestsPerSecond },
      error_handler: { connections_with_errors: connectionsWithErrors, total_errors: refused },
    },
    offline_messages: { total_messages: messages, users_with_messages: users },
  };
}

function projectsOf(session: SessionDetails): string[] {
  return [...session.subscriptions()]
    .filter(({ destination }) => destination.startsWith(ROOMS))
    .map(({ destination }) => decodeURIComponent(destination.slice(ROOMS.length)));
}
