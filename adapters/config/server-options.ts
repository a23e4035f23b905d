/**
 * The one options object of a server (DESIGN D14): what a configuration file, the environment, the command line and an
 * embedding application can set, its defaults, and the step that fills one from the other.
 */
import { BrokerError } from '../../broker/errors.js';
import { type BrokerOptions, type Partially, resolveBrokerOptions } from '../../broker/options.js';
import type { LogLevel } from './log-level.js';
import { type AdminOptions, type ResolvedAdminOptions, resolveAdmin } from './admin-options.js';
import { type AuthOptions, type ResolvedAuthOptions, resolveAuth } from './auth-options.js';
import {
  type ConnectionLogOptions,
  type ResolvedConnectionLogOptions,
  resolveConnectionLog,
} from './connection-log-options.js';
import { type RelayOptions, type ResolvedRelayOptions, resolveRelay } from './relay-options.js';
import { type JsonPartOptions, type ResolvedJsonPart, resolveJsonPart } from './json-endpoint-options.js';
import { OptionsError } from './options-error.js';
import { checkShape } from './options-schema.js';
import type { TlsFileOptions } from './tls-options.js';
import { resolveWorkers, type WorkersOption } from './workers-option.js';

export interface ServerOptions {
  /** WebSocket and SockJS; false closes it. */
  readonly http?: HttpOptions | false | undefined;
  /** Plain STOMP; false closes it. */
  readonly tcp?: TcpOptions | false | undefined;
  /**
   * Directory for what is to survive a restart; made when it is missing. False keeps that in memory, up to 64 MiB. Default:
   * false; of `hoofbeat serve`: `./hoofbeat-data`.
   */
  readonly data?: string | false | undefined;
  /**
   * Of `hoofbeat serve`: processes that hold the sockets, so that more than one processor works; `auto`: one fewer than the
   * processors. 1 is a single process, the only one that a broker inside an application takes. Default 1.
   */
  readonly workers?: WorkersOption | undefined;
  readonly log?: LogOptions | undefined;
  readonly auth?: AuthOptions | undefined;
  /** Records every session in a table; true takes every default. Default false. */
  readonly connectionLog?: boolean | ConnectionLogOptions | undefined;
  /** Destinations that an external STOMP broker has, or other nodes that share topics over Redis. Default false. */
  readonly relay?: RelayOptions | false | undefined;
  /** Looking after the running server over HTTP; true takes every default. Default false. */
  readonly admin?: boolean | AdminOptions | undefined;
  readonly broker?: Partially<BrokerOptions> | undefined;
}

export interface HttpOptions {
  /** Address to bind; anything beyond loopback also closes anonymous access unless `auth.anonymous` says otherwise. */
  readonly host?: string | undefined;
  /** 0 picks a free port. */
  readonly port?: number | undefined;
  readonly tls?: TlsFileOptions | undefined;
  /** Connections begun with in one turn of the event loop, with TLS an eighth of it; the others wait. Default 32. */
  readonly connectionsPerTurn?: number | undefined;
  /** How long the headers of a request may take. Default 15,000. */
  readonly headersTimeoutMs?: number | undefined;
  /** How long a whole request may take, bodies of SockJS' `xhr_send` among them. Default 60,000. */
  readonly requestTimeoutMs?: number | undefined;
  readonly endpoints?: readonly HttpEndpointOptions[] | undefined;
  /** Paths at which clients speak JSON messages instead of STOMP. Default: none. */
  readonly jsonEndpoints?: readonly JsonEndpointOptions[] | undefined;
}

export interface TcpOptions {
  readonly host?: string | undefined;
  /** 0 picks a free port. */
  readonly port?: number | undefined;
  readonly tls?: TlsFileOptions | undefined;
  /** As of `http`. Default 32. */
  readonly connectionsPerTurn?: number | undefined;
  /** Each connection begins with a PROXY header of HAProxy's: only where nobody else can reach the port; not with `tls`. */
  readonly proxyProtocol?: boolean | undefined;
}

