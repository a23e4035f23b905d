/**
 * wscat on a terminal. It takes lines only once it says "Connected", and says that only to a terminal: `script` gives it
 * one.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { Test } from 'tap';
import { inTime } from './inbox.js';
import { SCRIPT } from './programs.js';

export const WSCAT = path.join(path.dirname(createRequire(import.meta.url).resolve('wscat/package.json')), 'bin/wscat');
export const START_LIMIT_MS = 20_000;

/** Somebody who types. */
export class Typist {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exit: Promise<void>;
  #screen = '';
  #read = 0;
  #onScreen: () => void = () => undefined;

  constructor(t: Test, command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { env: { ...process.env, TERM: 'xterm', COLUMNS: '200', LINES: '60' } });
    this.#exit = new Promise((resolve) => {
      this.#child.once('close', () => {
        resolve();
      });
    });
    t.teardown(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#screen += stripVTControlCharacters(text).replaceAll('\r', '');
        this.#onScreen();
      });
    }
  }

  /** wscat on a terminal, connected. */
  static async open(t: Test, url: string, ...options: readonly string[]): Promise<Typist> {
    const command = [process.execPath, WSCAT, ...options, '-c', url].join(' ');
    const typist = new Typist(t, SCRIPT, ['--quiet', '--return', '--command', command, '/dev/null']);
    await typist.reads(/Connected \(press CTRL\+C to quit\)/, START_LIMIT_MS);
    return typist;
  }

  /** Each is typed and ended with the enter key. */
  types(...lines: readonly string[]): void {
    for (const line of lines) this.#child.stdin.write(`${line}\n`);
  }

  /** Waits until something new on the screen matches; returns the groups. */
  async reads(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray> {
    const found = new Promise<RegExpExecArray>((resolve) => {
      this.#onScreen = () => {
        const match = pattern.exec(this.#screen.slice(this.#read));
        if (match === null) return;
        this.#read += match.index + match[0].length;
        this.#onScreen = () => undefined;
        resolve(match);
      };
      this.#onScreen();
    });
    return inTime(found, `${String(pattern)} on the screen`, deadlineMs).catch((error: unknown) => {
      throw new Error(`${String(error)}; it shows ${JSON.stringify(this.#screen.slice(this.#read))}`);
    });
  }

  /** The end of input, as with ^D. */
  async leaves(): Promise<void> {
    this.#child.stdin.end();
    await inTime(this.#exit, 'wscat to exit');
  }
}
