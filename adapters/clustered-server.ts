/** A server whose sockets are held by worker processes while its broker stays one: behind `hoofbeat serve --workers`. */
import { fileURLToPath } from 'node:url';
import type { Clock } from '../broker/ports.js';
import { OptionsError, type ResolvedServerOptions, type ServerOptions } from './config/index.js';
import { FRAMINGS } from './listener-composition.js';
import {
  ComposedServer,
  createStompServer,
  resolveFor,
  type StompServer,
  type StompServerPorts,
} from './stomp-server.js';
import { SystemClock } from './system-clock.js';
import { SystemMemory } from './system-memory.js';
import type { WorkerOptions } from './worker-main.js';
import { pickFreePort, PoolMemory, WorkerPool } from './workers/index.js';

const PROGRAM = fileURLToPath(new URL('./worker-main.js', import.meta.url));
/** A worker tells at the latest after so much how far it is: a small part of what it takes to fill a connection. */
const TELL_EVERY_BYTES = 64 * 1024;

/**
 * As createStompServer, with `workers` of the options; with 1 it is the very same.
 * @param onHopeless called once when workers die as soon as they are started: the server is to be stopped, and why, in one
 * line for people
 * @throws OptionsError naming every option that is wrong
 */
export function createClusteredServer(
  options: ServerOptions,
  ports: StompServerPorts,
  onHopeless: (text: string) => void,
): StompServer {
  const resolved = resolveFor(options, ports);
  if (resolved.workers === 1) return createStompServer({ ...options, workers: 1 }, ports);
  if (ports.gateways !== undefined && ports.gateways.length > 0) {
    throw new OptionsError([`workers: got ${resolved.workers}, wants 1 with gateways: they are where the broker is`]);
  }
  const clock: Clock = ports.clock ?? new SystemClock();
  let pool: WorkerPool | null = null;
  const memory = new PoolMemory({
    own: ports.memory ?? new SystemMemory(),
    workers: () => pool?.states ?? [],
    collect: () => pool?.collect(),
  });
  return new ComposedServer(
    resolved,
    { ...ports, memory },
    ({ accept, logger, report }) =>
      (pool = new WorkerPool({
        workers: resolved.workers,
        program: PROGRAM,
        prepareOptions: () => workerOptions(resolved),
        tellEveryBytes: Math.max(1, Math.min(TELL_EVERY_BYTES, resolved.broker.outbox.highWaterBytes / 2)),
        framings: FRAMINGS,
        accept,
        clock,
        logger,
        onShortage: report,
        onHopeless,
      })),
  );
}

/** What a worker needs of the options: no secret is among it. */
async function workerOptions({ http, tcp, log, admin, broker }: ResolvedServerOptions): Promise<WorkerOptions> {
  const { maxBodyBytes } = broker.limits.frame;
  return {
    http: http === false ? false : { ...http, port: await portOf(http) },
    tcp: tcp === false ? false : { ...tcp, port: await portOf(tcp) },
    log,
    watchesDelay: admin !== false,
    broker: { limits: { frame: { maxBodyBytes } } },
  };
}

async function portOf({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
  if (port !== 0) return port;
  try {
    return await pickFreePort(host);
  } catch {
    // A worker that tries the same finds the words for it.
    return port;
  }
}
