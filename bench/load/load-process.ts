/** A load process, as its parent sees it: opens connections, measures rounds, and tells what it spent itself. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { LoadTarget } from './load-protocol.js';
import type { LoadReply, LoadRequest, LoadSettings, RoundFigures } from './load-task.js';

const MAIN = path.join(import.meta.dirname, 'load-main.js');

export interface LoadRound extends RoundFigures {
  /** Of the load process. */
  readonly loadCpuMicros: number;
}

export class LoadProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static start(): LoadProcess {
    return new LoadProcess(fork(MAIN));
  }

  /** @throws Error with what the load could not do, as from the other methods */
  async open(task: string, target: LoadTarget, settings: LoadSettings): Promise<void> {
    await this.#ask({ kind: 'open', task, target, settings });
  }

  async round(settings: LoadSettings): Promise<LoadRound> {
    const { round, cpuMicros } = await this.#ask({ kind: 'round', settings });
    if (round === undefined || cpuMicros === undefined) throw new Error('the load process answers without figures');
    return { ...round, loadCpuMicros: cpuMicros };
  }

  /** Closes the connections; another task can be opened. */
  async close(): Promise<void> {
    await this.#ask({ kind: 'close' });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }

  async #ask(request: LoadRequest): Promise<LoadReply> {
    this.#child.send(request);
    const ended = new AbortController();
    const reply = await Promise.race([
      once(this.#child, 'message', ended).then(([message]) => message as LoadReply),
      once(this.#child, 'exit', ended).then(() => ({ error: 'the load process ended' }) satisfies LoadReply),
    ]);
    ended.abort();
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }
}
