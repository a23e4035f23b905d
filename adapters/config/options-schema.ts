/**
 * The form of ServerOptions as a zod schema: strict, so that a misspelt key is a fault and not a silent default.
 * Each `error` text is what the option wants; checkShape puts the path and the value before it.
 */
import { z } from 'zod';
import { type AdminOptions, checkAdmin } from './admin-options.js';
import { admin } from './admin-schema.js';
import { checkAuth, type AuthOptions } from './auth-options.js';
import { auth } from './auth-schema.js';
import { checkRelay, relay } from './relay-schema.js';
import { connectionLog } from './connection-log-schema.js';
import type { JsonMessageFileOptions } from './json-endpoint-options.js';
import { checkMessages, jsonPart } from './json-endpoint-schema.js';
import { flag, host, strings, text, tls, wholeNumber } from './schema-parts.js';
import { LOG_LEVELS } from './log-level.js';
import { MAX_WORKERS, WORKERS_WANTED } from './workers-option.js';

const port = wholeNumber(65_535);

const sockJs = z.strictObject({
  heartbeatDelayMs: wholeNumber(2_147_483_647, 1).optional(),
  disconnectDelayMs: wholeNumber(2_147_483_647, 1).optional(),
  responseLimitBytes: wholeNumber(2_147_483_647, 1).optional(),
  jsessionid: flag.optional(),
  websocket: flag.optional(),
  clientLibraryUrl: text.optional(),
});

const PATH = 'a path such as "/ws", without slash at the end, query or wildcard';
const common = {
  path: z.string({ error: PATH }).regex(/^(\/[A-Za-z0-9._~-]+)+$/, PATH),
  sockjs: z.union([z.boolean(), sockJs], { error: 'true, false or an object' }).optional(),
  allowedOrigins: z.union([strings, z.literal('loopback')], { error: 'a list of texts, or "loopback"' }).optional(),
  allowedOriginPatterns: strings.optional(),
  compression: flag.optional(),
  trustProxy: flag.optional(),
};
/** Of the endpoint that is there when none is given. */
const DEFAULT_PATH = '/ws';
const WANTS_PATH = { error: 'an object with at least a path' };
const endpoint = z.strictObject({ ...common, lenientNul: flag.optional(), typedLines: flag.optional() }, WANTS_PATH);
const jsonEndpoint = z.strictObject({ ...common, ...jsonPart }, WANTS_PATH);

const listener = z.strictObject({
  host: host.optional(),
  port: port.optional(),
  tls: tls.optional(),
  connectionsPerTurn: wholeNumber(100_000, 1).optional(),
});
const tcp = listener.extend({ proxyProtocol: flag.optional() });
const http = listener.extend({
  headersTimeoutMs: wholeNumber(2_147_483_647, 1).optional(),
  requestTimeoutMs: wholeNumber(2_147_483_647, 1).optional(),
  endpoints: z.array(endpoint, { error: 'a list of endpoints' }).min(1, 'at least one endpoint').optional(),
  jsonEndpoints: z.array(jsonEndpoint, { error: 'a list of endpoints' }).optional(),
});

const log = z.strictObject(
  { level: z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` }).optional(), pretty: flag.optional() },
  { error: 'an object' },
);

const workers = z
  .number({ error: WORKERS_WANTED })
  .int(WORKERS_WANTED)
  .min(1, WORKERS_WANTED)
  .max(MAX_WORKERS, WORKERS_WANTED);

const serverOptions = z.strictObject(
  {
    http: z.union([z.literal(false), http], { error: 'false or an object' }).optional(),
    tcp: z.union([z.literal(false), tcp], { error: 'false or an object' }).optional(),
    data: z.union([z.literal(false), text], { error: 'a directory or false' }).optional(),
    workers: z.union([z.literal('auto'), workers], { error: WORKERS_WANTED }).optional(),
    log: log.optional(),
    auth: auth.optional(),
    connectionLog: connectionLog.optional(),
    relay: relay.optional(),
    admin: admin.optional(),
    // The broker checks its own options: resolveBrokerOptions is the one place that knows them.
    broker: z.record(z.string(), z.unknown(), { error: 'an object' }).optional(),
  },
  { error: 'an object' },
);

/** Every fault of form, one line each; empty when there is none. */
export function checkShape(given: unknown): string[] {
  const result = serverOptions.safeParse(given);
  if (result.success)
    return [
      ...checkEndpointPaths(result.data),
      ...checkJsonEndpoints(result.data),
      ...checkProxy(result.data),
      ...checkAuth(result.data.auth as AuthOptions | undefined),
      ...checkRelay(result.data.relay),
      ...checkAdmin(result.data.admin as boolean | AdminOptions | undefined),
      ...checkAdminPort(result.data),
    ];
  return result.error.issues.flatMap((issue) => describe(issue, given, [])).sort();
}

/** The schema as JSON Schema (draft 2020-12), for editors that check YAML and JSON while typing. */
export function serverOptionsJsonSchema(): object {
  return { title: 'hoofbeat configuration', ...z.toJSONSchema(serverOptions) };
}

type Issue = z.core.$ZodIssue;

function describe(issue: Issue, given: unknown, above: readonly PropertyKey[]): string[] {
  const path = [...above, ...issue.path];
  const at = path.length === 0 ? '' : `${nameOf(path)}: `;
  const value = valueAt(given, path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${nameOf([...path, key])}: unknown option`);
  }
  // Of "false or an object" the object's own faults say more, once an object was given.
  if (issue.code === 'invalid_union' && typeof value === 'object' && value !== null) {
    const branch = issue.errors.find((issues) => !issues.some((inner) => inner.path.length === 0 && isType(inner)));
    if (branch !== undefined) return branch.flatMap((inner) => describe(inner, given, path));
  }
  return [`${at}got ${shown(value, path)}, wants ${issue.message}`];
}

