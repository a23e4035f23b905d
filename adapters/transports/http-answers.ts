/**
 * Short plain-text answers to requests that get no further: on a response, and on the bare socket of an upgrade.
 */
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a client may take to read why it was refused. */
const REFUSAL_MS = 5_000;

export type AnswerHeaders = Readonly<Record<string, string>>;

/** Ends `response` with `text` and a line end. */
export function answer(response: ServerResponse, status: number, text: string, headers: AnswerHeaders = {}): void {
  const body = text === '' ? '' : `${text}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

/** Answers an upgrade request and closes its socket once that has left. */
export function refuseUpgrade(socket: Socket, status: number, text: string, headers: AnswerHeaders = {}): void {
  const body = text === '' ? '' : `${text}\n`;
  const all = {
    Connection: 'close',
    'Content-Type': 'text/plain; charset=UTF-8',
    'Content-Length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.setTimeout(REFUSAL_MS, () => socket.destroy());
  socket.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
}

/** The path of a request as received, undecoded, without its query. */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? '/';
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}
