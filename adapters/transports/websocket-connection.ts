/**
 * One WebSocket as a Connection. The `ws` package reads, answers pings and closes (RFC 6455); what goes out is framed by
 * the broker and written straight to the socket, so that many frames leave in one write.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Framing, Handshake, TransportName } from '../../broker/ports.js';
import { targetOf } from './http-answers.js';
import { SocketConnection } from './socket-connection.js';
import { isTypedCommand, TypedLines } from './typed-lines.js';
import { WebSocketReader } from './websocket-reader.js';
import { WEBSOCKET_FRAMING } from './websocket-framing.js';

/** How long the socket may stay behind the first close frame, from whichever side it came: then it is cut. */
const END_TIMEOUT_MS = 5_000;

/** The `ws` socket that knows its connection: the listeners below are shared, an idle connection holds no closure. */
export class EndpointSocket extends WebSocket {
  owner: WebSocketConnection | null = null;
  /** Where it is listed while open. */
  registry: Set<EndpointSocket> | null = null;

  /** Also called by `ws` itself when the client closes or breaks the protocol; there is no event for that. */
  override close(code?: number, data?: string | Buffer): void {
    super.close(code, data);
    this.owner?.onCloseBegun();
  }
}

/** What of the request outlives the handshake: the request itself would cost an idle connection over a kilobyte. */
export function handshakeOf(request: IncomingMessage, isProxyTrusted: boolean): Handshake {
  return { url: targetOf(request), headers: request.headers, isProxyTrusted };
}

export interface WebSocketConnectionOptions {
  readonly handshake: Handshake;
  /** Whether lines typed by hand are understood (typed-lines.ts). */
  readonly typedLines?: boolean;
  /** Whether the end of a text message is told to the listener, which may then forgive a missing NUL; default true. */
  readonly lenientNul?: boolean;
  readonly transport?: TransportName;
  readonly framing?: Framing;
  /** Longest message that `ws` takes. */
  readonly maxMessageBytes: number;
}

export class WebSocketConnection extends SocketConnection {
  readonly transport: TransportName;
  protected readonly ws: EndpointSocket;
  /** Input is not wanted any more; a message may still be in the reader. */
  protected discards = false;
  /** Null where messages are compressed. */
  readonly #reader: WebSocketReader | null;
  #handshake: Handshake | null;
  #typed: TypedLines | null = null;
  #mayBeTyped: boolean;
  readonly #lenientNul: boolean;
  #cause: Error | undefined;
  #closedByUs = false;
  #cutting: NodeJS.Timeout | null = null;

  constructor(ws: EndpointSocket, socket: Socket, options: WebSocketConnectionOptions) {
    super(socket, options.framing ?? WEBSOCKET_FRAMING);
    this.transport = options.transport ?? 'websocket';
    this.ws = ws;
    this.#handshake = options.handshake;
    this.#mayBeTyped = options.typedLines ?? false;
    this.#lenientNul = options.lenientNul ?? true;
    // The extension is only ever negotiated where the endpoint offers it.
    this.#reader = ws.extensions === '' ? new WebSocketReader(socket, this, options.maxMessageBytes) : null;
    ws.owner = this;
    ws.on('message', onMessage);
    ws.on('error', onError);
    ws.on('close', onClose);
  }

  protected override get writable(): boolean {
    return this.ws.readyState === WebSocket.OPEN;
  }

  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  close(reason: CloseReason): void {
    // Of a stop, whose deadline is the broker's: who is cut before it has not read why.
    this.closeWith(reason.webSocketStatus, reason.text, reason.code === 'server-shutdown');
  }

  destroy(_reason: CloseReason): void {
    this.discards = true;
    this.ws.terminate();
  }

  /** By a ping of WebSocket's own, which every client answers by itself. */
  probe(onAnswer: () => void): void {
    this.ws.once('pong', onAnswer);
    this.ws.ping();
  }

  /**
   * The close frame follows everything written before, on the same socket.
   * @param isCutByListener who listens knows how long the client may take; otherwise it is END_TIMEOUT_MS
   */
  protected closeWith(status: number, text: string, isCutByListener = false): void {
    this.discards = true;
    // Input has to be read again, or the client's close frame would never be seen.
    this.ws.resume();
    if (!isSendableStatus(status)) {
      this.ws.terminate();
      return;
    }
    this.#closedByUs = true;
    this.ws.close(status, text);
    this.#closedByUs = false;
    if (!isCutByListener || this.listener === null) this.#cutLater();
  }

  /** A message that needed `ws`. */
  onGivenOut(data: Buffer, isBinary: boolean): void {
    this.#reader?.onGivenOut();
    this.onMessage(data, isBinary);
  }

  /** One message of the client, whole. */
  onMessage(data: Buffer, isBinary: boolean): void {
    if (this.discards || this.listener === null) return;
    if (this.#mayBeTyped || this.#typed !== null) {
      this.#receiveMaybeTyped(data, isBinary);
      return;
    }
    this.listener.onBytes(data, this.#lenientNul && !isBinary);
  }

  /** `ws` began to close because the client did, or broke the protocol, or answered our close frame. */
  onCloseBegun(): void {
    if (this.#closedByUs) return;
    this.discards = true;
    this.#cutLater();
    // The error that made `ws` close is told only after it did.
    queueMicrotask(() => {
      this.end(this.#cause);
    });
  }

  onError(error: Error): void {
    this.#reader?.stop();
    this.#cause = error;
  }

  onClose(): void {
    if (this.#cutting !== null) clearTimeout(this.#cutting);
    this.end(this.#cause ?? this.socket.errored ?? undefined);
  }

  #cutLater(): void {
    if (this.socket.destroyed) return;
    this.#cutting ??= setTimeout(() => {
      this.ws.terminate();
    }, END_TIMEOUT_MS);
  }

  #receiveMaybeTyped(data: Buffer, isBinary: boolean): void {
    if (this.#typed === null) {
      // Only the very first message decides.
      if (data.length !== 0) this.#mayBeTyped = false;
      if (!isBinary && isTypedCommand(data)) this.#typed = new TypedLines(data);
      else this.listener?.onBytes(data, this.#lenientNul && !isBinary);
      return;
    }
    const octets = isBinary ? this.#typed.release(data) : this.#typed.push(data);
    const ordinary = this.#typed.isOrdinary;
    if (ordinary) this.#typed = null;
    // Typed frames end where they say; only an ordinary client's message end means anything.
    if (octets !== null) this.listener?.onBytes(octets, this.#lenientNul && ordinary && !isBinary);
  }
}

/** Statuses that may stand in a close frame (RFC 6455, 7.4). */
function isSendableStatus(status: number): boolean {
  if (status >= 3000) return status <= 4999;
  return status >= 1000 && status <= 1014 && status !== 1004 && status !== 1005 && status !== 1006;
}

function onMessage(this: WebSocket, data: WebSocket.RawData, isBinary: boolean): void {
  // The default binaryType gives a Buffer for both kinds of message.
  (this as EndpointSocket).owner?.onGivenOut(data as Buffer, isBinary);
}

function onError(this: WebSocket, error: Error): void {
  (this as EndpointSocket).owner?.onError(error);
}

function onClose(this: WebSocket): void {
  const socket = this as EndpointSocket;
  socket.registry?.delete(socket);
  socket.owner?.onClose();
}
