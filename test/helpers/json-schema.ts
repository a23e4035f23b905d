/** As much of JSON Schema as documents of this repository say: faults of a value, and values by chance, sound or nearly so. */
import type { SeededRandom } from './seeded-random.js';

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema | false;
  readonly prefixItems?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

export type Resolve = (ref: string) => JsonSchema;

/** @returns one line for each fault, with its place; none: it conforms */
export function faultsOf(value: unknown, given: JsonSchema, resolve: Resolve, at = '$'): string[] {
  const schema = given.$ref === undefined ? given : resolve(given.$ref);
  const within = (part: unknown, of: JsonSchema, where: string): string[] => faultsOf(part, of, resolve, where);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined && !choices.some((choice) => within(value, choice, at).length === 0))
    return [`${at}: none of ${choices.length}`];
  const faults = (schema.allOf ?? []).flatMap((part) => within(value, part, at));
  const types = typeof schema.type === 'string' ? [schema.type] : schema.type;
  if (types !== undefined && !types.some((type) => isOf(value, type)))
    return [`${at}: ${typeof value}, wants ${types.join(' or ')}`];
  if (schema.enum !== undefined && !schema.enum.includes(value))
    faults.push(`${at}: ${JSON.stringify(value)} is not listed`);
  if ('const' in schema && schema.const !== value)
    faults.push(`${at}: ${JSON.stringify(value)}, wants ${JSON.stringify(schema.const)}`);
  if (typeof value === 'number' && (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)))
    faults.push(`${at}: ${value}`);
  if (typeof value === 'string' && schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value))
    faults.push(`${at}: ${value}`);
  if (Array.isArray(value))
    return [...faults, ...value.flatMap((item, k) => within(item, itemOf(schema, k), `${at}[${k}]`))];
  if (typeof value !== 'object' || value === null) return faults;
  for (const name of schema.required ?? []) if (!Object.hasOwn(value, name)) faults.push(`${at}.${name} is missing`);
  for (const [name, part] of Object.entries(value)) {
    const known = Object.hasOwn(schema.properties ?? {}, name) ? schema.properties?.[name] : undefined;
    const others = schema.additionalProperties ?? true;
    if (known !== undefined) faults.push(...within(part, known, `${at}.${name}`));
    else if (others === false) faults.push(`${at}.${name} is not documented`);
    else if (others !== true) faults.push(...within(part, others, `${at}.${name}`));
  }
  return faults;
}

/** What no value is. */
const NOTHING: JsonSchema = { enum: [] };

function itemOf({ items = {}, prefixItems = [] }: JsonSchema, k: number): JsonSchema {
  return prefixItems[k] ?? (items === false ? NOTHING : items);
}

function isOf(value: unknown, type: string): boolean {
  if (type === 'null') return value === null;
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

const ODD: readonly [unknown, ...unknown[]] = [
  null,
  0,
  -1,
  1e308,
  true,
  '',
  'x',
  '\0',
  '\ud800',
  [],
  {},
  [[]],
  { __proto__: null, a: 1 },
];

/** @param oddity how often a part is anything at all */
export function valueFor(random: SeededRandom, given: JsonSchema, resolve: Resolve, oddity: number): unknown {
  const schema = given.$ref === undefined ? given : resolve(given.$ref);
  if (random.chance(oddity)) return random.pick(ODD);
  if ('const' in schema) return schema.const;
  const listed = schema.enum ?? [];
  if (listed.length > 0) return listed[random.between(0, listed.length - 1)];
  const choices = schema.anyOf ?? schema.oneOf ?? [];
  const choice = choices[random.between(0, choices.length - 1)];
  if (choice !== undefined) return valueFor(random, choice, resolve, oddity);
  const type = typeof schema.type === 'string' ? schema.type : schema.type?.[0];
  if (type === 'integer' || type === 'number') return random.pick([schema.minimum ?? 0, 1, 7, schema.maximum ?? 1_000]);
  if (type === 'boolean') return random.chance(0.5);
  if (type === 'string')
    return random.pick([
      'x',
      '/queue/a',
      '/topic/a',
      'ann',
      '{"a":1}',
      'é',
      'y'.repeat(Math.min(2_000, schema.maxLength ?? 50)),
    ]);
  if (type === 'array')
    return Array.from({ length: random.between(0, 3) }, () =>
      valueFor(random, schema.items === false ? {} : (schema.items ?? {}), resolve, oddity),
    );
  if (type !== 'object') return random.pick(ODD);
  const made: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(schema.properties ?? {}))
    if (schema.required?.includes(name) === true ? !random.chance(oddity / 2) : random.chance(0.5))
      made[name] = valueFor(random, part, resolve, oddity);
  if (random.chance(oddity)) made['unknown'] = random.pick(ODD);
  return made;
}
