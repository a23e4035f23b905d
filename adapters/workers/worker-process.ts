/** One worker as the broker's process sees it: a child process, its link, and when it was started. */
import cluster, { type Worker } from 'node:cluster';
import type { Socket } from 'node:net';
import type { WorkerReport } from './link-messages.js';
import { LinkedWorker, type LinkedWorkerOwner } from './linked-worker.js';

/** Where a worker finds its end of the link among its file descriptors. */
export const LINK_FD = 4;

export class WorkerProcess {
  /** 1 and up. */
  readonly slot: number;
  readonly link: LinkedWorker;
  readonly startedMs: number;
  /** Resolves when the process is gone, with what is to be said about it. */
  readonly exited: Promise<string>;
  isReady = false;
  /** The last one; null: it has told nothing yet. */
  report: WorkerReport | null = null;
  readonly #worker: Worker;

  /** @param program the compiled file that a worker runs */
  constructor(slot: number, program: string, nowMs: number, owner: LinkedWorkerOwner) {
    this.slot = slot;
    this.startedMs = nowMs;
    // Each process accepts for itself: measured in DESIGN.md, 5.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: program, args: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] });
    this.#worker = cluster.fork();
    const { stdio } = this.#worker.process;
    this.link = new LinkedWorker(stdio[LINK_FD] as Socket, owner);
    this.exited = new Promise((resolve) => {
      this.#worker.on('exit', (code, signal) => {
        const how = typeof signal === 'string' ? `was ended by ${signal}` : `exited with ${String(code)}`;
        // Its ports are free again when its channel has closed too; which comes first is not said.
        if (!this.#worker.isConnected()) resolve(how);
        else {
          this.#worker.process.once('disconnect', () => {
            resolve(how);
          });
        }
      });
    });
    // Sending to a process that has just died is no fault of ours; its exit tells.
    this.#worker.on('error', () => undefined);
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** At once. */
  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }
}