/** A key that would not be seen, or not be told from the text around it, is quoted. */
function nameOf(path: readonly PropertyKey[]): string {
  const parts = path.map(String);
  return parts.map((part) => (/^[^\s:"]+$/.test(part) ? part : JSON.stringify(part))).join('.');
}

function isType(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function valueAt(given: unknown, path: readonly PropertyKey[]): unknown {
  let value = given;
  for (const key of path) value = (value as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key];
  return value;
}

/** Scalars as they are; nothing that could hold a passcode. */
function shown(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  // A URL has the passcode in it.
  if (path[0] === 'relay' && /(passcode|password)$|^url$/i.test(String(path[1]))) return 'a value that is not shown';
  if (path[0] === 'admin' && path[1] === 'tokens' && !/^(name|role|tokenFile)$/.test(String(path[3]))) {
    return 'a value that is not shown';
  }
  if ((path[0] === 'auth' || path[0] === 'admin') && isSecret(path.slice(1))) return 'a value that is not shown';
  return typeof value === 'string' ? JSON.stringify(value) : `${value as number | boolean | null}`;
}

/** @param path behind `auth`: of a value that is a passcode or a key, or stands where a whole user or jwt belongs */
function isSecret([part, index, name]: readonly PropertyKey[]): boolean {
  return (part === 'users' && name !== 'login') || (part === 'jwt' && (index === undefined || index === 'secret'));
}

/** The header comes before TLS, where the listener cannot look for it. */
function checkProxy({ tcp }: z.infer<typeof serverOptions>): string[] {
  if (tcp === undefined || tcp === false || tcp.proxyProtocol !== true || tcp.tls === undefined) return [];
  return ['tcp.proxyProtocol: got true, wants false with tcp.tls: let the proxy end TLS'];
}

/** On the port of `http` only where there is one, and where that is the broker's own process. */
function checkAdminPort({ admin: given, http: listens, workers: count = 1 }: z.infer<typeof serverOptions>): string[] {
  if (typeof given !== 'object' || given.port !== 'http') return [];
  if (listens === false) return ['admin.port: got "http", wants a number, since http is false'];
  if (count === 1) return [];
  return ['admin.port: got "http", wants a number with workers: the port of http is theirs, and the broker is not'];
}

/** Of all endpoints of the port: a path belongs to one, and what lies below a JSON one with SockJS is SockJS'. */
function checkEndpointPaths({ http: given }: z.infer<typeof serverOptions>): string[] {
  if (given === false) return [];
  const { endpoints = [], jsonEndpoints = [] } = given ?? {};
  // With none given there is the default one.
  const stomp = given?.endpoints === undefined ? [DEFAULT_PATH] : endpoints.map(({ path }) => path);
  const json = jsonEndpoints.map(({ path }) => path);
  const twice = (kind: string, paths: readonly string[], before: readonly string[]): string[] =>
    paths.flatMap((path, index) =>
      [...before, ...paths.slice(0, index)].includes(path)
        ? [`http.${kind}.${String(index)}.path: got "${path}" twice, wants it once`]
        : [],
    );
  const hidden = jsonEndpoints.flatMap(({ path, sockjs = true }, index) => {
    const below = sockjs === false ? undefined : stomp.find((other) => other.startsWith(`${path}/`));
    if (below === undefined) return [];
    return [`http.jsonEndpoints.${String(index)}.path: got "${path}", wants one that "${below}" does not lie below`];
  });
  return [
    ...twice('endpoints', endpoints.length === 0 ? [] : stomp, []),
    ...twice('jsonEndpoints', json, stomp),
    ...hidden,
  ];
}

function checkJsonEndpoints({ http: given, workers: count = 1 }: z.infer<typeof serverOptions>): string[] {
  const { jsonEndpoints = [] } = given === false ? {} : (given ?? {});
  if (jsonEndpoints.length > 0 && count !== 1) {
    return ['http.jsonEndpoints: wants none with workers: what JSON messages mean is known where the broker is'];
  }
  return jsonEndpoints.flatMap(({ messages = {} }, index) =>
    checkMessages(`http.jsonEndpoints.${String(index)}.messages`, messages as Record<string, JsonMessageFileOptions>),
  );
}
