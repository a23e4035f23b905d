/** Redis Sentinels of a test's own: one master, replicas, and sentinels that agree on who is the master. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { ask } from './redis-cluster.js';
import { freePort, RedisProcess, type RedisTls, tlsOptions } from './redis-process.js';
import { until } from './until.js';

export const SENTINEL_NAME = 'test-master';
const DOWN_AFTER_MS = 500;

export interface SentinelGuard {
  /** Of servers and Sentinels alike. */
  readonly tls?: RedisTls;
  /** More of a Sentinel's configuration. */
  readonly lines?: readonly string[];
}

export class RedisSentinels {
  readonly servers: readonly RedisProcess[];
  readonly sentinels: readonly RedisProcess[];

  private constructor(servers: readonly RedisProcess[], sentinels: readonly RedisProcess[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  /** Resolves when every sentinel knows the replicas and the other sentinels. @param args of the servers */
  static async start(
    t: Test,
    args: readonly string[] = [],
    replicas = 2,
    sentinels = 3,
    guard: SentinelGuard = {},
  ): Promise<RedisSentinels> {
    const directory = mkdtempSync(path.join(tmpdir(), 'hoofbeat-sentinel-'));
    t.teardown(() => {
      rmSync(directory, { recursive: true, force: true });
    });
    const quick = ['--repl-diskless-sync-delay', '0', '--dir', directory, ...args];
    const { tls } = guard;
    const master = await RedisProcess.start(t, quick, tls);
    const follow = ['--replicaof', '127.0.0.1', String(master.port)];
    const servers = [
      master,
      ...(await Promise.all(Array.from({ length: replicas }, () => RedisProcess.start(t, [...quick, ...follow], tls)))),
    ];
    const isFollowed = async (): Promise<boolean> =>
      (String(await ask(master, 'INFO', 'replication')).match(/state=online/g) ?? []).length === replicas;
    await until('the replicas', isFollowed);
    const watching = await Promise.all(
      Array.from({ length: sentinels }, (_, k) => startSentinel(t, path.join(directory, `${k}.conf`), master, guard)),
    );
    const periods = ['INFO-PERIOD', 100, 'PUBLISH-PERIOD', 100, 'PING-PERIOD', 250, 'ASK-PERIOD', 50];
    for (const sentinel of watching) await ask(sentinel, 'SENTINEL', 'DEBUG', ...periods);
    const all = new RedisSentinels(servers, watching);
    const knows = async (sentinel: RedisProcess): Promise<boolean> => {
      const said = String(await ask(sentinel, 'INFO', 'sentinel'));
      return said.includes(`slaves=${replicas},sentinels=${sentinels}`);
    };
    await until('the sentinels', async () => (await Promise.all(watching.map(knows))).every(Boolean));
    return all;
  }

  /** As the options want them. */
  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Who is the master now, by the last sentinel. */
  async master(): Promise<RedisProcess> {
    const sentinel = this.sentinels.at(-1);
    if (sentinel === undefined) throw new Error('no sentinel');
    const [, port] = (await ask(sentinel, 'SENTINEL', 'get-master-addr-by-name', SENTINEL_NAME)) as string[];
    const master = this.servers.find((server) => server.port === Number(port));
    if (master === undefined) throw new Error(`no server at port ${String(port)}`);
    return master;
  }
}

/** A sentinel writes into its configuration. */
async function startSentinel(
  t: Test,
  file: string,
  master: RedisProcess,
  { tls, lines = [] }: SentinelGuard,
): Promise<RedisProcess> {
  const port = await freePort();
  const listening = tls === undefined ? [['port', String(port)] as const] : tlsOptions(tls, port);
  writeFileSync(
    file,
    [
      ...listening.map((option) => option.join(' ')),
      'bind 127.0.0.1',
      `sentinel monitor ${SENTINEL_NAME} 127.0.0.1 ${master.port} 2`,
      ...(master.password === undefined ? [] : [`sentinel auth-pass ${SENTINEL_NAME} ${master.password}`]),
      `sentinel down-after-milliseconds ${SENTINEL_NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${SENTINEL_NAME} 1500`,
      ...lines,
      '',
    ].join('\n'),
  );
  return RedisProcess.startSentinel(t, port, file, tls);
}
