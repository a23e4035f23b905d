/** What a selector says: the tree that the parser makes and the compiler reads. */
import type { Num } from './values.js';

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';
export type ArithmeticOperator = '+' | '-' | '*' | '/';

export type Expression =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'number'; readonly value: Num }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'sign'; readonly isNegative: boolean; readonly operand: Expression }
  | { readonly kind: 'arithmetic'; readonly first: Expression; readonly rest: readonly Step[] }
  | {
      readonly kind: 'comparison';
      readonly operator: ComparisonOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'between'; readonly operand: Expression; readonly low: Expression; readonly high: Expression }
  | { readonly kind: 'in'; readonly name: string; readonly items: readonly (string | Num)[] }
  | { readonly kind: 'like'; readonly name: string; readonly pattern: string; readonly escape: string | null }
  | { readonly kind: 'null'; readonly name: string }
  | { readonly kind: 'not'; readonly operand: Expression }
  /** Chains are lists rather than nested pairs, so that their length costs no depth of the stack. */
  | { readonly kind: 'and' | 'or'; readonly operands: readonly Expression[] };

/** One more operand of a chain of equal precedence, from left to right. */
export interface Step {
  readonly operator: ArithmeticOperator;
  readonly operand: Expression;
}

/** What an expression yields; a header's text becomes what the other side is. */
export type ExpressionType = 'header' | 'text' | 'number' | 'condition';

export function typeOf({ kind }: Expression): ExpressionType {
  if (kind === 'header' || kind === 'text' || kind === 'number') return kind;
  return kind === 'sign' || kind === 'arithmetic' ? 'number' : 'condition';
}
