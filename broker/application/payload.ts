/** Bodies ↔ values by content-type, as Spring's converters do it (Spring S6.9–S6.12). */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.js';

/** A value as it leaves: its octets and the content-type that tells what they are. */
export interface EncodedPayload {
  readonly contentType: string;
  readonly body: Buffer;
}

/**
 * Text as text, octets as octets, everything else as JSON. Octets are copied: messages are written after the turn ends,
 * and what the application does with its own memory by then is its own affair.
 * @throws BrokerError `payload-invalid` for what JSON cannot say: functions, symbols, bigints, cycles
 */
export function encodePayload(value: unknown): EncodedPayload {
  if (typeof value === 'string') return { contentType: 'text/plain;charset=UTF-8', body: Buffer.from(value) };
  if (value instanceof Uint8Array) return { contentType: 'application/octet-stream', body: Buffer.from(value) };
  return { contentType: 'application/json', body: Buffer.from(stringify(value)) };
}

function stringify(value: unknown): string {
  // The type of JSON.stringify leaves out what it does to functions, symbols and undefined.
  let json: unknown;
  try {
    json = JSON.stringify(value);
  } catch (error) {
    throw new BrokerError('payload-invalid', 'The payload cannot be sent as JSON', { cause: error });
  }
  if (typeof json !== 'string') throw new BrokerError('payload-invalid', `A ${typeof value} cannot be sent as JSON`);
  return json;
}

/**
 * The value of a body. JSON for `application/json` and `+json`; text for `text/*` and without a content-type; octets for
 * everything else. With a schema: what the schema makes of that, later if the schema takes its time. To a schema an
 * empty body is `undefined`, and one without a content-type may be JSON or text, whichever fits (Spring S6.9–S6.11).
 * @throws BrokerError `payload-invalid`, with every issue of the schema and its path in the detail
 */
export function readPayload(body: Buffer, contentType: string | undefined, schema?: StandardSchema): unknown {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (schema === undefined) return decode(body, type);
  if (body.length === 0) return fit([undefined], schema);
  if (type === '') return fitUntyped(body.toString(), schema);
  const value = decode(body, type);
  if (value === body && type !== 'application/octet-stream') {
    throw new BrokerError('payload-invalid', `No converter for content-type ${quoteInput(type)}`);
  }
  return fit([value], schema);
}

function decode(body: Buffer, type: string): unknown {
  if (type === '' || type.startsWith('text/')) return body.toString();
  if (type !== 'application/json' && !type.endsWith('+json')) return body;
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch (error) {
    throw new BrokerError('payload-invalid', 'The body is no JSON', { cause: error });
  }
}

/** Objects and lists are read as JSON first, all else as text first: `42` is text to a schema that wants a string. */
function fitUntyped(text: string, schema: StandardSchema): unknown {
  const isCompound = /^\s*[[{]/.test(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fit(
      [text],
      schema,
      isCompound ? new BrokerError('payload-invalid', 'The body is no JSON', { cause: error }) : null,
    );
  }
  return fit(isCompound ? [value, text] : [text, value], schema);
}

/** What the schema makes of the first value that it takes; if it takes none, what it says of the first. */
function fit(values: readonly unknown[], schema: StandardSchema, refusal: BrokerError | null = null): unknown {
  const [value, ...others] = values;
  const settle = (result: SchemaResult<unknown>): unknown => {
    if (result.issues === undefined) return result.value;
    const issues = refusal ?? misfit(result.issues);
    if (others.length === 0) throw issues;
    return fit(others, schema, issues);
  };
  const result = schema['~standard'].validate(value);
  return result instanceof Promise ? result.then(settle) : settle(result);
}

function misfit(issues: readonly SchemaIssue[]): BrokerError {
  const lines = issues.map(({ message, path }) => `${formatPath(path)}: ${message}`);
  return new BrokerError('payload-invalid', `Payload does not fit: ${lines[0] ?? 'unknown issue'}`, {
    detail: lines.join('\n'),
  });
}

function formatPath(path: SchemaIssue['path']): string {
  if (path === undefined || path.length === 0) return 'payload';
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
}
