/**
 * A SockJS endpoint (group K of the SockJS protocol): the path and everything below it. WebSocket transports are ours,
 * HTTP transports are the sockjs package's behind our checks; a plain WebSocket connects on the bare path.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  DRAINING_HEADERS,
  DRAINING_TEXT,
  type EndpointHost,
  type EndpointOptions,
  type HttpEndpoint,
} from './endpoint.js';
import { answer, pathOf, refuseUpgrade } from './http-answers.js';
import { OriginPolicy } from './origin-policy.js';
import { SockJsHttpSessions } from './sockjs-http-sessions.js';
import { SockJsHeartBeat } from './sockjs-heart-beat.js';
import { resolveSockJsOptions, type ResolvedSockJsOptions } from './sockjs-options.js';
import { parseSockJsPath, RECEIVING, type SockJsPath } from './sockjs-path.js';
import { SockJsWebSocketConnection } from './sockjs-websocket-connection.js';
import { handshakeOf } from './websocket-connection.js';
import { BEARER, openConnection, refuseFull, whenAdmitted, WebSocketEndpoint } from './websocket-endpoint.js';
import { WebSocketUpgrade } from './websocket-upgrade.js';

/** 7 and 8 are drafts with the wire format of 13; the SockJS protocol tests still offer them. */
const VERSIONS = ['13', '8', '7'];

export class SockJsEndpoint implements HttpEndpoint {
  readonly path: string;
  readonly #host: EndpointHost;
  readonly #options: ResolvedSockJsOptions;
  readonly #prefix: string;
  readonly #origins: OriginPolicy;
  readonly #native: WebSocketEndpoint;
  readonly #upgrade: WebSocketUpgrade;
  readonly #heartBeat: SockJsHeartBeat;
  readonly #sessions: SockJsHttpSessions;
  readonly #trustProxy: boolean;

  constructor(options: EndpointOptions, host: EndpointHost) {
    this.path = options.path;
    this.#host = host;
    this.#options = resolveSockJsOptions(options.sockjs);
    this.#prefix = options.path === '/' ? '' : options.path;
    this.#origins = new OriginPolicy(options);
    this.#native = new WebSocketEndpoint(options, host);
    this.#upgrade = new WebSocketUpgrade({ maxMessageBytes: options.maxMessageBytes });
    this.#heartBeat = new SockJsHeartBeat(this.#options.heartBeatDelayMs);
    this.#trustProxy = options.trustProxy ?? false;
    this.#sessions = new SockJsHttpSessions(this.#options, host);
  }

