/** Test files once more, in one process in another environment: the same facts hold there. */
import type { Test } from 'tap';
import { TestProcess, type EndedFile } from '../runner/test-process.js';
import { inTime } from './inbox.js';

export const SUITE_LIMIT_MS = 90_000;

export class SuiteProcess {
  readonly #ended = new Map<string, EndedFile>();
  readonly #over: Promise<unknown>;
  #onFile: () => void = () => undefined;

  /** Begins with the files, one after the other. @param files below `test/`, e.g. `conformance/queues` */
  constructor(t: Test, files: readonly string[], environment: NodeJS.ProcessEnv) {
    const onFile = (ended: EndedFile): void => {
      this.#ended.set(ended.file, ended);
      this.#onFile();
    };
    const process = new TestProcess(files.map(compiled), onFile, {
      limitMs: SUITE_LIMIT_MS,
      environment,
      isPartOfTest: true,
    });
    this.#over = process.ended;
    t.teardown(() => process.end());
  }

  /** Fails with what failed in a file. @param atLeast so many of its tests were passed */
  async passes(t: Test, file: string, atLeast: number): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#onFile = () => {
        if (this.#ended.has(compiled(file))) resolve();
      };
      this.#onFile();
    });
    await inTime(Promise.race([reached, this.#over]), file, SUITE_LIMIT_MS);
    const ended = this.#ended.get(compiled(file));
    if (ended === undefined) throw new Error(`${file} was not run: one before it ended the process`);
    const { report, tookMs } = ended;
    const lines: string[] = [];
    report.print((line) => lines.push(line), tookMs);
    t.equal(report.failed, 0, lines.join('\n'));
    t.ok(report.passed >= atLeast, `${report.passed} were passed`);
  }
}

function compiled(file: string): string {
  return `dist/test/${file}.test.js`;
}
