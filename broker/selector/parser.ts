/**
 * Text of a selector → expression, by recursive descent (JMS 2.0, 3.8.1). Refused at once: what is malformed, and an
 * operand of a kind that its operator can never take. Beyond JMS: numbers in IN, conditions as operands of = and <>.
 *
 *   condition  = and { OR and }         and     = not { AND not }        not   = { NOT } predicate
 *   predicate  = sum [ = <> < <= > >= sum | [NOT] BETWEEN sum AND sum | IS [NOT] NULL
 *                    | [NOT] IN ( item {, item} ) | [NOT] LIKE text [ESCAPE text] ]
 *   sum        = product { +- product } product = sign { * / sign }      sign  = { +- } operand
 *   operand    = name | text | number | TRUE | FALSE | ( condition )
 */
import { describeToken, invalidSelector, Tokenizer, type Keyword, type Token } from './tokenizer.js';
import { typeOf, type ArithmeticOperator, type ComparisonOperator, type Expression, type Step } from './expression.js';
import type { Num } from './values.js';

/** Parentheses, NOTs and signs inside each other: far beyond what is written, far below what the stack bears. */
export const MAX_SELECTOR_DEPTH = 64;
/** Of characters, not counting escapes: what is compiled of a pattern grows faster than its text. */
export const MAX_LIKE_CHARACTERS = 256;

const COMPARISONS: ReadonlySet<ComparisonOperator> = new Set(['=', '<>', '<', '<=', '>', '>=']);
const EQUALITIES: ReadonlySet<ComparisonOperator> = new Set(['=', '<>']);
const SUM: ReadonlySet<ArithmeticOperator> = new Set(['+', '-']);
const PRODUCT: ReadonlySet<ArithmeticOperator> = new Set(['*', '/']);

/** @throws BrokerError `selector-invalid`, naming the place and what was wanted there */
export function parseSelector(text: string): Expression {
  return new Parser(text).parse();
}

