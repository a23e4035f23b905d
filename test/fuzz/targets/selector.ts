/**
 * Texts of selectors, and the headers of a message behind an FF. One that is taken means the same with parentheses, denied
 * twice, joined to itself and with other spaces; one that is not is refused with its place.
 */
import { BrokerError } from '../../../broker/errors.js';
import { Selector } from '../../../broker/selector/selector.js';
import type { SeededRandom } from '../../helpers/seeded-random.js';
import type { Target } from './target.js';

const NAMES = ['a', 'b', 'content-type', '"odd name"', 'é', 'JMSPriority', '__proto__', 'not'] as const;
const VALUES = [
  "'x'",
  "'it''s'",
  '1',
  '-7',
  '1.5',
  '9223372036854775807',
  '9223372036854775808',
  '1e308',
  '.5',
  '1e400',
  'TRUE',
  'false',
  'null',
] as const;
const OPERATORS = ['=', '<>', '<', '<=', '>', '>=', '+', '-', '*', '/'] as const;
const HEADERS = ['a\nx', 'a\n7', 'b\n1.50', 'b\n-1e3', 'content-type\ntrue', 'odd name\nit', 'é\n 12 ', 'a\n'] as const;
const MAX_BYTES = 400;

function condition(random: SeededRandom, depth: number): string {
  const name = random.pick(NAMES);
  if (depth > 0 && random.chance(0.5)) {
    const [left, right] = [condition(random, depth - 1), condition(random, depth - 1)];
    return random.pick([
      `(${left})`,
      `NOT ${left}`,
      `${left} AND ${right}`,
      `${left} OR ${right}`,
      `(${left} OR ${right})`,
    ]);
  }
  switch (random.between(0, 5)) {
    case 0:
      return `${name} ${random.pick(['', 'NOT '])}BETWEEN ${random.pick(VALUES)} AND ${random.pick(VALUES)}`;
    case 1:
      return `${name} ${random.pick(['', 'NOT '])}IN (${random.pick(VALUES)}, ${random.pick(VALUES)})`;
    case 2:
      return `${name} ${random.pick(['', 'NOT '])}LIKE ${random.pick(["'x%'", "'_'", "'%i_''%'", "'!%' ESCAPE '!'", "''"])}`;
    case 3:
      return `${name} IS ${random.pick(['', 'NOT '])}NULL`;
    case 4:
      return name;
    default:
      return `${name} ${random.pick(OPERATORS)} ${random.pick([...VALUES, ...NAMES] as unknown as readonly [string, ...string[]])}`;
  }
}

export const selector: Target = {
  name: 'selectors',
  covers: ['broker/selector/'],
  separator: 0xff,
  maxBytes: 600,
  words: [
    ...NAMES,
    ...VALUES,
    ...OPERATORS,
    ...HEADERS,
    ' NOT ',
    ' AND ',
    ' OR ',
    ' BETWEEN ',
    ' IN (',
    ' LIKE ',
    ' IS NULL',
    " ESCAPE '!'",
  ],
  generate(random) {
    const headers = Array.from({ length: random.between(0, 4) }, () => random.pick(HEADERS));
    const parts = [condition(random, 3), ...headers].map((part) => Buffer.from(part));
    return Buffer.concat(parts.flatMap((part, k) => (k === 0 ? [part] : [Buffer.from([0xff]), part])));
  },
  run(input) {
    const end = input.indexOf(0xff);
    const text = input.subarray(0, end < 0 ? input.length : end).toString();
    const headers = new Map<string, string>();
    if (end >= 0) {
      for (const part of input.subarray(end).toString('latin1').split('\xff').slice(1)) {
        const [name = '', ...value] = Buffer.from(part, 'latin1').toString().split('\n');
        if (!headers.has(name)) headers.set(name, value.join('\n'));
      }
    }
    check(text, headers);
  },
};

function check(text: string, headers: ReadonlyMap<string, string>): void {
  const read = compile(text);
  if (read === null) return;
  const isTrue = read.matches(headers);
  if (read.matches(headers) !== isTrue) throw new Error('another answer the second time');
  if (isTrue && compile(`NOT (${text})`)?.matches(headers) === true) throw new Error('true, and denied true as well');
  const same = [
    `(${text})`,
    `NOT (NOT (${text}))`,
    `(${text}) AND (${text})`,
    `(${text}) OR (${text})`,
    ` ${text}\n\t`,
  ];
  for (const other of same) {
    const compiled = compile(other);
    if (compiled === null) {
      // Parentheses have a depth.
      if (!isTooLong(other) && !/\({10}|NOT NOT|--|\+\+/i.test(other.replace(/\s/g, '')))
        throw new Error(`refused: ${other}`);
    } else if (compiled.matches(headers) !== isTrue) throw new Error(`${String(isTrue)}, but not ${other}`);
  }
}

function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > MAX_BYTES;
}

function compile(text: string): Selector | null {
  try {
    return new Selector(text, MAX_BYTES);
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'selector-invalid') throw error;
    if (!/^Selector(?:, character \d+: got .+, wants .+| of \d+ octets, the limit is \d+)$/s.test(error.message))
      throw new Error(`does not say where: ${error.message}`);
    return null;
  }
}
