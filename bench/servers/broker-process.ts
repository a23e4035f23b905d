/** A broker under measurement as its users run it: a child process known by its PID, watched from outside through /proc. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

export interface BrokerProcess {
  readonly name: string;
  /** STOMP over TCP, on loopback. */
  readonly port: number;
  readonly pid: number;
  /** What was set beside its defaults. */
  readonly settings: string;
  /** Ends it in its orderly way. */
  stop(): Promise<void>;
}

/** Linux counts CPU time in these, whatever the kernel's own tick is (USER_HZ). */
const MICROS_PER_TICK = 10_000;

/** User and system time of a process so far, all threads, in µs (steps of 10 ms); NaN where there is no /proc. */
export function cpuMicrosOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK;
}

/** Of /proc/…/stat, from the state on; empty where there is none. */
function statFields(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program, in parentheses, may hold spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** The process and all that descend from it, by what /proc says now. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of existsSync('/proc') ? readdirSync('/proc') : []) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const parent = Number(statFields(pid)[1]);
    children.set(parent, [...(children.get(parent) ?? []), pid]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
}

/** Resident memory of a process and the most it ever was, in octets; NaN where there is no /proc. */
export function memoryOf(pid: number): { readonly rssBytes: number; readonly peakBytes: number } {
  const file = `/proc/${pid}/status`;
  const status = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const read = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
  return { rssBytes: read('VmRSS'), peakBytes: read('VmHWM') };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const running = new Set<ChildProcess>();

/** Whatever ends the bench, its children do not outlive it. */
export function endWithParent(child: ChildProcess): void {
  if (running.size === 0) {
    process.once('exit', () => {
      for (const left of running) left.kill('SIGKILL');
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  }
  running.add(child);
  child.once('exit', () => running.delete(child));
}

/** SIGTERM, and the end of it. */
export async function terminate(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
