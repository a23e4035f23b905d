/**
 * The worker processes of one server: started, set up, watched, started again when they die, and ended. To the rest of
 * the server it is a way in for clients.
 */
import cluster from 'node:cluster';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AcceptConnection, Clock, Framing, ListenAddress, Logger } from '../../broker/ports.js';
import type { WorkerReport } from './link-messages.js';
import type { LinkedWorker, LinkedWorkerOwner } from './linked-worker.js';
import { MAX_YOUNG_DEATHS, RestartPolicy } from './restart-policy.js';
import { WorkerProcess } from './worker-process.js';

export interface WorkerPoolParts {
  readonly workers: number;
  /** The compiled file that a worker runs. */
  readonly program: string;
  /** What a worker has to know, with ports that are numbers of their own; asked once. Must survive JSON. */
  readonly prepareOptions: () => Promise<object>;
  readonly tellEveryBytes: number;
  readonly framings: Readonly<Record<string, Framing>>;
  readonly accept: AcceptConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Workers close connections at once, and why, in one line; null: it is over. */
  readonly onShortage: (shortage: string | null) => void;
  /** Workers die as soon as they are started: called once, with one line for people. */
  readonly onHopeless: (text: string) => void;
}

/** From the start of a process until it listens. */
const START_MS = 30_000;
/** A worker that deals with nothing for so long, though there is something, hangs. */
const HANGING_MS = 15_000;
const WATCH_EVERY_MS = 250;
/** How old a worker's report becomes when little is sent to it, and nothing can fill its memory. */
const REPORT_EVERY_MS = 1_000;
/** So much sent to a worker, and it is asked when it is looked at next. */
const MUCH_BYTES = 1024 * 1024;
/** From the last word to SIGKILL. */
const LEAVE_MS = 2_000;

/** A worker as operators see it. */
export interface WorkerState {
  /** 1 and up. */
  readonly worker: number;
  /** Null: it has died and is started again. */
  readonly processId: number | null;
  readonly isListening: boolean;
  /** That the broker knows of. */
  readonly connections: number;
  /** As of the last second; null: it has told nothing yet. */
  readonly report: WorkerReport | null;
}

interface Slot {
  readonly number: number;
  readonly policy: RestartPolicy;
  process: WorkerProcess | null;
  restart: NodeJS.Timeout | null;
  /** Of its link, when it was last looked at, and since when that is so. */
  processedBytes: number;
  sinceMs: number;
  /** When it was asked last, and what had been sent to it by then. */
  askedMs: number;
  askedBytes: number;
}

export class WorkerPool implements LinkedWorkerOwner {
  readonly accept: AcceptConnection;
  readonly framings: Readonly<Record<string, Framing>>;
  readonly #parts: WorkerPoolParts;
  readonly #slots: readonly Slot[];
  #directory = '';
  #options: object = {};
  #opening: { resolve(addresses: readonly ListenAddress[]): void; reject(error: Error): void } | null = null;
  #isEnding = false;
  #stopWatching: () => void = () => undefined;
  /** As it was told last. */
  #shortage: string | null = null;

