/** A Redis Cluster of a test's own: real masters on free ports, each with a part of the slots, and replicas where wanted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Redis } from 'ioredis';
import type { Test } from 'tap';
import { freePort, RedisProcess, type RedisTls } from './redis-process.js';
import { until } from './until.js';

const SLOTS = 16_384;

export interface ClusterShape {
  readonly masters?: number;
  /** Of each master. */
  readonly replicas?: number;
  /** Of every server. */
  readonly args?: readonly string[];
  readonly tls?: RedisTls;
}

export class RedisCluster {
  readonly masters: readonly RedisProcess[];
  /** Of the first master, then of the second … */
  readonly replicas: readonly RedisProcess[];

  private constructor(masters: readonly RedisProcess[], replicas: readonly RedisProcess[]) {
    this.masters = masters;
    this.replicas = replicas;
  }

  /** Resolves when every node knows all others and all slots are served. */
  static async start(t: Test, shape: ClusterShape = {}): Promise<RedisCluster> {
    const { masters = 3, replicas = 0 } = shape;
    const directory = mkdtempSync(path.join(tmpdir(), 'hoofbeat-cluster-'));
    const nodes = await Promise.all(
      Array.from({ length: masters * (1 + replicas) }, () => startNode(t, directory, shape)),
    );
    t.teardown(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const cluster = new RedisCluster(nodes.slice(0, masters), nodes.slice(masters));
    await cluster.#assemble(replicas);
    return cluster;
  }

  get nodes(): readonly RedisProcess[] {
    return [...this.masters, ...this.replicas];
  }

  /** As the options want them. */
  get addresses(): { host: string; port: number }[] {
    return this.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Who has a slot at the start, with its first replica. */
  ownerOf(slot: number): { readonly master: RedisProcess; readonly replica: RedisProcess } {
    const k = Math.floor(slot / Math.ceil(SLOTS / this.masters.length));
    const replica = this.replicas[(k * this.replicas.length) / this.masters.length];
    const master = this.masters[k];
    if (master === undefined || replica === undefined) throw new Error(`slot ${slot} wants a master with a replica`);
    return { master, replica };
  }

  async #assemble(replicas: number): Promise<void> {
    const [first] = this.masters;
    if (first === undefined) throw new Error('a cluster has at least one master');
    const share = Math.ceil(SLOTS / this.masters.length);
    for (const [k, master] of this.masters.entries()) {
      await ask(master, 'CLUSTER', 'SET-CONFIG-EPOCH', k + 1);
      await ask(master, 'CLUSTER', 'ADDSLOTSRANGE', k * share, Math.min(SLOTS, (k + 1) * share) - 1);
    }
    for (const { port } of this.nodes.slice(1))
      await ask(first, 'CLUSTER', 'MEET', '127.0.0.1', port, busPorts.get(port) ?? 0);
    const knowsAll = async (node: RedisProcess): Promise<boolean> => {
      const known = String(await ask(node, 'CLUSTER', 'NODES'))
        .trim()
        .split('\n');
      return known.length === this.nodes.length && known.every((line) => !/handshake|noaddr/.test(line));
    };
    await until('all nodes to know each other', async () =>
      (await Promise.all(this.nodes.map(knowsAll))).every(Boolean),
    );
    for (const [k, replica] of this.replicas.entries()) {
      const master = this.masters[Math.floor(k / replicas)] ?? first;
      const id = String(await ask(master, 'CLUSTER', 'MYID'));
      await ask(replica, 'CLUSTER', 'REPLICATE', id);
    }
    const isOk = async (node: RedisProcess): Promise<boolean> =>
      String(await ask(node, 'CLUSTER', 'INFO')).includes('cluster_state:ok');
    await until('the cluster to serve', async () => (await Promise.all(this.nodes.map(isOk))).every(Boolean));
    const isLinked = async (node: RedisProcess): Promise<boolean> =>
      String(await ask(node, 'INFO', 'replication')).includes('master_link_status:up');
    await until('the replicas', async () => (await Promise.all(this.replicas.map(isLinked))).every(Boolean));
  }
}

/** By the port for clients: where nodes talk to each other. */
const busPorts = new Map<number, number>();

async function startNode(t: Test, directory: string, { args = [], tls }: ClusterShape): Promise<RedisProcess> {
  const bus = await freePort();
  const own = [
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-port', String(bus)],
    ...['--dir', directory, '--cluster-config-file', `nodes-${bus}.conf`, '--repl-diskless-sync-delay', '0'],
    ...(tls === undefined ? [] : ['--tls-cluster', 'yes']),
    ...args,
  ];
  const node = await RedisProcess.start(t, own, tls);
  busPorts.set(node.port, bus);
  return node;
}

/** One command to one server, on a connection of its own. */
export async function ask(
  redis: {
    readonly port: number;
    readonly username?: string;
    readonly password?: string | undefined;
    readonly tls?: RedisTls | undefined;
  },
  ...command: readonly (string | number)[]
): Promise<unknown> {
  const { port, username, password, tls } = redis;
  const client = new Redis({
    port,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { ca: tls.ca } }),
    lazyConnect: true,
    retryStrategy: () => null,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const [name = '', ...args] = command.map(String);
    return await client.call(name, ...args);
  } finally {
    client.disconnect();
  }
}
