/** The server itself: draining, log level, configuration, and who did what. */
import { z } from 'zod';
import { ADMIN_ROLES } from '../admin-access.js';
import type { AdminParts, ReloadResult } from '../admin-parts.js';
import { type AdminRoute, route } from '../admin-route.js';
import { Problem } from '../problem.js';
import { auditEntry, change, pageOf, pageQuery } from '../schemas.js';
import { readList, sortNames } from './list.js';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const MAX_PER_SECOND = 100_000;
const drainState = z.object({ isActive: z.boolean(), perSecond: z.number(), remaining: z.int() });
const level = z.enum(LEVELS);

const auditQuery = z.strictObject({
  ...pageQuery,
  sort: z.enum(sortNames(['number'])).default('-number'),
  actor: z.string().min(1).max(1_024).optional(),
  operation: z.string().min(1).max(100).optional(),
});

export function serverRoutes(parts: AdminParts): AdminRoute[] {
  return [actorRoute(), ...drainRoutes(parts), ...logRoutes(parts), ...configurationRoutes(parts), auditRoute(parts)];
}

function actorRoute(): AdminRoute {
  return route({
    method: 'GET',
    path: '/me',
    operation: 'getActor',
    tag: 'server',
    summary: 'Whom the token names, and what it may do',
    role: 'viewer',
    response: z.object({ name: z.string(), role: z.enum(ADMIN_ROLES) }),
    handle: ({ actor }) => ({ name: actor?.name ?? '', role: actor?.role ?? 'viewer' }),
  });
}

function drainRoutes({ broker: { operations } }: AdminParts): AdminRoute[] {
  const { drain } = operations;
  return [
    route({
      method: 'GET',
      path: '/drain',
      operation: 'getDrain',
      tag: 'server',
      summary: 'Whether this node is being emptied, and who is left',
      role: 'viewer',
      response: drainState,
      handle: () => ({ ...drain.state }),
    }),
    route({
      method: 'POST',
      path: '/drain',
      operation: 'startDrain',
      tag: 'server',
      summary: 'Let nobody into this node any more, and send so many of its sessions a second away',
      role: 'admin',
      body: z.strictObject({
        perSecond: z.int().min(0).max(MAX_PER_SECOND).default(100).describe('0 only keeps new connections out'),
      }),
      response: drainState,
      subject: ({ body }) => ({ perSecond: body.perSecond }),
      handle: ({ body }) => {
        drain.start(body.perSecond);
        return { ...drain.state };
      },
    }),
    route({
      method: 'DELETE',
      path: '/drain',
      operation: 'cancelDrain',
      tag: 'server',
      summary: 'Let clients into this node again',
      role: 'admin',
      response: drainState,
      subject: () => ({}),
      handle: () => {
        drain.cancel();
        return { ...drain.state };
      },
    }),
  ];
}

function logRoutes({ broker: { operations }, logger }: AdminParts): AdminRoute[] {
  const response = z.object({ level: z.string() });
  return [
    route({
      method: 'GET',
      path: '/log',
      operation: 'getLogLevel',
      tag: 'server',
      summary: 'What this node logs',
      role: 'viewer',
      response,
      handle: () => ({ level: logger.level }),
    }),
    route({
      method: 'PUT',
      path: '/log',
      operation: 'setLogLevel',
      tag: 'server',
      summary: 'Log more, or less, on this node until its next start or reload',
      description: 'From debug on every frame is logged, which slows the fast path. Worker processes keep their level.',
      role: 'admin',
      body: z.strictObject({ level }),
      response,
      subject: ({ body }) => ({ from: logger.level, to: body.level }),
      handle: ({ body }) => {
        logger.level = body.level;
        operations.tracesFrames = body.level === 'debug' || body.level === 'trace';
        return { level: logger.level };
      },
    }),
  ];
}

function configurationRoutes({ server }: AdminParts): AdminRoute[] {
  return [
    route({
      method: 'GET',
      path: '/config',
      operation: 'getConfiguration',
      tag: 'server',
      summary: 'The configuration in force on this node, defaults filled in, secrets hidden',
      role: 'admin',
      response: z.looseObject({}),
      handle: () => server.configuration(),
    }),
    route({
      method: 'POST',
      path: '/config/reload',
      operation: 'reloadConfiguration',
      tag: 'server',
      summary: 'Have this node read its configuration again and take on what it can while it runs',
      description: 'With dryRun nothing changes: the answer says what would, and what needs a restart.',
      role: 'admin',
      body: z.strictObject({ dryRun: z.boolean().default(false) }),
      response: z.object({ isDryRun: z.boolean(), applied: z.array(change), needsRestart: z.array(change) }),
      problems: ['reload-unavailable', 'configuration-invalid'],
      subject: ({ body }) => ({ dryRun: body.dryRun }),
      handle: async ({ body }) => {
        const { isDryRun, applied, needsRestart } = await reload(server, body.dryRun);
        return { isDryRun, applied: [...applied], needsRestart: [...needsRestart] };
      },
    }),
  ];
}

async function reload({ reload: read }: AdminParts['server'], isDryRun: boolean): Promise<ReloadResult> {
  if (read === null) throw new Problem('reload-unavailable');
  try {
    return await read(isDryRun);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const faults = 'faults' in error && Array.isArray(error.faults) ? error.faults.map(String) : null;
    if (faults === null) throw error;
    throw new Problem('configuration-invalid', 'Nothing was changed', { errors: faults, cause: error });
  }
}

function auditRoute({ audit, pages }: AdminParts): AdminRoute {
  return route({
    method: 'GET',
    path: '/audit',
    operation: 'listAudit',
    tag: 'server',
    summary: 'Who did what through this API, as far as it is still in memory; the log has it all',
    role: 'admin',
    query: auditQuery,
    response: pageOf(auditEntry),
    problems: ['cursor-invalid', 'too-busy'],
    handle: ({ query }) =>
      readList(
        pages,
        {
          items: () => audit.entries(),
          total: () => audit.entries().length,
          orders: { number: { rankOf: ({ number }) => [number], isNatural: true } },
          shapeOf: () => [0],
          view: (entry) => ({ ...entry, subject: { ...entry.subject } }),
        },
        query,
        ({ actor, operation }) =>
          (query.actor === undefined || actor === query.actor) &&
          (query.operation === undefined || operation === query.operation),
      ),
  });
}
