/**
 * Where attacks are made: one process with servers to attack, a client that has nothing to do with it, and the row of the
 * report that each attack leaves in test/.artifacts/hardening/. Times are only asserted by `npm run hardening`.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import type { StatsSnapshot } from '../../broker/index.js';
import { inTime } from '../helpers/inbox.js';
import type { Order, Seen, Started } from './attacked-server.js';
export type { Started } from './attacked-server.js';
import type { WitnessData, Witnessed } from './witness-thread.js';

/** Set by `npm run hardening`: attacks are larger, and times asserted. */
export const IS_LONG = process.env['HOOFBEAT_HARDENING'] === '1';
/** How much larger. */
export const STRENGTH = IS_LONG ? 10 : 1;
/** What others may notice of an attack. */
const MAX_STALL_MS = 50;
/** How long one who publishes may be made to wait on purpose. */
const PATIENCE_MS = 60_000;
const ARTIFACTS = path.resolve(import.meta.dirname, '../../../test/.artifacts/hardening');

export interface Attack {
  readonly group: string;
  readonly name: string;
  /** Option or file. */
  readonly defence: string;
  /** Headers of the witness's CONNECT, each with its LF. */
  readonly witness?: string;
  /** Others are made to wait on purpose, or by V8: it is recorded, and no bound. */
  readonly mayStall?: boolean;
}

export interface ArenaOptions {
  /** Of the attacked process; default: as V8 sees fit. */
  readonly heapMiB?: number;
}

export interface Row extends Attack {
  readonly outcome: string;
  /** What the same attack does without the defence; a dash where that is shown otherwise. */
  readonly without: string;
  readonly stallMs: number;
  readonly busyMs: number;
  readonly roundTrips: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly grownMiB: number;
}

export class Arena {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (reply: { answer?: unknown; error?: string }) => void>();
  #lastId = 0;
  /** How the attacked process ended, when it was not asked to. */
  readonly ended: Promise<string>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    let complaints = '';
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (complaints += part));
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        const why = /heap out of memory/.test(complaints) ? 'out of memory' : complaints.slice(0, 1_000);
        const how = `${code ?? signal}: ${why}`;
        resolve(how);
        for (const settle of this.#waiting.values()) settle({ error: `the attacked process ended: ${how}` });
      });
    });
    child.on('message', (reply: { id: number; answer?: unknown; error?: string }) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  /** Ends with the test. */
  static open(t: Test, { heapMiB }: ArenaOptions = {}): Arena {
    const child = fork(path.join(import.meta.dirname, 'attacked-server.js'), {
      // Of one that is to end what it says at its end is looked at, not shown.
      stdio: ['ignore', 'inherit', heapMiB === undefined ? 'inherit' : 'pipe', 'ipc'],
      execArgv: heapMiB === undefined ? ['--enable-source-maps'] : [`--max-old-space-size=${heapMiB}`],
    });
    t.teardown(() => {
      if (child.connected) child.disconnect();
    });
    return new Arena(child);
  }

  /** A server of the attacked process; stops with the test. */
  async serve(t: Test, options: ServerOptions): Promise<Started> {
    const started = (await this.#ask({ is: 'start', options })) as Started;
    t.teardown(() => (this.#child.connected ? this.#ask({ is: 'stop', server: started.server }) : undefined));
    return started;
  }

  stats({ server }: Started): Promise<StatsSnapshot> {
    return this.#ask({ is: 'stats', server }) as Promise<StatsSnapshot>;
  }

  /**
   * Makes an attack while somebody else uses the server. `run` returns what came of it in a few words, and `without` the
   * same of a server without the defence; what has to be equal is for the test to say.
   */
  async attack(t: Test, target: Started, attack: Attack, run: () => Promise<string>, without = '—'): Promise<Row> {
    const witness = await Witness.open({ port: target.tcpPort, headers: attack.witness ?? '' });
    await this.#ask({ is: 'watch' });
    let outcome: string;
    let seen: Seen;
    let witnessed: Witnessed;
    try {
      outcome = await run();
    } finally {
      seen = (await this.#ask({ is: 'seen' })) as Seen;
      witnessed = await witness.end(attack.mayStall === true ? PATIENCE_MS : undefined);
    }
    const { stallMs, busyMs, rssBeforeBytes, rssBytes } = seen;
    const { trouble, ...times } = witnessed;
    const grownMiB = (rssBytes - rssBeforeBytes) / 2 ** 20;
    const row: Row = { ...attack, outcome, without, stallMs, busyMs, grownMiB, ...times };
    record(row);
    t.equal(trouble, null, `${attack.name}: the others stay connected`);
    // By its own doing: what other processes of the machine took is no stall of the server's.
    if (IS_LONG && attack.mayStall !== true)
      t.ok(busyMs < MAX_STALL_MS, `${attack.name}: the event loop was busy for ${busyMs.toFixed(1)} ms`);
    return row;
  }

  #ask(order: Order): Promise<unknown> {
    if (!this.#child.connected) {
      return this.ended.then((how) => Promise.reject(new Error(`the attacked process had ended: ${how}`)));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ answer, error }) => {
        if (error === undefined) resolve(answer);
        else reject(new Error(error));
      });
      this.#child.send({ id, order });
    });
  }
}

class Witness {
  readonly #thread: Worker;

  private constructor(thread: Worker) {
    this.#thread = thread;
  }

  static async open(data: WitnessData): Promise<Witness> {
    const thread = new Worker(new URL('./witness-thread.js', import.meta.url), { workerData: data });
    await inTime(new Promise((resolve) => thread.once('message', resolve)), 'the witness to be connected');
    return new Witness(thread);
  }

  /** @param deadlineMs for the message that is on its way */
  end(deadlineMs?: number): Promise<Witnessed> {
    const thread = this.#thread;
    const witnessed = new Promise<Witnessed>((resolve) => thread.once('message', resolve));
    thread.postMessage('end');
    return inTime(witnessed, 'the witness to tell', deadlineMs);
  }
}

/** One file for each row, so that test files that run side by side have nothing to share. */
function record(row: Row): void {
  mkdirSync(ARTIFACTS, { recursive: true });
  const name = `${row.group}-${row.name}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  writeFileSync(path.join(ARTIFACTS, `${name}.json`), `${JSON.stringify(row, null, 2)}\n`);
}
