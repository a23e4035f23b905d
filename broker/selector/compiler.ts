/**
 * Expression → closures that yield true, false or null, which is UNKNOWN (SQL-92, 8.12). Each node is evaluated once
 * for a message (what BETWEEN tests, twice: a number, in which no other BETWEEN can be), so the cost is that of the selector's length.
 * Headers are texts and become what the other side is. A header that is missing is NULL: every comparison with it is
 * UNKNOWN. One that cannot become the other side's kind, or operands of two kinds: the comparison is false (JMS 2.0,
 * 3.8.1.1), also with <>; in arithmetic it is NULL.
 */
import { compileLike } from './like.js';
import { typeOf, type ComparisonOperator, type Expression, type Step } from './expression.js';
import { calculate, compareNumbers, parseNumber, type Num } from './values.js';

/** A message's headers by name; the first of each. */
export type HeaderMap = ReadonlyMap<string, string>;
export type Truth = boolean | null;
export type Condition = (headers: HeaderMap) => Truth;

/** A value of another kind than the operator wants. */
const UNLIKE: unique symbol = Symbol('unlike');
type Operand<T> = (headers: HeaderMap) => T | null | typeof UNLIKE;
type NumberOperand = (headers: HeaderMap) => Num | null;

/** A header alone is true when it says `true`; a value that is no condition is never given (the parser refuses it). */
export function compileCondition(expression: Expression): Condition {
  switch (expression.kind) {
    case 'and':
      return compileChain(expression.operands, false);
    case 'or':
      return compileChain(expression.operands, true);
    case 'not':
      return compileNot(compileCondition(expression.operand));
    case 'comparison':
      return compileComparison(expression.operator, expression.left, expression.right);
    case 'between':
      return compileChain(
        [
          { kind: 'comparison', operator: '>=', left: expression.operand, right: expression.low },
          { kind: 'comparison', operator: '<=', left: expression.operand, right: expression.high },
        ],
        false,
      );
    case 'in':
      return compileIn(expression.name, expression.items);
    case 'like':
      return onHeader(expression.name, compileLike(expression.pattern, expression.escape));
    case 'null':
      return (headers) => !headers.has(expression.name);
    case 'boolean':
      return () => expression.value;
    default:
      return compileEquality('=', booleanOperand(expression), () => true);
  }
}

/** AND when `decisive` is false, OR when it is true: one such operand decides, else one UNKNOWN makes it UNKNOWN. */
function compileChain(operands: readonly Expression[], decisive: boolean): Condition {
  const conditions = operands.map(compileCondition);
  return (headers) => {
    let truth: Truth = !decisive;
    for (const condition of conditions) {
      const next = condition(headers);
      if (next === decisive) return decisive;
      if (next === null) truth = null;
    }
    return truth;
  };
}

function compileNot(condition: Condition): Condition {
  return (headers) => {
    const truth = condition(headers);
    return truth === null ? null : !truth;
  };
}

function onHeader(name: string, test: (value: string) => boolean): Condition {
  return (headers) => {
    const value = headers.get(name);
    return value === undefined ? null : test(value);
  };
}

/** Texts equal texts, and numbers compare as such: `n IN (1)` is true of `01`, `n IN ('1')` is not. */
function compileIn(name: string, items: readonly (string | Num)[]): Condition {
  const texts = new Set(items.filter((item) => typeof item === 'string'));
  const numbers = items.filter((item) => typeof item !== 'string');
  return onHeader(name, (value) => {
    if (texts.has(value)) return true;
    const number = numbers.length === 0 ? null : parseNumber(value);
    return number !== null && numbers.some((item) => compareNumbers('=', number, item));
  });
}

/** Two headers are compared as texts by = and <>, and as numbers by the others. */
function compileComparison(operator: ComparisonOperator, left: Expression, right: Expression): Condition {
  const types = [typeOf(left), typeOf(right)];
  if ((operator !== '=' && operator !== '<>') || types.includes('number')) {
    return compileNumbers(operator, numericOperand(left), numericOperand(right));
  }
  if (types.includes('condition')) return compileEquality(operator, booleanOperand(left), booleanOperand(right));
  return compileEquality(operator, textOperand(left), textOperand(right));
}

function compileNumbers(operator: ComparisonOperator, left: Operand<Num>, right: Operand<Num>): Condition {
  return (headers) => {
    const a = left(headers);
    const b = right(headers);
    if (a === null || b === null) return null;
    return a !== UNLIKE && b !== UNLIKE && compareNumbers(operator, a, b);
  };
}

function compileEquality<T>(operator: '=' | '<>', left: Operand<T>, right: Operand<T>): Condition {
  return (headers) => {
    const a = left(headers);
    const b = right(headers);
    if (a === null || b === null) return null;
    return a !== UNLIKE && b !== UNLIKE && (a === b) === (operator === '=');
  };
}

function textOperand(expression: Expression): Operand<string> {
  if (expression.kind === 'header') return (headers) => headers.get(expression.name) ?? null;
  const value = expression.kind === 'text' ? expression.value : UNLIKE;
  return () => value;
}

function booleanOperand(expression: Expression): Operand<boolean> {
  if (expression.kind === 'header') {
    return (headers) => {
      const value = headers.get(expression.name)?.toLowerCase();
      if (value === undefined) return null;
      return value === 'true' || (value === 'false' ? false : UNLIKE);
    };
  }
  return typeOf(expression) === 'condition' ? compileCondition(expression) : () => UNLIKE;
}

/** For a comparison: tells a header that is no number from one that is missing. */
function numericOperand(expression: Expression): Operand<Num> {
  if (expression.kind === 'header') {
    return (headers) => {
      const value = headers.get(expression.name);
      if (value === undefined) return null;
      return parseNumber(value) ?? UNLIKE;
    };
  }
  if (typeOf(expression) === 'number') return compileNumber(expression);
  if (expression.kind === 'text') return () => UNLIKE;
  const condition = compileCondition(expression);
  return (headers) => (condition(headers) === null ? null : UNLIKE);
}

/** For arithmetic: whatever is no number is NULL. */
function compileNumber(expression: Expression): NumberOperand {
  switch (expression.kind) {
    case 'number':
      return () => expression.value;
    case 'sign':
      return compileSign(expression.isNegative, compileNumber(expression.operand));
    case 'arithmetic':
      return compileArithmetic(expression.first, expression.rest);
    case 'header':
      return (headers) => parseNumber(headers.get(expression.name) ?? '');
    default:
      return () => null;
  }
}

function compileSign(isNegative: boolean, operand: NumberOperand): NumberOperand {
  if (!isNegative) return operand;
  return (headers) => {
    const value = operand(headers);
    return value === null ? null : calculate('-', 0n, value);
  };
}

function compileArithmetic(first: Expression, rest: readonly Step[]): NumberOperand {
  const start = compileNumber(first);
  const steps = rest.map(({ operator, operand }) => ({ operator, operand: compileNumber(operand) }));
  return (headers) => {
    let result = start(headers);
    for (const { operator, operand } of steps) {
      const next = result === null ? null : operand(headers);
      if (result === null || next === null) return null;
      result = calculate(operator, result, next);
    }
    return result;
  };
}
