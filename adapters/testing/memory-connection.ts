/**
 * A Connection without a socket. What is written arrives at once, or waits while the reader is frozen; what waits is
 * kept by reference, as a socket would keep it, beside a copy: whoever overwrites it meanwhile is found out.
 */
import type { CloseReason } from '../../broker/close-reason.js';
import type { Connection, ConnectionListener, Framing, Handshake } from '../../broker/ports.js';

/** Frames leave as they are, as on TCP. */
export const RAW: Framing = {
  maxOverheadBytes: 0,
  splittable: true,
  encode: null,
  open: (_target, at) => at,
  close: (_target, at) => at,
};

interface Waiting {
  readonly octets: Uint8Array;
  readonly copy: Buffer;
}

export class MemoryConnection implements Connection {
  readonly transport = 'memory';
  readonly remoteAddress = '192.0.2.1';
  readonly framing: Framing;
  listener: ConnectionListener | null = null;
  bufferedBytes = 0;
  /** False makes a connection that copies what has to wait. */
  holdsMemory = true;
  /** Writes that reached the system: those between cork and uncork are one. */
  writes = 0;
  /** Every part ever written, by reference. */
  readonly parts: Uint8Array[] = [];
  /** `pause`, `resume`, `close`, `destroy` as they were called. */
  readonly calls: string[] = [];
  closedWith: CloseReason | null = null;
  /** False makes a peer that never closes its side. */
  answersClose = true;
  isGone = false;
  /** The broker reads no more for now: a frame is being worked on. */
  isPaused = false;
  readonly #later: (task: () => void) => void;
  #handshake: Handshake | null;
  #received: Buffer[] = [];
  #waiting: Waiting[] = [];
  #isFrozen = false;
  #isCorked = false;
  #isClosing = false;

  /** @param later runs the end of the connection after the current turn */
  constructor(later: (task: () => void) => void, framing: Framing = RAW, handshake: Handshake | null = null) {
    this.#later = later;
    this.framing = framing;
    this.#handshake = handshake;
  }

  takeHandshake(): Handshake | null {
    const handshake = this.#handshake;
    this.#handshake = null;
    return handshake;
  }

  write(octets: Uint8Array): void {
    if (this.isGone) return;
    this.parts.push(octets);
    const copy = Buffer.from(octets);
    this.#waiting.push({ octets: this.holdsMemory ? octets : copy, copy });
    this.bufferedBytes += octets.length;
    if (!this.#isCorked) this.#flush();
  }

  cork(): void {
    this.#isCorked = true;
  }

  uncork(): void {
    this.#isCorked = false;
    this.#flush();
  }

  pause(): void {
    this.isPaused = true;
    this.calls.push('pause');
  }

  resume(): void {
    this.isPaused = false;
    this.calls.push('resume');
  }

  close(reason: CloseReason): void {
    this.calls.push('close');
    this.closedWith ??= reason;
    this.#isClosing = true;
    this.#endIfSent();
  }

  destroy(reason: CloseReason): void {
    this.calls.push('destroy');
    this.closedWith ??= reason;
    this.#waiting = [];
    this.bufferedBytes = 0;
    this.#later(() => {
      this.vanish();
    });
  }

  // ——— What the other side does ———

  /** Octets arrive from the client. */
  feed(octets: Buffer | string, endsMessage = false): void {
    if (this.isGone || this.#isClosing) return;
    this.listener?.onBytes(typeof octets === 'string' ? Buffer.from(octets) : octets, endsMessage);
  }

  /** The client stops reading. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** The client reads everything that waits. */
  thaw(): void {
    this.#isFrozen = false;
    const hadWaiting = this.bufferedBytes > 0;
    this.#deliver();
    if (hadWaiting && !this.isGone) this.listener?.onDrain();
    this.#endIfSent();
  }

  /** The client reads everything that waits and stops again at once. */
  sip(): void {
    const hadWaiting = this.bufferedBytes > 0;
    this.#deliver();
    if (hadWaiting) this.listener?.onDrain();
  }

  /** The connection ends. */
  vanish(cause?: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    if (cause === undefined) this.listener?.onClose();
    else this.listener?.onClose(cause);
  }

  /** What the client has received and not taken yet. */
  take(): Buffer {
    const octets = Buffer.concat(this.#received);
    this.#received = [];
    return octets;
  }

  #flush(): void {
    this.writes++;
    if (!this.#isFrozen) this.#deliver();
  }

  #deliver(): void {
    for (const { octets, copy } of this.#waiting) {
      if (!copy.equals(octets)) throw new Error('octets were overwritten before they were sent');
      this.#received.push(copy);
    }
    this.#waiting = [];
    this.bufferedBytes = 0;
  }

  #endIfSent(): void {
    if (!this.#isClosing || this.bufferedBytes > 0 || !this.answersClose) return;
    this.#later(() => {
      this.vanish();
    });
  }
}
