/**
 * The SockJS `websocket` transport as a Connection: text messages `o`, `a[…]`, `h` and `c[…]` out, JSON in (K-21).
 * Not left to the sockjs package, which writes every message by itself and costs ten kilobytes a session.
 */
import type { Socket } from 'node:net';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Handshake } from '../../broker/ports.js';
import type { QuietConnection, SockJsHeartBeat } from './sockjs-heart-beat.js';
import { codeUnitsToOctets, isStrings, TextStream } from './text-octets.js';
import { WebSocketConnection, type EndpointSocket } from './websocket-connection.js';
import { SOCKJS_WEBSOCKET_FRAMING, writeWebSocketHeader } from './websocket-framing.js';

const OPEN = textMessage('o');
const HEART_BEAT = textMessage('h');
const BROKEN_FRAMING_STATUS = 3000;

export interface SockJsWebSocketOptions {
  readonly handshake: Handshake;
  readonly heartBeat: SockJsHeartBeat;
  readonly text: 'utf-8' | 'code-units';
  /** As of WebSocketConnectionOptions. */
  readonly maxMessageBytes: number;
}

export class SockJsWebSocketConnection extends WebSocketConnection implements QuietConnection {
  readonly #heartBeat: SockJsHeartBeat;
  /** Null keeps lone surrogates. */
  readonly #stream: TextStream | null;
  #quietTicks = 0;

  constructor(ws: EndpointSocket, socket: Socket, options: SockJsWebSocketOptions) {
    super(ws, socket, {
      handshake: options.handshake,
      maxMessageBytes: options.maxMessageBytes,
      transport: 'sockjs-websocket',
      framing: SOCKJS_WEBSOCKET_FRAMING,
    });
    this.#stream = options.text === 'utf-8' ? new TextStream() : null;
    this.#heartBeat = options.heartBeat;
    this.#heartBeat.add(this);
    this.write(OPEN);
  }

  override write(octets: Uint8Array): void {
    this.#quietTicks = 0;
    super.write(octets);
  }

  /** The client's library hears of the end by `c[…]`, before WebSocket says the same. */
  override close(reason: CloseReason): void {
    this.write(textMessage(`c${JSON.stringify([reason.webSocketStatus, reason.text])}`));
    super.close(reason);
  }

  override onMessage(data: Buffer): void {
    if (this.discards || data.length === 0) return;
    const messages = parseMessages(data);
    if (messages === null) {
      this.closeWith(BROKEN_FRAMING_STATUS, 'Broken framing.');
      return;
    }
    for (const message of messages) {
      const octets = this.#stream === null ? codeUnitsToOctets(message) : this.#stream.push(message);
      // Whoever sends strings in JSON never loses a NUL at their end, so there is nothing to forgive.
      this.listener?.onBytes(octets, false);
    }
  }

  onHeartBeatTick(ticks: number): void {
    if (++this.#quietTicks < ticks) return;
    this.#quietTicks = 0;
    // Output that waits proves more than a heart-beat behind it.
    if (this.bufferedBytes === 0) this.write(HEART_BEAT);
  }

  protected override end(cause?: Error): void {
    this.#heartBeat.delete(this);
    super.end(cause);
  }
}

/** A JSON array of strings, or one string; null for anything else (K-30). */
function parseMessages(data: Buffer): readonly string[] | null {
  let value: unknown;
  try {
    value = JSON.parse(data.toString());
  } catch {
    return null;
  }
  if (typeof value === 'string') return [value];
  return isStrings(value) ? value : null;
}

function textMessage(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const target = Buffer.alloc(length + 4);
  const start = writeWebSocketHeader(target, 0, length, true);
  return target.subarray(0, start + target.write(text, start));
}
