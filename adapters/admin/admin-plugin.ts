/**
 * The admin API as a Fastify plugin: puts the routes on an application, its own or one that also serves STOMP endpoints.
 * Authentication, validation, errors and the audit log are here, once for all routes.
 */
import type { Readable } from 'node:stream';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import type { z } from 'zod';
import type { Actor } from './admin-access.js';
import { API_PREFIX } from './api-prefix.js';
import type { AdminParts } from './admin-parts.js';
import type { AdminRoute } from './admin-route.js';
import { registerConsole } from './console/register-console.js';
import { BrokerMetrics } from './metrics/broker-metrics.js';
import { registerDocuments } from './documents/register-documents.js';
import { healthRoutes } from './routes/health-routes.js';
import { adminRoutes } from './routes/index.js';
import { Problem, PROBLEM_MEDIA_TYPE, problemOf } from './problem.js';

export interface AdminPluginOptions {
  /** Origins of pages that may call the API from a browser; none: CORS headers are never sent. */
  readonly allowedOrigins: readonly string[];
  /** Requests from one address; null: as many as come. Health is not counted. */
  readonly rateLimit: { readonly max: number; readonly windowMs: number } | null;
  /** Serves `/docs`. */
  readonly docs: boolean;
  /** Serves `/metrics`, to viewers or to everybody. */
  readonly metrics: 'token' | 'open' | false;
}

/** Of every answer: whose it is. */
export const NODE_HEADER = 'hoofbeat-node';
/** Room for a message to publish. */
const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
/** Nothing that a browser could do with an answer of the API is wanted. */
const API_CSP = "default-src 'none'; frame-ancestors 'none'";

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks the admin API; null elsewhere, and before it is known. */
    adminActor: Actor | null;
  }
}

/** @param app a context of its own: hooks and handlers of this plugin hold for nothing else */
export async function registerAdmin(
  app: FastifyInstance,
  parts: AdminParts,
  options: AdminPluginOptions,
): Promise<void> {
  app.decorateRequest('adminActor', null);
  app.setValidatorCompiler(
    ({ schema }) =>
      (value: unknown) =>
        validated(schema as z.ZodType, value),
  );
  // What the routes answer is made by their views: checking it again is for tests.
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((error, request, reply) => {
    sendProblem(parts, error, request, reply);
  });
  app.addHook('onSend', async (_request, reply) => {
    if (!reply.hasHeader('content-security-policy')) reply.header('content-security-policy', API_CSP);
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });
  // Whether there is TLS on every port of this host is not for the API to say.
  await app.register(helmet, { contentSecurityPolicy: false, strictTransportSecurity: false, global: true });
  if (options.allowedOrigins.length > 0) {
    await app.register(cors, {
      origin: [...options.allowedOrigins],
      methods: ['GET', 'POST', 'PUT', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type'],
      exposedHeaders: [NODE_HEADER],
      maxAge: 600,
    });
  }
  if (options.rateLimit !== null) {
    const { max, windowMs } = options.rateLimit;
    await app.register(rateLimit, {
      global: false,
      max,
      timeWindow: windowMs,
      errorResponseBuilder: (_request, { after }) => new Problem('rate-limited', `Come back in ${after}`),
    });
  }
  // Without a way to show who one is there is nothing here but what every load balancer asks.
  const routes = parts.access.isClosed ? healthRoutes(parts).filter(({ role }) => role === null) : adminRoutes(parts);
  const limited = options.rateLimit === null ? [] : [app.rateLimit()];
  const viewer: onRequestAsyncHookHandler = async (request) => {
    await parts.access.identify(request.headers.authorization, 'viewer');
  };
  const forViewers = [...limited, viewer] as onRequestAsyncHookHandler[];
  if (options.docs && !parts.access.isClosed) {
    await registerDocuments(app, { parts, routes, prefix: API_PREFIX, onRequest: forViewers });
  }
  if (!parts.access.isClosed) registerConsole(app, parts);
  if (options.metrics === 'open' || (options.metrics === 'token' && !parts.access.isClosed)) {
    const metrics = new BrokerMetrics(parts.broker, parts.server);
    app.addHook('onClose', async () => {
      metrics.stop();
    });
    app.get('/metrics', { onRequest: options.metrics === 'open' ? limited : forViewers }, async (_request, reply) =>
      reply
        .type(metrics.contentType)
        .serializer(String)
        .send(await metrics.scrape()),
    );
  }
  await app.register(
    async (scope) => {
      scope.addHook('onSend', async (_request, reply) => {
        reply.header(NODE_HEADER, parts.broker.cluster.nodeId);
      });
      scope.setNotFoundHandler((request, reply) => {
        sendProblem(parts, new Problem('not-found', 'The API has no such route'), request, reply);
      });
      const open = new Set<Readable>();
      scope.addHook('preClose', async () => {
        for (const stream of open) stream.destroy();
      });
      for (const each of routes) addRoute(scope, each, { parts, limited, open });
    },
    { prefix: API_PREFIX },
  );
}

type OnRequest = ReturnType<FastifyInstance['rateLimit']>;

interface RouteParts {
  readonly parts: AdminParts;
  readonly limited: readonly OnRequest[];
  /** Answers that go on. */
  readonly open: Set<Readable>;
}

function addRoute(app: FastifyInstance, route: AdminRoute, { parts, limited, open }: RouteParts): void {
  const { method, path: url, role, params, query, body, response, status = 200 } = route;
  app.route({
    method,
    url,
    bodyLimit: BODY_LIMIT_BYTES,
    // The limit comes first: guessing tokens is what it is against.
    onRequest: [
      ...(role === null ? [] : limited),
      async (request) => {
        if (role !== null) await authenticate(parts, route, request);
      },
    ],
    schema: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { querystring: query }),
      ...(body === undefined ? {} : { body }),
      response: { [status]: response },
    },
    // Nobody has to say so to have all defaults.
    preValidation: async (request) => {
      if (body !== undefined && (request.body === undefined || request.body === null)) request.body = {};
    },
    handler: (request, reply) => answer(parts, route, open, request, reply.code(status)),
    config: { adminRoute: route },
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    adminRoute?: AdminRoute;
  }
}

