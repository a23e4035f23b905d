/**
 * Reads the TAP that one test file writes and makes of it one line, and every failure in full. A test is a top-level
 * `t.test` (or a bare assertion) of the file; a file that dies without a failed test counts as one failed test itself.
 */

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const VERSION = 'TAP version 14';
/** A line with a verdict, at the depth it is looked for. */
const POINT = /^(not ok|ok) \d+(?: - (.*))?$/;
const INDENT = '    ';

export class FileReport implements Totals {
  readonly #name: string;
  /** Failed tests in full, and the reasons of skipped ones. */
  readonly #notes: string[] = [];
  passed = 0;
  failed = 0;
  skipped = 0;
  #rest = '';
  #lines: string[] = [];
  /** Where lines of the failed test's own diagnostic go: `keep` when nothing inside it explained the failure. */
  #diagnostic: 'none' | 'keep' | 'drop' = 'none';

  constructor(name: string) {
    this.#name = name;
  }

  /** Takes the next piece of the TAP stream, cut anywhere. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
  }

  /** After the last piece. @param isContent whether the process said that all is well */
  end(isContent: boolean): void {
    if (isContent ? this.passed + this.failed + this.skipped > 0 : this.failed > 0) return;
    this.failed += 1;
    this.#notes.push('the file ended badly, was cut off, or holds no test', ...this.#lines.slice(-20));
  }

  print(print: (line: string) => void, tookMs: number): void {
    const parts = [`${this.passed} passed`];
    if (this.failed > 0) parts.push(`${this.failed} failed`);
    if (this.skipped > 0) parts.push(`${this.skipped} skipped`);
    const verdict = this.failed > 0 ? 'FAILED' : 'ok    ';
    print(`${verdict} ${this.#name}: ${parts.join(', ')} ${Math.round(tookMs)} ms`);
    for (const line of this.#notes) print(`    ${line}`);
  }

  #onLine(line: string): void {
    if (this.#diagnostic !== 'none') {
      if (this.#diagnostic === 'keep') this.#notes.push(line);
      if (line === '  ...') this.#diagnostic = 'none';
      if (line.startsWith('  ')) return;
    }
    this.#diagnostic = 'none';
    const point = POINT.exec(line);
    if (point) this.#onPoint(line, point[1] === 'ok', point[2] ?? '');
    else if (line !== VERSION) this.#lines.push(line);
  }

  #onPoint(line: string, ok: boolean, description: string): void {
    const inside = this.#lines;
    this.#lines = [];
    if (!ok && !/ # TODO\b/.test(description)) {
      this.failed += 1;
      const full = inside.filter((text) => text.trim() !== '');
      this.#notes.push(line, ...full);
      // What failed inside says more than the diagnostic of the whole.
      this.#diagnostic = full.length === 0 ? 'keep' : 'drop';
      return;
    }
    const reason = skipReason(description) ?? skippedInside(inside);
    if (reason === null) this.passed += 1;
    else {
      this.skipped += 1;
      this.#notes.push(`skipped: ${description.replace(/ #.*$/, '')}: ${reason}`);
    }
  }
}

function skipReason(description: string): string | null {
  const directive = /(?:^| )# (?:SKIP|TODO)\b *(.*)$/.exec(description);
  if (directive === null) return null;
  return directive[1] === undefined || directive[1] === ''
    ? description.replace(/ # (SKIP|TODO).*$/, '')
    : directive[1];
}

/** A test that calls `t.skip(reason)` passes as TAP goes; here one with nothing but skips inside is skipped. */
function skippedInside(lines: readonly string[]): string | null {
  const points = lines
    .map((line) => (line.startsWith(INDENT) ? POINT.exec(line.slice(INDENT.length)) : null))
    .filter((point) => point !== null);
  const reasons = points.map((point) => skipReason(point[2] ?? ''));
  return points.length > 0 && reasons.every((reason) => reason !== null) ? (reasons[0] ?? '') : null;
}
