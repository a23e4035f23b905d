/** One process of test files, alone or in a batch: starts it, ends what hangs with all that it has started, reports. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { FileReport } from './file-report.js';
import { ProcessReport } from './process-report.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const BATCH = path.join(import.meta.dirname, 'batch.js');
const EXIT_MARK = pathToFileURL(path.join(import.meta.dirname, 'exit-mark.js')).href;
export const FILE_LIMIT_MS = 120_000;
/** For Node's own taking down, behind the last line of JavaScript. */
const EXIT_LIMIT_MS = 5_000;

export interface EndedFile {
  readonly file: string;
  readonly report: FileReport;
  readonly tookMs: number;
}

interface Terms {
  /** For each file. */
  readonly limitMs?: number;
  /** Besides that of this process. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Of a test that runs files itself: they are ended together with it. */
  readonly isPartOfTest?: boolean;
}

export class TestProcess {
  /** Resolves with the files that had not begun when the process was over. */
  readonly ended: Promise<readonly string[]>;
  readonly #child: ChildProcess;
  readonly #hasGroup: boolean;

  /**
   * Plain node, as tap's runner loads its plugins anew for each of hundreds of files, which costs more than most of them take.
   * @param files compiled, as paths from the root
   */
  constructor(files: readonly string[], onFile: (ended: EndedFile) => void, terms: Terms = {}) {
    const { limitMs = FILE_LIMIT_MS, environment = {}, isPartOfTest = false } = terms;
    // A process group of its own, so that the limits end what the tests have started as well.
    this.#hasGroup = !isPartOfTest;
    const args = ['--enable-source-maps', `--import=${EXIT_MARK}`, ...(files.length > 1 ? [BATCH] : []), ...files];
    const ours = { TAP_TIMEOUT: String(limitMs / 1_000), HOOFBEAT_RUNNER_PID: String(process.pid) };
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
      detached: this.#hasGroup,
      env: { ...process.env, ...environment, ...ours },
    });
    this.#child = child;
    // tap ends a file that hangs with a report of what hung; this is for one that cannot.
    const limit = setTimeout(() => {
      this.end();
    }, limitMs + 15_000);
    let beganAtMs = performance.now();
    const report = new ProcessReport(files, (ofFile, file) => {
      onFile({ file, report: ofFile, tookMs: performance.now() - beganAtMs });
      beganAtMs = performance.now();
      limit.refresh();
    });
    const stdout = child.stdout as Readable;
    stdout.setEncoding('utf8').on('data', (text: string) => {
      report.push(text);
    });
    /** Of a process that had ended but for that. */
    let stuckCode: number | null = null;
    (child.stdio[3] as Readable).once('data', (mark: Buffer) => {
      setTimeout(() => {
        stuckCode = Number(mark);
        this.end();
      }, EXIT_LIMIT_MS).unref();
    });
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        clearTimeout(limit);
        this.end();
        resolve(report.end((code ?? stuckCode) === 0));
      });
    });
  }

  /** Ends it at once, with whatever it has started. */
  end(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (!this.#hasGroup) {
      this.#child.kill('SIGKILL');
      return;
    }
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // Nobody of it is left.
    }
  }
}
