/** Ends a process that hangs in an input, and says which one: a thread that looks whether inputs still come and go. */
import { Worker } from 'node:worker_threads';

const MAX_INPUT_BYTES = 65_536;
const LOOK_EVERY_MS = 10_000;

const SOURCE = `
const { workerData } = require('node:worker_threads');
const [count, length] = [new Int32Array(workerData, 0, 1), new Int32Array(workerData, 4, 1)];
let before = -1;
setInterval(() => {
  if (count[0] === before) {
    const input = Buffer.from(new Uint8Array(workerData, 8, length[0])).toString('latin1');
    require('node:fs').writeSync(2, 'hangs: ' + JSON.stringify(input) + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }
  before = count[0];
}, ${LOOK_EVERY_MS});
`;

export class Watchdog {
  readonly #memory = new SharedArrayBuffer(8 + MAX_INPUT_BYTES);
  readonly #numbers = new Int32Array(this.#memory, 0, 2);
  readonly #octets = new Uint8Array(this.#memory, 8);
  readonly #worker = new Worker(SOURCE, { eval: true, workerData: this.#memory, execArgv: [] });

  constructor() {
    this.#worker.unref();
  }

  /** An input is about to run. */
  note(input: Buffer): void {
    const length = Math.min(input.length, MAX_INPUT_BYTES);
    this.#octets.set(input.subarray(0, length));
    this.#numbers[1] = length;
    this.#numbers[0] = ((this.#numbers[0] ?? 0) + 1) | 0;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
