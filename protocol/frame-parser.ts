/**
 * Octets → frames, incrementally: cut anywhere, bounded in memory, linear in time (STOMP 1.2, Augmented BNF).
 * Deviations from the grammar, all lenient: NULs between frames are skipped; one CR before an LF ends a line on every
 * version; content-length may have blanks around its digits, and counts nothing on a frame that has no body (neither
 * RabbitMQ nor ActiveMQ read it there); a few line ends before the NUL of such a frame are no body (RabbitMQ's tests and
 * many hand-written clients end CONNECT so).
 *
 * A frame that lies whole in one chunk is never copied. Only a frame that straddles chunks is gathered in a buffer of
 * its own, which nobody writes to again once the frame is handed out.
 */
import {
  Command,
  commandName,
  findCommand,
  findCommandAt,
  MAX_COMMAND_BYTES,
  mayHaveBody,
  type FrameSender,
} from './command.js';
import { ProtocolError, quoteInput } from './protocol-error.js';
import { FrameFlag, RawFrame } from './raw-frame.js';
import { isUtf8 } from 'node:buffer';
import type { Frame } from './frame.js';
import type { StompVersion } from './version.js';

/** Bounds of one frame. Octets are counted as received, before unescaping. */
export interface FrameLimits {
  /** Header lines of one frame, repeated names included. */
  readonly maxHeaders: number;
  /** One header line without its end. */
  readonly maxHeaderLineBytes: number;
  readonly maxBodyBytes: number;
}

export interface FrameParserOptions {
  readonly limits?: FrameLimits;
  /** Whose frames are read; default `client`. */
  readonly sender?: FrameSender;
  /** Until negotiated: default `1.2`, the strictest. */
  readonly version?: StompVersion;
  /** Accept a WebSocket text message that ends a frame without its NUL (React Native cuts it). Default false. */
  readonly lenientNul?: boolean;
}

/** RabbitMQ's frame limit after login is 4 MiB, its largest test message 16 MiB. */
export const DEFAULT_FRAME_LIMITS: FrameLimits = Object.freeze({
  maxHeaders: 256,
  maxHeaderLineBytes: 16 * 1024,
  maxBodyBytes: 16 * 1024 * 1024,
});

/** Takes frames as they become whole. An object, not a function, so that a session needs no closure of its own. */
export interface RawFrameSink {
  /** The frame is valid only during the call. Returning false stops the parser behind it. */
  onRawFrame(frame: RawFrame): boolean;
}

const NUL = 0;
const LF = 10;
const CR = 13;
const COLON = 58;

const BETWEEN = 0;
const COMMAND = 1;
const HEADERS = 2;
const COUNTED_BODY = 3;
const SCANNED_BODY = 4;

/** Header octets are gathered in pieces of this size when a frame straddles chunks before its blank line. */
const HEADER_PIECE_BYTES = 1024;

/** Line ends skipped where a body may not be: clients were seen to write one or two. */
const MAX_BLANK_TAIL_BYTES = 16;
const MAX_LENGTH_DIGITS = 15;

const CLASS = new Uint8Array(256).fill(FrameFlag.NON_ASCII, 128);
CLASS[NUL] = FrameFlag.NUL;
CLASS[CR] = FrameFlag.CR;
CLASS[COLON] = FrameFlag.COLON;
CLASS['\\'.charCodeAt(0)] = FrameFlag.BACKSLASH;

const DESTINATION = Buffer.from('destination');
const CONTENT_LENGTH = Buffer.from('content-length');
/** Headers of SEND that the server acts on or must not relay, by length of their name. */
const SPECIAL_NAMES: readonly (readonly Buffer[] | undefined)[] = byLength([
  'ack',
  'expires',
  'receipt',
  'selector',
  'reply-to',
  'priority',
  'persistent',
  'message-id',
  'expiration',
  'JMSXUserID',
  'message-key',
  'transaction',
  'redelivered',
  'subscription',
  'x-message-ttl',
  'AMQ_SCHEDULED_TIME',
  'AMQ_SCHEDULED_CRON',
  'AMQ_SCHEDULED_DELAY',
  'simpOrigDestination',
  'AMQ_SCHEDULED_PERIOD',
  'AMQ_SCHEDULED_REPEAT',
]);

