/**
 * What the broker tells of itself, by STOMP: counters of all nodes and events. While that way is closed (the server drains,
 * or is full) the counters of this node come from the admin API.
 */
import type { Client } from '@stomp/stompjs';
import { actor, ask, token } from './api.js';
import type { Stats } from './api-types.js';
import type { BrokerEvent, Counters, NodeStats } from './feed-types.js';
import { NodeRates, Points } from './samples.js';
import { stompClient } from './sockjs.js';
import { State } from './state.js';

export const PROCESS_NAMES = ['rssBytes', 'heapBytes', 'workersBytes', 'outboxBytes', 'delayMs', 'cpuPercent'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];

/** What is drawn; `tick` changes with each point. */
export interface Live {
  readonly rates: NodeRates;
  readonly process: Points<ProcessName>;
  readonly stats: Stats | null;
  /** Of one processor, by number of the worker. */
  readonly workerPercents: ReadonlyMap<number, number>;
  readonly events: readonly BrokerEvent[];
  readonly tick: number;
}

export type FeedState = 'connecting' | 'live' | 'polling';

export const feedState = new State<FeedState>('connecting');
export const live = new State<Live>(nothing());

const POLL_EVERY_MS = 2_000;
const RECONNECT_MS = 1_000;
const HEART_BEAT_MS = 10_000;
const MAX_EVENTS = 100;
/** This node, as long as nobody has told its name. */
const THIS_NODE = 'this node';

let client: Client | null = null;
let timer = 0;
let cpu: CpuTime | null = null;
/** By number of the worker. */
let workerCpus: ReadonlyMap<number, CpuTime> = new Map();

interface CpuTime {
  readonly processId: number;
  readonly ms: number;
  readonly atMs: number;
}

actor.subscribe(() => {
  if (actor.value === null) stop();
  else start();
});

function nothing(): Live {
  return {
    rates: new NodeRates(),
    process: new Points(PROCESS_NAMES),
    stats: null,
    workerPercents: new Map(),
    events: [],
    tick: 0,
  };
}

function start(): void {
  stop();
  live.value = nothing();
  feedState.value = 'connecting';
  client = stompClient('live', {
    connectHeaders: { 'admin-token': token() ?? '', 'client-id': `console-${crypto.randomUUID().slice(0, 8)}` },
    reconnectDelay: RECONNECT_MS,
    heartbeatIncoming: HEART_BEAT_MS,
    heartbeatOutgoing: HEART_BEAT_MS,
    onConnect: () => {
      feedState.value = 'live';
      live.value.rates.forget(THIS_NODE);
      client?.subscribe('/topic/$broker/stats', ({ body }) => {
        onStats(JSON.parse(body) as NodeStats);
      });
      client?.subscribe('/topic/$broker/events', ({ body }) => {
        onEvent(JSON.parse(body) as BrokerEvent);
      });
    },
    onWebSocketClose: () => {
      if (client !== null) feedState.value = 'polling';
    },
  });
  client.activate();
  void poll();
}

function stop(): void {
  clearTimeout(timer);
  const ending = client;
  client = null;
  void ending?.deactivate();
  cpu = null;
  workerCpus = new Map();
}

function onStats(stats: NodeStats): void {
  live.value.rates.add(stats.node, stats.time, stats);
  show({});
}

function onEvent(event: BrokerEvent): void {
  if (event.type === 'node-left' && event.peer !== undefined) live.value.rates.forget(event.peer);
  show({ events: [event, ...live.value.events].slice(0, MAX_EVENTS) });
}

function show(changed: Partial<Live>): void {
  live.value = { ...live.value, ...changed, tick: live.value.tick + 1 };
}

async function poll(): Promise<void> {
  const asker = client;
  try {
    if (!document.hidden || live.value.stats === null) {
      const stats = await ask<Stats & { readonly broker: Counters }>('GET', 'stats');
      if (asker !== client) return;
      onProcess(stats);
    }
  } catch {
    // The page says elsewhere that the server is away, or asks for another token.
  }
  if (asker === client && client !== null) timer = setTimeout(() => void poll(), POLL_EVERY_MS);
}

function onProcess(stats: Stats & { readonly broker: Counters }): void {
  const { server, outbox, broker } = stats;
  const nowMs = Date.now();
  const cpuNow = { processId: server.processId, ms: server.cpuMs, atMs: nowMs };
  const cpuPercent = percentOf(cpu, cpuNow) ?? 0;
  cpu = cpuNow;
  const workerPercents = new Map<number, number>();
  const cpusNow = new Map<number, CpuTime>();
  let workersBytes = 0;
  for (const { worker, processId, report } of server.workerProcesses) {
    if (processId === null || report === null) continue;
    workersBytes += report.residentBytes;
    const time = { processId, ms: report.cpuMs, atMs: nowMs };
    const percent = percentOf(workerCpus.get(worker), time);
    if (percent !== null) workerPercents.set(worker, percent);
    cpusNow.set(worker, time);
  }
  workerCpus = cpusNow;
  live.value.process.add(nowMs, {
    rssBytes: server.memory.rssBytes,
    heapBytes: server.memory.heapUsedBytes,
    workersBytes,
    outboxBytes: outbox.queuedBytes + outbox.transportBytes,
    delayMs: server.eventLoopDelay.recentP99Ms,
    cpuPercent,
  });
  if (feedState.value !== 'live') live.value.rates.add(THIS_NODE, nowMs, broker);
  show({ stats, workerPercents });
}

/** Of one processor; null: of that process nothing was known before. */
function percentOf(before: CpuTime | null | undefined, now: CpuTime): number | null {
  if (before?.processId !== now.processId) return null;
  return (Math.max(0, now.ms - before.ms) / Math.max(1, now.atMs - before.atMs)) * 100;
}
