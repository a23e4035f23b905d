/**
 * Message ↔ octets as stores keep them. One octet that names the form, the message's number (8 octets, a double), the
 * length of the body (4), then either the tail as it is, or the length of the headers (4), the headers as JSON, and the body.
 */
import { Headers } from '../../protocol/index.js';
import { Message } from '../message.js';

const PLAIN = 1;
const WITH_HEADERS = 2;
const FIXED_BYTES = 13;

export function encodeMessage(message: Message): Buffer {
  const { decodedHeaders: headers, start, end } = message;
  const content = message.octets.subarray(start, end);
  if (headers === null) return Buffer.concat([fixedPart(PLAIN, message), content]);
  const text = Buffer.from(JSON.stringify([...headers]));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([fixedPart(WITH_HEADERS, message), length, text, content]);
}

function fixedPart(form: number, { id, bodyBytes }: Message): Buffer {
  const part = Buffer.allocUnsafe(FIXED_BYTES);
  part[0] = form;
  part.writeDoubleBE(id, 1);
  part.writeUInt32BE(bodyBytes, 9);
  return part;
}

/**
 * @param octets belong to the message from now on
 * @throws RangeError, SyntaxError for octets that `encodeMessage` did not make
 */
export function decodeMessage(octets: Uint8Array): Message {
  const stored = Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
  const form = stored.readUInt8(0);
  const id = stored.readDoubleBE(1);
  const bodyBytes = stored.readUInt32BE(9);
  if (form === PLAIN) return Message.fromTail(id, stored.subarray(FIXED_BYTES), bodyBytes);
  if (form !== WITH_HEADERS) throw new RangeError(`a stored message of form ${form}`);
  const headersEnd = FIXED_BYTES + 4 + stored.readUInt32BE(FIXED_BYTES);
  const headers = JSON.parse(stored.toString('utf8', FIXED_BYTES + 4, headersEnd)) as [string, string][];
  return Message.fromRelayed(id, new Headers(headers), stored.subarray(headersEnd));
}