async function authenticate({ access, audit }: AdminParts, route: AdminRoute, request: FastifyRequest): Promise<void> {
  const { role, operation, subject } = route;
  if (role === null) return;
  try {
    request.adminActor = await access.identify(request.headers.authorization, role);
  } catch (error) {
    const problem = problemOf(error);
    // Somebody known wanted to do what they may not.
    if (problem.code === 'role-missing' && subject !== undefined) {
      const actor = await access.identify(request.headers.authorization, 'viewer').catch(() => null);
      if (actor !== null) {
        const { name, role: has } = actor;
        audit.add({ actor: name, role: has, address: request.ip, operation, subject: {}, outcome: problem.code });
      }
    }
    throw error;
  }
}

async function answer(
  parts: AdminParts,
  route: AdminRoute,
  open: Set<Readable>,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const input = { params: request.params, query: request.query, body: request.body };
  const { adminActor: actor } = request;
  const { subject, operation, stream } = route;
  const send = (result: unknown): FastifyReply => {
    if (stream === undefined) return reply.send(result);
    open.add(result as Readable);
    // A proxy that gathers an answer before it passes it on would keep this one for ever.
    return reply
      .type(stream.mediaType)
      .header('x-accel-buffering', 'no')
      .send((result as Readable).once('close', () => open.delete(result as Readable)));
  };
  if (subject === undefined || actor === null) return send(await route.handle({ ...input, actor }));
  // Before the act: afterwards the session may be gone that it was done to.
  const entry = { actor: actor.name, role: actor.role, address: request.ip, operation, subject: subject(input) };
  try {
    const result = await route.handle({ ...input, actor });
    parts.audit.add({ ...entry, outcome: 'done' });
    return await send(result);
  } catch (error) {
    parts.audit.add({ ...entry, outcome: problemOf(error).code });
    throw error;
  }
}

function validated(schema: z.ZodType, value: unknown): { value: unknown } | { error: Error } {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const errors = result.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'request'}: ${message}`,
  );
  return { error: new Problem('request-invalid', 'The request has faults', { errors }) };
}

function sendProblem({ logger }: AdminParts, error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error);
  if (problem.code === 'internal')
    logger.error({ err: error, url: request.routeOptions.url }, 'an admin request failed');
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  const [path = ''] = request.url.split('?');
  void reply
    .code(problem.status)
    .type(PROBLEM_MEDIA_TYPE)
    .send(JSON.stringify(problem.body(path)));
}
