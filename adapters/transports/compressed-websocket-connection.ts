/**
 * A WebSocket on which permessage-deflate was negotiated (RFC 7692): each frame goes through `ws`, which compresses it.
 * Costs about four times what the plain one does, so it is for slow networks only.
 */
import type { Socket } from 'node:net';
import { PREFIX_FRAMING, cutFrames } from './websocket-framing.js';
import { WebSocketConnection, type EndpointSocket, type WebSocketConnectionOptions } from './websocket-connection.js';

export class CompressedWebSocketConnection extends WebSocketConnection {
  #unsent = 0;

  constructor(ws: EndpointSocket, socket: Socket, options: WebSocketConnectionOptions) {
    super(ws, socket, { ...options, framing: PREFIX_FRAMING });
  }

  /** Includes what waits for the compressor. */
  override get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  override write(octets: Uint8Array): void {
    if (!this.writable) return;
    cutFrames(octets, (frame, text) => {
      this.#unsent++;
      this.ws.send(frame, { binary: !text }, this.#onSent);
    });
  }

  /** `ws` gathers a frame's header and body by itself. */
  override cork(): void {
    // Nothing to gather.
  }

  override uncork(): void {
    // Nothing was gathered.
  }

  readonly #onSent = (error?: Error | null): void => {
    this.#unsent--;
    if (this.#unsent === 0 && !error && this.bufferedBytes === 0) this.listener?.onDrain();
  };
}
