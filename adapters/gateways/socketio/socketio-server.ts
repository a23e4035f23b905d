/**
 * What the gateway uses of a Socket.IO server (package `socket.io`, 4.x), which the application makes: its options, and
 * its version, are the application's.
 */
import type { IncomingMessage, Server } from 'node:http';

export interface SocketIoServer {
  attach(server: Server): unknown;
  path(): string;
  use(middleware: (socket: SocketIoSocket, next: (error?: Error) => void) => void): unknown;
  on(event: 'connection', listener: (socket: SocketIoSocket) => void): unknown;
  close(): unknown;
}

export interface SocketIoSocket {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly conn: SocketIoConnection;
  readonly connected: boolean;
  emit(event: string, ...args: unknown[]): unknown;
  disconnect(close?: boolean): unknown;
  on(event: 'disconnect', listener: (reason: string) => void): unknown;
  onAny(listener: (event: string, ...args: unknown[]) => void): unknown;
}

/** Engine.IO's connection, as its types show it. */
export interface SocketIoConnection {
  readonly remoteAddress: string;
  /** `open` until its end has begun. */
  readonly readyState: string;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  close(discard?: boolean): unknown;
}

/** Octets, near enough, that its transport has not taken yet; the list is there for everybody and private by its types alone. */
export function bufferedBytesOf(connection: SocketIoConnection): number {
  const { writeBuffer = [] } = connection as { readonly writeBuffer?: readonly { readonly data?: unknown }[] };
  let bytes = 0;
  for (const { data } of writeBuffer) bytes += typeof data === 'string' || Buffer.isBuffer(data) ? data.length : 0;
  return bytes;
}
