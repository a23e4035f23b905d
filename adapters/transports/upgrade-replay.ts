/**
 * Undoes an upgrade that nobody wants. Java's HttpClient, for one, offers `Upgrade: h2c` with every plain request; a
 * server is free to ignore that (RFC 9110, 7.8), but Node stops reading HTTP once anybody listens for upgrades.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

/** Hands the request back to `server` as if it had not asked for an upgrade; its body, if any, follows from the socket. */
export function continueWithoutUpgrade(server: Server, request: IncomingMessage, socket: Socket, head: Buffer): void {
  const lines = [`${request.method ?? 'GET'} ${request.url ?? '/'} HTTP/${request.httpVersion}`];
  for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? '';
    const value = request.rawHeaders[at + 1] ?? '';
    const kept = keptValue(name.toLowerCase(), value);
    if (kept !== null) lines.push(`${name}: ${kept}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit(server instanceof TlsServer ? 'secureConnection' : 'connection', socket);
}

function keptValue(name: string, value: string): string | null {
  if (name === 'upgrade' || name === 'http2-settings') return null;
  if (name !== 'connection') return value;
  const options = value
    .split(',')
    .map((option) => option.trim())
    .filter((option) => !['upgrade', 'http2-settings', ''].includes(option.toLowerCase()));
  return options.length === 0 ? null : options.join(', ');
}
