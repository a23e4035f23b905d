/**
 * How a STOMP frame is wrapped on each kind of connection (Framing of broker/ports.ts).
 * Server frames of RFC 6455, 5.2 are unmasked: FIN and opcode, then the length in 1, 3 or 9 octets.
 */
import type { Framing } from '../../broker/ports.js';
import { escapeJsonString } from './sockjs-escape.js';

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
const MAX_HEADER_BYTES = 10;

/** Writes the header of an unfragmented server frame; returns the position after it. */
export function writeWebSocketHeader(target: Buffer, at: number, lengthBytes: number, text: boolean): number {
  target[at] = text ? FIN_TEXT : FIN_BINARY;
  if (lengthBytes < 126) {
    target[at + 1] = lengthBytes;
    return at + 2;
  }
  if (lengthBytes < 65_536) {
    target[at + 1] = 126;
    target[at + 2] = lengthBytes >>> 8;
    target[at + 3] = lengthBytes & 0xff;
    return at + 4;
  }
  target[at + 1] = 127;
  target.writeUInt32BE(Math.floor(lengthBytes / 0x1_0000_0000), at + 2);
  target.writeUInt32BE(lengthBytes >>> 0, at + 6);
  return at + 10;
}

/** TCP: the octets as they are. */
export const RAW_FRAMING: Framing = {
  maxOverheadBytes: 0,
  splittable: true,
  encode: null,
  open: (_target, at) => at,
  close: (_target, at) => at,
};

/** One WebSocket message for each STOMP frame; text when it may be, as browsers' clients expect. */
export const WEBSOCKET_FRAMING: Framing = {
  maxOverheadBytes: MAX_HEADER_BYTES,
  splittable: true,
  encode: null,
  open: writeWebSocketHeader,
  close: (_target, at) => at,
};

const QUOTE = 0x22;
/** `a["` and `"]` around one string. */
const ARRAY_BYTES = 5;

/** SockJS `websocket`: one text message `a["…"]` for each STOMP frame. */
export const SOCKJS_WEBSOCKET_FRAMING: Framing = {
  maxOverheadBytes: MAX_HEADER_BYTES + ARRAY_BYTES,
  splittable: true,
  encode: escapeJsonString,
  open(target, at, lengthBytes) {
    const start = writeWebSocketHeader(target, at, lengthBytes + ARRAY_BYTES, true);
    target[start] = 0x61;
    target[start + 1] = 0x5b;
    target[start + 2] = QUOTE;
    return start + 3;
  },
  close(target, at) {
    target[at] = QUOTE;
    target[at + 1] = 0x5d;
    return at + 2;
  },
};

const PREFIX_BYTES = 5;

/**
 * For connections that hand whole messages to a library: each frame behind an octet for its kind and four for its
 * length, so that one write of several frames can be cut again by `cutFrames`.
 */
export const PREFIX_FRAMING: Framing = {
  maxOverheadBytes: PREFIX_BYTES,
  splittable: false,
  encode: null,
  open(target, at, lengthBytes, text) {
    target[at] = text ? 1 : 0;
    target.writeUInt32BE(lengthBytes, at + 1);
    return at + PREFIX_BYTES;
  },
  close: (_target, at) => at,
};

/**
 * SockJS over HTTP: frames in the form of JSON strings, as for its `websocket` transport, so that a message is brought
 * into a form that text can carry once for all of them; the session reads the strings again for the package.
 */
export const SOCKJS_HTTP_FRAMING: Framing = { ...PREFIX_FRAMING, encode: escapeJsonString };

/** Calls back for each frame in octets framed by PREFIX_FRAMING; the frames are views of the same memory. */
export function cutFrames(octets: Uint8Array, onFrame: (frame: Buffer, text: boolean) => void): void {
  const whole = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  let at = 0;
  while (at + PREFIX_BYTES <= whole.length) {
    const start = at + PREFIX_BYTES;
    const end = start + whole.readUInt32BE(at + 1);
    onFrame(whole.subarray(start, end), whole[at] === 1);
    at = end;
  }
}
