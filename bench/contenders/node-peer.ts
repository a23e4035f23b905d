/** Peers that are programs of bench/servers: Node processes that tell their CPU time themselves, in µs rather than ticks. */
import { createRequire } from 'node:module';
import { memoryOf } from '../servers/broker-process.js';
import { ServerProcess } from '../servers/server-process.js';
import type { Peer, RunningPeer } from './peer.js';

const require = createRequire(import.meta.url);

export interface NodePeerOptions {
  readonly name: string;
  readonly description: string;
  /** File in bench/servers, without extension. */
  readonly module: string;
  /** Its command line. */
  readonly serverArguments?: readonly string[];
  /** npm package that it cannot do without. */
  readonly needs?: string;
}

export function nodePeer({ name, description, module, serverArguments = [], needs }: NodePeerOptions): Peer {
  return {
    name,
    description,
    missing: () => (needs === undefined || versionOf(needs) !== null ? null : `the package ${needs} is not installed`),
    start: async (_, nodeArguments) => runningPeer(await ServerProcess.start(module, serverArguments, nodeArguments)),
  };
}

export function runningPeer(server: ServerProcess): RunningPeer {
  return {
    ...server.ports,
    pid: server.pid,
    cpuMicros: () => server.cpuMicros(),
    collectGarbage: () => server.collectGarbage(),
    rssBytes: () => memoryOf(server.pid).rssBytes,
    stop: () => server.stop(),
  };
}

/** Of an installed npm package; null when it is not. */
export function versionOf(name: string): string | null {
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch {
    return null;
  }
}