  constructor(parts: WorkerPoolParts) {
    this.#parts = parts;
    this.accept = parts.accept;
    this.framings = parts.framings;
    this.#slots = Array.from({ length: parts.workers }, (_, index) => ({
      number: index + 1,
      policy: new RestartPolicy(),
      process: null,
      restart: null,
      processedBytes: 0,
      sinceMs: 0,
      askedMs: 0,
      askedBytes: 0,
    }));
  }

  /** Those that run now. */
  get pids(): readonly number[] {
    return this.#slots.flatMap(({ process }) => (process?.pid === undefined ? [] : [process.pid]));
  }

  /** All of them, whether they run or not. */
  get states(): readonly WorkerState[] {
    return this.#slots.map(({ number, process }) => ({
      worker: number,
      processId: process?.pid ?? null,
      isListening: process?.isReady === true,
      connections: process?.link.connectionCount ?? 0,
      report: process?.report ?? null,
    }));
  }

  /** Has all of them collect garbage. */
  collect(): void {
    for (const { process } of this.#slots) if (process?.isReady === true) process.link.ask(true);
  }

  /**
   * Starts every worker; resolves when all of them listen. After a failure none runs.
   * @throws Error of one line, as the worker told it
   */
  async open(): Promise<readonly ListenAddress[]> {
    if (!cluster.isPrimary)
      throw new Error('workers: this process is a worker of node:cluster and cannot have any itself');
    this.#options = await this.#parts.prepareOptions();
    this.#directory = mkdtempSync(path.join(tmpdir(), 'hoofbeat-workers-'));
    const opened = new Promise<readonly ListenAddress[]>((resolve, reject) => (this.#opening = { resolve, reject }));
    for (const slot of this.#slots) this.#start(slot);
    this.#stopWatching = this.#parts.clock.every(WATCH_EVERY_MS, () => {
      this.#watch();
    });
    try {
      return await opened;
    } catch (error) {
      await this.close();
      throw error;
    } finally {
      this.#opening = null;
    }
  }

  stopAccepting(): Promise<void> {
    this.#isEnding = true;
    for (const { process, restart } of this.#slots) {
      process?.link.stopAccepting();
      if (restart !== null) clearTimeout(restart);
    }
    return Promise.resolve();
  }

  /** Ends what is left of connections, and every process. */
  async close(): Promise<void> {
    await this.stopAccepting();
    this.#stopWatching();
    await Promise.all(this.#slots.flatMap(({ process }) => (process === null ? [] : [end(process)])));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  // ——— What links tell ———

  onReady(link: LinkedWorker, addresses: readonly ListenAddress[]): void {
    const process = this.#processOf(link);
    if (process === null) return;
    process.isReady = true;
    this.#parts.logger.debug({ worker: process.slot, pid: process.pid }, 'worker listens');
    if (this.#slots.every((slot) => slot.process?.isReady === true)) this.#opening?.resolve(addresses);
  }

  onReport(link: LinkedWorker, report: WorkerReport): void {
    const process = this.#processOf(link);
    if (process === null) return;
    process.report = report;
    this.#tellShortage();
  }

  onFailed(link: LinkedWorker, text: string): void {
    if (this.#opening !== null) this.#opening.reject(new Error(text));
    else this.#parts.logger.error({ worker: this.#processOf(link)?.slot }, text);
  }

  /** While one worker cannot follow, nobody's frames are taken on, as in one process that is busy (DESIGN.md, 4). */
  onCongestion(): void {
    const isHolding = this.#slots.some(({ process }) => process?.link.isCongested === true);
    for (const { process } of this.#slots) {
      if (isHolding) process?.link.hold();
      else process?.link.release();
    }
  }

  onLinkEnd(link: LinkedWorker): void {
    this.onCongestion();
    // Without its link it is of no use to anybody.
    this.#processOf(link)?.kill();
  }

  // ——— Processes ———

  #start(slot: Slot): void {
    const { program, clock, workers, tellEveryBytes, logger } = this.#parts;
    slot.restart = null;
    const nowMs = clock.nowMs();
    slot.sinceMs = nowMs;
    slot.processedBytes = 0;
    slot.askedMs = 0;
    slot.askedBytes = 0;
    const process = new WorkerProcess(slot.number, program, nowMs, this);
    slot.process = process;
    process.link.setUp({
      worker: slot.number,
      workers,
      directory: this.#directory,
      tellEveryBytes,
      options: this.#options,
    });
    if (this.#slots.some((other) => other.process?.link.isCongested === true)) process.link.hold();
    process.exited.then(
      (how) => {
        this.#exited(slot, process, how);
      },
      () => undefined,
    );
    logger.debug({ worker: slot.number, pid: process.pid }, 'worker started');
  }

  #exited(slot: Slot, process: WorkerProcess, how: string): void {
    slot.process = null;
    process.link.destroy();
    this.#tellShortage();
    if (this.#opening !== null) {
      this.#opening.reject(new Error(`worker ${slot.number} ${how} before it listened`));
      return;
    }
    if (this.#isEnding) return;
    const { clock, logger, onHopeless } = this.#parts;
    const delayMs = slot.policy.delayAfter(clock.nowMs() - process.startedMs);
    const { lostConnections } = process.link;
    logger.error({ worker: slot.number, pid: process.pid, lostConnections, restartInMs: delayMs }, `worker ${how}`);
    if (delayMs === null) {
      this.#isEnding = true;
      onHopeless(`worker ${slot.number} has died ${MAX_YOUNG_DEATHS} times, each time soon after its start`);
      return;
    }
    slot.restart = setTimeout(() => {
      if (!this.#isEnding) this.#start(slot);
    }, delayMs);
  }

  #processOf(link: LinkedWorker): WorkerProcess | null {
    return this.#slots.find(({ process }) => process?.link === link)?.process ?? null;
  }

  /** Of one of them is enough: whoever connects may come to that one. */
  #tellShortage(): void {
    const short = this.#slots.flatMap(({ number, process }) => {
      const shortage = process?.report?.shortage ?? null;
      return shortage === null ? [] : [`worker ${number}: ${shortage}`];
    });
    const shortage = short.length === 0 ? null : short.join('; ');
    if (shortage === this.#shortage) return;
    this.#shortage = shortage;
    this.#parts.onShortage(shortage);
  }

  /** Whoever hangs is ended, since everybody waits for it. */
  #watch(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const slot of this.#slots) {
      const { process } = slot;
      if (process === null) continue;
      const { processedBytes, sentBytes } = process.link;
      if (processedBytes === sentBytes || processedBytes !== slot.processedBytes) {
        slot.processedBytes = processedBytes;
        slot.sinceMs = nowMs;
      }
      if (process.isReady && (sentBytes - slot.askedBytes >= MUCH_BYTES || nowMs - slot.askedMs >= REPORT_EVERY_MS)) {
        process.link.ask(false);
        slot.askedMs = nowMs;
        slot.askedBytes = sentBytes;
      }
      const isLate = nowMs - slot.sinceMs > (process.isReady ? HANGING_MS : START_MS);
      if (!isLate && (process.isReady || nowMs - process.startedMs < START_MS)) continue;
      const what = process.isReady ? 'worker hangs and is ended' : 'worker does not start and is ended';
      this.#parts.logger.error({ worker: slot.number, pid: process.pid }, what);
      slot.sinceMs = nowMs;
      process.kill();
    }
  }
}

async function end(process: WorkerProcess): Promise<void> {
  process.link.leave();
  const timer = setTimeout(() => {
    process.kill();
  }, LEAVE_MS);
  await process.exited;
  clearTimeout(timer);
}
