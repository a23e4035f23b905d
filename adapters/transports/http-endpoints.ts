/**
 * Puts STOMP endpoints on an HTTP server that may have other work: requests to our paths never reach its listeners,
 * everything else does, whenever those were added.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AcceptConnection, Logger } from '../../broker/ports.js';
import type { Admit, EndpointHost, EndpointOptions, HttpEndpoint, PassOn } from './endpoint.js';
import { pathOf, refuseUpgrade } from './http-answers.js';
import { SockJsEndpoint } from './sockjs-endpoint.js';
import { continueWithoutUpgrade } from './upgrade-replay.js';
import { WebSocketEndpoint } from './websocket-endpoint.js';

/** Endpoints as they sit on a server. */
export interface AttachedEndpoints {
  readonly paths: readonly string[];
  /**
   * Takes a request that came in by another server than the one they are attached to (Fastify opens a second one when it
   * listens on `localhost`). Returns false, and does nothing, when its path is none of theirs.
   */
  take(request: IncomingMessage, response: ServerResponse): boolean;
  /** From now on new connections are answered 503; open ones and their requests go on. */
  stopAccepting(): void;
  /** Ends every connection and gives the paths back to the server's other listeners. */
  detach(): void;
}

/**
 * Serves `endpoints` on `server`. The same path given twice, plain and with SockJS, is one SockJS endpoint, which takes
 * plain WebSockets as well (Spring S1.3).
 * @throws TypeError when a path is not absolute, ends with a slash, or has characters that a URL path would encode
 */
export function attachEndpoints(
  server: Server,
  endpoints: readonly EndpointOptions[],
  accept: AcceptConnection,
  logger: Logger,
  passOn?: PassOn,
  admit?: Admit,
): AttachedEndpoints {
  const host = { accept, logger, passOn, admit, isAccepting: true };
  const attached = createEndpoints(endpoints, host);
  const ownerOf = (request: IncomingMessage): HttpEndpoint | undefined => {
    const path = pathOf(request);
    return attached.find((endpoint) => endpoint.owns(path));
  };
  let isAttached = true;
  const take = (request: IncomingMessage, response: ServerResponse): boolean => {
    const owner = isAttached ? ownerOf(request) : undefined;
    owner?.onRequest(request, response);
    return owner !== undefined;
  };
  takeOver(server, {
    onRequest: take,
    onUpgrade(request, socket, head) {
      const owner = isAttached ? ownerOf(request) : undefined;
      owner?.onUpgrade(request, socket, head);
      return owner !== undefined;
    },
  });
  return {
    paths: attached.map((endpoint) => endpoint.path),
    take,
    stopAccepting() {
      host.isAccepting = false;
    },
    detach() {
      isAttached = false;
      for (const endpoint of attached) endpoint.close();
    },
  };
}

function createEndpoints(options: readonly EndpointOptions[], host: EndpointHost): readonly HttpEndpoint[] {
  const byPath = new Map<string, EndpointOptions>();
  for (const endpoint of options) {
    if (!/^\/$|^(\/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)+$/.test(endpoint.path)) {
      throw new TypeError(
        `endpoint path ${JSON.stringify(endpoint.path)}: wants an absolute path without a slash at its end`,
      );
    }
    const twin = byPath.get(endpoint.path);
    if (twin === undefined || isSockJs(endpoint)) byPath.set(endpoint.path, endpoint);
  }
  return [...byPath.values()]
    .sort((a, b) => b.path.length - a.path.length)
    .map((each) => (isSockJs(each) ? new SockJsEndpoint(each, host) : new WebSocketEndpoint(each, host)));
}

function isSockJs(endpoint: EndpointOptions): boolean {
  return endpoint.sockjs !== undefined && endpoint.sockjs !== false;
}

export interface Interceptor {
  /** Returns whether the request was taken. */
  onRequest(request: IncomingMessage, response: ServerResponse): boolean;
  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): boolean;
}

/** Stands in front of the server's `emit`: the one place before all listeners, those that are added later included. */
export function takeOver(server: Server, interceptor: Interceptor): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...values: unknown[]) => boolean;
  const emitUnlessOurs = (event: string | symbol, ...values: unknown[]): boolean => {
    if (event === 'request') {
      const [request, response] = values as [IncomingMessage, ServerResponse];
      return interceptor.onRequest(request, response) || emit(event, ...values);
    }
    if (event === 'upgrade') {
      const [request, socket, head] = values as [IncomingMessage, Socket, Buffer];
      if (isWebSocketUpgrade(request) && interceptor.onUpgrade(request, socket, head)) return true;
    }
    return emit(event, ...values);
  };
  Object.defineProperty(server, 'emit', { value: emitUnlessOurs, configurable: true, writable: true });
  // Without a listener of this event Node would not tell of upgrades at all.
  if (!server.listeners('upgrade').includes(onUnclaimedUpgrade)) server.on('upgrade', onUnclaimedUpgrade);
}

function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** An upgrade that is none of ours. It is left to the application's own listeners if it has any. */
function onUnclaimedUpgrade(this: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  if (this.listeners('upgrade').some((listener) => listener !== onUnclaimedUpgrade)) return;
  if (isWebSocketUpgrade(request)) refuseUpgrade(socket, 404, 'No WebSocket endpoint has this path.');
  else continueWithoutUpgrade(this, request, socket, head);
}