/** One path at which STOMP clients are served. */
export interface HttpEndpointOptions {
  /** Starts with a slash, does not end with one. */
  readonly path: string;
  /** True serves SockJS with defaults beside the native WebSocket. */
  readonly sockjs?: boolean | SockJsFileOptions | undefined;
  /** Origins allowed beside the endpoint's own, e.g. `https://shop.example`; `loopback`: pages of this machine only. */
  readonly allowedOrigins?: readonly string[] | 'loopback' | undefined;
  /** As Spring reads them: `https://*.shop.example:[443,8443]`, `http://localhost:[*]`, a lone `*` for all. */
  readonly allowedOriginPatterns?: readonly string[] | undefined;
  /** permessage-deflate, when the client offers it. */
  readonly compression?: boolean | undefined;
  /** Forgives a frame whose NUL is missing at the end of a WebSocket text message (React Native cuts it). */
  readonly lenientNul?: boolean | undefined;
  /** Understands frames typed line by line, as with `wscat`. */
  readonly typedLines?: boolean | undefined;
  /**
   * Believes X-Forwarded-Proto and X-Forwarded-Host about its own origin, and X-Forwarded-For about the client's address
   * in the connection log: only behind a proxy that sets them.
   */
  readonly trustProxy?: boolean | undefined;
}

/** One path at which clients speak JSON messages. */
export interface JsonEndpointOptions extends Omit<HttpEndpointOptions, 'lenientNul' | 'typedLines'>, JsonPartOptions {}

export interface SockJsFileOptions {
  /** Silence after which the server sends `h`. */
  readonly heartbeatDelayMs?: number | undefined;
  /** How long a polling client may stay away before its session ends. */
  readonly disconnectDelayMs?: number | undefined;
  /** Octets after which a streaming response is ended and the client opens the next. */
  readonly responseLimitBytes?: number | undefined;
  /** Sets a JSESSIONID cookie for load balancers with sticky sessions. */
  readonly jsessionid?: boolean | undefined;
  /** False leaves only the HTTP transports. */
  readonly websocket?: boolean | undefined;
  /** Script that the iframe transports load. */
  readonly clientLibraryUrl?: string | undefined;
}

export interface LogOptions {
  readonly level?: LogLevel | undefined;
  /** Lines for people when the log goes to a terminal, JSON otherwise; false is always JSON. */
  readonly pretty?: boolean | undefined;
}

/** Everything decided. SockJS settings stay open: what is not given is the transport's own default. */
export interface ResolvedServerOptions {
  readonly http: ResolvedHttpOptions | false;
  readonly tcp: ResolvedTcpOptions | false;
  readonly data: string | false;
  readonly workers: number;
  readonly log: { readonly level: LogLevel; readonly pretty: boolean };
  readonly auth: ResolvedAuthOptions;
  readonly connectionLog: ResolvedConnectionLogOptions | false;
  readonly relay: ResolvedRelayOptions | false;
  readonly admin: ResolvedAdminOptions | false;
  readonly broker: BrokerOptions;
}

export interface ResolvedListener {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsFileOptions | undefined;
  readonly connectionsPerTurn: number;
}

export interface ResolvedTcpOptions extends ResolvedListener {
  readonly proxyProtocol: boolean;
}

export interface ResolvedHttpOptions extends ResolvedListener {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly endpoints: readonly ResolvedEndpoint[];
  readonly jsonEndpoints: readonly ResolvedJsonEndpoint[];
}

export interface ResolvedJsonEndpoint extends Omit<ResolvedEndpoint, 'lenientNul' | 'typedLines'>, ResolvedJsonPart {}

export interface ResolvedEndpoint {
  readonly path: string;
  readonly sockjs: boolean | SockJsFileOptions;
  /** `loopback`: pages served from this machine, whatever their port. */
  readonly allowedOrigins: readonly string[] | 'loopback';
  readonly allowedOriginPatterns: readonly string[];
  readonly compression: boolean;
  readonly lenientNul: boolean;
  readonly typedLines: boolean;
  readonly trustProxy: boolean;
}

/** What holds when nothing is said. 61613 is STOMP's customary port, `/ws` the path of Spring's guides. */
export const DEFAULT_SERVER_OPTIONS = Object.freeze({
  // Node's are 60 s and 300 s; STOMP clients send small requests, and slow ones only hold sockets.
  http: Object.freeze({ host: '127.0.0.1', port: 8080, headersTimeoutMs: 15_000, requestTimeoutMs: 60_000 }),
  endpoint: Object.freeze({
    path: '/ws',
    sockjs: true,
    compression: false,
    lenientNul: true,
    typedLines: true,
    trustProxy: false,
  }),
  tcp: Object.freeze({ host: '127.0.0.1', port: 61613, proxyProtocol: false }),
  // 3 ms of HTTP upgrades; accepting as many sockets as wait comes on top.
  connectionsPerTurn: 32,
  data: false,
  log: Object.freeze({ level: 'info', pretty: true }),
} as const);

/**
 * Checks what was given and fills the rest.
 * @throws OptionsError naming every fault by its path
 */
