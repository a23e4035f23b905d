/** Templates of a configuration: JSON values whose texts name fields in braces, as `{ "type": "subscribed", "room": "{room}" }`. */
import { encodeSegment } from '../segment.js';
import { InvalidMessage } from './json-mapping.js';

export type Fields = Readonly<Record<string, unknown>>;

/** Names of headers have hyphens: `{message-id}`. */
const WHOLE = /^\{([\w-]+)\}$/;
const NAMES = /\{([\w-]+)\}/g;

/**
 * A text that is one name becomes that field as it is, undefined where there is none, so that JSON leaves it out; names
 * within a text become text. What is filled in is not looked at again.
 */
export function fillTemplate(template: unknown, fields: Fields): unknown {
  if (typeof template === 'string') {
    const [, whole] = WHOLE.exec(template) ?? [];
    if (whole !== undefined) return fieldOf(fields, whole);
    return template.replace(NAMES, (_all, name: string) => textOf(fieldOf(fields, name)) ?? '');
  }
  if (Array.isArray(template)) return template.map((each) => fillTemplate(each, fields));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, fillTemplate(value, fields)]));
}

/**
 * A field within a text is one segment, encoded; one that is the whole template is taken as a destination as it stands.
 * @throws InvalidMessage when a field is missing, or neither text nor number
 */
export function fillDestination(template: string, fields: Fields): string {
  const wanted = (name: string): string => {
    const text = textOf(fieldOf(fields, name));
    if (text === undefined || text === '') throw new InvalidMessage(`${name} is missing, or neither text nor number`);
    return text;
  };
  const [, whole] = WHOLE.exec(template) ?? [];
  if (whole !== undefined) return wanted(whole);
  return template.replace(NAMES, (_all, name: string) => encodeSegment(wanted(name)));
}

/** Headers whose fields are there. */
export function fillHeaders(templates: Readonly<Record<string, string>>, fields: Fields): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, template] of Object.entries(templates)) {
    const value = textOf(fillTemplate(template, fields));
    if (value !== undefined && value !== '') headers[name] = value;
  }
  return headers;
}

function fieldOf(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
