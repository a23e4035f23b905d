/**
 * A fast lane in front of `ws`. What clients send is mostly whole messages in single frames that lie whole in what one
 * read brought: those are unmasked where they are and given on at once. Everything else (control frames, fragments,
 * frames cut by the end of a read, and every breach of RFC 6455) goes to `ws` as it came, octet for octet, so that its
 * rules are the rules. Measured: `ws` cuts each message out in four views and pauses the socket at each full read.
 */
import { isUtf8 } from 'node:buffer';
import type { Socket } from 'node:net';

/** Where messages go that need nothing of `ws`. */
export interface WebSocketReaderOwner {
  /** One message of the client, whole. */
  onMessage(data: Buffer, isBinary: boolean): void;
}

type DataListener = (this: Socket, chunk: Buffer) => void;

/** FIN, no reserved bits, text or binary: a message of one frame (RFC 6455, 5.2). */
const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const FIN = 0x80;
const MASKED = 0x80;
const LENGTH = 0x7f;
/** Opcodes from here on. */
const CONTROL = 0x8;
const FIN_PING = 0x89;
const FIN_PONG = 0x8a;
const MAX_CONTROL_BYTES = 125;
const MASK_BYTES = 4;
/** Below it a look at the whole chunk as words costs more than it saves. */
const WORDS_FROM_BYTES = 64;

const READER = Symbol('reader of this socket');
type ReadSocket = Socket & { [READER]: WebSocketReader };

export class WebSocketReader {
  readonly #socket: Socket;
  readonly #owner: WebSocketReaderOwner;
  readonly #maxMessageBytes: number;
  /** The listener of `ws`. */
  readonly #handOver: DataListener;
  /** Octets still to come of a frame that is being handed over. */
  #left = 0;
  /** Unless `ws` gives out a message at the end of that frame, it has refused it, or the client closes. */
  #mayBeLast = false;
  /** Fragments of a message were handed over, the last was not. */
  #isFragmented = false;
  #wasGivenOut = false;
  #isOver = false;
  /** The beginning of a frame's header. */
  #held: Buffer | null = null;
  /** Within a read of which `ws` got a part. */
  #isCorked = false;

  /**
   * Takes the place of the listener that `ws` has on the socket; to be called once that is open.
   * @param maxMessageBytes as `ws` was told
   */
  constructor(socket: Socket, owner: WebSocketReaderOwner, maxMessageBytes: number) {
    this.#socket = socket;
    this.#owner = owner;
    this.#maxMessageBytes = maxMessageBytes;
    const [handOver, other] = socket.listeners('data') as DataListener[];
    if (handOver === undefined || other !== undefined) throw new Error('The socket is not read by ws alone');
    this.#handOver = handOver;
    socket.removeListener('data', handOver);
    (socket as ReadSocket)[READER] = this;
    // Shared: a closure would cost each idle connection more than this object.
    socket.on('data', onData);
  }

  /** To be called for each message that `ws` gives out. */
  onGivenOut(): void {
    this.#wasGivenOut = true;
  }

  /** What comes from now on is for nobody: `ws` has found a fault. */
  stop(): void {
    this.#isOver = true;
    this.#held = null;
  }

  push(read: Buffer): void {
    this.#scan(read);
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#socket.uncork();
  }

