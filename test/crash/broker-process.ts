/** The broker as a child process on one directory: started, killed, started again. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import { RunningCommand } from '../helpers/cli.js';
import { inTime } from '../helpers/inbox.js';
import { SERVER_OPTIONS } from './workload.js';

const STOP_DEADLINE_MS = 20_000;

export class BrokerProcess {
  readonly #command: RunningCommand;

  private constructor(command: RunningCommand) {
    this.#command = command;
  }

  /**
   * Starts it; it may not be ready yet, and ends with the test at the latest.
   * @param data a directory, or false to keep everything in memory
   */
  static start(t: Test, directory: string, data: string | false, options: object = SERVER_OPTIONS): BrokerProcess {
    const config = path.join(directory, 'hoofbeat.json');
    writeFileSync(config, JSON.stringify(options));
    const where = data === false ? ['--memory'] : ['--data', data];
    return new BrokerProcess(
      new RunningCommand(t, ['serve', '--json', '--config', config, '--log-level', 'warn', ...where]),
    );
  }

  /** Resolves to the port of its first listener. @throws Error with what it printed, when it ends instead */
  async listening(): Promise<number> {
    return (await this.addresses())[0]?.port ?? 0;
  }

  /** Resolves to where it listens. @throws Error with what it printed, when it ends instead */
  async addresses(): Promise<readonly { readonly transport: string; readonly port: number }[]> {
    await this.#command.until(({ stdout }) => stdout.includes('\n'), 'the broker listens');
    const { addresses } = JSON.parse(this.#command.stdout) as {
      readonly addresses: readonly { readonly transport: string; readonly port: number }[];
    };
    return addresses;
  }

  /** While it fails, the store cannot write a thing: its files may not grow beyond what they are at least. */
  makeStoreFail(isFailing: boolean): void {
    const { pid } = this.#command.child;
    if (pid !== undefined) spawnSync('prlimit', ['--pid', String(pid), `--fsize=${isFailing ? '1' : 'unlimited'}:`]);
  }

  /** SIGKILL. @returns whether it was running */
  async kill(): Promise<boolean> {
    const { child } = this.#command;
    if (child.exitCode !== null) return false;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    return child.signalCode === 'SIGKILL';
  }

  /** Stands still, its connections open, until `resume`. */
  freeze(): void {
    this.#command.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#command.child.kill('SIGCONT');
  }

  /** SIGTERM. @throws Error with what it printed, when it does not end well */
  async stop(): Promise<void> {
    this.#command.child.kill('SIGTERM');
    const { exitCode, stderr } = await inTime(this.#command.ended, 'the broker to end', STOP_DEADLINE_MS);
    if (exitCode !== 0) throw new Error(`the broker ended with ${String(exitCode)}: ${stderr}`);
  }

  /** What it has logged: warnings and errors. */
  get log(): string {
    return this.#command.stderr;
  }
}