class Parser {
  readonly #tokens: Tokenizer;
  #token: Token;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = new Tokenizer(text);
    this.#token = this.#tokens.next();
  }

  parse(): Expression {
    const condition = this.#condition();
    if (this.#token.kind !== 'end') throw this.#unexpected('AND, OR or the end');
    return condition;
  }

  #condition(): Expression {
    const start = this.#token;
    const expression = this.#or();
    return asCondition(expression, start);
  }

  /** Anything at all, as it may stand in parentheses inside arithmetic. */
  #or(): Expression {
    return this.#chain('or', () => this.#chain('and', () => this.#not()));
  }

  #chain(kind: 'and' | 'or', parseOperand: () => Expression): Expression {
    const start = this.#token;
    const first = parseOperand();
    const keyword = kind === 'and' ? 'AND' : 'OR';
    if (!this.#isKeyword(keyword)) return first;
    const operands = [asCondition(first, start)];
    while (this.#skipKeyword(keyword)) {
      const next = this.#token;
      operands.push(asCondition(parseOperand(), next));
    }
    return { kind, operands };
  }

  #not(): Expression {
    if (!this.#isKeyword('NOT')) return this.#predicate();
    return this.#nested(() => {
      this.#advance();
      const start = this.#token;
      return { kind: 'not', operand: asCondition(this.#not(), start) };
    });
  }

  #predicate(): Expression {
    const start = this.#token;
    const left = this.#sum();
    const operator = this.#skipOperator(COMPARISONS);
    if (operator !== null) return this.#comparison(left, start, operator);
    if (this.#skipKeyword('IS')) {
      const isNegated = this.#skipKeyword('NOT');
      this.#expectKeyword('NULL', isNegated ? 'NULL' : 'NULL or NOT NULL');
      return negatedIf(isNegated, { kind: 'null', name: headerName(left, start, 'IS NULL') });
    }
    const isNegated = this.#skipKeyword('NOT');
    if (this.#skipKeyword('BETWEEN')) return negatedIf(isNegated, this.#between(left, start));
    if (this.#skipKeyword('IN')) return negatedIf(isNegated, this.#in(headerName(left, start, 'IN')));
    if (this.#skipKeyword('LIKE')) return negatedIf(isNegated, this.#like(headerName(left, start, 'LIKE')));
    if (isNegated) throw this.#unexpected('BETWEEN, IN or LIKE');
    return left;
  }

  #comparison(left: Expression, leftStart: Token, operator: ComparisonOperator): Expression {
    const rightStart = this.#token;
    const right = this.#sum();
    if (!EQUALITIES.has(operator)) {
      asNumber(left, leftStart);
      asNumber(right, rightStart);
    }
    return { kind: 'comparison', operator, left, right };
  }

  #between(operand: Expression, start: Token): Expression {
    asNumber(operand, start);
    const low = this.#number();
    this.#expectKeyword('AND', 'AND and the upper bound');
    return { kind: 'between', operand, low, high: this.#number() };
  }

  #in(name: string): Expression {
    this.#expectSymbol('(', '( and a list');
    const items: (string | Num)[] = [];
    do items.push(this.#item());
    while (this.#skipSymbol(','));
    this.#expectSymbol(')', ', or )');
    return { kind: 'in', name, items };
  }

  #item(): string | Num {
    if (this.#token.kind === 'text') return this.#text('a text');
    const isNegative = this.#isSymbol('-');
    if (isNegative || this.#isSymbol('+')) this.#advance();
    const token = this.#token;
    if (token.kind !== 'number') throw this.#unexpected('a text in quotes or a number');
    this.#advance();
    return isNegative ? negative(token.value) : token.value;
  }

  #like(name: string): Expression {
    const patternStart = this.#token;
    const pattern = this.#text('a pattern in quotes');
    if (pattern.length > MAX_LIKE_CHARACTERS) {
      const got = `a pattern of ${pattern.length} characters`;
      throw invalidSelector(patternStart.at, got, `at most ${MAX_LIKE_CHARACTERS}`);
    }
    if (!this.#skipKeyword('ESCAPE')) return { kind: 'like', name, pattern, escape: null };
    const token = this.#token;
    const escape = this.#text('one character in quotes');
    if (Array.from(escape).length !== 1)
      throw invalidSelector(token.at, describeToken(token), 'one character in quotes');
    if (endsInEscape(pattern, escape)) {
      throw invalidSelector(patternStart.at, describeToken(patternStart), 'a character behind each escape');
    }
    return { kind: 'like', name, pattern, escape };
  }

  #sum(): Expression {
    return this.#arithmetic(SUM, () => this.#arithmetic(PRODUCT, () => this.#sign()));
  }

  #number(): Expression {
    const start = this.#token;
    return asNumber(this.#sum(), start);
  }

  #arithmetic(operators: ReadonlySet<ArithmeticOperator>, parseOperand: () => Expression): Expression {
    const start = this.#token;
    const first = parseOperand();
    const rest: Step[] = [];
    for (let operator = this.#skipOperator(operators); operator !== null; operator = this.#skipOperator(operators)) {
      const operandStart = this.#token;
      rest.push({ operator, operand: asNumber(parseOperand(), operandStart) });
    }
    return rest.length === 0 ? first : { kind: 'arithmetic', first: asNumber(first, start), rest };
  }

  #sign(): Expression {
    const isNegative = this.#isSymbol('-');
    if (!isNegative && !this.#isSymbol('+')) return this.#operand();
    return this.#nested(() => {
      this.#advance();
      const start = this.#token;
      const operand = asNumber(this.#sign(), start);
      if (operand.kind === 'number') return isNegative ? { kind: 'number', value: negative(operand.value) } : operand;
      return { kind: 'sign', isNegative, operand };
    });
  }

  #operand(): Expression {
    const token = this.#token;
    if (token.kind === 'name') {
      this.#advance();
      return { kind: 'header', name: token.value };
    }
    if (token.kind === 'text') {
      this.#advance();
      return { kind: 'text', value: token.value };
    }
    if (token.kind === 'number') {
      this.#advance();
      return { kind: 'number', value: token.value };
    }
    if (this.#isKeyword('TRUE') || this.#isKeyword('FALSE')) {
      this.#advance();
      return { kind: 'boolean', value: token.kind === 'keyword' && token.value === 'TRUE' };
    }
    if (!this.#isSymbol('(')) throw this.#unexpected('a header name, a value or (');
    return this.#nested(() => {
      this.#advance();
      const expression = this.#or();
      this.#expectSymbol(')', ')');
      return expression;
    });
  }

  #nested(parse: () => Expression): Expression {
    if (++this.#depth > MAX_SELECTOR_DEPTH) {
      throw this.#unexpected(`at most ${MAX_SELECTOR_DEPTH} parentheses, NOTs and signs inside each other`);
    }
    const expression = parse();
    this.#depth--;
    return expression;
  }

  #text(wants: string): string {
    const token = this.#token;
    if (token.kind !== 'text') throw this.#unexpected(wants);
    this.#advance();
    return token.value;
  }

  #advance(): void {
    this.#token = this.#tokens.next();
  }

  #isKeyword(keyword: Keyword): boolean {
    return this.#token.kind === 'keyword' && this.#token.value === keyword;
  }

  #skipKeyword(keyword: Keyword): boolean {
    if (!this.#isKeyword(keyword)) return false;
    this.#advance();
    return true;
  }

  #expectKeyword(keyword: Keyword, wants: string): void {
    if (!this.#skipKeyword(keyword)) throw this.#unexpected(wants);
  }

  #skipOperator<T extends string>(operators: ReadonlySet<T>): T | null {
    const { kind, source } = this.#token;
    if (kind !== 'symbol' || !isIn(operators, source)) return null;
    this.#advance();
    return source;
  }

  #isSymbol(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.value === symbol;
  }

  #skipSymbol(symbol: string): boolean {
    if (!this.#isSymbol(symbol)) return false;
    this.#advance();
    return true;
  }

  #expectSymbol(symbol: string, wants: string): void {
    if (!this.#skipSymbol(symbol)) throw this.#unexpected(wants);
  }

  #unexpected(wants: string): Error {
    return invalidSelector(this.#token.at, describeToken(this.#token), wants);
  }
}

function asCondition(expression: Expression, start: Token): Expression {
  const type = typeOf(expression);
  if (type === 'condition' || type === 'header') return expression;
  throw invalidSelector(start.at, describeToken(start), 'a condition');
}

function asNumber(expression: Expression, start: Token): Expression {
  const type = typeOf(expression);
  if (type === 'number' || type === 'header') return expression;
  throw invalidSelector(start.at, describeToken(start), 'a header name or a number');
}

function headerName(expression: Expression, start: Token, operator: string): string {
  if (expression.kind === 'header') return expression.name;
  throw invalidSelector(start.at, describeToken(start), `a header name alone before ${operator}`);
}

function negatedIf(isNegated: boolean, operand: Expression): Expression {
  return isNegated ? { kind: 'not', operand } : operand;
}

/** Of a literal, which has no sign of its own. */
function negative(value: Num): Num {
  return -value;
}

function endsInEscape(pattern: string, escape: string): boolean {
  const characters = Array.from(pattern);
  let index = 0;
  while (index < characters.length) index += characters[index] === escape ? 2 : 1;
  return index > characters.length;
}

function isIn<T extends string>(set: ReadonlySet<T>, value: string): value is T {
  return (set as ReadonlySet<string>).has(value);
}
