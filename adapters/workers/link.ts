/**
 * One end of the stream between the broker's process and a worker: records out in batches, records in one by one, and
 * both ends know how far the other has come, so that neither sends without end (DESIGN.md, 4).
 */
import type { Socket } from 'node:net';
import { BatchWriter } from './batch-writer.js';
import { HEAD_BYTES, LINK_VERSION, LinkError, RecordReader, RecordType, writeRecordHead } from './link-codec.js';

export interface LinkHandler {
  onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void;
  /** The other end has told how far it is. */
  onProcessed(): void;
  /** A batch is about to leave: what is only worth saying together with others can be added. */
  onFlush(): void;
  /** The other end is gone, or does not speak this protocol: exactly once. */
  onEnd(cause?: Error): void;
}

/** What the other end tells of itself is no work, and most worth knowing while there is too much of it. */
function isNews(type: RecordType): boolean {
  return type === RecordType.buffered || type === RecordType.report;
}

interface HeldRecord {
  readonly type: RecordType;
  readonly flag: number;
  readonly number: number;
  readonly payload: Buffer;
}

/** From here on octets are passed on uncopied: a write of their own costs less than the copy. */
export const UNCOPIED_BYTES = 32 * 1024;
/** How long the other end may not know that something was dealt with: nobody waits for it, but heart-beats look at it. */
const TELL_AFTER_MS = 20;
const DEFAULT_TELL_EVERY_BYTES = 64 * 1024;
const PROCESSED_BYTES = 8;

export class Link {
  /** Octets of all records so far, those of `processed` left out, here as in every count: the two ends would never be still. */
  sentBytes = 0;
  /** How many of them the other end has dealt with. */
  processedBytes = 0;
  /** After this many octets dealt with the other end is told at once. */
  tellEveryBytes = DEFAULT_TELL_EVERY_BYTES;
  readonly #socket: Socket;
  readonly #handler: LinkHandler;
  readonly #reader: RecordReader;
  readonly #batch: BatchWriter;
  /** A flush is due at the end of the turn; or behind the callback that runs now. */
  #isScheduled = false;
  #isUrgent = false;
  #isGone = false;
  #greeted = false;
  /** Records wait here, in order, while this end is not to take on more work. */
  #held: HeldRecord[] = [];
  #heldBytes = 0;
  #isHolding = false;
  /** Octets of records that do not count, less those that count and were not sent. */
  #uncountedBytes = 0;
  /** Of what came in: told to the other end so far. */
  #toldBytes = 0;
  #tellTimer: NodeJS.Timeout | null = null;

