/** What environment and flags say about a server, laid over what its configuration file says (DESIGN D14). */
import type { AdminOptions } from '../config/admin-options.js';
import { LOG_LEVELS, type LogLevel } from '../config/log-level.js';
import type { RelayOptions } from '../config/relay-options.js';
import { OptionsError } from '../config/options-error.js';
import type { ServerOptions } from '../config/server-options.js';
import { parseWorkers, WORKERS_WANTED, type WorkersOption } from '../config/workers-option.js';
import { readVariable, type Environment } from './environment.js';

/** What the audit log calls whoever shows the token of the environment. */
const FROM_ENVIRONMENT = 'environment';

export interface Overrides {
  /** For every listener. */
  readonly host?: string | undefined;
  readonly httpPort?: number | undefined;
  readonly tcpPort?: number | undefined;
  readonly data?: string | false | undefined;
  readonly workers?: WorkersOption | undefined;
  readonly logLevel?: LogLevel | undefined;
  /** Of the admin API, which it opens. */
  readonly adminPort?: number | undefined;
  /** A token of the admin API with role admin, which it opens. */
  readonly adminToken?: string | undefined;
  /** Of a cluster over Redis. */
  readonly redisUrl?: string | undefined;
}

/**
 * Reads the HOOFBEAT_… variables; an empty one counts as not set.
 * @throws OptionsError naming the variable
 */
export function readEnvironment(environment: Environment): Overrides {
  const faults: string[] = [];
  const read = (name: string): string | undefined => readVariable(environment, name);
  const port = (name: string): number | undefined => {
    const text = read(name);
    if (text === undefined) return undefined;
    if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
    faults.push(`${name}: got ${JSON.stringify(text)}, wants a number from 0 to 65535`);
    return undefined;
  };
  const level = read('HOOFBEAT_LOG_LEVEL');
  const logLevel = LOG_LEVELS.find((known) => known === level);
  if (level !== undefined && logLevel === undefined) {
    faults.push(`HOOFBEAT_LOG_LEVEL: got ${JSON.stringify(level)}, wants one of ${LOG_LEVELS.join(', ')}`);
  }
  const workers = readWorkers(read('HOOFBEAT_WORKERS'), faults);
  const overrides = {
    host: read('HOOFBEAT_HOST'),
    httpPort: port('HOOFBEAT_HTTP_PORT'),
    tcpPort: port('HOOFBEAT_TCP_PORT'),
    data: read('HOOFBEAT_DATA'),
    workers,
    logLevel,
    adminPort: port('HOOFBEAT_ADMIN_PORT'),
    adminToken: read('HOOFBEAT_ADMIN_TOKEN'),
    redisUrl: read('HOOFBEAT_REDIS_URL'),
  };
  if (faults.length > 0) throw new OptionsError(faults.sort());
  return overrides;
}

function readWorkers(text: string | undefined, faults: string[]): WorkersOption | undefined {
  if (text === undefined) return undefined;
  const workers = parseWorkers(text);
  if (workers === null) faults.push(`HOOFBEAT_WORKERS: got ${JSON.stringify(text)}, wants ${WORKERS_WANTED}`);
  return workers ?? undefined;
}

/**
 * `over` wins; a port given for a listener that is false opens it.
 * @throws OptionsError for a Redis where destinations are an external broker's
 */
export function applyOverrides(options: ServerOptions, over: Overrides): ServerOptions {
  return {
    ...options,
    http: listener(options.http, over.host, over.httpPort),
    tcp: listener(options.tcp, over.host, over.tcpPort),
    ...(over.data === undefined ? {} : { data: over.data }),
    ...(over.adminPort === undefined && over.adminToken === undefined ? {} : { admin: admin(options.admin, over) }),
    ...(over.workers === undefined ? {} : { workers: over.workers }),
    ...(over.redisUrl === undefined ? {} : { relay: overRedis(options.relay, over.redisUrl) }),
    ...(over.logLevel === undefined ? {} : { log: { ...options.log, level: over.logLevel } }),
  };
}

function admin(given: ServerOptions['admin'], { adminPort: port, adminToken: token }: Overrides): AdminOptions {
  const options = typeof given === 'object' ? given : {};
  const named = (options.tokens ?? []).filter(({ name }) => name !== FROM_ENVIRONMENT);
  return {
    ...options,
    ...(port === undefined ? {} : { port }),
    ...(token === undefined ? {} : { tokens: [...named, { name: FROM_ENVIRONMENT, role: 'admin', token }] }),
  };
}

function overRedis(given: ServerOptions['relay'], url: string): RelayOptions {
  if (given === undefined || given === false) return { type: 'redis', url };
  if (given.type === 'redis') return { ...given, url };
  throw new OptionsError(['HOOFBEAT_REDIS_URL: got a value that is not shown, wants nothing with relay.type "stomp"']);
}

function listener<T extends object>(
  given: T | false | undefined,
  host: string | undefined,
  port: number | undefined,
): T | { host?: string; port?: number } | false {
  if (given === false && port === undefined) return false;
  return {
    ...(given === false ? {} : given),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
  };
}
