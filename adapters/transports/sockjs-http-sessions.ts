/**
 * The HTTP sessions of one SockJS endpoint: finds them by the id in the URL, and takes each request past our checks to
 * the package, which writes the answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Handshake } from '../../broker/ports.js';
import { DRAINING_HEADERS, DRAINING_TEXT, type EndpointHost } from './endpoint.js';
import { answer, answerTo } from './http-answers.js';
import { SockJsHttpConnection } from './sockjs-http-connection.js';
import { InboundBuffer } from './sockjs-inbound.js';
import type { ResolvedSockJsOptions } from './sockjs-options.js';
import { SockJsPackage, type PackageSession } from './sockjs-package.js';
import { RECEIVING, type Receiving, type Sending } from './sockjs-path.js';
import { messagesOf, readBody } from './sockjs-post.js';

interface HttpSession {
  /** What the package calls it, and what the client does. */
  readonly id: string;
  readonly chosenId: string;
  readonly connection: SockJsHttpConnection;
  packageSession: PackageSession | null;
}

const TAKEN = Buffer.from('[]');
const NOT_AN_ARRAY = Buffer.from('null');

export class SockJsHttpSessions {
  readonly #options: ResolvedSockJsOptions;
  readonly #host: EndpointHost;
  readonly #package: SockJsPackage;
  /** By the id that the client chose. */
  readonly #sessions = new Map<string, HttpSession>();
  /** By the package's id: sessions it has not told of yet. */
  readonly #opening = new Map<string, HttpSession>();

  constructor(options: ResolvedSockJsOptions, host: EndpointHost) {
    this.#options = options;
    this.#host = host;
    this.#package = new SockJsPackage(options, host.logger, (id, session) => {
      this.#onOpen(id, session);
    });
  }

  /** Greeting, info and the rest that belongs to no session. */
  answer(request: IncomingMessage, response: ServerResponse, url: string): void {
    // The package knows no HEAD, which health checks send; the response drops the body by itself.
    this.#package.handle(request, response, request.method === 'HEAD' ? { url, method: 'GET' } : { url });
  }

  receive(
    request: IncomingMessage,
    response: ServerResponse,
    path: { readonly session: string; readonly transport: Receiving },
    handshake: Handshake,
  ): void {
    const known = this.#sessions.get(path.session);
    const isReceiving = request.method === (path.transport.startsWith('xhr') ? 'POST' : 'GET');
    const url = (id: string): string => `/0/${id}/${path.transport}${queryOf(request)}`;
    if (!isReceiving || !hasValidCallback(path.transport, request)) {
      // Preflights, wrong methods and what the package refuses must not look like a receiver.
      this.#package.handle(request, response, { url: url('none') });
      return;
    }
    if (known === undefined && !this.#host.isAccepting) {
      answer(response, 503, DRAINING_TEXT, DRAINING_HEADERS);
      return;
    }
    const shortage = known === undefined ? (this.#host.accept.shortage?.() ?? null) : null;
    if (shortage !== null) {
      const { status, text, headers } = answerTo(shortage);
      answer(response, status, text, headers);
      return;
    }
    const isPolling = path.transport === 'xhr' || path.transport === 'jsonp';
    // Behind nginx a stream arrives when it ends, unless the answer says this.
    if (!isPolling) response.setHeader('X-Accel-Buffering', 'no');
    const session = known ?? this.#newSession(request, path, handshake);
    session.connection.beforeReceiver(response);
    this.#package.handle(request, response, { url: url(session.id) });
    session.connection.afterReceiver(response, isPolling);
  }

  async send(
    request: IncomingMessage,
    response: ServerResponse,
    path: { readonly session: string; readonly transport: Sending },
  ): Promise<void> {
    const known = this.#sessions.get(path.session);
    const url = `/0/${known?.id ?? 'none'}/${path.transport}${queryOf(request)}`;
    if (request.method !== 'POST') {
      this.#package.handle(request, response, { url });
      return;
    }
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding.toLowerCase() !== 'identity') {
      // No SockJS client compresses what it sends; inflating would let a few octets stand for many.
      const text = `Content-Encoding: got ${JSON.stringify(encoding)}, wants none`;
      answer(response, 415, text, { 'Accept-Encoding': 'identity', Connection: 'close' });
      return;
    }
    let body: Buffer | null;
    try {
      body = await readBody(request, this.#options.maxPostBytes);
    } catch {
      // The rest is not read: the connection cannot be used again.
      answer(response, 413, 'Payload too large', { Connection: 'close' });
      return;
    }
    if (body === null) return;
    const messages = messagesOf(body, path.transport, request.headers['content-type'] ?? '');
    if (messages === 'malformed') {
      this.#package.handle(request, response, { url, body });
    } else if (messages === 'not-strings') {
      known?.connection.refuseInput();
      this.#package.handle(request, response, { url, body: NOT_AN_ARRAY, contentType: 'text/plain' });
    } else {
      const onTaken = (): void => {
        // The messages are delivered already; what is left for the package is the answer.
        this.#package.handle(request, response, { url, body: TAKEN, contentType: 'text/plain' });
      };
      if (known === undefined) onTaken();
      else known.connection.receive(messages, onTaken);
    }
  }

  /** Ends every session, and the timers that the package holds for them. */
  close(): void {
    for (const { connection, packageSession } of [...this.#sessions.values()]) {
      connection.destroy({ code: 'server-shutdown', webSocketStatus: 1001, text: 'Server is going away' });
      if (packageSession !== null) SockJsPackage.expire(packageSession);
    }
    this.#sessions.clear();
    this.#opening.clear();
  }

  #newSession(
    request: IncomingMessage,
    path: { readonly session: string; readonly transport: Receiving },
    handshake: Handshake,
  ): HttpSession {
    const connection = new SockJsHttpConnection({
      transport: RECEIVING[path.transport],
      remoteAddress: request.socket.remoteAddress ?? '',
      handshake,
      inbound: new InboundBuffer(this.#options.maxInboundBytes, this.#options.text),
      responseLimitBytes: this.#options.responseLimitBytes,
    });
    const id = this.#package.newSessionId();
    const session: HttpSession = { id, chosenId: path.session, connection, packageSession: null };
    this.#sessions.set(path.session, session);
    this.#opening.set(id, session);
    // The package tells of a session before this, or never: when its client left first.
    setImmediate(() => {
      if (this.#opening.delete(id)) this.#forget(session);
    });
    return session;
  }

  #onOpen(id: string, packageSession: PackageSession): void {
    const session = this.#opening.get(id);
    if (session === undefined) return;
    this.#opening.delete(id);
    session.packageSession = packageSession;
    packageSession.on('close', () => {
      this.#forget(session);
    });
    session.connection.open(packageSession, this.#host.accept);
  }

  /** The client may have opened another session by the same name since. */
  #forget(session: HttpSession): void {
    if (this.#sessions.get(session.chosenId) === session) this.#sessions.delete(session.chosenId);
  }
}

function queryOf(request: IncomingMessage): string {
  const url = request.url ?? '';
  const at = url.indexOf('?');
  return at === -1 ? '' : url.slice(at);
}

/** The callback rules of the package (K-19, K-20): a request that breaks them opens no session. */
function hasValidCallback(transport: Receiving, request: IncomingMessage): boolean {
  if (transport !== 'jsonp' && transport !== 'htmlfile') return true;
  const query = new URLSearchParams(queryOf(request));
  const callback = query.get('c') ?? query.get('callback');
  if (callback === null || /[^a-zA-Z0-9-_.]/.test(callback)) return false;
  return transport === 'htmlfile' || callback.length <= 32;
}
