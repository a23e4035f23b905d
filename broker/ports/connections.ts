/** The byte pipes to clients: what a transport gives the broker and what it gets from it. */
import type { CloseReason } from '../close-reason.js';

/** How octets of STOMP frames are wrapped on one kind of connection. Stateless; one object serves all connections of its kind. */
export interface Framing {
  /** The most octets that `open` and `close` together add around one frame. */
  readonly maxOverheadBytes: number;
  /**
   * False when a frame must reach `Connection.write` in one piece.
   * True lets the broker hand over a large body uncopied, in a call of its own between `cork` and `uncork`.
   */
  readonly splittable: boolean;
  /**
   * How the octets of a frame are rewritten for this kind of connection (SockJS: the contents of a JSON string);
   * null when they leave as they are. Must satisfy encode(a + b) = encode(a) + encode(b) when a ends on a character boundary.
   * Input is valid UTF-8; the result is octets the caller may keep.
   */
  readonly encode: ((octets: Uint8Array) => Buffer) | null;
  /**
   * Writes what stands in front of a frame of `lengthBytes` (already encoded) octets; returns the position after it.
   * @param text false when the frame is not valid UTF-8 and so cannot be a WebSocket text message
   */
  open(target: Buffer, at: number, lengthBytes: number, text: boolean): number;
  /** Writes what stands behind a frame; returns the position after it. */
  close(target: Buffer, at: number): number;
}

/** What a client said before its first STOMP frame: the HTTP request of a WebSocket or SockJS connection. */
export interface Handshake {
  /** Path and query as received, e.g. `/ws?token=x`. */
  readonly url: string;
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** True when the request came through a proxy whose `X-Forwarded-…` headers are to be believed; missing is false. */
  readonly isProxyTrusted?: boolean | undefined;
}

export type TransportName =
  | 'tcp'
  | 'tls'
  | 'websocket'
  | 'sockjs-websocket'
  | 'sockjs-xhr-streaming'
  | 'sockjs-xhr-polling'
  | 'sockjs-eventsource'
  | 'sockjs-htmlfile'
  | 'sockjs-jsonp'
  | 'socket.io'
  | 'memory';

/** A byte pipe to one client; knows no STOMP. Created by a transport, owned by one session. */
export interface Connection {
  readonly transport: TransportName;
  /** IP address of the peer as the socket tells it; empty when unknown. */
  readonly remoteAddress: string;
  readonly framing: Framing;
  /** Octets taken by `write` and not yet by the operating system. Read before every write: must cost nothing. */
  readonly bufferedBytes: number;
  /** This client's part of `bufferedBytes`, which says more while a way that many share is full. Missing: all of it. */
  readonly ownBufferedBytes?: number | undefined;
  /**
   * False when memory given to `write` is not looked at after the call, although octets of it may be buffered: they were
   * copied. Missing is true. Asked only where `bufferedBytes` is above 0.
   */
  readonly holdsMemory?: boolean | undefined;
  /**
   * True: the other side is a gateway of this process, which goes on after an ERROR that answers one frame (DESIGN D12);
   * and asks `admit` for each message of its client; otherwise ERROR ends the connection.
   */
  readonly keepsAfterError?: boolean | undefined;
  /** The HTTP request that opened this connection, once: the connection forgets it. Null on TCP and at the second call. */
  takeHandshake(): Handshake | null;
  /**
   * Takes framed octets; never throws, never waits, keeps order. With `bufferedBytes` 0 or `holdsMemory` false after the
   * call (after `uncork` when corked) the caller may reuse the memory; otherwise it belongs to the connection.
   * The same object always holds the same octets: who fills memory anew hands it over as another view.
   */
  write(octets: Uint8Array): void;
  /** Between the two, writes are gathered and leave as one. */
  cork(): void;
  uncork(): void;
  /** Back-pressure towards the client: stop, then go on, reading. A few chunks already read may still arrive. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then ends in the transport's orderly way; input is discarded from now on. */
  close(reason: CloseReason): void;
  /** Asks the client for a sign of life; calls back when it comes. Missing where the transport has no such thing. */
  readonly probe?: ((onAnswer: () => void) => void) | undefined;
  /** Drops unsent octets and ends now. */
  destroy(reason: CloseReason): void;
}

/** The broker's end of a connection. */
export interface ConnectionListener {
  /**
   * Octets from the client, in order, cut anywhere. The listener may keep a reference; the memory is not written again.
   * @param endsMessage true when the chunk ends a WebSocket text message, the one place where a missing NUL may be forgiven
   */
  onBytes(chunk: Buffer, endsMessage: boolean): void;
  /** `bufferedBytes` fell to 0 after having been above it. */
  onDrain(): void;
  /**
   * The client has ended its side of a connection that it may still read from (TCP), all it sent was handed over, and the
   * connection is not paused. @returns what resolves when nothing is owed to it any more, within a bounded time; undefined:
   * nothing is
   */
  onEnd?(): Promise<void> | undefined;
  /** The connection is gone: exactly once, whoever ended it. `cause` when it was a fault of the network. */
  onClose(cause?: Error): void;
  /**
   * Asked by a gateway for each message of its client, whatever that becomes: it counts towards the quotas, and the frames
   * that it becomes do not. With `quotas.onExceeded: pause` nothing is refused, and the frames count instead.
   * @returns how long it would have to wait, in ms: it is refused; 0: it passes
   */
  admit?(bytes: number): number;
}

/** Why a client is not let in now. */
export interface ConnectionRefusal {
  /** One line, for the client. */
  readonly message: string;
  readonly retryAfterMs: number;
  /** Whose doing it is: the client has too many, or the server can take nobody. */
  readonly isServers: boolean;
}

/** Called by a transport for each new connection. */
export interface AcceptConnection {
  /** @returns null: refused, the transport closes it at once */
  (connection: Connection): ConnectionListener | null;
  /**
   * Asked about an HTTP request before it becomes a connection, where it can still be answered; missing: nobody is refused
   * there. @returns null: it may go on
   */
  readonly refusal?: ((remoteAddress: string, handshake: Handshake) => ConnectionRefusal | null) | undefined;
  /** As `refusal`, of what concerns everybody alone. */
  readonly shortage?: (() => ConnectionRefusal | null) | undefined;
}

/** One listening address, as it really is (port 0 resolved). */
export interface ListenAddress {
  readonly transport: 'tcp' | 'tls' | 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Paths of the STOMP endpoints, on http and https. */
  readonly endpoints: readonly string[];
  /** The admin API alone is there; missing is false. */
  readonly isAdmin?: boolean | undefined;
}

/** A way in for clients. */
export interface Transport {
  readonly name: string;
  /** Resolves once connections can be made; rejects with the system's error (EADDRINUSE, EACCES …). */
  listen(accept: AcceptConnection): Promise<ListenAddress>;
  /** Stops accepting. Connections that are open live on until the broker closes them. */
  stopAccepting(): Promise<void>;
  /** Ends what is left and frees the port. */
  close(): Promise<void>;
}
