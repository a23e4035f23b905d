/**
 * Short plain-text answers to requests that get no further: on a response, and on the bare socket of an upgrade.
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectionRefusal } from '../../broker/ports.js';

/** How long a client may take to read why it was refused. */
const REFUSAL_MS = 5_000;

export type AnswerHeaders = Readonly<Record<string, string>>;

/** Ends `response` with `text` and a line end. */
export function answer(response: ServerResponse, status: number, text: string, headers: AnswerHeaders = {}): void {
  const body = text === '' ? '' : `${text}\n`;
  response.writeHead(status, { ...contentHeaders(body), ...headers });
  response.end(body);
}

/** Answers an upgrade request and closes its socket once that has left. */
export function refuseUpgrade(socket: Socket, status: number, text: string, headers: AnswerHeaders = {}): void {
  const body = text === '' ? '' : `${text}\n`;
  const all = { Connection: 'close', ...contentHeaders(body), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.setTimeout(REFUSAL_MS, () => socket.destroy());
  socket.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** A refusal in the words of HTTP. */
export function answerTo({ message, retryAfterMs, isServers }: ConnectionRefusal): {
  readonly status: 429 | 503;
  readonly text: string;
  readonly headers: AnswerHeaders;
} {
  const headers = { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) };
  return { status: isServers ? 503 : 429, text: `${message}; connect again later.`, headers };
}

/** Path and query of a request, undecoded. A client that takes us for its proxy sends the whole URL (RFC 9112, 3.2.2). */
export function targetOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const authority = url.startsWith('/') ? null : /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(url);
  if (authority === null) return url;
  const rest = url.slice(authority[0].length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The path of a request, undecoded, without its query. */
export function pathOf(request: IncomingMessage): string {
  const target = targetOf(request);
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

/** Nothing has no type, as the SockJS protocol tests ask of 405. */
function contentHeaders(body: string): AnswerHeaders {
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  return body === '' ? length : { 'Content-Type': 'text/plain; charset=UTF-8', ...length };
}
