/** What commands print for people: columns, colours where there is a terminal, and nothing that would steer it. */
import { createInterface } from 'node:readline/promises';
import { CliError, ExitCode } from './exit-code.js';
import { readVariable, type Environment } from './environment.js';

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, bold: 1, dim: 2 } as const;

export type Colour = keyof typeof CODES;
export type Paint = (colour: Colour, text: string) => string;

/** Colours on a terminal alone, and not where NO_COLOR (https://no-color.org) or TERM=dumb says otherwise. */
export function painter(environment: Environment, stream: { readonly isTTY?: boolean }): Paint {
  const isPlain =
    stream.isTTY !== true ||
    readVariable(environment, 'NO_COLOR') !== undefined ||
    readVariable(environment, 'TERM') === 'dumb';
  return isPlain ? (_colour, text) => text : (colour, text) => `\x1b[${CODES[colour]}m${text}\x1b[0m`;
}

/** Clients choose names and bodies: a control character of theirs is shown, not obeyed. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** Lines of columns, the first line bold; columns of numbers are set to the right. */
export function tableLines(
  head: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  paint: Paint,
): string[] {
  const cells = rows.map((row) => row.map((cell) => printable(String(cell))));
  const widths = head.map((title, at) => Math.max(title.length, ...cells.map((row) => (row[at] ?? '').length)));
  const isNumber = head.map((_title, at) => rows.length > 0 && rows.every((row) => typeof row[at] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (isNumber[at] === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd();
  return [paint('bold', line(head)), ...cells.map(line)];
}

export function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
}

/**
 * Asks before something that cannot be taken back.
 * @throws CliError when the answer is no, and, as wrong usage, where there is nobody to ask
 */
export async function confirm(question: string, isConfirmed: boolean): Promise<void> {
  if (isConfirmed) return;
  if (!process.stdin.isTTY) {
    throw new CliError(`${question} Nobody can be asked here: --yes says so`, ExitCode.usage);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('nothing was done');
  } finally {
    terminal.close();
  }
}

/** `3 d`, `4 h`, `5 min`, `6 s`: for columns. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1_000));
  if (s < 120) return `${s} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3_600)} h`;
  return `${Math.round(s / 86_400)} d`;
}
