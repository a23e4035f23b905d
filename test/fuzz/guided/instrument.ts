/**
 * Compiled JavaScript with a counter in each of its blocks, as AFL and libFuzzer have it in C: what an input reached is
 * known after it ran, at the cost of additions. Text is put in between, never a line, so that source maps stay right.
 */
import ts from 'typescript';

/** The name under which instrumented modules ask for their counters. */
export const GLOBAL_NAME = '__hoofbeatCounters';

export interface Instrumented {
  readonly source: string;
  readonly counters: number;
  /** Texts and numbers that stand in it: what its comparisons may want to see. */
  readonly literals: readonly string[];
}

const MAX_LITERAL_LENGTH = 32;

/** @param source an ES module */
export function instrument(source: string, name: string): Instrumented {
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.ESNext, false, ts.ScriptKind.JS);
  const marker = new Marker(file);
  marker.visit(file);
  const { counters } = marker;
  const literals = [...marker.literals];
  const head = `const __c=globalThis.${GLOBAL_NAME}(${JSON.stringify(name)},${counters},${JSON.stringify(literals)});`;
  return { source: head + marker.marked(source), counters, literals };
}

class Marker {
  readonly #file: ts.SourceFile;
  readonly #inserted: { readonly at: number; readonly text: string }[] = [];
  readonly literals = new Set<string>();
  counters = 0;

  constructor(file: ts.SourceFile) {
    this.#file = file;
  }

  /** What stands at one place is in the order in which it was put there: outer before inner, and the other way round at ends. */
  marked(source: string): string {
    let text = '';
    let from = 0;
    for (const { at, text: inserted } of this.#inserted.toSorted((a, b) => a.at - b.at)) {
      text += source.slice(from, at) + inserted;
      from = at;
    }
    return text + source.slice(from);
  }

  visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    this.#note(node);
    const end = this.#mark(node);
    ts.forEachChild(node, (child) => {
      this.visit(child);
    });
    if (end !== '') this.#inserted.push({ at: node.getEnd(), text: end });
  }

  #note(node: ts.Node): void {
    if (!ts.isStringLiteralLike(node) && !ts.isNumericLiteral(node)) return;
    if (node.text.length > 0 && node.text.length <= MAX_LITERAL_LENGTH) this.literals.add(node.text);
  }

  /** Marks the node itself where its parent wants it, and its direct blocks. @returns what is to stand behind it */
  #mark(node: ts.Node): string {
    if (ts.isCaseOrDefaultClause(node)) {
      const first = node.statements[0];
      if (first !== undefined) this.#put(first.getStart(this.#file), '');
    }
    const end = this.#wanted.get(node);
    if (end !== undefined) this.#put(node.getStart(this.#file), end === ')' ? '(' : '{');
    this.#blocks(node);
    return end ?? '';
  }

  /** Nodes that become `(count, node)` or `{ count; node }`, by what closes them. */
  readonly #wanted = new Map<ts.Node, ')' | '}'>();

  #blocks(node: ts.Node): void {
    if (ts.isIfStatement(node)) {
      this.#statement(node.thenStatement);
      if (node.elseStatement !== undefined) this.#statement(node.elseStatement);
    } else if (ts.isIterationStatement(node, false)) this.#statement(node.statement);
    else if (ts.isCatchClause(node)) this.#statement(node.block);
    else if (ts.isConditionalExpression(node)) {
      this.#wanted.set(node.whenTrue, ')').set(node.whenFalse, ')');
    } else if (ts.isBinaryExpression(node) && LAZY.has(node.operatorToken.kind)) this.#wanted.set(node.right, ')');
    else if (ts.isFunctionLike(node)) this.#functionBody(node);
  }

  #functionBody(node: ts.SignatureDeclaration): void {
    if (!('body' in node) || node.body === undefined) return;
    const body = node.body as ts.Node;
    if (ts.isBlock(body)) this.#statement(body);
    else this.#wanted.set(body, ')');
  }

  #statement(node: ts.Statement): void {
    if (ts.isBlock(node)) this.#put(node.getStart(this.#file) + 1, '');
    else this.#wanted.set(node, '}');
  }

  #put(at: number, open: '(' | '{' | ''): void {
    this.#inserted.push({ at, text: `${open}__c[${this.counters++}]++${open === '(' ? ',' : ';'}` });
  }
}

/** Whose right side is not always reached. */
const LAZY: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.AmpersandAmpersandEqualsToken,
  ts.SyntaxKind.BarBarEqualsToken,
  ts.SyntaxKind.QuestionQuestionEqualsToken,
]);
