/**
 * Message ↔ octets as stores keep them and as nodes pass them on. One octet that names the form, the message's number (8 octets, a double), the
 * length of the body (4), then either the tail as it is, or the length of the headers (4), the headers as JSON, and the body.
 */
import { Headers } from '../../protocol/index.js';
import { Message } from '../message.js';

const PLAIN = 1;
const WITH_HEADERS = 2;
const FIXED_BYTES = 13;
const LENGTH_BYTES = 4;

export function encodeMessage(message: Message): Buffer {
  const { decodedHeaders: headers, octets } = message;
  const text = headers === null ? null : JSON.stringify([...headers]);
  const textBytes = text === null ? 0 : Buffer.byteLength(text);
  const contentStart = FIXED_BYTES + (text === null ? 0 : LENGTH_BYTES + textBytes);
  const stored = Buffer.allocUnsafe(contentStart + octets.length);
  stored[0] = text === null ? PLAIN : WITH_HEADERS;
  stored.writeDoubleBE(message.id, 1);
  stored.writeUInt32BE(message.bodyBytes, 9);
  if (text !== null) {
    stored.writeUInt32BE(textBytes, FIXED_BYTES);
    stored.write(text, FIXED_BYTES + LENGTH_BYTES);
  }
  stored.set(octets, contentStart);
  return stored;
}

/**
 * @param octets belong to the message from now on
 * @throws RangeError, SyntaxError for octets that `encodeMessage` did not make
 */
export function decodeMessage(octets: Uint8Array): Message {
  const stored = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  return decode(stored, stored.readDoubleBE(1), true);
}

/**
 * A message of another node, as one of this node's.
 * @param octets may be part of something larger: who keeps the message has to call `own`
 * @throws as `decodeMessage`
 */
export function decodeForeign(id: number, octets: Buffer): Message {
  return decode(octets, id, false);
}

function decode(stored: Buffer, id: number, isOwned: boolean): Message {
  const form = stored.readUInt8(0);
  const bodyBytes = stored.readUInt32BE(9);
  if (form === PLAIN) {
    const tail = stored.subarray(FIXED_BYTES);
    // LF, blank line and NUL stand around the body.
    if (tail.length < bodyBytes + 3) throw new RangeError(`a stored message is cut short: ${tail.length} octets`);
    return Message.fromTail(id, tail, bodyBytes, isOwned);
  }
  if (form !== WITH_HEADERS) throw new RangeError(`a stored message of form ${form}`);
  const headersEnd = FIXED_BYTES + LENGTH_BYTES + stored.readUInt32BE(FIXED_BYTES);
  const body = stored.subarray(headersEnd);
  if (body.length !== bodyBytes)
    throw new RangeError(`a stored message with a body of ${body.length}, not ${bodyBytes}`);
  const headers: unknown = JSON.parse(stored.toString('utf8', FIXED_BYTES + LENGTH_BYTES, headersEnd));
  if (!isHeaderList(headers)) throw new RangeError('a stored message whose headers are none');
  return Message.fromRelayed(id, new Headers(headers), body, isOwned);
}

function isHeaderList(value: unknown): value is [string, string][] {
  if (!Array.isArray(value)) return false;
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return false;
    if (typeof pair[0] !== 'string' || typeof pair[1] !== 'string') return false;
  }
  return true;
}
