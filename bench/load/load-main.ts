/** The load process: one task at a time, told by its parent through load-process.ts. */
import { ChurnLoad } from './churn-load.js';
import { CrossLoad } from './cross-load.js';
import { FanOutLoad } from './fan-out-load.js';
import { IdleLoad } from './idle-load.js';
import { LatencyLoad } from './latency-load.js';
import { QueueLoad } from './queue-load.js';
import { UsersLoad } from './users-load.js';
import { WindowLoad } from './window-load.js';
import type { LoadReply, LoadRequest, LoadTask, OpenTask } from './load-task.js';

/** Those of Redis are loaded when they are wanted: a load without them is to be as light as it can. */
const TASKS: Readonly<Record<string, OpenTask>> = {
  churn: (target, settings) => ChurnLoad.open(target, settings),
  idle: (target, settings) => IdleLoad.open(target, settings),
  cross: (target, settings) => CrossLoad.open(target, settings),
  'fan-out': (target, settings) => FanOutLoad.open(target, settings),
  pairs: (target, settings) => WindowLoad.openPairs(target, settings),
  latency: (target, settings) => LatencyLoad.open(target, settings),
  queue: (target, settings) => QueueLoad.open(target, settings),
  requests: (target, settings) => WindowLoad.openRequests(target, settings),
  'redis-publish': async (target, settings) =>
    (await import('./redis-publisher.js')).RedisPublisher.open(target, settings),
  'redis-subscribe': async (target, settings) =>
    (await import('./redis-subscriber.js')).RedisSubscriber.open(target, settings),
  users: (target, settings) => UsersLoad.open(target, settings),
};

let task: LoadTask | null = null;

async function answer(request: LoadRequest): Promise<LoadReply> {
  if (request.kind === 'open') {
    const open = TASKS[request.task];
    if (open === undefined) throw new Error(`no load is called ${request.task}`);
    task = await open(request.target, request.settings);
    return {};
  }
  if (request.kind === 'close') {
    task?.close();
    task = null;
    return {};
  }
  if (task === null) throw new Error('no task is open');
  const before = process.cpuUsage();
  const round = await task.round(request.settings);
  const { user, system } = process.cpuUsage(before);
  return { round, cpuMicros: user + system };
}

const tell = (error: unknown): void => {
  process.send?.({ error: error instanceof Error ? error.message : String(error) } satisfies LoadReply);
};

process.on('message', (request: LoadRequest) => {
  answer(request).then((reply) => process.send?.(reply), tell);
});
// A connection that ends when nobody asked it to.
process.on('uncaughtException', tell);
process.on('disconnect', () => process.exit(0));
