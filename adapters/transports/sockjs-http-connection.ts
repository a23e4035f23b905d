/**
 * A SockJS session over the HTTP transports as a Connection. The sockjs package would take any amount of output and call
 * it sent (K-34), so messages wait here and it is given only what the attached response can take.
 */
import type { ServerResponse } from 'node:http';
import type { CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Handshake, TransportName } from '../../broker/ports.js';
import type { InboundBuffer } from './sockjs-inbound.js';
import type { PackageSession } from './sockjs-package.js';
import { cutFrames, SOCKJS_HTTP_FRAMING } from './websocket-framing.js';

export interface SockJsHttpOptions {
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly handshake: Handshake;
  readonly inbound: InboundBuffer;
  /** How much of what waits is sent with one response to begin with. */
  readonly responseLimitBytes: number;
}

interface WaitingMessage {
  readonly text: string;
  readonly lengthBytes: number;
}

const HEART_BEAT = '\n';
/** What a session that just vanished would be told, were it there (SockJS' own code). */
const INTERRUPTED_STATUS = 1002;

export class SockJsHttpConnection implements Connection {
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly framing = SOCKJS_HTTP_FRAMING;
  readonly #inbound: InboundBuffer;
  readonly #responseLimitBytes: number;
  #handshake: Handshake | null;
  #session: PackageSession | null = null;
  #listener: ConnectionListener | null = null;
  #waiting: WaitingMessage[] = [];
  #waitingBytes = 0;
  /** The response that messages go to; it may have ended meanwhile. */
  #receiver: ServerResponse | null = null;
  /** Responses that are not with the client yet, the receiver among them. */
  readonly #responses = new Set<ServerResponse>();
  #awaitsDrain = false;
  #isClosing = false;
  /** The package holds messages that go out before `c[…]`; a polling request takes nothing but them. */
  #hasLastWords = false;
  #isGone = false;

  constructor(options: SockJsHttpOptions) {
    this.transport = options.transport;
    this.remoteAddress = options.remoteAddress;
    this.#handshake = options.handshake;
    this.#inbound = options.inbound;
    this.#responseLimitBytes = options.responseLimitBytes;
  }

  /** True once the package has told of the session; until then it may vanish without a word. */
  get isOpen(): boolean {
    return this.#session !== null;
  }

  /** Waiting here, or in a response that the client is slow to read. */
  get bufferedBytes(): number {
    let bufferedBytes = this.#waitingBytes;
    for (const response of this.#responses) {
      if (response.writableEnded || response.writableNeedDrain) bufferedBytes += response.writableLength;
    }
    return bufferedBytes;
  }

