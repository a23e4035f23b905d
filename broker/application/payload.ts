/** Bodies ↔ values by content-type, as Spring's converters do it (Spring S6.10–S6.12). */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { StandardSchema } from './standard-schema.js';

/** A value as it leaves: its octets and the content-type that tells what they are. */
export interface EncodedPayload {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Text as text, octets as octets, everything else as JSON. */
export function encodePayload(value: unknown): EncodedPayload {
  if (typeof value === 'string') return { contentType: 'text/plain;charset=UTF-8', body: Buffer.from(value) };
  if (value instanceof Uint8Array) {
    const body = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    return { contentType: 'application/octet-stream', body };
  }
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new BrokerError('payload-invalid', `A ${typeof value} cannot be sent as JSON`);
  return { contentType: 'application/json', body: Buffer.from(json) };
}

/**
 * The value of a body. JSON for `application/json` and `+json`; text for `text/*`; octets for
 * `application/octet-stream`. Without a content-type it is JSON if it parses and a schema wants more than text,
 * else text.
 * @throws BrokerError `payload-invalid`
 */
export function decodePayload(body: Buffer, contentType: string | undefined, wantsValue: boolean): unknown {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase();
  if (type === undefined || type === '') return wantsValue ? parseJsonOrText(body) : body.toString();
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(body);
  if (type.startsWith('text/')) return body.toString();
  if (type === 'application/octet-stream') return body;
  throw new BrokerError('payload-invalid', `No converter for content-type ${quoteInput(type)}`);
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch (error) {
    throw new BrokerError('payload-invalid', 'The body is no JSON', { cause: error });
  }
}

function parseJsonOrText(body: Buffer): unknown {
  try {
    return parseJson(body);
  } catch {
    return body.toString();
  }
}

/**
 * Checks a value by a schema of any library; returns what the schema makes of it.
 * @throws BrokerError `payload-invalid`, with every issue and its path in the detail
 */
export function validatePayload(value: unknown, schema: StandardSchema): unknown {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) return result.then(outcome);
  return outcome(result);
}

function outcome(result: Awaited<ReturnType<StandardSchema['~standard']['validate']>>): unknown {
  if (result.issues === undefined) return result.value;
  const lines = result.issues.map(({ message, path }) => `${formatPath(path)}: ${message}`);
  throw new BrokerError('payload-invalid', `Payload does not fit: ${lines[0] ?? 'unknown issue'}`, {
    detail: lines.join('\n'),
  });
}

function formatPath(path: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined): string {
  if (path === undefined || path.length === 0) return 'payload';
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}
