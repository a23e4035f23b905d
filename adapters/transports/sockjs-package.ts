/**
 * The sockjs package, kept to what it does well: the HTTP transports' formats. It sees none of a request but what it
 * needs, only session ids of our making, and no body that was not read and checked before (K-30 to K-33).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import sockjs from 'sockjs';
import type { Logger } from '../../broker/ports.js';
import type { ResolvedSockJsOptions } from './sockjs-options.js';

/** A session as the package shows it; `write` always succeeds while it is open. */
export interface PackageSession {
  readonly url: string;
  write(message: string): void;
  close(status: number, reason: string): void;
  on(event: 'close', listener: () => void): unknown;
}

/** What the package's type declarations leave out. */
interface PackageServer {
  on(event: 'connection', listener: (session: PackageSession | null) => void): unknown;
  listener(options: { readonly prefix: string }): {
    getHandler(): (request: PackageRequest, response: ServerResponse) => boolean;
  };
}

interface PackageInternals {
  readonly _session: { readonly recv?: object | null; didTimeout(): void };
}

export interface PackageCall {
  /** Path and query below the endpoint, e.g. `/info` or `/0/<id>/xhr`. */
  readonly url: string;
  readonly body?: Buffer | undefined;
  /** Instead of the request's own, like `contentType`. */
  readonly method?: string | undefined;
  readonly contentType?: string | undefined;
}

const SESSION_URL = /^\/0\/([^/]+)\//;

export class SockJsPackage {
  readonly #handle: (request: PackageRequest, response: ServerResponse) => boolean;
  // The package keeps the sessions of all servers of the process in one table (K-32), so ids must be beyond guessing.
  readonly #namespace = randomBytes(12).toString('hex');
  #sessions = 0;

  /** @param onSession called in a later turn than the request that opened the session, with the id that request named */
  constructor(
    options: ResolvedSockJsOptions,
    logger: Logger,
    onSession: (id: string, session: PackageSession) => void,
  ) {
    const server = sockjs.createServer({
      websocket: options.websocket,
      jsessionid: options.sessionCookie,
      response_limit: options.responseLimitBytes,
      heartbeat_delay: options.heartBeatDelayMs === 0 ? NEVER_MS : options.heartBeatDelayMs,
      disconnect_delay: options.disconnectDelayMs,
      sockjs_url: options.clientUrl,
      log: (severity, message) => {
        logger.debug({ severity }, `sockjs: ${message}`);
      },
    }) as unknown as PackageServer;
    server.on('connection', (session) => {
      // Null when the client was gone before the package got to tell of it.
      const id = session === null ? undefined : SESSION_URL.exec(session.url)?.[1];
      if (session !== null && id !== undefined) onSession(id, session);
    });
    this.#handle = server.listener({ prefix: '' }).getHandler();
  }

  newSessionId(): string {
    return `${this.#namespace}-${String(this.#sessions++)}`;
  }

  /** Lets the package answer. */
  handle(request: IncomingMessage, response: ServerResponse, call: PackageCall): void {
    this.#handle(new PackageRequest(request, call), response);
  }

  /** Ends a session that nobody receives, without the wait for one. */
  static expire(session: PackageSession): void {
    // Not public, but the package has seen its last release, and the alternative is a timer that outlives us.
    const internals = (session as unknown as PackageInternals)._session;
    if (!internals.recv) internals.didTimeout();
  }
}

/** The longest timeout there is; the package knows no "off". */
const NEVER_MS = 2 ** 31 - 1;

/** What the package may know of a request; it reads the body from this and notices the client's end on the socket. */
class PackageRequest extends Readable {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly httpVersion: string;
  readonly connection: Socket;

  constructor(request: IncomingMessage, call: PackageCall) {
    super();
    this.method = call.method ?? request.method ?? 'GET';
    this.url = call.url;
    const { contentType } = call;
    this.headers = contentType === undefined ? request.headers : { ...request.headers, 'content-type': contentType };
    this.httpVersion = request.httpVersion;
    this.connection = request.socket;
    if (call.body !== undefined) this.push(call.body);
    this.push(null);
  }

  override _read(): void {
    // Everything was pushed when it was made.
  }
}
