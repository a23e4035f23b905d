/**
 * Bodies of `xhr_send` and `jsonp_send`: read up to a limit and checked here, because the sockjs package does neither
 * (K-30, K-31).
 */
import type { IncomingMessage } from 'node:http';
import { parse as parseForm } from 'node:querystring';
import type { Sending } from './sockjs-path.js';
import { isStrings } from './text-octets.js';

/** Resolves to null when the client went away. @throws RangeError above `maxBytes`, announced or not */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): void => {
      reject(new RangeError(`body over ${String(maxBytes)} octets`));
    };
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      tooLarge();
      return;
    }
    const chunks: Buffer[] = [];
    let lengthBytes = 0;
    request.on('data', (chunk: Buffer) => {
      lengthBytes += chunk.length;
      if (lengthBytes > maxBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      resolve(Buffer.concat(chunks));
    });
    request.on('close', () => {
      resolve(null);
    });
  });
}

/** Messages of a body; `malformed` when it is no JSON array, `not-strings` when an item is none. */
export type PostedMessages = readonly string[] | 'malformed' | 'not-strings';

export function messagesOf(body: Buffer, transport: Sending, contentType: string): PostedMessages {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  const isForm = transport === 'jsonp_send' && type === 'application/x-www-form-urlencoded';
  if (!isForm && !CONTENT_TYPES[transport].has(type)) return 'malformed';
  const json = isForm ? parseForm(body.toString())['d'] : body.toString();
  if (typeof json !== 'string') return 'malformed';
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return 'malformed';
  }
  if (!Array.isArray(value)) return 'malformed';
  return isStrings(value) ? value : 'not-strings';
}

/** What the sockjs package would read as JSON; everything else it answers with 500. */
const CONTENT_TYPES: Readonly<Record<Sending, ReadonlySet<string>>> = {
  xhr_send: new Set(['text/plain', 't', 'application/json', 'application/xml', 'text/xml', '']),
  jsonp_send: new Set(['text/plain', '']),
};