export function resolveServerOptions(given: ServerOptions = {}): ResolvedServerOptions {
  const faults = checkShape(given);
  // What is no object at all is among the faults already.
  const broker = faults.some((fault) => /^(broker: )?got/.test(fault)) ? null : resolveBroker(given.broker, faults);
  if (broker === null || faults.length > 0) throw new OptionsError(faults.sort());
  const http = given.http === false ? false : resolveHttp(given.http ?? {});
  const tcp = given.tcp === false ? false : resolveTcp(given.tcp ?? {});
  if (http === false && tcp === false)
    throw new OptionsError(['tcp: got false, wants a listener, since http is false']);
  const local = (http === false || isLoopback(http.host)) && (tcp === false || isLoopback(tcp.host));
  const relay = resolveRelay(given.relay);
  const data = given.data ?? DEFAULT_SERVER_OPTIONS.data;
  return {
    http,
    tcp,
    data,
    workers: resolveWorkers(given.workers),
    log: {
      level: given.log?.level ?? DEFAULT_SERVER_OPTIONS.log.level,
      pretty: given.log?.pretty ?? DEFAULT_SERVER_OPTIONS.log.pretty,
    },
    auth: resolveAuth(given.auth, local),
    connectionLog: resolveConnectionLog(given.connectionLog, data),
    relay,
    admin: resolveAdmin(given.admin),
    broker,
  };
}

/** True for addresses that only this machine reaches. A name other than localhost may resolve to anything: false. */
export function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/i.test(host);
}

function resolveHttp(given: HttpOptions): ResolvedHttpOptions {
  const host = given.host ?? DEFAULT_SERVER_OPTIONS.http.host;
  const endpoints = given.endpoints ?? [{ path: DEFAULT_SERVER_OPTIONS.endpoint.path }];
  return {
    host,
    port: given.port ?? DEFAULT_SERVER_OPTIONS.http.port,
    tls: given.tls,
    connectionsPerTurn: given.connectionsPerTurn ?? DEFAULT_SERVER_OPTIONS.connectionsPerTurn,
    headersTimeoutMs: given.headersTimeoutMs ?? DEFAULT_SERVER_OPTIONS.http.headersTimeoutMs,
    requestTimeoutMs: given.requestTimeoutMs ?? DEFAULT_SERVER_OPTIONS.http.requestTimeoutMs,
    endpoints: endpoints.map((endpoint) => resolveEndpoint(endpoint, isLoopback(host))),
    jsonEndpoints: (given.jsonEndpoints ?? []).map((endpoint) => resolveJsonEndpoint(endpoint, isLoopback(host))),
  };
}

function resolveEndpoint(given: HttpEndpointOptions, local: boolean): ResolvedEndpoint {
  const standard = DEFAULT_SERVER_OPTIONS.endpoint;
  // Whoever names one origin wants that list and no other.
  const unsaid = given.allowedOrigins === undefined && given.allowedOriginPatterns === undefined;
  return {
    path: given.path,
    sockjs: given.sockjs ?? standard.sockjs,
    // On loopback this is development: pages come from the ports of their own development servers.
    allowedOrigins: given.allowedOrigins ?? (unsaid && local ? 'loopback' : []),
    allowedOriginPatterns: given.allowedOriginPatterns ?? [],
    compression: given.compression ?? standard.compression,
    lenientNul: given.lenientNul ?? standard.lenientNul,
    typedLines: given.typedLines ?? standard.typedLines,
    trustProxy: given.trustProxy ?? standard.trustProxy,
  };
}

function resolveJsonEndpoint(given: JsonEndpointOptions, local: boolean): ResolvedJsonEndpoint {
  const { path, sockjs, allowedOrigins, allowedOriginPatterns, compression, trustProxy } = resolveEndpoint(
    given,
    local,
  );
  return {
    ...{ path, sockjs, allowedOrigins, allowedOriginPatterns, compression, trustProxy },
    ...resolveJsonPart(given),
  };
}

function resolveTcp(given: TcpOptions): ResolvedTcpOptions {
  return {
    host: given.host ?? DEFAULT_SERVER_OPTIONS.tcp.host,
    port: given.port ?? DEFAULT_SERVER_OPTIONS.tcp.port,
    tls: given.tls,
    connectionsPerTurn: given.connectionsPerTurn ?? DEFAULT_SERVER_OPTIONS.connectionsPerTurn,
    proxyProtocol: given.proxyProtocol ?? DEFAULT_SERVER_OPTIONS.tcp.proxyProtocol,
  };
}

function resolveBroker(given: Partially<BrokerOptions> = {}, faults: string[]): BrokerOptions | null {
  try {
    return resolveBrokerOptions(given);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    faults.push(error.message.replace(/^(?:invalid|unknown) option /, 'broker.'));
    return null;
  }
}