  #scan(read: Buffer): void {
    const chunk = this.#held === null ? read : Buffer.concat([this.#held, read]);
    this.#held = null;
    /** Made for the first message that is long enough, and good for all of them. */
    let words: Int32Array | null = null;
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      if (this.#left > 0) {
        at = this.#handOverMore(chunk, at);
        continue;
      }
      const payloadAt = at + headerBytes(chunk, at);
      if (payloadAt > chunk.length) {
        this.#held = Buffer.from(chunk.subarray(at));
        return;
      }
      const end = payloadAt + payloadBytes(chunk, at);
      if (!this.#isSimple(chunk, at, end) || end - payloadAt > this.#maxMessageBytes) {
        at = this.#startHandingOver(chunk, at, end);
        continue;
      }
      if (end - payloadAt >= WORDS_FROM_BYTES) words ??= wordsOf(chunk);
      unmask(chunk, payloadAt, end, words);
      const payload = chunk.subarray(payloadAt, end);
      const isBinary = chunk[at] === FIN_BINARY;
      if (!isBinary && !isUtf8(payload)) {
        // Masked again it is what the client sent, for `ws` to refuse.
        unmask(chunk, payloadAt, end, words);
        at = this.#startHandingOver(chunk, at, end);
        continue;
      }
      this.#owner.onMessage(payload, isBinary);
      at = end;
    }
  }

  /** Whether the frame is a message, and lies in the chunk whole. */
  #isSimple(chunk: Buffer, at: number, end: number): boolean {
    const first = chunk[at];
    const isMessage = first === FIN_TEXT || first === FIN_BINARY;
    return isMessage && end <= chunk.length && isMasked(chunk, at) && !this.#isFragmented;
  }

  /** Returns where to go on. */
  #startHandingOver(chunk: Buffer, at: number, end: number): number {
    const first = chunk[at] as number;
    const isFinal = (first & FIN) !== 0;
    const isControl = (first & CONTROL) !== 0;
    this.#mayBeLast = isControl ? !isPingOrPong(chunk, at) : isFinal;
    if (!isControl) this.#isFragmented = !isFinal;
    this.#wasGivenOut = false;
    this.#left = end - at;
    return this.#handOverMore(chunk, at);
  }

  #handOverMore(chunk: Buffer, at: number): number {
    const end = Math.min(at + this.#left, chunk.length);
    this.#left -= end - at;
    if (!this.#isCorked) {
      // Thousands of pings fit in one read: their pongs leave in one write.
      this.#isCorked = true;
      this.#socket.cork();
    }
    this.#handOver.call(this.#socket, chunk.subarray(at, end));
    if (this.#left === 0 && this.#mayBeLast && !this.#wasGivenOut) this.stop();
    return end;
  }
}

function onData(this: Socket, chunk: Buffer): void {
  (this as ReadSocket)[READER].push(chunk);
}

function shortLength(chunk: Buffer, at: number): number {
  return (chunk[at + 1] as number) & LENGTH;
}

function isMasked(chunk: Buffer, at: number): boolean {
  return ((chunk[at + 1] as number) & MASKED) !== 0;
}

function isPingOrPong(chunk: Buffer, at: number): boolean {
  const first = chunk[at];
  const isWhole = isMasked(chunk, at) && shortLength(chunk, at) <= MAX_CONTROL_BYTES;
  return isWhole && (first === FIN_PING || first === FIN_PONG);
}

/** Octets of the header of the frame at `at`, mask included; infinitely many when too little is there to tell. */
function headerBytes(chunk: Buffer, at: number): number {
  if (at + 1 >= chunk.length) return Infinity;
  const short = shortLength(chunk, at);
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (isMasked(chunk, at) ? MASK_BYTES : 0);
}

/** By a header that is there whole. */
function payloadBytes(chunk: Buffer, at: number): number {
  const short = shortLength(chunk, at);
  if (short < 126) return short;
  if (short === 126) return ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number);
  return chunk.readUInt32BE(at + 2) * 0x1_0000_0000 + chunk.readUInt32BE(at + 6);
}

/** The chunk as words, from the first whole one on. */
function wordsOf({ buffer, byteOffset, length }: Buffer): Int32Array {
  const start = wordAddress(byteOffset);
  return new Int32Array(buffer, start, Math.max(0, (byteOffset + length - start) >> 2));
}

function wordAddress(address: number): number {
  return (address + 3) & ~3;
}

const MASK_OCTETS = new Uint8Array(MASK_BYTES);
const MASK_WORD = new Int32Array(MASK_OCTETS.buffer);

/**
 * In place; the mask stands in front of `start`. Done twice is not done (RFC 6455, 5.3).
 * @param words of the whole chunk; null: octet by octet
 */
function unmask(chunk: Buffer, start: number, end: number, words: Int32Array | null): void {
  const mask = start - MASK_BYTES;
  let at = start;
  if (words !== null && end - start >= WORDS_FROM_BYTES) {
    const { byteOffset } = chunk;
    const aligned = wordAddress(byteOffset + start) - byteOffset;
    for (; at < aligned; at++) chunk[at] = (chunk[at] as number) ^ (chunk[mask + (at - start)] as number);
    // In memory's own order, whichever that is.
    for (let k = 0; k < MASK_BYTES; k++) MASK_OCTETS[k] = chunk[mask + ((aligned - start + k) & 3)] as number;
    const word = MASK_WORD[0] as number;
    const first = (byteOffset + aligned - words.byteOffset) >> 2;
    const last = first + ((end - aligned) >> 2);
    for (let k = first; k < last; k++) words[k] = (words[k] as number) ^ word;
    at = aligned + ((last - first) << 2);
  }
  for (; at < end; at++) chunk[at] = (chunk[at] as number) ^ (chunk[mask + ((at - start) & 3)] as number);
}
