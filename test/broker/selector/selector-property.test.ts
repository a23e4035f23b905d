/**
 * Random conditions, written as text, against an evaluator that shares nothing with broker/selector: numbers are doubles
 * small enough to be exact, LIKE is a regex, and each rule is written out as SQL-92 and JMS state it.
 */
import fc from 'fast-check';
import t from 'tap';
import { Selector } from '../../../broker/selector/selector.js';
import { check } from '../../helpers/properties.js';

type Headers = Readonly<Record<string, string>>;
type Truth = boolean | null;

/** A condition as text, and what it yields. */
interface Sample<T> {
  readonly text: string;
  readonly of: (headers: Headers) => T;
}
/** Null: missing or not computable. `false`: a header that is no number. */
type Numeric = Sample<number | null | false>;

const NAMES = ['a', 'b-c', 'd.e', 'F'];
const VALUES = ['0', '1', '2', '-3', '2.5', 'x', 'xy', '', 'true', 'FALSE', '%', 'x_y', "it's"];

const headers = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES)), { selector: ([name]) => name })
  .map((entries): Headers => Object.fromEntries(entries));
const name = fc.constantFrom(...NAMES);
const space = fc.constantFrom(' ', '  ', '\t', ' \n');
const isNegated = fc.boolean();

/** Any mixture of upper and lower case. */
function keyword(word: string): fc.Arbitrary<string> {
  return fc.mixedCase(fc.constant(word));
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function numberOf(text: string | undefined): number | null | false {
  if (text === undefined) return null;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : false;
}

function negate(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

const literal = fc.constantFrom('0', '1', '2', '3.', '.5', '25E-1', '2.5').map((text): Numeric => {
  return { text, of: () => Number(text) };
});
const numericHeader = name.map((text): Numeric => ({ text, of: (given) => numberOf(given[text]) }));
const leaf = fc.oneof(literal, numericHeader);

/** Division is left to the tables: of whole numbers it is another operation. */
const arithmetic = fc
  .tuple(leaf, space, fc.constantFrom('+', '-', '*'), leaf, fc.boolean())
  .map(([left, gap, operator, right, isMinus]): Numeric => {
    const of = (given: Headers): number | null => {
      const [a, b] = [left.of(given), right.of(given)];
      if (typeof a !== 'number' || typeof b !== 'number') return null;
      const result = operator === '+' ? a + b : operator === '-' ? a - b : a * b;
      return isMinus ? -result : result;
    };
    return { text: `${isMinus ? '-' : ''}(${left.text}${gap}${operator}${gap}${right.text})`, of };
  });
const numeric = fc.oneof(literal, numericHeader, arithmetic);
const computed = fc.oneof(literal, arithmetic);

function compare(operator: string, a: number | null | false, b: number | null | false): Truth {
  if (a === null || b === null) return null;
  if (a === false || b === false) return false;
  if (operator === '=') return a === b;
  if (operator === '<>') return a !== b;
  if (operator === '<') return a < b;
  if (operator === '<=') return a <= b;
  return operator === '>' ? a > b : a >= b;
}

type Condition = Sample<Truth>;

// One side is no header, so that this is a comparison of numbers.
const numbers = fc
  .tuple(fc.constantFrom('=', '<>', '<', '<=', '>', '>='), numeric, computed, fc.boolean(), space)
  .map(([operator, one, other, isSwapped, gap]): Condition => {
    const [left, right] = isSwapped ? [other, one] : [one, other];
    return {
      text: `${left.text}${gap}${operator}${gap}${right.text}`,
      of: (given) => compare(operator, left.of(given), right.of(given)),
    };
  });
const orderedHeaders = fc.tuple(fc.constantFrom('<', '>='), name, name).map(([operator, a, b]): Condition => {
  return { text: `${a}${operator}${b}`, of: (given) => compare(operator, numberOf(given[a]), numberOf(given[b])) };
});
const texts = fc
  .tuple(fc.constantFrom('=', '<>'), name, fc.constantFrom(...VALUES, ...NAMES), fc.boolean())
  .map(([operator, a, other, isHeader]): Condition => {
    return {
      text: `${a}${operator}${isHeader ? `"${other}"` : quote(other)}`,
      of: (given) => {
        const [left, right] = [given[a], isHeader ? given[other] : other];
        if (left === undefined || right === undefined) return null;
        return (left === right) === (operator === '=');
      },
    };
  })
  .filter(({ text }) => !text.endsWith('""'));
const between = fc
  .tuple(numeric, keyword('NOT'), keyword('BETWEEN'), numeric, keyword('AND'), numeric, isNegated)
  .map(([operand, not, word, low, and, high, isNot]): Condition => {
    const of = (given: Headers): Truth => {
      const above = compare('>=', operand.of(given), low.of(given));
      const below = compare('<=', operand.of(given), high.of(given));
      if (above === false || below === false) return false;
      return above === null || below === null ? null : true;
    };
    return {
      text: `${operand.text} ${isNot ? not : ''} ${word} ${low.text} ${and} ${high.text}`,
      of: (given) => (isNot ? negate(of(given)) : of(given)),
    };
  });
const within = fc
  .tuple(name, keyword('NOT'), fc.array(fc.constantFrom(...VALUES), { minLength: 1, maxLength: 4 }), isNegated)
  .map(([header, not, items, isNot]): Condition => {
    return {
      text: `${header} ${isNot ? not : ''} IN (${items.map(quote).join(', ')})`,
      of: (given) => {
        const value = given[header];
        return value === undefined ? null : items.includes(value) !== isNot;
      },
    };
  });
const like = fc
  .tuple(
    name,
    fc.array(fc.constantFrom('x', 'y', '_', '%', '!%', '!_', '!!', '!x', "'", '2', '.', '*', '\\'), { maxLength: 6 }),
    isNegated,
  )
  .map(([header, parts, isNot]): Condition => {
    const escaped = (text: string): string => text.replace(/[.*\\]/g, '\\$&');
    const source = parts.map((part) => {
      if (part === '_') return '[^]';
      return part === '%' ? '[^]*' : escaped(part.slice(-1));
    });
    const pattern = new RegExp(`^${source.join('')}$`);
    return {
      text: `${header} ${isNot ? 'NOT' : ''} LIKE ${quote(parts.join(''))} ESCAPE '!'`,
      of: (given) => {
        const value = given[header];
        return value === undefined ? null : pattern.test(value) !== isNot;
      },
    };
  });
const isNull = fc.tuple(name, isNegated).map(([header, isNot]): Condition => {
  return {
    text: `${header} IS ${isNot ? 'NOT' : ''} NULL`,
    of: (given) => (given[header] === undefined) !== isNot,
  };
});
const flag = name.map((header): Condition => {
  return {
    text: header,
    of: (given) => (given[header] === undefined ? null : given[header].toLowerCase() === 'true'),
  };
});
const constant = fc.constantFrom(true, false).map((value): Condition => ({ text: String(value), of: () => value }));

const condition = fc.letrec<{ any: Condition; chain: Condition; not: Condition; group: Condition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(numbers, orderedHeaders, texts, between, within, like, isNull, flag, constant),
    tie('chain'),
    tie('not'),
    tie('group'),
  ),
  group: tie('any').map(({ text, of }) => ({ text: `(${text})`, of })),
  // Operands stand in parentheses, so that what is generated does not depend on precedence; the tables do.
  chain: fc
    .tuple(fc.constantFrom('AND', 'OR'), fc.array(tie('any'), { minLength: 2, maxLength: 4 }))
    .chain(([word, operands]) =>
      keyword(word).map((cased) => ({
        text: operands.map(({ text }) => `(${text})`).join(` ${cased} `),
        of: (given: Headers): Truth => {
          const truths = operands.map((operand) => operand.of(given));
          if (truths.includes(word === 'OR')) return word === 'OR';
          return truths.includes(null) ? null : word !== 'OR';
        },
      })),
    ),
  not: tie('any').map(({ text, of }) => ({ text: `NOT (${text})`, of: (given: Headers) => negate(of(given)) })),
})).any;

