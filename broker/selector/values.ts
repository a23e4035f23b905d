/**
 * Numbers of selectors. Exact ones are whole and of 64 bits, held as bigint, so that long ids compare exactly; all others
 * are doubles. Arithmetic promotes as Java does, as JMS asks: exact and exact is exact, division included.
 */
export type Num = bigint | number;

/** No two quantifiers here can take the same character, so that a long header fails in linear time. */
const NUMBER = /^\s*[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const WHOLE = /^[+-]?\d+$/;
/** A sign and the 19 digits of 2^63. */
const EXACT_CHARACTERS = 20;
/** A longer text is no number: reading it would cost as much as a hundred other comparisons. */
const MAX_CHARACTERS = 1_024;

/** A literal or a header's value, with spaces around; null when it is no number or beyond a double. */
export function parseNumber(text: string): Num | null {
  if (text.length > MAX_CHARACTERS || !NUMBER.test(text)) return null;
  const trimmed = text.trim();
  if (trimmed.length > EXACT_CHARACTERS || !WHOLE.test(trimmed)) return finite(Number(trimmed));
  // BigInt reads no plus sign.
  return exact(BigInt(trimmed.startsWith('+') ? trimmed.slice(1) : trimmed));
}

/** Null, which is UNKNOWN, for a division by zero or a result beyond a double. */
export function calculate(operator: string, a: Num, b: Num): Num | null {
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (operator === '+') return exact(a + b);
    if (operator === '-') return exact(a - b);
    if (operator === '*') return exact(a * b);
    return b === 0n ? null : exact(a / b);
  }
  const [x, y] = [Number(a), Number(b)];
  if (operator === '+') return finite(x + y);
  if (operator === '-') return finite(x - y);
  if (operator === '*') return finite(x * y);
  return finite(x / y);
}

/** Exact also between the two kinds. */
export function compareNumbers(operator: string, a: Num, b: Num): boolean {
  switch (operator) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    case '>=':
      return a >= b;
    default:
      // Neither === nor Object.is takes 7n and 7 for equal.
      return (a <= b && a >= b) === (operator === '=');
  }
}

function exact(value: bigint): Num {
  return BigInt.asIntN(64, value) === value ? value : Number(value);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
