/** A redis-server of a test's own, on a free loopback port, that can be ended and started again in the same place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { inTime } from './inbox.js';

const DEADLINE_MS = 20_000;
const BASE = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];

export class RedisProcess {
  readonly port: number;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(port: number, args: readonly string[]) {
    this.port = port;
    this.#args = args;
  }

  /** Running, and gone with the test. @param args more of its command line */
  static async start(t: Test, args: readonly string[] = []): Promise<RedisProcess> {
    const redis = new RedisProcess(await freePort(), args);
    t.teardown(() => redis.stop());
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const child = spawn('redis-server', ['--port', String(this.port), ...BASE, ...this.#args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    let printed = '';
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        if (printed.includes('Ready to accept connections')) resolve();
      });
      child.on('close', (code) => {
        reject(new Error(`redis-server ended with ${code}: ${printed}`));
      });
    });
    await inTime(ready, 'redis-server', DEADLINE_MS);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    // One that stands still does not hear it.
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await inTime(ended, 'the end of redis-server', DEADLINE_MS);
  }

  /** Stands still, its connections open, until `resume`. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }
}

export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
