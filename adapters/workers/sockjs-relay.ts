/**
 * A SockJS session over HTTP is one worker's, found by the session's id; whichever worker a request of it reaches passes
 * it on over a socket of the machine's own, and passes back the answer as it comes (DESIGN.md, 6).
 */
import { Agent, createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import path from 'node:path';

/** Headers between the workers. Nobody else reaches these sockets: their directory is the server's user's alone. */
const ADDRESS = 'x-hoofbeat-address';
const ENCRYPTED = 'x-hoofbeat-encrypted';
/** What is of one hop only (RFC 9110, 7.6.1). Transfer-Encoding is decoded and made anew on each. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'te', 'trailer']);

export interface SockJsRelayOptions {
  /** 1 and up. */
  readonly worker: number;
  readonly workers: number;
  /** Where the workers' sockets are. */
  readonly directory: string;
  /** Answers a request that another worker has passed on; false when its path is none of ours. */
  readonly take: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export class SockJsRelay {
  readonly #options: SockJsRelayOptions;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server: Server;

  constructor(options: SockJsRelayOptions) {
    this.#options = options;
    // The worker that was asked has its own timeouts for headers and bodies.
    this.#server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
      restoreClient(request);
      if (options.take(request, response)) return;
      response.writeHead(404);
      response.end();
    });
  }

  listen(): Promise<void> {
    const file = this.#fileOf(this.#options.worker);
    // One that was killed leaves its socket behind.
    rmSync(file, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Exclusive: not shared by the cluster's primary.
      this.#server.listen({ path: file, exclusive: true }, resolve);
    });
  }

  close(): void {
    this.#agent.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Passes on a request of another worker's session; false when the session is this worker's. */
  readonly passOn = (session: string, request: IncomingMessage, response: ServerResponse): boolean => {
    const owner = ownerOf(session, this.#options.workers);
    if (owner === this.#options.worker) return false;
    const { method, url: path } = request;
    const headers = [...keptHeaders(request.rawHeaders), ADDRESS, request.socket.remoteAddress ?? ''];
    if ((request.socket as Partial<TLSSocket>).encrypted === true) headers.push(ENCRYPTED, '1');
    const passed = httpRequest({ socketPath: this.#fileOf(owner), agent: this.#agent, method, path, headers });
    passed.on('response', (answer) => {
      passBack(answer, response);
    });
    passed.on('error', () => {
      // The worker is gone, and its sessions with it; or it did not want the rest of the body.
      if (response.headersSent) response.destroy();
      else refuse(response);
    });
    response.on('close', () => {
      // A client that left must be seen to have left.
      if (!response.writableFinished) passed.destroy();
    });
    request.pipe(passed);
    return true;
  };

  #fileOf(worker: number): string {
    return path.join(this.#options.directory, `${String(worker)}.sock`);
  }
}

/** Which worker (1 and up) a session belongs to: FNV-1a of its id. */
export function ownerOf(session: string, workers: number): number {
  let hash = 0x811c9dc5;
  for (let k = 0; k < session.length; k++) hash = Math.imul(hash ^ session.charCodeAt(k), 0x01000193);
  return ((hash >>> 0) % workers) + 1;
}

function passBack(answer: IncomingMessage, response: ServerResponse): void {
  if (response.destroyed) {
    answer.destroy();
    return;
  }
  const headers = keptHeaders(answer.rawHeaders, 'transfer-encoding');
  if (answer.headers.connection === 'close') headers.push('Connection', 'close');
  response.sendDate = false;
  response.writeHead(answer.statusCode ?? 502, headers);
  // What streams has its head at once.
  response.flushHeaders();
  answer.pipe(response);
  answer.on('error', () => {
    response.destroy();
  });
}

/** In the form of `rawHeaders`: names and values in turns. */
function keptHeaders(raw: readonly string[], also = ''): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? '';
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || lower === also || lower === ADDRESS || lower === ENCRYPTED) continue;
    kept.push(name, raw[at + 1] ?? '');
  }
  return kept;
}

/** The request is the client's again: where it comes from, and over what. */
function restoreClient(request: IncomingMessage): void {
  const address = request.headers[ADDRESS];
  const isEncrypted = request.headers[ENCRYPTED] === '1';
  // Both names are this file's own: no client's header gets this far.
  Reflect.deleteProperty(request.headers, ADDRESS);
  Reflect.deleteProperty(request.headers, ENCRYPTED);
  Object.defineProperty(request.socket, 'remoteAddress', { value: address, configurable: true });
  Object.defineProperty(request.socket, 'encrypted', { value: isEncrypted, configurable: true });
}

function refuse(response: ServerResponse): void {
  if (response.destroyed) return;
  response.writeHead(503, { 'Retry-After': '1', 'Content-Length': '0' });
  response.end();
}