function byLength(names: readonly string[]): readonly (readonly Buffer[] | undefined)[] {
  const table: (Buffer[] | undefined)[] = [];
  for (const name of names) (table[name.length] ??= []).push(Buffer.from(name));
  return table;
}

function matches(buffer: Buffer, start: number, name: Buffer): boolean {
  for (let k = 0; k < name.length; k++) if (buffer[start + k] !== name[k]) return false;
  return true;
}

const NOTHING = new RawFrame();
/** Parsers share one while they are within no frame: an idle connection has none of its own. */
let spare: RawFrame | null = null;

export class FrameParser {
  /** Set by the owner once negotiated. */
  version: StompVersion;
  /** May be replaced at any frame boundary: the broker's are tighter before CONNECTED. */
  limits: FrameLimits;
  readonly #sender: FrameSender;
  readonly #lenientNul: boolean;
  /** What of the unfinished frame is known; NOTHING between frames. */
  #frame = NOTHING;
  #phase = BETWEEN;
  #failed = false;
  /** Next octet to look at, first octet of the frame, of the line; all in the buffer being scanned. */
  #at = 0;
  #start = 0;
  #lineStart = 0;
  #colon = -1;
  #headerCount = 0;
  #strayCr = false;
  #assembly: Buffer | null = null;
  #assembledBytes = 0;
  /** The frame being scanned began in the current WebSocket message. */
  #beganInMessage = false;
  /** The message ended inside a body of unknown length: the NUL was cut, or more is coming; the next octets tell. */
  #maybeCut = false;

  constructor(options: FrameParserOptions = {}) {
    this.version = options.version ?? '1.2';
    this.limits = options.limits ?? DEFAULT_FRAME_LIMITS;
    this.#sender = options.sender ?? 'client';
    this.#lenientNul = options.lenientNul ?? false;
  }

  /** Octets held back for a frame that is not whole yet. */
  get heldBytes(): number {
    return this.#assembledBytes;
  }

