/**
 * Two nodes over one Redis, drained under load one after the other, as a deploy does: everybody finds the other node, nothing
 * that was confirmed is lost and no history has a gap. 60 clients and one node here; thousands and both nodes in
 * `npm run hardening`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { requireProgram } from '../helpers/programs.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { loadOfMachine, missing, tell } from './crowd-outcome.js';
import { Crowd, type CrowdOrder } from './crowd.js';
import { IS_LONG, recordFault } from './fault-record.js';
import { ROLLING_AUTH, ROLLING_BROKER, RollingLoad } from './rolling-load.js';
import { type Ports, Served } from './served.js';

const CLIENTS = IS_LONG ? Number(process.env['HOOFBEAT_ROLLING_CLIENTS'] ?? 4_000) : 60;
/** stompjs waits five seconds and then again; a short test cannot. */
const RECONNECT = IS_LONG
  ? { reconnectDelayMs: 5_000, maxReconnectDelayMs: 0 }
  : { reconnectDelayMs: 100, maxReconnectDelayMs: 400 };
const SEND_EVERY_MS = IS_LONG ? 20_000 : 1_000;
/** Of load before each signal. */
const LOAD_MS = IS_LONG ? 5_000 : 300;

class Node {
  readonly #t: Test;
  readonly #directory: string;
  readonly #options: ServerOptions;
  server: Served;

  private constructor(t: Test, directory: string, options: ServerOptions, server: Served) {
    this.#t = t;
    this.#directory = directory;
    this.#options = options;
    this.server = server;
  }

  static async start(t: Test, redis: RedisProcess): Promise<Node> {
    const directory = temporaryDirectory(t);
    const shutdown = IS_LONG ? { deadlineMs: 60_000 } : { deadlineMs: 60_000, settleMs: 300, sessionsPerSecond: 200 };
    const options = {
      data: false,
      relay: { type: 'redis', url: redis.url },
      auth: ROLLING_AUTH,
      broker: { ...ROLLING_BROKER, shutdown },
    } as const;
    const server = await Served.start(t, directory, { ...options, tcp: { port: 0 }, http: { port: 0 } });
    return new Node(t, directory, options, server);
  }

  get ports(): Ports {
    return this.server.ports;
  }

  /** SIGTERM, and a new process on the same ports. @returns how long it took to go, in ms */
  async roll(): Promise<number> {
    const drainMs = await this.server.stop();
    const { tcp, http } = this.ports;
    const options = { ...this.#options, tcp: { port: tcp }, http: { port: http } };
    this.server = await Served.start(this.#t, this.#directory, options);
    return drainMs;
  }
}

async function gatherCrowds(t: Test, nodes: readonly Node[]): Promise<readonly Crowd[]> {
  const over = (kind: 'tcp' | 'http'): readonly number[] => nodes.map(({ ports }) => ports[kind]);
  const common = { ...RECONNECT, sendEveryMs: SEND_EVERY_MS };
  const webSockets = { ...common, over: 'websocket', ports: over('http') } as const;
  const orders: CrowdOrder[] = IS_LONG
    ? [
        { ...webSockets, name: 'a', count: CLIENTS / 4 },
        { ...webSockets, name: 'b', count: CLIENTS / 4 },
        { ...common, over: 'tcp', ports: over('tcp'), name: 'c', count: CLIENTS / 2 },
      ]
    : [{ ...webSockets, name: 'a', count: CLIENTS }];
  const crowds: Crowd[] = [];
  for (const order of orders) crowds.push(await Crowd.gather(t, order));
  return crowds;
}

t.test(`${CLIENTS} clients on two nodes that are drained under load`, async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  t.setTimeout(600_000);
  const redis = await RedisProcess.start(t);
  const nodes = await Promise.all([Node.start(t, redis), Node.start(t, redis)]);
  const tcpPorts = nodes.map(({ ports }) => ports.tcp);
  const { reconnectDelayMs } = RECONNECT;
  const load = new RollingLoad({ ports: tcpPorts, reconnectDelayMs, everyMs: IS_LONG ? 50 : 20 });
  const crowds = await gatherCrowds(t, nodes);
  await load.start();
  const drains: number[] = [];
  for (const node of IS_LONG ? nodes : nodes.slice(0, 1)) {
    await delay(LOAD_MS);
    drains.push(await node.roll());
    await Promise.all(crowds.map((crowd) => crowd.complete()));
  }
  for (const crowd of crowds) crowd.quiet();
  await load.settle();
  const reports = await Promise.all(crowds.map((crowd) => crowd.report()));
  const confirmed = new Set(reports.flatMap((report) => report.confirmed));
  t.strictSame(await missing(tcpPorts[0] ?? 0, confirmed), [], 'nothing of the crowd that was confirmed is lost');
  t.strictSame(load.violations().slice(0, 5), []);
  t.strictSame(reports.flatMap(({ errors }) => errors).slice(0, 5), [], 'nobody gets an ERROR for it');
  const isBack = reports.reduce((sum, { connected }) => sum + connected, 0);
  t.equal(isBack, CLIENTS);
  const lost = new Set(reports.flatMap((report) => Object.keys(report.losses)));
  t.strictSame(lost, new Set(['1001 Server is going away', ...(IS_LONG ? ['closed'] : [])]));
  t.equal(load.resumed.unrecovered, 0);
  t.ok(load.resumed.recovered > 0 && load.confirmed > 0 && confirmed.size > 0);
  await Promise.all(nodes.map(({ server }) => server.stop()));

  const { losses, back } = tell(reports);
  const outcome = [
    `${isBack} of ${CLIENTS} on some node at the end (${losses})`,
    back,
    `drained in ${drains.map((ms) => `${(ms / 1e3).toFixed(1)} s`).join(' and ')}`,
    `${confirmed.size + load.confirmed} confirmed messages of queues, durable subscriptions, a history and inboxes, nothing lost`,
    `${load.resumed.recovered} histories resumed on the other node, no gap`,
    loadOfMachine(),
  ].join('; ');
  t.comment(outcome);
  const fault = `${IS_LONG ? 'rolling: two nodes, one after the other' : 'one of two nodes'}, ${CLIENTS} clients, one Redis`;
  recordFault({ group: 'Drain', fault, defence: 'broker.shutdown, relay: redis', outcome });
});
