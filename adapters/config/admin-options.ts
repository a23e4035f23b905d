/** The `admin` part of ServerOptions, its defaults, the step between the two, and what the form alone does not show. */
import { checkJwt, type JwtOptions, type ResolvedJwtOptions, resolveJwt } from './auth-options.js';
import type { TlsFileOptions } from './tls-options.js';

export interface AdminOptions {
  /** Default `127.0.0.1`; not with `port: http`. */
  readonly host?: string | undefined;
  /** 0 picks a free one; `http`: the port of the STOMP endpoints, in a single process. Default 8081. */
  readonly port?: number | 'http' | undefined;
  /** Not with `port: http`, which has that of `http`. */
  readonly tls?: TlsFileOptions | undefined;
  /** Bearer tokens. Without one, and without `jwt`, nothing is served but whether the server is live and ready. */
  readonly tokens?: readonly AdminTokenOptions[] | undefined;
  /** Tokens of a login server; the claim of `rolesClaim` names `viewer`, `operator` or `admin`. `from` is not looked at. */
  readonly jwt?: JwtOptions | undefined;
  /** Origins of pages that may call the API from a browser. Default: none. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Requests from one address; false: no limit. */
  readonly rateLimit?:
    { readonly max?: number | undefined; readonly windowMs?: number | undefined } | false | undefined;
  /** Believes X-Forwarded-For about addresses: only behind a proxy that sets it. Default false. */
  readonly trustProxy?: boolean | undefined;
  /** How long a request may take to arrive. Default 30,000; with `port: http` it is that of `http`. */
  readonly requestTimeoutMs?: number | undefined;
  /** Serves the API's documents and `/docs`. Default true. */
  readonly docs?: boolean | undefined;
  /** `/metrics` for Prometheus: with a token, `open` to everybody, or not at all. Default `token`. */
  readonly metrics?: 'token' | 'open' | false | undefined;
  /** Serves `/console`. Default true. */
  readonly console?: boolean | undefined;
  /** Acts that `/audit` shows; the log has them all. Default 1,000. */
  readonly auditEntries?: number | undefined;
}

/** Exactly one of `token` and `tokenFile`. */
export interface AdminTokenOptions {
  /** What the audit log calls whoever shows it. */
  readonly name: string;
  readonly role: AdminRoleName;
  /** At least 16 characters. */
  readonly token?: string | undefined;
  /** File whose whole text, but for the line's end, is the token. */
  readonly tokenFile?: string | undefined;
}

export const ADMIN_ROLE_NAMES = ['viewer', 'operator', 'admin'] as const;

export type AdminRoleName = (typeof ADMIN_ROLE_NAMES)[number];

export interface ResolvedAdminOptions {
  readonly host: string;
  readonly port: number | 'http';
  readonly tls: TlsFileOptions | undefined;
  readonly tokens: readonly AdminTokenOptions[];
  readonly jwt: ResolvedJwtOptions | null;
  readonly allowedOrigins: readonly string[];
  readonly rateLimit: { readonly max: number; readonly windowMs: number } | false;
  readonly trustProxy: boolean;
  readonly requestTimeoutMs: number;
  readonly docs: boolean;
  readonly metrics: 'token' | 'open' | false;
  readonly console: boolean;
  readonly auditEntries: number;
}

/** A console that asks every second takes some 300 a minute. */
export const DEFAULT_ADMIN_OPTIONS = Object.freeze({
  host: '127.0.0.1',
  port: 8081,
  tokens: Object.freeze([]),
  allowedOrigins: Object.freeze([]),
  rateLimit: Object.freeze({ max: 1_200, windowMs: 60_000 }),
  trustProxy: false,
  requestTimeoutMs: 30_000,
  docs: true,
  metrics: 'token',
  console: true,
  auditEntries: 1_000,
} as const);

/** Shorter ones can be guessed. */
export const MIN_TOKEN_LENGTH = 16;

export function resolveAdmin(given: boolean | AdminOptions = false): ResolvedAdminOptions | false {
  if (given === false) return false;
  const options = given === true ? {} : given;
  const standard = DEFAULT_ADMIN_OPTIONS;
  const { rateLimit = {} } = options;
  return {
    host: options.host ?? standard.host,
    port: options.port ?? standard.port,
    tls: options.tls,
    tokens: options.tokens ?? standard.tokens,
    jwt: options.jwt === undefined ? null : resolveJwt(options.jwt),
    allowedOrigins: options.allowedOrigins ?? standard.allowedOrigins,
    rateLimit:
      rateLimit === false
        ? false
        : {
            max: rateLimit.max ?? standard.rateLimit.max,
            windowMs: rateLimit.windowMs ?? standard.rateLimit.windowMs,
          },
    trustProxy: options.trustProxy ?? standard.trustProxy,
    requestTimeoutMs: options.requestTimeoutMs ?? standard.requestTimeoutMs,
    docs: options.docs ?? standard.docs,
    metrics: options.metrics ?? standard.metrics,
    console: options.console ?? standard.console,
    auditEntries: options.auditEntries ?? standard.auditEntries,
  };
}

/** Every contradiction that the form alone does not show, one line each. */
export function checkAdmin(given: boolean | AdminOptions = false): string[] {
  if (typeof given === 'boolean') return [];
  const { tokens = [], jwt, port } = given;
  const faults = jwt === undefined ? [] : checkJwt(jwt, 'admin.jwt');
  for (const [index, { token, tokenFile, name }] of tokens.entries()) {
    const at = `admin.tokens.${index}`;
    if (token !== undefined && tokenFile !== undefined)
      faults.push(`${at}: got token and tokenFile, wants one of them`);
    if (token === undefined && tokenFile === undefined) faults.push(`${at}: got no token, wants token or tokenFile`);
    if (tokens.findIndex((other) => other.name === name) !== index) {
      faults.push(`${at}.name: got ${JSON.stringify(name)} twice, wants it once`);
    }
  }
  if (port !== 'http') return faults;
  for (const name of ['host', 'tls', 'trustProxy'] as const) {
    if (given[name] !== undefined)
      faults.push(`admin.${name}: got a value, wants none with port "http": it is that of http`);
  }
  return faults;
}