  constructor(socket: Socket, handler: LinkHandler) {
    this.#socket = socket;
    this.#handler = handler;
    this.#batch = new BatchWriter(socket);
    this.#reader = new RecordReader({
      onRecord: (type, flag, number, payload) => {
        this.#onRecord(type, flag, number, payload);
      },
    });
    socket.on('data', (chunk: Buffer) => {
      this.#onData(chunk);
    });
    socket.on('error', (error) => {
      this.#end(error);
    });
    socket.on('end', () => {
      this.#end();
    });
    socket.on('close', () => {
      this.#end();
    });
    this.send(RecordType.hello, 0, LINK_VERSION);
  }

  /** Octets on their way, or read by the other end and not dealt with. */
  get unprocessedBytes(): number {
    return this.sentBytes - this.processedBytes;
  }

  /** One record. The payload is copied. Leaves at the end of the turn. */
  send(type: RecordType, flag: number, number: number, payload?: Uint8Array): void {
    if (this.#isGone) return;
    const payloadBytes = payload?.length ?? 0;
    this.sentBytes += HEAD_BYTES + payloadBytes;
    if (payloadBytes >= UNCOPIED_BYTES) {
      this.#putHead(type, flag, number, payloadBytes);
      // The copy is made, as the caller was promised one.
      this.#batch.writeThrough(Buffer.from(payload as Uint8Array));
    } else {
      this.#put(type, flag, number, payload);
    }
    this.#schedule();
  }

  /**
   * One record whose large payload stays where it is: the memory is the link's until it was sent. Returns whether it is;
   * small payloads are copied.
   */
  sendUncopied(type: RecordType, flag: number, number: number, payload: Uint8Array): boolean {
    if (payload.length < UNCOPIED_BYTES || this.#isGone) {
      this.send(type, flag, number, payload);
      return false;
    }
    this.sentBytes += HEAD_BYTES + payload.length;
    this.#putHead(type, flag, number, payload.length);
    this.#batch.writeThrough(payload);
    this.#schedule();
    return true;
  }

  /** As `sendUncopied`, with a payload in several parts. */
  sendParts(type: RecordType, flag: number, number: number, parts: readonly Uint8Array[]): boolean {
    let payloadBytes = 0;
    for (const part of parts) payloadBytes += part.length;
    if (payloadBytes < UNCOPIED_BYTES || this.#isGone) {
      this.send(type, flag, number, Buffer.concat(parts));
      return false;
    }
    this.sentBytes += HEAD_BYTES + payloadBytes;
    this.#putHead(type, flag, number, payloadBytes);
    let keepsAny = false;
    for (const part of parts) {
      if (part.length >= UNCOPIED_BYTES) {
        this.#batch.writeThrough(part);
        keepsAny = true;
      } else {
        const arena = this.#batch.reserve(part.length);
        arena.set(part, this.#batch.position);
        this.#batch.advance(this.#batch.position + part.length);
      }
    }
    this.#schedule();
    return keepsAny;
  }

  /** Octets that a record of this end stands for without carrying them: to the other end they are the same work. */
  countSent(octets: number): void {
    this.sentBytes += octets;
  }

  /** The same of a record of the other end. */
  countDone(octets: number): void {
    this.#uncountedBytes -= octets;
  }

  /** At the end of the turn. */
  flushLater(): void {
    this.#schedule();
  }

  /** Not the end of the turn but that of the callback which runs now is waited for: it is the turn's last. */
  flushSoon(): void {
    if (this.#isUrgent) return;
    this.#isUrgent = true;
    process.nextTick(this.#onTick);
  }

  /** Hands everything gathered to the system. */
  flush(): void {
    if (!this.#isGone) {
      this.#handler.onFlush();
      this.#tell();
      this.#batch.flush();
    }
    this.#isScheduled = this.#isUrgent = false;
  }

  /** Records wait, in order, until `release`; what the other end tells of its own progress and state does not. */
  hold(): void {
    this.#isHolding = true;
  }

  release(): void {
    this.#isHolding = false;
    const held = this.#held;
    if (held.length === 0) return;
    let done = 0;
    for (const { type, flag, number, payload } of held) {
      done++;
      this.#heldBytes -= HEAD_BYTES + payload.length;
      this.#handler.onRecord(type, flag, number, payload);
      // What was handled may have filled the other side again.
      if (this.#mustHold()) break;
    }
    this.#held = held.slice(done);
    this.#afterReading();
  }

  /** Ends it without a word; `onEnd` is called if it was not. */
  destroy(): void {
    this.#end();
    this.#socket.destroy();
  }

  #mustHold(): boolean {
    return this.#isHolding;
  }

  #put(type: RecordType, flag: number, number: number, payload: Uint8Array | undefined): void {
    const payloadBytes = payload?.length ?? 0;
    const arena = this.#batch.reserve(HEAD_BYTES + payloadBytes);
    const at = writeRecordHead(arena, this.#batch.position, { type, flag, number, payloadBytes });
    if (payload !== undefined) arena.set(payload, at);
    this.#batch.advance(at + payloadBytes);
  }

  #putHead(type: RecordType, flag: number, number: number, payloadBytes: number): void {
    const arena = this.#batch.reserve(HEAD_BYTES);
    this.#batch.advance(writeRecordHead(arena, this.#batch.position, { type, flag, number, payloadBytes }));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurnEnd);
  }

  readonly #onTurnEnd = (): void => {
    if (this.#isScheduled) this.flush();
  };

  readonly #onTick = (): void => {
    if (this.#isUrgent) this.flush();
  };

  #onData(chunk: Buffer): void {
    if (this.#isGone) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#socket.destroy();
      this.#end(error as Error);
      return;
    }
    this.#afterReading();
  }

  #onRecord(type: RecordType, flag: number, number: number, payload: Buffer): void {
    if (!this.#greeted) {
      if (type !== RecordType.hello || number !== LINK_VERSION) {
        throw new LinkError(`speaks version ${number} of the link, wants ${LINK_VERSION}`);
      }
      this.#greeted = true;
    } else if (type === RecordType.processed) {
      this.#uncountedBytes += HEAD_BYTES + payload.length;
      this.processedBytes = payload.readDoubleLE(0);
      this.#handler.onProcessed();
    } else if ((this.#isHolding || this.#held.length > 0) && !isNews(type)) {
      this.#held.push({ type, flag, number, payload });
      this.#heldBytes += HEAD_BYTES + payload.length;
    } else {
      this.#handler.onRecord(type, flag, number, payload);
    }
  }

  /** What of the other end's records was dealt with. */
  get #doneBytes(): number {
    return this.#reader.readBytes - this.#uncountedBytes - this.#heldBytes;
  }

  #afterReading(): void {
    const untoldBytes = this.#doneBytes - this.#toldBytes;
    if (untoldBytes >= this.tellEveryBytes) this.#schedule();
    else if (untoldBytes > 0) this.#tellTimer ??= setTimeout(this.#onTellTime, TELL_AFTER_MS);
  }

  readonly #onTellTime = (): void => {
    this.#tellTimer = null;
    if (!this.#isScheduled) this.flush();
  };

  #tell(): void {
    const doneBytes = this.#doneBytes;
    if (doneBytes === this.#toldBytes) return;
    this.#toldBytes = doneBytes;
    const payload = Buffer.allocUnsafe(PROCESSED_BYTES);
    payload.writeDoubleLE(doneBytes);
    this.#put(RecordType.processed, 0, 0, payload);
  }

  #end(cause?: Error): void {
    if (this.#isGone) return;
    this.#isGone = true;
    if (this.#tellTimer !== null) clearTimeout(this.#tellTimer);
    this.#handler.onEnd(cause);
  }
}