  /** Joins the package's session and shows itself to the broker; null refuses. */
  open(session: PackageSession, accept: (connection: Connection) => ConnectionListener | null): void {
    this.#session = session;
    session.on('close', () => {
      this.#end();
    });
    const listener = accept(this);
    if (listener === null) {
      this.#closeSession(INTERRUPTED_STATUS, 'Try again later');
      this.#isGone = true;
      this.#inbound.discard();
      return;
    }
    this.#listener = listener;
    this.#inbound.start(listener);
  }

  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  write(octets: Uint8Array): void {
    if (this.#isClosing || this.#isGone) return;
    cutFrames(octets, (frame) => {
      const text = JSON.parse(`"${frame.toString()}"`) as string;
      // One heart-beat behind nothing is enough for a client that does not ask (K-35).
      if (text === HEART_BEAT && this.#waiting.length > 0) return;
      this.#waiting.push({ text, lengthBytes: frame.length });
      this.#waitingBytes += frame.length;
    });
    this.#pump();
    if (this.bufferedBytes > 0) this.#awaitsDrain = true;
  }

  cork(): void {
    // Each message is a request's or an event's own; there is nothing to gather.
  }

  uncork(): void {
    // Nothing was gathered.
  }

  pause(): void {
    this.#inbound.pause();
  }

  resume(): void {
    this.#inbound.resume();
  }

  /** What waits goes to the package, which hands it out before `c[…]` to requests that still come (K-36). */
  close(reason: CloseReason): void {
    if (this.#isClosing || this.#isGone) return;
    const moved = this.#moveToPackage(Infinity);
    this.#hasLastWords = moved > 0 && !this.#hasReceiver;
    const receiver = this.#hasReceiver ? this.#receiver : null;
    this.#closeSession(reason.webSocketStatus, reason.text);
    if (receiver !== null) this.#endWith(receiver);
  }

  destroy(reason: CloseReason): void {
    if (!this.#isClosing) {
      this.#waiting = [];
      this.#waitingBytes = 0;
      // A response that the client does not read would keep its octets for ever.
      for (const response of this.#responses) if (response.writableLength > 0) response.destroy();
      this.#closeSession(reason.webSocketStatus, reason.text);
    }
    this.#end();
  }

  /**
   * Prepares for a request that receives; to be called before the package sees it, so that what waits leaves as one
   * `a[…]`. The package refuses a second receiver by itself.
   */
  beforeReceiver(response: ServerResponse): void {
    if (this.#hasReceiver) return;
    this.#receiver = response;
    this.#responses.add(response);
    response.on('drain', () => {
      this.#settle();
    });
    response.on('close', () => {
      this.#responses.delete(response);
      this.#settle();
    });
    if (!this.#isClosing) this.#moveToPackage(this.#responseLimitBytes);
  }

  /** The package has attached the receiver, or answered it with `c[…]`. */
  afterReceiver(response: ServerResponse, isPolling: boolean): void {
    if (this.#isClosing) {
      if (isPolling && this.#hasLastWords) this.#hasLastWords = false;
      else this.#endWith(response);
    }
    this.#settle();
  }

  /** Takes what a request sent; calls back once the broker has it, which is when the request may be answered. */
  receive(messages: readonly string[], onTaken: () => void): void {
    if (!this.#inbound.receive(messages, onTaken)) {
      this.destroy({ code: 'refused', webSocketStatus: 1009, text: 'Too much was sent' });
    }
  }

  /** Ends a session whose client does not speak SockJS. */
  refuseInput(): void {
    if (!this.#isClosing) this.#closeSession(3000, 'Broken framing.');
    this.#end();
  }

  get #hasReceiver(): boolean {
    return this.#receiver !== null && !this.#receiver.writableEnded && !this.#receiver.destroyed;
  }

  /** The client has `c[…]` once this response is with it: there is nothing to linger for. */
  #endWith(response: ServerResponse): void {
    if (response.closed) this.#end();
    else {
      response.once('close', () => {
        this.#end();
      });
    }
  }

  #closeSession(status: number, text: string): void {
    this.#isClosing = true;
    this.#inbound.discard();
    // 1005 and 1006 say that nothing was said.
    const isSayable = status !== 1005 && status !== 1006;
    this.#session?.close(isSayable ? status : INTERRUPTED_STATUS, isSayable ? text : 'Connection interrupted');
  }

  #moveToPackage(limitBytes: number): number {
    let moved = 0;
    let movedBytes = 0;
    for (const { text, lengthBytes } of this.#waiting) {
      if (moved > 0 && movedBytes + lengthBytes > limitBytes) break;
      this.#session?.write(text);
      moved++;
      movedBytes += lengthBytes;
    }
    this.#drop(moved, movedBytes);
    return moved;
  }

  #pump(): void {
    let moved = 0;
    let movedBytes = 0;
    for (const { text, lengthBytes } of this.#waiting) {
      if (!this.#hasReceiver || this.#receiver?.writableNeedDrain !== false) break;
      this.#session?.write(text);
      moved++;
      movedBytes += lengthBytes;
    }
    this.#drop(moved, movedBytes);
  }

  #drop(count: number, lengthBytes: number): void {
    if (count === 0) return;
    this.#waiting.splice(0, count);
    this.#waitingBytes -= lengthBytes;
  }

  #settle(): void {
    if (this.#isGone) return;
    if (!this.#isClosing) this.#pump();
    if (!this.#awaitsDrain || this.bufferedBytes > 0) return;
    this.#awaitsDrain = false;
    this.#listener?.onDrain();
  }

  #end(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#inbound.discard();
    const listener = this.#listener;
    this.#listener = null;
    listener?.onClose();
  }
}
