/**
 * How many workers does one broker process feed? CPU of `hoofbeat serve` as one process, and with workers: of the broker's
 * process and of the workers, for each delivery, alternating in the same run. The broker's own share is the bound: 1 / it
 * is what the whole server can do, and workers ÷ broker is how many workers keep it busy.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { LoadProcess } from './load/load-process.js';
import type { LoadSettings } from './load/load-task.js';
import { describeMachine, printTable } from './measure.js';
import { median } from './report/statistics.js';
import { cpuMicrosOf, endWithParent, terminate } from './servers/broker-process.js';

const MAIN = path.resolve(import.meta.dirname, '../adapters/cli/main.js');
const WORKERS = 2;
const isQuick = process.argv.includes('--quick');
const ROUNDS = isQuick ? 3 : 5;
/** CPU time is known in steps of 10 ms: rounds that are long beside that. */
const ROUND_MS = isQuick ? 500 : 1_000;

interface Cpu {
  readonly broker: number;
  readonly workers: number;
}

class Server {
  readonly #pid: number;
  readonly #workers: readonly number[];
  readonly #stop: () => Promise<void>;
  readonly #load = LoadProcess.start();
  readonly #port: number;
  #isOpen = false;

  private constructor(pid: number, workers: readonly number[], port: number, stop: () => Promise<void>) {
    this.#pid = pid;
    this.#workers = workers;
    this.#port = port;
    this.#stop = stop;
  }

  static async start(workers: number): Promise<Server> {
    const ports = ['--http-port', '0', '--tcp-port', '0'];
    const flags = [...ports, '--memory', '--log-level', 'error', '--json', '--workers', String(workers)];
    const child = spawn(process.execPath, [MAIN, 'serve', ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
    endWithParent(child);
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const { pid, addresses } = JSON.parse(line.toString()) as {
      pid: number;
      addresses: { transport: string; port: number }[];
    };
    const port = addresses.find(({ transport }) => transport === 'http')?.port ?? 0;
    return new Server(pid, childrenOf(pid), port, () => terminate(child));
  }

  async open(task: string, settings: LoadSettings): Promise<void> {
    if (this.#isOpen) await this.#load.close();
    this.#isOpen = true;
    const target = { protocol: 'stomp-websocket', port: this.#port, path: '/ws', hasReceipts: true } as const;
    await this.#load.open(task, target, settings);
  }

  /** CPU µs for each delivery. */
  async round(settings: LoadSettings): Promise<Cpu> {
    const before = this.#cpu();
    const { operations } = await this.#load.round({ durationMs: ROUND_MS, ...settings });
    const after = this.#cpu();
    return {
      broker: (after.broker - before.broker) / operations,
      workers: (after.workers - before.workers) / operations,
    };
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    await this.#stop();
  }

  #cpu(): Cpu {
    return {
      broker: cpuMicrosOf(this.#pid),
      workers: this.#workers.reduce((sum, pid) => sum + cpuMicrosOf(pid), 0),
    };
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        const stat = readFileSync(`/proc/${child}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        // It ended while we looked.
        return false;
      }
    });
}

interface Point {
  readonly label: string;
  readonly task: string;
  readonly clients: LoadSettings;
  readonly round: LoadSettings;
}

const fanOut = (subscribers: number, batch: number, bodyBytes: number): Point => ({
  label: `fan-out 1 → ${subscribers}, ${bodyBytes} B, B = ${batch}`,
  task: 'fan-out',
  clients: { subscribers },
  round: { batch, bodyBytes },
});
const pairs = (count: number, window: number): Point => ({
  label: `${count} pairs, 128 B, ${window} in flight`,
  task: 'pairs',
  clients: { pairs: count },
  round: { window, bodyBytes: 128 },
});

const POINTS = [
  ...[128, 1_024].flatMap((bodyBytes) => [1, 16].map((batch) => fanOut(100, batch, bodyBytes))),
  ...(isQuick ? [] : [fanOut(1_000, 1, 128), fanOut(1_000, 16, 128)]),
  pairs(50, 1),
  pairs(50, 16),
];

console.log(
  `CPU µs for each delivery over WebSocket, one process beside a broker with ${WORKERS} workers; ${describeMachine()}; medians of ${ROUNDS} rounds\n`,
);
const [alone, spread] = [await Server.start(1), await Server.start(WORKERS)];
const rows: string[][] = [];
for (const { label, task, clients, round } of POINTS) {
  const ones: number[] = [];
  const brokers: number[] = [];
  const workers: number[] = [];
  for (const server of [alone, spread]) {
    await server.open(task, clients);
    await server.round(round);
  }
  for (let k = 0; k < ROUNDS; k++) {
    ones.push((await alone.round(round)).broker);
    const cpu = await spread.round(round);
    brokers.push(cpu.broker);
    workers.push(cpu.workers);
  }
  const share = median(workers.map((value, k) => value / (brokers[k] ?? NaN)));
  const bound = median(ones.map((value, k) => value / (brokers[k] ?? NaN)));
  rows.push([
    label,
    ...[ones, brokers, workers].map((list) => median(list).toFixed(2)),
    share.toFixed(1),
    `${bound.toFixed(1)} ×`,
  ]);
}
for (const server of [alone, spread]) await server.stop();
printTable(['load', 'one process', 'broker', 'workers', 'workers it feeds', 'bound, to one process'], rows);
