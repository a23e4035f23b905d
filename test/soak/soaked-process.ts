/** The soaked server as a child process, asked through its side door. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import type { Orders } from './soaked-server.js';

const SCRIPT = path.resolve(import.meta.dirname, 'soaked-server.js');

interface Asked {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class SoakedProcess {
  /** Warnings and errors that it logged, and whatever else it said. */
  log = '';
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, Asked>();
  #lastId = 0;

  private constructor(directory: string) {
    this.#child = fork(SCRIPT, [directory], {
      execArgv: ['--expose-gc', '--enable-source-maps'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { PATH: process.env['PATH'], HOOFBEAT_SOAK_PLANT: process.env['HOOFBEAT_SOAK_PLANT'] },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.log = (this.log + text).slice(-20_000);
      });
    }
    this.#child.on('message', ({ id, answer, error }: { id: number; answer?: unknown; error?: string }) => {
      const asked = this.#asked.get(id);
      this.#asked.delete(id);
      if (error === undefined) asked?.resolve(answer);
      else asked?.reject(new Error(error));
    });
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (code) => {
        for (const { reject } of this.#asked.values()) reject(new Error(`the server has ended: ${this.log}`));
        resolve(code);
      });
    });
  }

  /** Resolves once it listens. */
  static async start(directory: string): Promise<SoakedProcess> {
    const soaked = new SoakedProcess(directory);
    await new Promise((resolve, reject) => soaked.#asked.set(0, { resolve, reject }));
    return soaked;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ask<Name extends keyof Orders>(order: Name): Promise<Orders[Name]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve: resolve as Asked['resolve'], reject });
      this.#child.send({ id, order });
    });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
