/**
 * What the kinds of HTTP endpoint have in common: their options, and how the server that carries them sees them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AcceptConnection, Connection, Handshake, Logger } from '../../broker/ports.js';
import type { OriginOptions } from './origin-policy.js';
import type { SockJsOptions } from './sockjs-options.js';
import type { WebSocketOptions } from './websocket-upgrade.js';

export interface EndpointOptions extends OriginOptions, WebSocketOptions {
  /** Path such as `/ws`, without a slash at its end. */
  readonly path: string;
  /** Serve SockJS on the path and below it; a plain WebSocket still connects on the bare path. Default false. */
  readonly sockjs?: boolean | SockJsOptions | undefined;
  /** Let a text message end a frame whose NUL is missing, as React Native cuts it. Default true. */
  readonly lenientNul?: boolean | undefined;
  /** Understand frames typed line by line, as with `wscat`. Default true. */
  readonly typedLines?: boolean | undefined;
}

/**
 * Asked about each HTTP request of a SockJS session, by the id in its URL: true when it was passed on to the process that
 * holds the session, false when that is this one.
 */
export type PassOn = (session: string, request: IncomingMessage, response: ServerResponse) => boolean;

/** Why a connection is refused: an HTTP status and a line for people. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

/** Asked before a connection is opened; null lets it in. Must not reject. */
export type Admit = (
  handshake: Handshake,
  connection: Pick<Connection, 'transport' | 'remoteAddress'>,
) => Promise<Refusal | null>;

/** What an endpoint needs of whoever carries it. */
export interface EndpointHost {
  readonly accept: AcceptConnection;
  readonly logger: Logger;
  /** Missing: every session is this process's. */
  readonly passOn?: PassOn | undefined;
  /** Missing: who may connect is told after it has connected. */
  readonly admit?: Admit | undefined;
  /** False while the server drains: what is open goes on, new connections are answered 503. */
  readonly isAccepting: boolean;
}

/** One path of an HTTP server. */
export interface HttpEndpoint {
  readonly path: string;
  /** Whether a request path, undecoded and without query, belongs to this endpoint. */
  owns(path: string): boolean;
  onRequest(request: IncomingMessage, response: ServerResponse): void;
  onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
  /** Ends every connection at once. */
  close(): void;
}

export const DRAINING_TEXT = 'The server is going away; connect again in a moment.';
export const DRAINING_HEADERS = { 'Retry-After': '1' };
