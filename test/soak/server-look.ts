/** What the soaked process holds, after a collection of garbage: octets, objects that must not be left over, listeners. */
import { EventEmitter } from 'node:events';
import { Server, Socket } from 'node:net';
import { queryObjects } from 'node:v8';
import { Message } from '../../broker/message.js';
import { Session } from '../../broker/session.js';
import { Subscription } from '../../broker/subscription.js';

export interface Memory {
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly rssBytes: number;
}

export interface Look {
  readonly memory: Memory;
  /** Objects that are alive, by their class: of those that were asked for, as each takes most of a second to count. */
  readonly objects: Readonly<Record<string, number>>;
  /** `process.getActiveResourcesInfo()`, counted. */
  readonly resources: Readonly<Record<string, number>>;
  /** Listeners by class of the emitter and event. */
  readonly listeners: Readonly<Record<string, number>>;
}

const timer = setTimeout(() => undefined, 0);
const Timeout = timer.constructor as new () => NodeJS.Timeout;
clearTimeout(timer);

const CLASSES = { Session, Subscription, Message, Socket, Timeout };

export type LookedFor = keyof typeof CLASSES;

/** Collections until the heap does not shrink any more: what finalizers and promises let go of goes in the next one. */
export async function collect(): Promise<Memory> {
  let heapBytes = Infinity;
  for (let round = 0; round < 6; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = process.memoryUsage().heapUsed;
    if (round > 1 && now > 0.999 * heapBytes) break;
    heapBytes = now;
  }
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external, rssBytes: rss };
}

export async function lookAround(classes: readonly LookedFor[]): Promise<Look> {
  const memory = await collect();
  const objects = Object.fromEntries(
    classes.map((name) => [name, Number(queryObjects(CLASSES[name] as new () => object))]),
  );
  return { memory, objects, resources: resourcesOf(), listeners: listenersOf() };
}

/** What keeps the process running, by kind. Immediates and timers that are due at any moment are left out. */
export function resourcesOf(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo().sort())
    if (name !== 'Immediate') counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Of the process and of everything that listens; sockets come and go, and are counted as objects. */
function listenersOf(): Record<string, number> {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles();
  const servers = handles.filter((handle) => handle instanceof Server);
  const others = handles.filter((handle) => handle instanceof EventEmitter && !(handle instanceof Socket));
  const counts: Record<string, number> = {};
  for (const emitter of new Set<EventEmitter>([process, ...servers, ...(others as EventEmitter[])])) {
    for (const event of emitter.eventNames()) {
      const name = `${emitter === process ? 'process' : emitter.constructor.name}.${String(event)}`;
      counts[name] = (counts[name] ?? 0) + emitter.listenerCount(event);
    }
  }
  return counts;
}
