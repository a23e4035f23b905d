/** A crowd as the test sees it: processes of clients that come back by themselves. */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Test } from 'tap';
import { inTime } from '../helpers/inbox.js';
import type { CrowdOrder, CrowdReport } from './crowd-client.js';

export type { CrowdOrder, CrowdReport };

const DEADLINE_MS = 300_000;

export class Crowd {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when all are connected. Ends with the test. */
  static async gather(t: Test, order: CrowdOrder): Promise<Crowd> {
    const child = fork(path.join(import.meta.dirname, 'crowd-client.js'), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: ['--enable-source-maps'],
    });
    t.teardown(() => child.kill('SIGKILL'));
    const crowd = new Crowd(child);
    await crowd.#answer(order);
    return crowd;
  }

  /** Resolves when all are connected (again). */
  async complete(): Promise<void> {
    await this.#answer('await');
  }

  /** They send nothing any more. */
  quiet(): void {
    this.#child.send('quiet');
  }

  report(): Promise<CrowdReport> {
    return this.#answer('report') as Promise<CrowdReport>;
  }

  #answer(message: CrowdOrder | string): Promise<unknown> {
    const answer = new Promise((resolve, reject) => {
      const onExit = (): void => {
        reject(new Error('a crowd has ended'));
      };
      this.#child.once('exit', onExit);
      this.#child.once('message', (value) => {
        this.#child.off('exit', onExit);
        resolve(value);
      });
    });
    this.#child.send(message);
    return inTime(answer, 'the crowd', DEADLINE_MS);
  }
}
