/** Market chat: Socket.IO beside a REST API, one session cookie, events documented with the rest. Row by row in README.md. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import cors from '@fastify/cors';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { Server } from 'socket.io';
import { z } from 'zod';
import { BrokerError, hoofbeat, RuleAuthorizer, SocketIoGateway } from '../../adapters/index.js';
import { answerFaults } from '../shared/answer-faults.js';
import { type OperationOptions, operationOf } from '../shared/operation.js';
import { servePage } from '../shared/page.js';
import { CHAT_EVENTS, chatTopic } from './chat-events.js';
import { Chats } from './chats.js';
import { getCompleteOpenAPISpec } from './openapi.js';
import { SessionCookies } from './session-cookies.js';

export interface MarketChatOptions extends OperationOptions {
  readonly chats?: Chats | undefined;
  /** Pages of other origins that may connect and call, with their cookies. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  readonly logLevel?: string | undefined;
}

const Login = z.object({ user: z.string().regex(/^[a-z]{1,20}$/) });
const NewMessage = z.object({ text: z.string().trim().min(1).max(2_000) });
const DOCS = path.resolve(import.meta.dirname, '../../../examples/market-chat/public/docs.html');

type ByChat = FastifyRequest<{ Params: { chatId: string } }>;

/** The application, not listening yet. */
export async function createMarketChatApp(options: MarketChatOptions = {}): Promise<FastifyInstance> {
  const { chats = new Chats(), logLevel = 'info', allowedOrigins = [] } = options;
  const cookies = new SessionCookies();
  const app = fastify({
    // Opening what is stored may take longer than the ten seconds that Fastify gives a plugin.
    pluginTimeout: 60_000,
    logger: { level: logLevel },
    logController: new LogController({ disableRequestLogging: true }),
  });
  const crossOrigin = { origin: [...allowedOrigins], credentials: true };
  const io = new Server({ path: '/ws', serveClient: false, cors: crossOrigin });
  const gateway = new SocketIoGateway({ io, mapping: CHAT_EVENTS });
  await app.register(cors, crossOrigin);
  await app.register(hoofbeat, {
    // STOMP clients with the same cookie see the same chats.
    endpoints: [{ path: '/stomp', allowedOrigins }],
    gateways: [gateway],
    ...operationOf(options),
    broker: { quotas: { session: { messagesPerSecond: 20, messageBurst: 50 } } },
    authenticate: ({ handshake }) => {
      const header = handshake?.headers['cookie'];
      const name = cookies.userOf(handshake?.url ?? '/', typeof header === 'string' ? header : undefined);
      if (name === null) throw new BrokerError('authentication-failed', 'Log in first: there is no session cookie');
      return { name, roles: [] };
    },
    authorizer: new RuleAuthorizer({
      rules: [
        { action: 'connect', authenticated: true, allow: true },
        {
          action: 'subscribe',
          destination: '/topic/chats/{chat}',
          check: ({ principal }, { chat = '' }) => chats.maySee(principal.name ?? '', decodeURIComponent(chat)),
          allow: true,
        },
      ],
    }),
  });
  answerFaults(app, (error) => ({ error }));
  addRest(app, { chats, cookies, gateway });
  const docs = await readFile(DOCS);
  app.get('/docs', (_request, reply) => reply.type('text/html; charset=utf-8').send(docs));
  app.get('/openapi.json', () => getCompleteOpenAPISpec());
  await servePage(app, 'market-chat', { title: 'Market chat', libraries: ['socket.io.js'] });
  return app;
}

interface RestParts {
  readonly chats: Chats;
  readonly cookies: SessionCookies;
  readonly gateway: SocketIoGateway;
}

function addRest(app: FastifyInstance, { chats, cookies, gateway }: RestParts): void {
  /** Messages by chat since start. */
  const posted = new Map<string, number>();
  const userOf = ({ url, headers }: FastifyRequest): string | null => cookies.userOf(url, headers.cookie);
  const refusal = (request: ByChat): number | null => {
    const user = userOf(request);
    return user === null ? 401 : chats.maySee(user, request.params.chatId) ? null : 403;
  };
  const refuse = (reply: FastifyReply, status: number): FastifyReply =>
    reply.code(status).send({ error: status === 401 ? 'Log in first' : 'Not a chat of yours' });

  app.post('/api/login', async (request, reply) => {
    const login = Login.safeParse(request.body);
    if (!login.success) return reply.code(400).send({ error: 'user: 1 to 20 letters' });
    const { user } = login.data;
    const as = new URL(request.url, 'http://localhost').searchParams.get('as');
    return reply.header('Set-Cookie', cookies.begin(user, as)).send({ user });
  });
  app.get('/api/chats', (request, reply) => {
    const user = userOf(request);
    return user === null ? refuse(reply, 401) : chats.of(user);
  });
  app.get('/api/chats/:chatId/messages', (request: ByChat, reply) => {
    const status = refusal(request);
    return status === null ? chats.messages(request.params.chatId) : refuse(reply, status);
  });
  app.post('/api/chats/:chatId/messages', async (request: ByChat, reply) => {
    const status = refusal(request);
    if (status !== null) return refuse(reply, status);
    const body = NewMessage.safeParse(request.body);
    if (!body.success) return reply.code(400).send({ error: 'text: 1 to 2,000 characters' });
    const { chatId } = request.params;
    const message = chats.post(chatId, userOf(request) ?? '', body.data.text);
    posted.set(chatId, (posted.get(chatId) ?? 0) + 1);
    await app.broker.convertAndSend(chatTopic(chatId), message);
    return reply.code(201).send(message);
  });
  app.get('/api/metrics', () => metricsOf(app, gateway, posted));
}

function metricsOf(app: FastifyInstance, gateway: SocketIoGateway, posted: ReadonlyMap<string, number>): object {
  const { connections, totalConnections, refusedConnections, refusedEvents } = gateway.stats;
  const users = app.broker.users.all().map(({ name, sessions }) => [name, sessions.length]);
  const nowMs = performance.now();
  const durationsMs = [...app.broker.operations.sessions()].map(({ acceptedMs }) => Math.round(nowMs - acceptedMs));
  return {
    activeConnections: connections,
    totalConnections,
    refusedConnections,
    connectionsPerUser: Object.fromEntries(users) as Record<string, number>,
    longestConnectionMs: Math.max(0, ...durationsMs),
    messagesPerRoom: Object.fromEntries(posted),
    failedJoins: refusedEvents['clientJoinRoom'] ?? 0,
  };
}
