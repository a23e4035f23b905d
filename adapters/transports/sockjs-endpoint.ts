/** SockJS endpoint (landing next): native WebSocket on the bare path. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { EndpointHost, EndpointOptions, HttpEndpoint } from './endpoint.js';
import { WebSocketEndpoint } from './websocket-endpoint.js';

export class SockJsEndpoint implements HttpEndpoint {
  readonly path: string;
  readonly #native: WebSocketEndpoint;

  constructor(options: EndpointOptions, host: EndpointHost) {
    this.path = options.path;
    this.#native = new WebSocketEndpoint(options, host);
  }

  owns(path: string): boolean {
    return this.#native.owns(path) || path === `${this.path}/websocket`;
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#native.onRequest(request, response);
  }

  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#native.onUpgrade(request, socket, head);
  }

  close(): void {
    this.#native.close();
  }
}
