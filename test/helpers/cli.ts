/** The compiled `hoofbeat` command as a child process, as people and programs start it. */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { Inbox, inTime } from './inbox.js';

const MAIN = path.resolve(import.meta.dirname, '../../adapters/cli/main.js');
const HOST = path.resolve(import.meta.dirname, 'cli-host.js');
/** Starting Node twice and a round trip, on a machine that has other things to do. */
const COMMAND_DEADLINE_MS = 30_000;

/** Gone with the test. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'hoofbeat-'));
  t.teardown(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #onOutput: () => void = () => undefined;

  /** @param wrapper command line that ends by becoming what stands behind it */
  constructor(
    t: Test,
    args: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    wrapper: readonly [command: string, ...args: string[]] | null = null,
  ) {
    const own = args[0] === 'serve' ? { HOOFBEAT_DATA: temporaryDirectory(t) } : {};
    const [command, ...before] = wrapper === null ? [process.execPath] : [...wrapper, process.execPath];
    const env = { PATH: process.env['PATH'], ...own, ...environment };
    this.child = spawn(command, [...before, MAIN, ...args], { env });
    t.teardown(() => this.child.kill('SIGKILL'));
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#onOutput();
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#onOutput();
    });
    // A command that ends before it has read everything is no fault of the test.
    this.child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      this.child.on('close', (exitCode) => {
        resolve({ exitCode, stdout: this.stdout, stderr: this.stderr });
        this.#onOutput();
      });
    });
  }

  /** Resolves once `isDone` holds for what was printed; rejects when the command ends before. */
  async until(isDone: (command: this) => boolean, what: string): Promise<void> {
    const reached = new Promise<void>((resolve, reject) => {
      this.#onOutput = () => {
        if (isDone(this)) resolve();
        else if (this.child.exitCode !== null) reject(new Error(`ended before ${what}: ${this.stderr}`));
      };
      this.#onOutput();
    });
    await inTime(reached, what, COMMAND_DEADLINE_MS);
  }
}

/** Runs a command to its end. */
export function runCommand(
  t: Test,
  args: readonly string[],
  more: { readonly input?: string | Buffer; readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const command = new RunningCommand(t, args, more.environment);
  command.child.stdin.end(more.input ?? '');
  return inTime(command.ended, `hoofbeat ${args.join(' ')}`, COMMAND_DEADLINE_MS);
}

/** Runs commands one after the other in one process: starting Node for each would be most of a test's time. */
export class CliHost {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #answers = new Inbox<Ended>();

  constructor(t: Test) {
    this.#child = spawn(process.execPath, ['--enable-source-maps', HOST], { env: { PATH: process.env['PATH'] } });
    t.teardown(() => this.#child.kill('SIGKILL'));
    let rest = '';
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#answers.push(JSON.parse(line) as Ended);
    });
    let fault = '';
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => (fault += text));
    this.#child.on('close', () => {
      this.#answers.end(`the process has ended: ${fault}`);
    });
  }

  run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
    this.#child.stdin.write(`${JSON.stringify({ args, environment })}\n`);
    return inTime(this.#answers.next(), `hoofbeat ${args.join(' ')}`, COMMAND_DEADLINE_MS);
  }
}
