/** The OpenAPI 3.1 document of the admin API, made of the very definitions that its routes are made of. */
import { z } from 'zod';
import type { AdminRoute } from '../admin-route.js';
import { PROBLEM_CODES, PROBLEM_MEDIA_TYPE, type ProblemCode } from '../problem.js';

type Json = Readonly<Record<string, unknown>>;

export interface OpenApiDocument extends Json {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
}

const TAGS: readonly { readonly name: AdminRoute['tag']; readonly description: string }[] = [
  { name: 'health', description: 'For load balancers and whoever watches' },
  { name: 'statistics', description: 'Counters' },
  {
    name: 'cluster',
    description:
      'All nodes together; everything else is of the node that is asked, which the header `hoofbeat-node` of each answer names',
  },
  { name: 'sessions', description: 'Connections, STOMP sessions and their subscriptions' },
  { name: 'users', description: 'Who is connected' },
  { name: 'destinations', description: 'Topics and queues' },
  { name: 'queues', description: 'Looking into, emptying and moving queues' },
  { name: 'messages', description: 'Sending' },
  { name: 'server', description: 'Draining, log level, configuration, audit log' },
];

/** @param prefix in front of every path, e.g. `/api/v1` */
export function openApiDocument(routes: readonly AdminRoute[], prefix: string, version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const path = prefix + route.path.replace(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'hoofbeat admin API',
      version,
      description:
        'Looking after a running STOMP broker. Lists are paged by cursor; errors are problem details (RFC 9457) with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: TAGS,
    security: [{ token: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of the configuration, or a JSON Web Token' },
      },
      schemas: { Problem: PROBLEM },
      responses: Object.fromEntries(statuses().map((status) => [`Problem${status}`, problemResponse(status)])),
    },
  };
}

const PROBLEM: Json = {
  type: 'object',
  description: 'Problem details (RFC 9457)',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(PROBLEM_CODES), description: 'Stable' },
    detail: { type: 'string' },
    instance: { type: 'string', description: 'The path that was asked' },
    brokerCode: { type: 'string', description: "Of the broker's own refusal" },
    errors: { type: 'array', items: { type: 'string' }, description: 'One line for each fault' },
  },
};

function statuses(): number[] {
  return [...new Set(Object.values(PROBLEM_CODES).map(({ status }) => status))].sort();
}

function problemResponse(status: number): Json {
  const codes = Object.entries(PROBLEM_CODES).filter(([, problem]) => problem.status === status);
  const description = codes.map(([code, { title }]) => `\`${code}\`: ${title}`).join('. ');
  return { description, content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } } };
}

function operationOf(route: AdminRoute): Json {
  const { operation, tag, summary, description, role, params, query, body, response, status = 200, stream } = route;
  return {
    operationId: operation,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(role === null ? { security: [] } : { 'x-required-role': role }),
    ...parametersOf(params, query),
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(schemaOf(body, 'input')) } }),
    responses: {
      [status]:
        stream === undefined
          ? { description: 'Done', content: json(schemaOf(response, 'output')) }
          : {
              description: 'A JSON value on each line, until the client goes; the schema is of one line',
              content: { [stream.mediaType]: { schema: schemaOf(response, 'output') } },
            },
      ...Object.fromEntries(
        problemStatuses(route).map((each) => [each, { $ref: `#/components/responses/Problem${each}` }]),
      ),
    },
  };
}

function problemStatuses({ role, params, query, body, problems = [] }: AdminRoute): number[] {
  const codes = new Set<ProblemCode>([...problems, 'internal']);
  if (role !== null) for (const code of ['token-missing', 'role-missing', 'rate-limited'] as const) codes.add(code);
  if (params !== undefined || query !== undefined || body !== undefined) codes.add('request-invalid');
  if (body !== undefined) for (const code of ['body-too-large', 'media-type-unknown'] as const) codes.add(code);
  return [...new Set([...codes].map((code) => PROBLEM_CODES[code].status))].sort();
}

function parametersOf(params: z.ZodType | undefined, query: z.ZodType | undefined): Json {
  const parameters = [...parametersIn('path', params), ...parametersIn('query', query)];
  return parameters.length === 0 ? {} : { parameters };
}

function parametersIn(place: 'path' | 'query', schema: z.ZodType | undefined): Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Readonly<Record<string, Json>>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

function json(schema: Json): Json {
  return { 'application/json': { schema } };
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const made = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return Object.fromEntries(Object.entries(made).filter(([key]) => key !== '$schema' && key !== '~standard'));
}
