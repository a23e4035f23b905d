/**
 * Reads the TAP that tap writes for a run of many files and makes of it one line a file, every failure in full, and
 * totals. A test is a top-level `t.test` (or a bare assertion) of a file; a file that dies without a failed test
 * counts as one failed test itself.
 */

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A line with a verdict, at the depth it is looked for. */
const POINT = /^(not ok|ok) \d+(?: - (.*))?$/;
const INDENT = '    ';

export class TapReport {
  readonly #print: (line: string) => void;
  #rest = '';
  #file: FileReport | null = null;
  #passed = 0;
  #failed = 0;
  #skipped = 0;

  /** @param print takes the report, line by line */
  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  /** Takes the next piece of the TAP stream, cut anywhere. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#onLine(line);
  }

  /** To be read after the last piece. A file without its verdict counts as failed. */
  get totals(): Totals {
    const unfinished = this.#file === null ? 0 : this.#file.failed + 1;
    const { passed = 0, skipped = 0 } = this.#file ?? {};
    return {
      passed: this.#passed + passed,
      failed: this.#failed + unfinished,
      skipped: this.#skipped + skipped,
    };
  }

  #onLine(line: string): void {
    const subtest = /^# Subtest: (.*)$/.exec(line);
    if (subtest) {
      this.#file = new FileReport(subtest[1] ?? '');
      return;
    }
    const point = POINT.exec(line);
    if (point) this.#endFile(point[1] === 'ok', point[2] ?? '');
    else if (line.startsWith(INDENT)) this.#file?.onLine(line.slice(INDENT.length));
    else if (line.startsWith('Bail out!')) this.#print(line);
  }

  #endFile(ok: boolean, description: string): void {
    const file = this.#file ?? new FileReport(description);
    this.#file = null;
    const died = !ok && file.failed === 0 ? 1 : 0;
    this.#passed += file.passed;
    this.#failed += file.failed + died;
    this.#skipped += file.skipped;
    const time = / # time=([\d.]+m?s)/.exec(description)?.[1] ?? '';
    this.#print(`${ok ? 'ok    ' : 'FAILED'} ${file.summary()} ${time}`);
    for (const line of file.notes) this.#print(`    ${line}`);
    if (died === 1) this.#print('    the file ended badly, was cut off, or holds no test');
  }
}

/** One file's part of the stream, its indentation removed. */
class FileReport {
  readonly name: string;
  /** Failed tests in full, and the reasons of skipped ones. */
  readonly notes: string[] = [];
  passed = 0;
  failed = 0;
  skipped = 0;
  #lines: string[] = [];
  /** Where lines of the failed test's own diagnostic go: `keep` when nothing inside it explained the failure. */
  #diagnostic: 'none' | 'keep' | 'drop' = 'none';

  constructor(name: string) {
    this.name = name;
  }

  onLine(line: string): void {
    if (this.#diagnostic !== 'none') {
      if (this.#diagnostic === 'keep') this.notes.push(line);
      if (line === '  ...') this.#diagnostic = 'none';
      if (line.startsWith('  ')) return;
    }
    this.#diagnostic = 'none';
    const point = POINT.exec(line);
    if (point) this.#onPoint(line, point[1] === 'ok', point[2] ?? '');
    else this.#lines.push(line);
  }

  #onPoint(line: string, ok: boolean, description: string): void {
    const inside = this.#lines;
    this.#lines = [];
    if (!ok && !/ # TODO\b/.test(description)) {
      this.failed += 1;
      const full = inside.filter((text) => text.trim() !== '');
      this.notes.push(line, ...full);
      // What failed inside says more than the diagnostic of the whole.
      this.#diagnostic = full.length === 0 ? 'keep' : 'drop';
      return;
    }
    const reason = skipReason(description) ?? skippedInside(inside);
    if (reason === null) this.passed += 1;
    else {
      this.skipped += 1;
      this.notes.push(`skipped: ${description.replace(/ #.*$/, '')}: ${reason}`);
    }
  }

  summary(): string {
    const parts = [`${this.passed} passed`];
    if (this.failed > 0) parts.push(`${this.failed} failed`);
    if (this.skipped > 0) parts.push(`${this.skipped} skipped`);
    return `${this.name}: ${parts.join(', ')}`;
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