const MAX_BYTES = 1_000_000;

t.test(
  'a selector matches exactly when the naive evaluator says true, and its negation when it says false',
  async (t) => {
    check(
      t,
      fc.property(condition, headers, ({ text, of }, given) => {
        const map = new Map(Object.entries(given));
        const truth = of(given);
        const isMatched = new Selector(text, MAX_BYTES).matches(map);
        const isOpposite = new Selector(`NOT (${text})`, MAX_BYTES).matches(map);
        return isMatched === (truth === true) && isOpposite === (truth === false);
      }),
      5_000,
    );
  },
);

t.test('any text is taken or refused as invalid; nothing else is thrown, here or at a message', async (t) => {
  const piece = fc.constantFrom(
    ...['a', 'b-c', '1', '.5', "'x'", "'", '"', '=', '<>', '<', '(', ')', ',', '+', '-', '*', '/', '%', '!', '\\'],
    ...['AND', 'or', 'NOT', 'BETWEEN', 'IN', 'LIKE', 'ESCAPE', 'IS', 'NULL', 'TRUE', 'é', '🐎', '\0', '\ud800'],
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(' ')),
    fc.string(),
  );
  check(
    t,
    fc.property(text, headers, (source, given) => {
      try {
        new Selector(source, MAX_BYTES).matches(new Map(Object.entries(given)));
        return true;
      } catch (error) {
        return (error as { code?: unknown }).code === 'selector-invalid' && !/[\r\n\0]/.test((error as Error).message);
      }
    }),
    5_000,
  );
});

t.test('a valid selector that lost a piece is taken or refused as invalid', async (t) => {
  check(
    t,
    fc.property(condition, fc.nat(), fc.nat({ max: 5 }), ({ text }, from, length) => {
      const start = from % text.length;
      try {
        new Selector(text.slice(0, start) + text.slice(start + length), MAX_BYTES);
        return true;
      } catch (error) {
        return (error as { code?: unknown }).code === 'selector-invalid';
      }
    }),
    2_000,
  );
});
