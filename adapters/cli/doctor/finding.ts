/** What a check has found: one line, and what to do about it. */
import { print, printable, type Paint } from '../terminal.js';

export interface Finding {
  /** `skip`: it could not be looked at. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  /** What was looked at. */
  readonly check: string;
  readonly text: string;
  /** What to do. */
  readonly advice?: string | undefined;
}

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red', skip: 'dim' } as const;

export class Report {
  readonly #isJson: boolean;
  readonly #paint: Paint;
  readonly #counts = { ok: 0, warn: 0, fail: 0, skip: 0 };

  constructor(isJson: boolean, paint: Paint) {
    this.#isJson = isJson;
    this.#paint = paint;
  }

  get hasFailed(): boolean {
    return this.#counts.fail > 0;
  }

  add(finding: Finding): void {
    this.#counts[finding.status]++;
    if (this.#isJson) {
      print([JSON.stringify(finding)]);
      return;
    }
    const { status, check, text, advice } = finding;
    const first = `${this.#paint(COLOURS[status], status.padEnd(4))}  ${check}: ${printable(text)}`;
    print([advice === undefined ? first : `${first} → ${printable(advice)}`]);
  }

  /** How many of each. */
  end(): void {
    if (this.#isJson) return;
    const { ok, warn, fail, skip } = this.#counts;
    print([`${ok} ok, ${warn} to look at, ${fail} failed${skip === 0 ? '' : `, ${skip} not looked at`}`]);
  }
}

export const ok = (check: string, text: string): Finding => ({ status: 'ok', check, text });
export const warn = (check: string, text: string, advice?: string): Finding => ({
  status: 'warn',
  check,
  text,
  advice,
});
export const fail = (check: string, text: string, advice?: string): Finding => ({
  status: 'fail',
  check,
  text,
  advice,
});
export const skip = (check: string, text: string): Finding => ({ status: 'skip', check, text });
