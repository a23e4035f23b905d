/**
 * The process that is attacked: whole servers on free ports, started on request, and what its event loop and its memory
 * went through. A process of its own, so that the attackers' work does not count as a stall.
 */
import { openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ServerOptions } from '../../adapters/index.js';
import { startTestServer, type TestServer } from '../helpers/server.js';

export type Order =
  | { readonly is: 'start'; readonly options: ServerOptions }
  | { readonly is: 'stop'; readonly server: number }
  | { readonly is: 'stats'; readonly server: number }
  | { readonly is: 'watch' }
  | { readonly is: 'seen' };

export interface Started {
  readonly server: number;
  readonly tcpPort: number;
  readonly httpPort: number;
  /** 0 when it is off. */
  readonly adminPort: number;
}

export interface Seen {
  /** The longest time that the event loop was late since `watch`, in ms. */
  readonly stallMs: number;
  /** The longest time that it worked before it came round: the same without what other processes took of the machine. */
  readonly busyMs: number;
  /** Resident memory: at `watch`, and now. */
  readonly rssBeforeBytes: number;
  readonly rssBytes: number;
}

const RESOLUTION_MS = 5;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();
/** What the kernel says of this thread: the first number is its time on a processor, in ns. */
const schedstat = process.platform === 'linux' ? openSync('/proc/thread-self/schedstat', 'r') : null;
const text = Buffer.alloc(64);
let lastBusyMs = busySoFarMs();
let longestBusyMs = 0;

function busySoFarMs(): number {
  if (schedstat === null) return (process.cpuUsage().user + process.cpuUsage().system) / 1e3;
  return Number.parseInt(text.toString('latin1', 0, readSync(schedstat, text, 0, text.length, 0)), 10) / 1e6;
}

function look(): void {
  const nowMs = busySoFarMs();
  longestBusyMs = Math.max(longestBusyMs, nowMs - lastBusyMs);
  lastBusyMs = nowMs;
}

setInterval(look, RESOLUTION_MS);
const servers = new Map<number, TestServer>();
let lastServer = 0;
let rssBeforeBytes = 0;

async function obey(order: Order): Promise<unknown> {
  switch (order.is) {
    case 'start': {
      const started = await startTestServer({ workers: 1, ...order.options });
      servers.set(++lastServer, started);
      const adminPort = started.server.addresses.find(({ isAdmin }) => isAdmin === true)?.port ?? 0;
      const { tcpPort, httpPort } = started;
      return { server: lastServer, tcpPort, httpPort, adminPort } satisfies Started;
    }
    case 'stop':
      await servers.get(order.server)?.stop();
      servers.delete(order.server);
      return null;
    case 'stats':
      return servers.get(order.server)?.server.broker.stats();
    case 'watch':
      rssBeforeBytes = process.memoryUsage.rss();
      look();
      longestBusyMs = 0;
      delay.reset();
      return null;
    case 'seen': {
      // The interval itself is no delay. Without a sample (all within one interval) the maximum is 0.
      const stallMs = Math.max(0, delay.max / 1e6 - RESOLUTION_MS);
      look();
      return { stallMs, busyMs: longestBusyMs, rssBeforeBytes, rssBytes: process.memoryUsage.rss() } satisfies Seen;
    }
  }
}

process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? (error.stack ?? '') : String(error) }),
  );
});
process.on('disconnect', () => {
  process.exit(0);
});