  /**
   * Decodes frames with all rules applied: the simple way in.
   * @throws ProtocolError once; the parser ignores everything after it
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => void, endsMessage = false): void {
    const onRawFrame = (raw: RawFrame): boolean => {
      onFrame(raw.decode(this.version));
      return true;
    };
    this.pushRaw(chunk, { onRawFrame }, endsMessage);
  }

  /**
   * Hands out frames as offsets into `chunk`, or into a buffer of their own when they straddled chunks.
   * @param endsMessage the chunk ends a WebSocket text message
   * @returns octets consumed: less than `chunk.length` when the sink returned false; the rest is to be pushed again
   * @throws ProtocolError once; the parser ignores everything after it
   */
  pushRaw(chunk: Buffer, sink: RawFrameSink, endsMessage = false): number {
    if (this.#failed) return chunk.length;
    if (this.#frame === NOTHING) this.#takeSpare();
    try {
      const consumed = this.#consume(chunk, sink);
      if (consumed === chunk.length && endsMessage && this.#lenientNul) this.#endMessage(sink);
      return consumed;
    } catch (error) {
      this.#failed = true;
      throw error;
    } finally {
      this.#frame.release();
      if (this.#phase === BETWEEN) this.#giveBack();
    }
  }

  #takeSpare(): void {
    this.#frame = spare ?? new RawFrame();
    // A frame's sink may feed another parser.
    spare = null;
  }

  #giveBack(): void {
    spare = this.#frame;
    this.#frame = NOTHING;
  }

  #consume(chunk: Buffer, sink: RawFrameSink): number {
    let at = 0;
    if (this.#maybeCut && chunk.length > 0) {
      this.#maybeCut = false;
      if (this.#startsNewFrame(chunk) && !this.#emitCut(sink)) return 0;
    }
    if (this.#assembly !== null) {
      at = this.#assemble(chunk, sink);
      if (at < 0) return ~at;
      if (this.heldBytes > 0) return chunk.length;
    }
    this.#at = at;
    while (this.#completeFrame(chunk, chunk.length)) {
      if (!this.#emit(chunk, sink)) return this.#at;
    }
    if (this.#phase !== BETWEEN) this.#carryOver(chunk);
    return chunk.length;
  }

  /** Goes on from wherever the last call stopped; true when `#frame` is whole. */
  #completeFrame(buffer: Buffer, end: number): boolean {
    if (this.#phase === BETWEEN && !this.#skipBetween(buffer, end)) return false;
    if (this.#phase === COMMAND && !this.#scanCommand(buffer, end)) return false;
    if (this.#phase === HEADERS && !this.#scanHeaders(buffer, end)) return false;
    return this.#phase === COUNTED_BODY ? this.#scanCounted(buffer, end) : this.#scanUntilNul(buffer, end);
  }

  #emit(buffer: Buffer, sink: RawFrameSink): boolean {
    const frame = this.#frame;
    this.#phase = BETWEEN;
    if ((frame.flags & FrameFlag.NON_ASCII) !== 0 && !isUtf8(buffer.subarray(frame.headersStart, frame.headersEnd))) {
      throw new ProtocolError('header-not-utf8', 'Headers are not valid UTF-8');
    }
    frame.buffer = buffer;
    return sink.onRawFrame(frame);
  }

  #skipBetween(buffer: Buffer, end: number): boolean {
    let at = this.#at;
    for (; at < end; at++) {
      const octet = buffer[at];
      if (this.#strayCr && octet !== LF) throw malformed('CR without LF between frames');
      this.#strayCr = octet === CR;
      if (octet !== LF && octet !== NUL && octet !== CR) break;
    }
    this.#at = at;
    if (at === end) return false;
    this.#start = at;
    this.#phase = COMMAND;
    this.#beganInMessage = true;
    return true;
  }

  #scanCommand(buffer: Buffer, end: number): boolean {
    let at = this.#at;
    for (; at < end; at++) {
      const octet = buffer[at] as number;
      if (octet === LF) break;
      const isLetter = octet >= 65 && octet <= 90;
      if ((!isLetter && octet !== CR) || at - this.#start > MAX_COMMAND_BYTES) {
        throw unknownCommand(buffer.toString('latin1', this.#start, Math.min(at + 16, end)));
      }
    }
    this.#at = at;
    if (at === end) return false;
    const wordEnd = buffer[at - 1] === CR ? at - 1 : at;
    const command = findCommandAt(buffer, this.#start, wordEnd, this.#sender);
    if (command === undefined) throw unknownCommand(buffer.toString('latin1', this.#start, wordEnd));
    const frame = this.#frame;
    frame.reset();
    frame.command = command;
    // The line's CR stays out of what is relayed, so it needs no flag.
    this.#at = this.#lineStart = frame.headersStart = at + 1;
    this.#colon = -1;
    this.#headerCount = 0;
    this.#phase = HEADERS;
    return true;
  }

  /** The loop the throughput of SEND hangs on: two table look-ups and a compare per octet, a native call never. */
  #scanHeaders(buffer: Buffer, end: number): boolean {
    const frame = this.#frame;
    const maxLine = this.limits.maxHeaderLineBytes;
    let at = this.#at;
    let lineStart = this.#lineStart;
    let colon = this.#colon;
    let flags = frame.flags;
    let octet = 0;
    for (;;) {
      if (colon < 0) {
        for (; at < end; at++) {
          octet = buffer[at] as number;
          if (octet === COLON || octet === LF) break;
          flags |= CLASS[octet] as number;
        }
        if (at < end && octet === COLON) colon = at++;
      }
      if (colon >= 0) {
        for (; at < end; at++) {
          octet = buffer[at] as number;
          if (octet === LF) break;
          flags |= CLASS[octet] as number;
        }
      }
      frame.flags = flags;
      if ((flags & FrameFlag.NUL) !== 0) throw this.#headerError('NUL before the blank line that ends the headers');
      // One octet of grace for a CR that belongs to the line's end.
      if (at - lineStart > maxLine + 1) throw this.#lineTooLong(at - lineStart);
      if (at >= end) {
        this.#at = at;
        this.#lineStart = lineStart;
        this.#colon = colon;
        return false;
      }
      if (colon < 0) {
        this.#endHeaders(buffer, lineStart, at);
        return true;
      }
      this.#noteHeader(buffer, lineStart, colon, at);
      flags = frame.flags;
      lineStart = ++at;
      colon = -1;
    }
  }

  /** A whole header line: counted, and remembered when it is one the parser or the router needs. */
  #noteHeader(buffer: Buffer, lineStart: number, colon: number, lineEnd: number): void {
    this.#headerCount++;
    const { maxHeaders } = this.limits;
    if (this.#headerCount > maxHeaders) {
      throw new ProtocolError('headers-too-many', `Header line ${this.#headerCount}: the limit is ${maxHeaders} lines`);
    }
    const nameLength = colon - lineStart;
    if (nameLength === 0) throw this.#headerError('a header name is empty');
    const frame = this.#frame;
    if (nameLength === DESTINATION.length && matches(buffer, lineStart, DESTINATION)) {
      if (frame.destinationStart >= 0) frame.flags |= FrameFlag.SPECIAL;
      else {
        frame.destinationStart = colon + 1;
        frame.destinationEnd = lineEnd;
      }
      return;
    }
    if (nameLength === CONTENT_LENGTH.length && matches(buffer, lineStart, CONTENT_LENGTH)) {
      if (frame.contentLength >= 0) frame.flags |= FrameFlag.SPECIAL;
      else frame.contentLength = this.#parseLength(buffer, colon + 1, lineEnd);
      return;
    }
    const special = SPECIAL_NAMES[nameLength];
    if (special === undefined) return;
    for (const name of special) if (matches(buffer, lineStart, name)) frame.flags |= FrameFlag.SPECIAL;
  }

  #parseLength(buffer: Buffer, start: number, end: number): number {
    let length = 0;
    const isPlain = end - start <= MAX_LENGTH_DIGITS && end > start && (buffer[start] !== 48 || end - start === 1);
    if (isPlain) {
      for (let k = start; k < end && length >= 0; k++) {
        const digit = (buffer[k] as number) - 48;
        length = digit >= 0 && digit <= 9 ? length * 10 + digit : -1;
      }
      if (length >= 0) return length;
    }
    const text = buffer.toString('latin1', start, end);
    const match = /^[ \t]*(\d{1,15})[ \t\r]*$/.exec(text);
    if (match === null) {
      throw new ProtocolError(
        'content-length-invalid',
        `Header line ${this.#headerCount}: content-length: got ${quoteInput(text)}, wants a number of octets`,
      );
    }
    this.#frame.flags |= FrameFlag.SPECIAL;
    return Number(match[1]);
  }

  #endHeaders(buffer: Buffer, lineStart: number, lineEnd: number): void {
    const isBlank = lineEnd === lineStart || (lineEnd === lineStart + 1 && buffer[lineStart] === CR);
    if (!isBlank) {
      this.#headerCount++;
      throw this.#headerError(`no colon in ${quoteInput(buffer.toString('latin1', lineStart, lineEnd))}`);
    }
    const frame = this.#frame;
    frame.headersEnd = lineStart;
    this.#at = frame.bodyStart = lineEnd + 1;
    // Clients that acknowledge with all headers of the MESSAGE send its content-length too; the body is what is refused.
    if (frame.contentLength >= 0 && !this.#bodyAllowed()) frame.contentLength = -1;
    if (frame.contentLength > this.limits.maxBodyBytes) throw this.#bodyTooLong(frame.contentLength);
    this.#phase = frame.contentLength >= 0 ? COUNTED_BODY : SCANNED_BODY;
  }

  #scanCounted(buffer: Buffer, end: number): boolean {
    const frame = this.#frame;
    const bodyEnd = frame.bodyStart + frame.contentLength;
    if (end <= bodyEnd) {
      this.#at = end;
      return false;
    }
    if (buffer[bodyEnd] !== NUL) {
      throw new ProtocolError(
        'content-length-mismatch',
        `No NUL after the ${frame.contentLength} octets of body that content-length counts`,
      );
    }
    frame.bodyEnd = bodyEnd;
    this.#at = frame.end = bodyEnd + 1;
    return true;
  }

  #scanUntilNul(buffer: Buffer, end: number): boolean {
    const frame = this.#frame;
    if (this.#at < end && buffer[this.#at] !== NUL && !this.#bodyAllowed()) this.#skipBlankTail(buffer, end);
    const nul = buffer.indexOf(NUL, this.#at);
    const bodyEnd = nul < 0 ? end : nul;
    if (bodyEnd - frame.bodyStart > this.limits.maxBodyBytes) throw this.#bodyTooLong(bodyEnd - frame.bodyStart);
    this.#at = bodyEnd;
    if (nul < 0) return false;
    frame.bodyEnd = nul;
    this.#at = frame.end = nul + 1;
    return true;
  }

  /** Leaves the (empty) body beginning behind the line ends, so that no limit counts them. */
  #skipBlankTail(buffer: Buffer, end: number): void {
    const frame = this.#frame;
    let at = this.#at;
    while (at < end && (buffer[at] === LF || buffer[at] === CR)) at++;
    const isBlank = at - frame.headersEnd <= MAX_BLANK_TAIL_BYTES + 2;
    if (!isBlank || (at < end && buffer[at] !== NUL)) throw this.#bodyNotAllowed();
    this.#at = frame.bodyStart = at;
  }

  /** STOMP 1.0 lets SUBSCRIBE carry a body that is ignored. */
  #bodyAllowed(): boolean {
    const { command } = this.#frame;
    return mayHaveBody(command) || (this.version === '1.0' && command === Command.SUBSCRIBE);
  }

  /** Copies the unfinished frame at the end of `chunk` into a buffer of its own. */
  #carryOver(chunk: Buffer): void {
    const length = chunk.length - this.#start;
    this.#assembly = null;
    this.#assembledBytes = 0;
    this.#append(chunk, this.#start, length);
    this.#shift(-this.#start);
  }

  /**
   * Adds octets of `chunk` until the unfinished frame is whole.
   * @returns where the next frame begins in `chunk`; its complement when the sink asked to stop there
   */
  #assemble(chunk: Buffer, sink: RawFrameSink): number {
    let at = 0;
    while (at < chunk.length) {
      const length = this.#wantedBytes(chunk, at);
      const assembly = this.#append(chunk, at, length);
      at += length;
      if (!this.#completeFrame(assembly, assembly.length)) continue;
      at -= assembly.length - this.#at;
      this.#assembly = null;
      this.#assembledBytes = 0;
      return this.#emit(assembly, sink) ? at : ~at;
    }
    return at;
  }

  /** How many octets from `at` on surely, or at little cost probably, belong to the unfinished frame. */
  #wantedBytes(chunk: Buffer, at: number): number {
    const left = chunk.length - at;
    if (this.#phase === COUNTED_BODY) {
      return Math.min(left, this.#frame.bodyStart + this.#frame.contentLength + 1 - this.#assembledBytes);
    }
    if (this.#phase === SCANNED_BODY) {
      const nul = chunk.indexOf(NUL, at);
      return nul < 0 ? left : nul + 1 - at;
    }
    return Math.min(left, HEADER_PIECE_BYTES);
  }

  /** Grows by doubling, never to what content-length merely claims: a liar costs no memory. */
  #append(chunk: Buffer, from: number, length: number): Buffer {
    const size = this.#assembledBytes + length;
    let assembly = this.#assembly;
    if (assembly === null || assembly.length < size) {
      const wanted = this.#phase === COUNTED_BODY ? this.#frame.bodyStart + this.#frame.contentLength + 1 : Infinity;
      const doubled = Math.max(size, Math.min(wanted, 2 * this.#assembledBytes, this.#maxAssembledBytes()));
      const grown = Buffer.allocUnsafe(doubled);
      if (assembly !== null) assembly.copy(grown, 0, 0, this.#assembledBytes);
      assembly = grown;
    }
    chunk.copy(assembly, this.#assembledBytes, from, from + length);
    this.#assembly = assembly;
    this.#assembledBytes = size;
    return assembly.subarray(0, size);
  }

  #maxAssembledBytes(): number {
    const { maxHeaders, maxHeaderLineBytes, maxBodyBytes } = this.limits;
    return (maxHeaders + 1) * (maxHeaderLineBytes + 2) + maxBodyBytes;
  }

  /** Moves every offset, as the octets have moved. */
  #shift(by: number): void {
    const frame = this.#frame;
    this.#at += by;
    this.#start += by;
    this.#lineStart += by;
    if (this.#colon >= 0) this.#colon += by;
    frame.headersStart += by;
    frame.headersEnd += by;
    frame.bodyStart += by;
    if (frame.destinationStart >= 0) {
      frame.destinationStart += by;
      frame.destinationEnd += by;
    }
  }

  /** A WebSocket text message ended: is the frame whole but for a NUL that was cut? */
  #endMessage(sink: RawFrameSink): void {
    const began = this.#beganInMessage;
    this.#beganInMessage = false;
    if (this.#phase === COUNTED_BODY) {
      if (this.#assembledBytes === this.#frame.bodyStart + this.#frame.contentLength) this.#emitCut(sink);
    } else if (this.#phase === SCANNED_BODY) {
      // Without a body to come the frame is whole at its blank line; a NUL that follows after all is skipped.
      if (!this.#bodyAllowed()) this.#emitCut(sink);
      else this.#maybeCut = began;
    }
  }

  #emitCut(sink: RawFrameSink): boolean {
    const assembly = (this.#assembly as Buffer).subarray(0, this.#assembledBytes);
    const frame = this.#frame;
    frame.bodyEnd = frame.end = assembly.length;
    frame.flags |= FrameFlag.CUT;
    this.#assembly = null;
    this.#assembledBytes = 0;
    return this.#emit(assembly, sink);
  }

  /** Only line ends (a heart-beat), or a line that is a command: no client splits a body just there. */
  #startsNewFrame(chunk: Buffer): boolean {
    const head = chunk.toString('latin1', 0, MAX_COMMAND_BYTES + 2);
    if (/^[\r\n]+$/.test(head) && head.length === chunk.length) return true;
    const word = /^([A-Z]+)\r?\n/.exec(head)?.[1];
    return word !== undefined && findCommand(word, this.#sender) !== undefined;
  }

  #headerError(text: string): ProtocolError {
    return new ProtocolError('header-malformed', `Header line ${Math.max(1, this.#headerCount)}: ${text}`);
  }

  #lineTooLong(length: number): ProtocolError {
    return new ProtocolError(
      'header-too-long',
      `Header line ${this.#headerCount + 1}: ${length} octets so far, the limit is ${this.limits.maxHeaderLineBytes}`,
    );
  }

  #bodyTooLong(length: number): ProtocolError {
    return new ProtocolError('body-too-long', `Body of ${length} octets, the limit is ${this.limits.maxBodyBytes}`);
  }

  #bodyNotAllowed(): ProtocolError {
    return new ProtocolError('body-not-allowed', `${commandName(this.#frame.command)} may not have a body`);
  }
}

function malformed(text: string): ProtocolError {
  return new ProtocolError('frame-malformed', text);
}

function unknownCommand(word: string): ProtocolError {
  return new ProtocolError('command-unknown', `Unknown command ${quoteInput(word.replace(/[\r\n][^]*$/, ''), 24)}`);
}
