/**
 * The words of a selector (JMS 2.0, 3.8.1): names, keywords, literals and operators, each with its place.
 * A hyphen or dot that touches name characters on both sides belongs to the name, as headers are named so: `content-type`
 * and `retry-2` are names, `a - b` and `a -2` are subtractions. Any other name stands in double quotes: `"odd name"`.
 */
import { quoteInput } from '../../protocol/index.js';
import { BrokerError } from '../errors.js';
import { parseNumber, type Num } from './values.js';

export type Keyword = 'AND' | 'BETWEEN' | 'ESCAPE' | 'FALSE' | 'IN' | 'IS' | 'LIKE' | 'NOT' | 'NULL' | 'OR' | 'TRUE';

const KEYWORDS: ReadonlySet<string> = new Set<Keyword>([
  'AND',
  'BETWEEN',
  'ESCAPE',
  'FALSE',
  'IN',
  'IS',
  'LIKE',
  'NOT',
  'NULL',
  'OR',
  'TRUE',
]);

interface Placed {
  /** As written. */
  readonly source: string;
  /** Of its first character, from 1. */
  readonly at: number;
}

export type Token = Placed &
  (
    | { readonly kind: 'name' | 'text' | 'symbol'; readonly value: string }
    | { readonly kind: 'keyword'; readonly value: Keyword }
    | { readonly kind: 'number'; readonly value: Num }
    | { readonly kind: 'end' }
  );

const SPACE = /\s*/y;
const NAME = /[\p{L}_$][\p{L}\p{M}\p{N}_$]*(?:[-.][\p{L}\p{M}\p{N}_$]+)*/uy;
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SYMBOL = /<>|<=|>=|[=<>+\-*/(),]/y;
const NAME_CHARACTER = /[\p{L}\p{M}\p{N}_$.]/u;
/** Of what an error shows. */
const SHOWN_CHARACTERS = 40;

export class Tokenizer {
  readonly #source: string;
  #index = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** @throws BrokerError `selector-invalid` */
  next(): Token {
    this.#take(SPACE);
    const at = this.#index + 1;
    const letter = this.#source[this.#index];
    if (letter === undefined) return { kind: 'end', source: '', at };
    if (letter === "'") return { kind: 'text', ...this.#quoted(letter, 'a quote that closes the text'), at };
    if (letter === '"') return this.#quotedName(at);
    const name = this.#take(NAME);
    if (name !== '') return nameOrKeyword(name, at);
    const number = this.#take(NUMBER);
    if (number !== '') return this.#number(number, at);
    const symbol = this.#take(SYMBOL);
    if (symbol !== '') return { kind: 'symbol', value: symbol, source: symbol, at };
    const rest = this.#source.slice(this.#index);
    throw invalidSelector(at, shown(rest), rest.startsWith('!=') ? '<>' : 'a name, a value or an operator');
  }

  #number(source: string, at: number): Token {
    const next = this.#source.slice(this.#index, this.#index + 2);
    const value = parseNumber(source);
    if (NAME_CHARACTER.test(next.slice(0, 1)) || value === null) {
      throw invalidSelector(at, shown(source + next), 'a number such as 7, 7.5 or 7E3, in the range of a double');
    }
    return { kind: 'number', value, source, at };
  }

  #quotedName(at: number): Token {
    const { value, source } = this.#quoted('"', 'a double quote that closes the name');
    if (value === '') throw invalidSelector(at, shown(source), 'a name between the double quotes');
    return { kind: 'name', value, source, at };
  }

  /** A quote inside is written twice. */
  #quoted(quote: string, wants: string): { value: string; source: string } {
    const start = this.#index;
    let value = '';
    for (let from = start + 1; ;) {
      const end = this.#source.indexOf(quote, from);
      if (end < 0) throw invalidSelector(this.#source.length + 1, 'the end', wants);
      value += this.#source.slice(from, end);
      this.#index = end + 1;
      if (this.#source[end + 1] !== quote) return { value, source: this.#source.slice(start, end + 1) };
      value += quote;
      from = end + 2;
    }
  }

  /** What the pattern finds at this very place, possibly nothing. */
  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#index;
    const found = pattern.exec(this.#source)?.[0] ?? '';
    this.#index += found.length;
    return found;
  }
}

/** What to throw for a fault at a character, counted from 1. */
export function invalidSelector(at: number, got: string, wants: string): BrokerError {
  return new BrokerError('selector-invalid', `Selector, character ${at}: got ${got}, wants ${wants}`);
}

/** A token as an error shows it. */
export function describeToken(token: Token): string {
  return token.kind === 'end' ? 'the end' : shown(token.source);
}

function nameOrKeyword(source: string, at: number): Token {
  const upper = source.toUpperCase();
  return KEYWORDS.has(upper)
    ? { kind: 'keyword', value: upper as Keyword, source, at }
    : { kind: 'name', value: source, source, at };
}

function shown(source: string): string {
  return quoteInput(source, SHOWN_CHARACTERS);
}
