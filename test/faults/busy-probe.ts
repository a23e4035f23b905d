/**
 * Loaded into a real `hoofbeat serve` (`node --import`): the longest time on a processor between two ticks of its event loop,
 * told on SIGUSR2 as a line of JSON in the file HOOFBEAT_PROBE; then counted anew.
 */
import { openSync, readSync, writeFileSync } from 'node:fs';

export interface Probed {
  /** The longest time that the event loop worked before it came round. */
  readonly busyMs: number;
  /** User and system, since the process began. */
  readonly cpuMs: number;
  readonly rssMiB: number;
}

const RESOLUTION_MS = 5;
const file = process.env['HOOFBEAT_PROBE'];
const schedstat = process.platform === 'linux' ? openSync('/proc/thread-self/schedstat', 'r') : null;
const text = Buffer.alloc(64);
let lastMs = 0;
let busyMs = 0;

function soFarMs(): number {
  const { user, system } = process.cpuUsage();
  if (schedstat === null) return (user + system) / 1e3;
  return Number.parseInt(text.toString('latin1', 0, readSync(schedstat, text, 0, text.length, 0)), 10) / 1e6;
}

function look(): void {
  const nowMs = soFarMs();
  busyMs = Math.max(busyMs, nowMs - lastMs);
  lastMs = nowMs;
}

if (file !== undefined) {
  setInterval(look, RESOLUTION_MS).unref();
  process.on('SIGUSR2', () => {
    look();
    const { user, system } = process.cpuUsage();
    const probed: Probed = { busyMs, cpuMs: (user + system) / 1e3, rssMiB: process.memoryUsage.rss() / 2 ** 20 };
    writeFileSync(file, JSON.stringify(probed));
    busyMs = 0;
  });
}
