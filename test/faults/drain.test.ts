/**
 * SIGTERM under load, and a new process on the same ports and data, as a supervisor would: everybody comes back, nothing that
 * was confirmed is lost. 200 clients here, 5,000 in `npm run hardening`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../adapters/index.js';
import { LoadClient } from '../crash/load-client.js';
import { SERVER_OPTIONS } from '../crash/workload.js';
import { temporaryDirectory } from '../helpers/cli.js';
import { CheckedLoad } from './checked-load.js';
import { loadOfMachine, missing, tell } from './crowd-outcome.js';
import { Crowd, type CrowdOrder } from './crowd.js';
import { IS_LONG, recordFault } from './fault-record.js';
import { type Ports, Served } from './served.js';

const CLIENTS = IS_LONG ? 5_000 : 200;
/** stompjs waits five seconds and then again; a short test cannot. */
const RECONNECT = IS_LONG
  ? { reconnectDelayMs: 5_000, maxReconnectDelayMs: 0 }
  : { reconnectDelayMs: 200, maxReconnectDelayMs: 800 };
const SEND_EVERY_MS = IS_LONG ? 20_000 : 1_000;
/** Of load before the signal, and behind it. */
const LOAD_MS = IS_LONG ? 10_000 : 300;
const MESSAGES = IS_LONG ? 100_000 : 2_000;

function optionsFor({ tcp, http }: Pick<Ports, 'tcp' | 'http'>): ServerOptions {
  // Nobody is cut because the machine is busy: each is to be seen to go in its own way.
  const patience = { deadlineMs: 120_000 };
  const shutdown = IS_LONG ? patience : { ...patience, settleMs: 300, sessionsPerSecond: 400 };
  return {
    ...SERVER_OPTIONS,
    tcp: { port: tcp },
    http: { port: http },
    broker: { ...SERVER_OPTIONS.broker, shutdown },
  };
}

async function gatherCrowds(t: Test, { tcp, http }: Ports): Promise<readonly Crowd[]> {
  const common = { ...RECONNECT, sendEveryMs: SEND_EVERY_MS };
  // In the long run the light clients of one process are as many as the real ones of two.
  const orders: CrowdOrder[] = [
    ...['a', 'b'].slice(0, IS_LONG ? 2 : 1).map((name) => ({ over: 'websocket' as const, ports: [http], name })),
    { over: 'tcp' as const, ports: [tcp], name: 'c' },
  ].map((order, _, all) => ({
    ...common,
    ...order,
    count: order.over === 'tcp' ? CLIENTS / 2 : CLIENTS / 2 / (all.length - 1),
  }));
  const crowds: Crowd[] = [];
  for (const order of orders) crowds.push(await Crowd.gather(t, order));
  return crowds;
}

/** A topic that everybody hears, meanwhile. @returns ends it */
function broadcast(port: number): () => void {
  let client: LoadClient | null = null;
  const timer = setInterval(() => {
    client?.send('SEND', { destination: '/topic/crowd' }, Buffer.from('news'));
  }, 500);
  const open = async (): Promise<void> => {
    client = await LoadClient.open(port, { onFault: () => undefined, onEnd: () => (client = null) });
  };
  void open();
  return () => {
    clearInterval(timer);
    client?.destroy();
  };
}

t.test(`SIGTERM with ${CLIENTS} clients under load`, async (t) => {
  t.setTimeout(600_000);
  const directory = temporaryDirectory(t);
  const load = new CheckedLoad('drain');
  const first = await Served.start(t, directory, optionsFor({ tcp: 0, http: 0 }));
  const { ports } = first;
  await load.subscribe(ports.tcp);
  const crowds = await gatherCrowds(t, ports);
  const endNews = broadcast(ports.tcp);
  load.start(ports.tcp, MESSAGES);
  await delay(LOAD_MS);
  await first.probed();

  const [drainMs] = await Promise.all([first.stop(), load.ended()]);
  endNews();
  const downAtMs = performance.now();
  const second = await Served.start(t, directory, optionsFor(ports));
  const startMs = performance.now() - downAtMs;
  // What loading its modules took is not the crowd's doing.
  await second.probed();
  if (IS_LONG) load.start(ports.tcp, MESSAGES);
  await Promise.all(crowds.map((crowd) => crowd.complete()));
  const allBackMs = performance.now() - downAtMs + drainMs;
  const storm = await second.probed();
  const last = IS_LONG ? await restartAgain(t, second) : second;
  await load.empty(ports.tcp);
  for (const crowd of crowds) crowd.quiet();
  const reports = await Promise.all(crowds.map((crowd) => crowd.report()));
  const confirmed = new Set(reports.flatMap((report) => report.confirmed));
  t.strictSame(await missing(ports.tcp, confirmed), [], 'nothing of the crowd that was confirmed is lost');
  t.strictSame(load.violations().slice(0, 5), []);
  t.strictSame(reports.flatMap(({ errors }) => errors).slice(0, 5), [], 'nobody gets an ERROR for it');
  const isBack = reports.reduce((sum, { connected }) => sum + connected, 0);
  t.equal(isBack, CLIENTS);
  const lost = reports.flatMap((report) => Object.keys(report.losses));
  t.strictSame(new Set(lost), new Set(['1001 Server is going away', 'closed']));
  t.ok(load.count('confirmed') > 0 && confirmed.size > 0);
  await last.stop();

  async function restartAgain(t: Test, server: Served): Promise<Served> {
    await delay(LOAD_MS);
    await Promise.all([server.stop(), load.ended()]);
    const next = await Served.start(t, directory, optionsFor(ports));
    await Promise.all(crowds.map((crowd) => crowd.complete()));
    return next;
  }

  const { losses, back } = tell(reports);
  const seconds = (ms: number): string => `${(ms / 1e3).toFixed(1)} s`;
  const outcome = [
    `${isBack} of ${CLIENTS} back (${losses})`,
    back,
    `drain ${seconds(drainMs)}, start ${seconds(startMs)}, all back ${seconds(allBackMs)} after the signal`,
    `storm: event loop busy ${storm.busyMs.toFixed(0)} ms at most, ${seconds(storm.cpuMs)} CPU since the start`,
    `${confirmed.size + load.count('confirmed')} confirmed messages and ${load.count('committed')} transactions, nothing lost`,
    loadOfMachine(),
  ].join('; ');
  t.comment(outcome);
  const defence = 'broker.shutdown (broker/operations/drain.ts)';
  recordFault({ group: 'Drain', fault: `SIGTERM, ${CLIENTS} clients, SQLite`, defence, outcome });
});
