/**
 * The opening handshake of RFC 6455, section 4: refusals with their own status, subprotocols, and the options of `ws`.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type Server, WebSocketServer } from 'ws';
import { refuseUpgrade } from './http-answers.js';
import { EndpointSocket } from './websocket-connection.js';

export interface WebSocketOptions {
  /** Longest message, in octets and after inflating; over it the connection closes with 1009. Default 16 MiB and 256 KiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Offer permessage-deflate. Costs most of the throughput; default false. */
  readonly compression?: boolean | undefined;
}

/** The broker's largest body and, behind it, room for headers and for STOMP frames that share a message. */
export const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024 + 256 * 1024;
/** How long `ws` waits for the end of a socket before it cuts it: never reached, as the connection sees to that (DESIGN 17). */
const CLOSE_TIMEOUT_MS = 600_000;
/** `ws` allows 16,384; a 4 MiB message in pieces of 64 octets, as conformance suites send it, has four times as many. */
const MAX_FRAGMENTS = 128 * 1024;
/**
 * Pings to answer within one turn; more cut the connection, for a flood. `ws` allows 60, which one a second reach when
 * the network holds them back for a minute and lets them go at once.
 */
const MAX_PENDING_PONGS = 1024;
/**
 * After this silence the system asks whether the peer is still there: one that vanished, and wanted no heart-beats, would
 * stay for ever, for HTTP servers leave their sockets without.
 */
const KEEP_ALIVE_MS = 60_000;
/** The STOMP versions as subprotocols, best first (STOMP 1.2 has no word on WebSocket; the names are IANA's). */
const SUBPROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

export class WebSocketUpgrade {
  readonly #server: Server<typeof EndpointSocket>;
  readonly #open = new Set<EndpointSocket>();
  /** Longest message that it takes. */
  readonly maxMessageBytes: number;

  constructor(options: WebSocketOptions = {}) {
    this.maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    // Options that the type declarations of `ws` do not know yet.
    const newer = { closeTimeout: CLOSE_TIMEOUT_MS, maxPendingAutoPongs: MAX_PENDING_PONGS };
    this.#server = new WebSocketServer<typeof EndpointSocket>({
      ...newer,
      noServer: true,
      clientTracking: false,
      // Measured: without it every message takes a turn of its own and coalescing is gone.
      allowSynchronousEvents: true,
      skipUTF8Validation: false,
      maxFragments: MAX_FRAGMENTS,
      maxPayload: this.maxMessageBytes,
      // Without context takeover an idle connection keeps no zlib window.
      perMessageDeflate:
        options.compression === true ? { serverNoContextTakeover: true, clientNoContextTakeover: true } : false,
      handleProtocols: chooseSubprotocol,
      WebSocket: EndpointSocket,
    });
  }

  /**
   * Answers the handshake; calls back with the open WebSocket unless it had to be refused.
   * @param versions values of Sec-WebSocket-Version to accept
   */
  accept(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    options: { readonly versions: readonly string[]; readonly onOpen: (ws: EndpointSocket) => void },
  ): void {
    if (request.method !== 'GET') {
      refuseUpgrade(socket, 405, '', { Allow: 'GET' });
      return;
    }
    const version = request.headers['sec-websocket-version'] ?? '';
    if (!options.versions.includes(version)) {
      const headers = { 'Sec-WebSocket-Version': '13', Upgrade: 'websocket' };
      refuseUpgrade(socket, 426, 'This server speaks WebSocket version 13 (RFC 6455).', headers);
      return;
    }
    // Versions 7 and 8 are 13 under the names of the drafts.
    request.headers['sec-websocket-version'] = '13';
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#server.handleUpgrade(request, socket, head, (ws) => {
      this.#open.add(ws);
      ws.registry = this.#open;
      options.onOpen(ws);
    });
  }

  /** Cuts every WebSocket that is still open. */
  terminateAll(): void {
    for (const ws of this.#open) ws.terminate();
  }
}

/** The highest STOMP version that the client offers, as it spells it; false answers none, which is legal (W-02). */
export function chooseSubprotocol(offered: ReadonlySet<string>): string | false {
  for (const known of SUBPROTOCOLS) {
    for (const name of offered) if (name.toLowerCase() === known) return name;
  }
  return false;
}
