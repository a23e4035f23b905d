/** Nodes of one cluster, each a process: publishers at the first, subscribers at the others, or all of them at the last. */
import type { ProtocolName } from '../load/load-protocol.js';
import { LoadProcess } from '../load/load-process.js';
import type { LoadSettings } from '../load/load-task.js';
import type { Sample } from '../report/results.js';
import { type RedisServer, startRedis } from '../servers/redis-server.js';
import { ServerProcess } from '../servers/server-process.js';
import { CrossBed } from './cross-bed.js';
import { crossSample } from './cross-sample.js';

export interface NodeBedTerms {
  readonly name: string;
  readonly roundMs: number;
  /** File in bench/servers that takes `--redis=`. */
  readonly module: string;
  readonly protocol: ProtocolName;
  /** Of the HTTP upgrade. */
  readonly path?: string;
  readonly nodes: number;
  /** Of the nodes' command lines, e.g. `--cpu-prof`. */
  readonly nodeArguments?: readonly string[];
  /** Publishers are where the subscribers are. */
  readonly isSameNode?: boolean;
}

export class NodeBed extends CrossBed {
  readonly #terms: NodeBedTerms;
  readonly #nodes: readonly ServerProcess[];
  readonly #load = LoadProcess.start();
  #isOpen = false;

  private constructor(terms: NodeBedTerms, redis: RedisServer, nodes: readonly ServerProcess[]) {
    super({ ...terms, redis });
    this.#terms = terms;
    this.#nodes = nodes;
  }

  static async start(terms: NodeBedTerms): Promise<NodeBed> {
    const redis = await startRedis();
    const nodes = await Promise.all(
      Array.from({ length: terms.nodes }, () =>
        ServerProcess.start(terms.module, [`--redis=${redis.url}`], terms.nodeArguments),
      ),
    );
    return new NodeBed(terms, redis, nodes);
  }

  async stop(): Promise<void> {
    await this.#load.stop();
    for (const node of this.#nodes) await node.stop();
    await this.redis.stop();
  }

  protected async connect(settings: LoadSettings): Promise<void> {
    if (this.#isOpen) await this.#load.close();
    this.#isOpen = true;
    const { protocol, path = '/', isSameNode = false } = this.#terms;
    const [first = 0, ...others] = this.#nodes.map(({ ports }) =>
      protocol === 'stomp-tcp' ? ports.tcpPort : ports.httpPort,
    );
    const port = isSameNode ? (others.at(-1) ?? first) : first;
    const subscriberPorts = isSameNode ? [port] : others;
    const target = { protocol, port, subscriberPorts, path, hasReceipts: protocol !== 'socket.io' };
    await this.#load.open(String(settings['task']), target, settings);
  }

  protected async measure(settings: LoadSettings): Promise<Sample> {
    const before = await this.#cpu();
    const { operations, elapsedMs, loadCpuMicros, figures } = await this.#load.round(settings);
    const after = await this.#cpu();
    const [publishing = 0, ...receiving] = after.nodes.map((micros, k) => micros - (before.nodes[k] ?? 0));
    const redis = after.redis - before.redis;
    return { ...crossSample(operations, elapsedMs, { publishing, redis, receiving, load: loadCpuMicros }), ...figures };
  }

  async #cpu(): Promise<{ readonly nodes: readonly number[]; readonly redis: number }> {
    const [redis, ...nodes] = await Promise.all([
      this.redis.cpuMicros(),
      ...this.#nodes.map((node) => node.cpuMicros()),
    ]);
    return { nodes, redis };
  }
}
