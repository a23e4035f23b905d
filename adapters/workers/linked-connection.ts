/**
 * A client's connection as the broker sees it when a worker holds the socket: what is written goes into the link's
 * batch, and counts as buffered until the worker says that it has left (DESIGN.md, 4).
 */
import type { CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Framing, Handshake, TransportName } from '../../broker/ports.js';
import { RecordType } from './link-codec.js';

/** What a connection asks of its link. */
export interface ConnectionLink {
  /** More is on its way to the worker than is good: nothing should be added. */
  readonly isCongested: boolean;
  /** Octets sent to the worker, and how many of them it has dealt with. */
  readonly sentBytes: number;
  readonly processedBytes: number;
  /** Returns whether the memory is still in use. */
  write(number: number, octets: Uint8Array): boolean;
  writeParts(number: number, parts: readonly Uint8Array[]): boolean;
  send(type: RecordType, flag: number, number: number, payload?: Uint8Array): void;
  /** Pause or resume: `connection.sendFlow` is called before the next batch. */
  flowChanged(connection: LinkedConnection): void;
  /** `connection.settleDrain` is to be called once what was sent until now is dealt with. */
  awaitDrain(connection: LinkedConnection): void;
}

export interface LinkedConnectionParts {
  readonly number: number;
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly framing: Framing;
  readonly handshake: Handshake | null;
}

/** Above any mark of the broker's, so that it writes nothing. */
const CONGESTED_BYTES = 2 ** 50;

export class LinkedConnection implements Connection {
  readonly number: number;
  readonly transport: TransportName;
  readonly remoteAddress: string;
  readonly framing: Framing;
  holdsMemory = false;
  readonly #link: ConnectionLink;
  #handshake: Handshake | null;
  #listener: ConnectionListener | null = null;
  /** Octets on the link, as two amounts: what ends at `#olderEnd` of the link's octets, and what was sent behind it. */
  #olderBytes = 0;
  #olderEnd = 0;
  #newerBytes = 0;
  #newerEnd = 0;
  /** What the worker has told that waits there. */
  #remoteBytes = 0;
  #awaitsDrain = false;
  /** Between cork and uncork. */
  #parts: Uint8Array[] | null = null;
  #isPaused = false;
  /** As the worker was told. */
  #wasPaused = false;
  #isEnding = false;

  constructor(link: ConnectionLink, { number, transport, remoteAddress, framing, handshake }: LinkedConnectionParts) {
    this.#link = link;
    this.number = number;
    this.transport = transport;
    this.remoteAddress = remoteAddress;
    this.framing = framing;
    this.#handshake = handshake;
  }

  get bufferedBytes(): number {
    const { ownBufferedBytes } = this;
    return this.#link.isCongested ? ownBufferedBytes + CONGESTED_BYTES : ownBufferedBytes;
  }

  /** Never too little; exact once everything older than the last few writes is dealt with. */
  get ownBufferedBytes(): number {
    if (this.#olderBytes + this.#newerBytes > 0) {
      const { processedBytes } = this.#link;
      if (processedBytes >= this.#newerEnd) {
        this.#olderBytes = this.#newerBytes = 0;
      } else if (processedBytes >= this.#olderEnd) {
        this.#olderBytes = this.#newerBytes;
        this.#olderEnd = this.#newerEnd;
        this.#newerBytes = 0;
      }
    }
    return this.#olderBytes + this.#newerBytes + this.#remoteBytes;
  }

  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  write(octets: Uint8Array): void {
    if (this.#isEnding) return;
    if (this.#parts !== null) {
      this.#parts.push(octets);
      return;
    }
    this.holdsMemory = this.#link.write(this.number, octets);
    this.#sent(octets.length);
  }

  cork(): void {
    this.#parts = [];
  }

  uncork(): void {
    const parts = this.#parts;
    this.#parts = null;
    if (parts === null || parts.length === 0) return;
    this.holdsMemory = this.#link.writeParts(this.number, parts);
    let lengthBytes = 0;
    for (const part of parts) lengthBytes += part.length;
    this.#sent(lengthBytes);
  }

  pause(): void {
    this.#setPaused(true);
  }

  resume(): void {
    this.#setPaused(false);
  }

  close(reason: CloseReason): void {
    this.#finish(RecordType.close, reason);
  }

  destroy(reason: CloseReason): void {
    this.#finish(RecordType.destroy, reason);
  }

  // ——— What the link tells ———

  start(listener: ConnectionListener): void {
    this.#listener = listener;
  }

  onBytes(chunk: Buffer, endsMessage: boolean): void {
    if (!this.#isEnding) this.#listener?.onBytes(chunk, endsMessage);
  }

  /** @param remoteBytes what waits in the worker now */
  onBuffered(remoteBytes: number): void {
    this.#remoteBytes = remoteBytes;
    if (remoteBytes === 0) this.settleDrain();
  }

  /** The client has ended its side. */
  onEnd(): void {
    const answered = (): void => {
      if (!this.#isEnding) this.#link.send(RecordType.answered, 0, this.number);
    };
    const owed = this.#listener?.onEnd?.();
    if (owed === undefined) answered();
    else void owed.then(answered);
  }

  onClose(cause?: Error): void {
    this.#isEnding = true;
    const listener = this.#listener;
    this.#listener = null;
    if (cause === undefined) listener?.onClose();
    else listener?.onClose(cause);
  }

  sendFlow(): void {
    if (this.#isPaused === this.#wasPaused || this.#isEnding) return;
    this.#wasPaused = this.#isPaused;
    this.#link.send(RecordType.flow, this.#isPaused ? 1 : 0, this.number);
  }

  /** The worker has dealt with what this waited for. */
  settleDrain(): void {
    if (!this.#awaitsDrain) return;
    const { ownBufferedBytes } = this;
    // The worker tells when that has left.
    if (this.#remoteBytes > 0) return;
    if (ownBufferedBytes > 0) {
      this.#link.awaitDrain(this);
      return;
    }
    this.#awaitsDrain = false;
    this.#listener?.onDrain();
  }

  /** The link as a whole has room again. */
  onLinkDrain(): void {
    if (this.ownBufferedBytes === 0) this.#listener?.onDrain();
  }

  #sent(lengthBytes: number): void {
    this.#newerBytes += lengthBytes;
    this.#newerEnd = this.#link.sentBytes;
    if (this.#olderBytes === 0) {
      this.#olderBytes = this.#newerBytes;
      this.#olderEnd = this.#newerEnd;
      this.#newerBytes = 0;
    }
    if (this.#awaitsDrain) return;
    this.#awaitsDrain = true;
    this.#link.awaitDrain(this);
  }

  #setPaused(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    this.#link.flowChanged(this);
  }

  #finish(type: RecordType, reason: CloseReason): void {
    // Destroying what is closing hurries it.
    if (this.#isEnding && type === RecordType.close) return;
    this.#isEnding = true;
    this.#link.send(type, 0, this.number, Buffer.from(JSON.stringify(reason)));
  }
}
