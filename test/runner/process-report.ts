/**
 * Reads what one test process writes and tells apart the files it runs. A process of one file is that file's from the first
 * octet to the last; a batch says where each of its files ends, so that a crash is the crash of the file it happened in.
 */
import { FileReport } from './file-report.js';

/** The line between two files of a batch. */
export function endOf(file: string): string {
  return `# end of the file ${file}`;
}

export class ProcessReport {
  readonly #files: readonly string[];
  readonly #onFile: (report: FileReport, file: string) => void;
  #index = 0;
  #report: FileReport;
  #hasFailed = false;
  #rest = '';

  /** @param onFile called with each file's report once the file has ended */
  constructor(files: readonly string[], onFile: (report: FileReport, file: string) => void) {
    this.#files = files;
    this.#onFile = onFile;
    this.#report = this.#begin();
  }

  /** Takes the next piece of the TAP stream, cut anywhere. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const file = this.#files[this.#index];
      if (file !== undefined && line === endOf(file)) this.#end(file, true);
      else this.#report.push(`${line}\n`);
    }
  }

  /**
   * After the last piece.
   * @param isContent whether the process said that all is well
   * @returns the files that had not begun
   */
  end(isContent: boolean): readonly string[] {
    const file = this.#files[this.#index];
    // A batch that is content before its end was left by `process.exit(0)`.
    if (file !== undefined) this.#end(file, isContent && this.#files.length === 1);
    else if (!isContent && (this.#report.failed > 0 || !this.#hasFailed)) this.#end(this.#afterAll(), false);
    return this.#files.slice(this.#index);
  }

  #begin(): FileReport {
    return new FileReport(this.#files[this.#index] ?? this.#afterAll());
  }

  /** What is said after the last file: of something left open, or of a failure that came late. */
  #afterAll(): string {
    return `after ${this.#files.join(', ')}`;
  }

  #end(file: string, isContent: boolean): void {
    this.#report.end(isContent);
    this.#hasFailed ||= this.#report.failed > 0;
    this.#onFile(this.#report, file);
    this.#index += 1;
    this.#report = this.#begin();
  }
}
