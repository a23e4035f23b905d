/**
 * A path that speaks WebSocket and nothing else.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Handshake } from '../../broker/ports.js';
import { CompressedWebSocketConnection } from './compressed-websocket-connection.js';
import {
  type Admit,
  DRAINING_HEADERS,
  DRAINING_TEXT,
  type EndpointHost,
  type EndpointOptions,
  type HttpEndpoint,
} from './endpoint.js';
import { answer, answerTo, refuseUpgrade } from './http-answers.js';
import { OriginPolicy } from './origin-policy.js';
import { handshakeOf, WebSocketConnection, type EndpointSocket } from './websocket-connection.js';
import { WebSocketUpgrade } from './websocket-upgrade.js';

const VERSIONS = ['13'];
/** What a 401 has to say (RFC 9110, 15.5.2; RFC 6750). */
export const BEARER = { 'WWW-Authenticate': 'Bearer' };
/** "Try again later" (IANA's registry of close codes): the broker took no more connections. */
const REFUSED_STATUS = 1013;

export class WebSocketEndpoint implements HttpEndpoint {
  readonly path: string;
  readonly #host: EndpointHost;
  readonly #origins: OriginPolicy;
  readonly #upgrade: WebSocketUpgrade;
  readonly #typedLines: boolean;
  readonly #lenientNul: boolean;
  readonly #trustProxy: boolean;

  constructor(options: EndpointOptions, host: EndpointHost) {
    this.path = options.path;
    this.#host = host;
    this.#origins = new OriginPolicy(options);
    this.#upgrade = new WebSocketUpgrade(options);
    this.#typedLines = options.typedLines ?? true;
    this.#lenientNul = options.lenientNul ?? true;
    this.#trustProxy = options.trustProxy ?? false;
  }

  owns(path: string): boolean {
    return path === this.path || path === `${this.path}/`;
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      answer(response, 405, '', { Allow: 'GET' });
      return;
    }
    const host = request.headers.host ?? 'this-host';
    const text = `This is a STOMP endpoint for WebSocket clients: connect to ws://${host}${this.path}`;
    // Node would keep the connection, though the client asked to close it, were this only `Upgrade`.
    answer(response, 426, text, { Upgrade: 'websocket', Connection: 'Upgrade, close' });
  }

  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.#origins.isAllowed(request)) {
      this.#host.logger.info(
        { origin: request.headers.origin, path: this.path },
        'WebSocket refused: origin not allowed',
      );
      refuseUpgrade(socket, 403, 'Pages of this origin may not connect here.');
      return;
    }
    if (!this.#host.isAccepting) {
      refuseUpgrade(socket, 503, DRAINING_TEXT, DRAINING_HEADERS);
      return;
    }
    if (refuseFull(this.#host, request, this.#trustProxy, socket)) return;
    const handshake = handshakeOf(request, this.#trustProxy);
    const connection = { transport: 'websocket', remoteAddress: socket.remoteAddress ?? '' } as const;
    whenAdmitted(this.#host, { handshake, connection, socket }, () => {
      this.#open(handshake, request, socket, head);
    });
  }

  close(): void {
    this.#upgrade.terminateAll();
  }

  #open(handshake: Handshake, request: IncomingMessage, socket: Socket, head: Buffer): void {
    const onOpen = (ws: EndpointSocket): void => {
      const { maxMessageBytes } = this.#upgrade;
      const options = { handshake, typedLines: this.#typedLines, lenientNul: this.#lenientNul, maxMessageBytes };
      // The extension is only ever negotiated when the endpoint offers it.
      const connection =
        ws.extensions === ''
          ? new WebSocketConnection(ws, socket, options)
          : new CompressedWebSocketConnection(ws, socket, options);
      openConnection(connection, this.#host);
    };
    this.#upgrade.accept(request, socket, head, { versions: VERSIONS, onOpen });
  }
}

/** Opens at once where nobody has to be asked; else when the answer is there, unless the client has left. */
export function whenAdmitted(
  { admit }: EndpointHost,
  asked: { readonly handshake: Handshake; readonly connection: Parameters<Admit>[1]; readonly socket: Socket },
  open: () => void,
): void {
  if (admit === undefined) {
    open();
    return;
  }
  const { handshake, connection, socket } = asked;
  const onError = (): void => {
    socket.destroy();
  };
  socket.on('error', onError);
  void admit(handshake, connection).then((refusal) => {
    socket.off('error', onError);
    if (socket.destroyed) return;
    if (refusal === null) open();
    else refuseUpgrade(socket, refusal.status, refusal.text, refusal.status === 401 ? BEARER : {});
  });
}

/** Shows a new connection to the broker and starts or refuses it. */
export function openConnection(connection: WebSocketConnection, host: EndpointHost): void {
  const listener = host.accept(connection);
  if (listener !== null) connection.start(listener);
  else connection.close({ code: 'refused', webSocketStatus: REFUSED_STATUS, text: 'Try again later' });
}

/** Answers 429, or 503 where nobody may, to a client that may not connect now. @returns whether it was refused */
export function refuseFull(host: EndpointHost, request: IncomingMessage, trustProxy: boolean, socket: Socket): boolean {
  const refusal = host.accept.refusal?.(request.socket.remoteAddress ?? '', handshakeOf(request, trustProxy)) ?? null;
  if (refusal === null) return false;
  const { status, text, headers } = answerTo(refusal);
  refuseUpgrade(socket, status, text, headers);
  return true;
}
