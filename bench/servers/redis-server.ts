/** A redis-server of the Debian package for one contender: a port and a process of its own, nothing stored. */
import { spawn, spawnSync } from 'node:child_process';
import { Redis } from 'ioredis';
import { endWithParent, freePort, terminate } from './broker-process.js';

const SETTINGS = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
/** Of redis-benchmark. */
const REFERENCE_CLIENTS = 50;
const REFERENCE_REQUESTS = 100_000;

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** User and system time of the process so far, all its threads, in µs. */
  cpuMicros(): Promise<number>;
  stop(): Promise<void>;
}

/** Null when the programs are not installed. */
export function redisVersion(): string | null {
  const { status, stdout } = spawnSync('redis-server', ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/v=(\S+)/.exec(stdout)?.[1] ?? 'unknown') : null;
}

export async function startRedis(): Promise<RedisServer> {
  const port = await freePort();
  const child = spawn('redis-server', ['--port', String(port), ...SETTINGS], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  endWithParent(child);
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20 });
  client.on('error', () => undefined);
  await client.ping();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    cpuMicros: async () => {
      const text = await client.info('cpu');
      const seconds = (name: string): number => Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1]);
      return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6;
    },
    stop: async () => {
      client.disconnect();
      await terminate(child);
    },
  };
}

/** PUBLISH of redis-benchmark to a channel of one subscriber-less Redis, per second. @param pipeline commands of one write */
export function publishReference(port: number, bodyBytes: number, pipeline: number): number {
  const options = ['-p', port, '-c', REFERENCE_CLIENTS, '-n', REFERENCE_REQUESTS, '-P', pipeline, '--csv'];
  const command = ['PUBLISH', 'reference', 'x'.repeat(bodyBytes)];
  const { stdout } = spawnSync('redis-benchmark', [...options.map(String), ...command], { encoding: 'utf8' });
  // The body is the name of the row; the rate stands behind it.
  return Number(/","([\d.]+)"/.exec(stdout)?.[1]);
}