  owns(path: string): boolean {
    return path === this.path || path.startsWith(`${this.#prefix}/`);
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    const path = parseSockJsPath(pathOf(request).slice(this.#prefix.length));
    if (path === null) {
      answer(response, 404, 'Not found');
    } else if (!this.#origins.isAllowed(request)) {
      this.#logRefusal(request);
      answer(response, 403, 'Pages of this origin may not connect here.');
    } else {
      this.#serve(path, request, response);
    }
  }

  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const path = parseSockJsPath(pathOf(request).slice(this.#prefix.length));
    if (path?.kind === 'greeting' || (path?.kind === 'raw-websocket' && this.#options.websocket)) {
      this.#native.onUpgrade(request, socket, head);
    } else if (path?.kind !== 'websocket' || !this.#options.websocket) {
      refuseUpgrade(socket, 404, 'No WebSocket endpoint has this path.');
    } else if (!this.#origins.isAllowed(request)) {
      this.#logRefusal(request);
      refuseUpgrade(socket, 403, 'Pages of this origin may not connect here.');
    } else if (!this.#host.isAccepting) {
      refuseUpgrade(socket, 503, DRAINING_TEXT, DRAINING_HEADERS);
    } else if (!refuseFull(this.#host, request, this.#trustProxy, socket)) {
      this.#openWebSocket(request, socket, head);
    }
  }

  close(): void {
    this.#native.close();
    this.#upgrade.terminateAll();
    this.#sessions.close();
  }

  #openWebSocket(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const handshake = handshakeOf(request, this.#trustProxy);
    const { maxMessageBytes } = this.#upgrade;
    const options = { handshake, heartBeat: this.#heartBeat, text: this.#options.text, maxMessageBytes };
    const connection = { transport: 'sockjs-websocket', remoteAddress: socket.remoteAddress ?? '' } as const;
    whenAdmitted(this.#host, { handshake, connection, socket }, () => {
      this.#upgrade.accept(request, socket, head, {
        versions: VERSIONS,
        onOpen: (ws) => {
          openConnection(new SockJsWebSocketConnection(ws, socket, options), this.#host);
        },
      });
    });
  }

  #serve(path: SockJsPath, request: IncomingMessage, response: ServerResponse): void {
    switch (path.kind) {
      case 'websocket':
      case 'raw-websocket':
        if (this.#options.websocket) answerWithoutUpgrade(request, response);
        else this.#sessions.answer(request, response, path.kind === 'websocket' ? '/0/0/websocket' : '/websocket');
        return;
      case 'receive':
        // A script element sends no Origin, so JSONP cannot be kept to the origins that are allowed (Spring S1.35).
        if (path.transport === 'jsonp' && !this.#origins.allowsAll) answer(response, 404, 'Not found');
        else if (!this.#isElsewhere(path.session, request, response)) this.#receive(request, response, path);
        return;
      case 'send':
        if (this.#isElsewhere(path.session, request, response)) return;
        this.#sessions.send(request, response, path).catch((error: unknown) => {
          this.#host.logger.error({ err: error }, 'a SockJS request failed');
          if (!response.headersSent) answer(response, 500, 'Internal error');
        });
        return;
      case 'iframe':
        this.#serveIframe(request, response);
        return;
      default:
        this.#sessions.answer(request, response, pathOf(request).slice(this.#prefix.length) || '/');
    }
  }

  #receive(request: IncomingMessage, response: ServerResponse, path: Extract<SockJsPath, { kind: 'receive' }>): void {
    const { admit } = this.#host;
    if (admit === undefined || request.method === 'OPTIONS') {
      this.#sessions.receive(request, response, path, handshakeOf(request, this.#trustProxy));
      return;
    }
    // Each request is asked about, not only the one that opens the session: its id is in the URL, for others to see.
    const handshake = handshakeOf(request, this.#trustProxy);
    const connection = { transport: RECEIVING[path.transport], remoteAddress: request.socket.remoteAddress ?? '' };
    void admit(handshake, connection).then((refusal) => {
      if (refusal === null) this.#sessions.receive(request, response, path, handshake);
      else answer(response, refusal.status, refusal.text, refusal.status === 401 ? BEARER : {});
    });
  }

  /** Whether the request went to the process that has the session. */
  #isElsewhere(session: string, request: IncomingMessage, response: ServerResponse): boolean {
    return this.#host.passOn?.(session, request, response) === true;
  }

  /** Whoever may show this page in a frame of its own connects with our origin (Spring S1.34). */
  #serveIframe(request: IncomingMessage, response: ServerResponse): void {
    if (!this.#origins.allowsAll && !this.#origins.isSameOriginOnly) {
      answer(response, 404, 'Not found');
      return;
    }
    if (!this.#origins.allowsAll) response.setHeader('X-Frame-Options', 'SAMEORIGIN');
    this.#sessions.answer(request, response, pathOf(request).slice(this.#prefix.length));
  }

  #logRefusal(request: IncomingMessage): void {
    this.#host.logger.info({ origin: request.headers.origin, path: this.path }, 'SockJS refused: origin not allowed');
  }
}

/** K-22, in the words of the SockJS protocol tests. */
function answerWithoutUpgrade(request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'GET') answer(response, 405, '', { Allow: 'GET' });
  else if (request.headers.upgrade?.toLowerCase() === 'websocket') {
    answer(response, 400, '"Connection" must be "Upgrade".');
  } else {
    answer(response, 400, 'Can "Upgrade" only to "WebSocket".');
  }
}
