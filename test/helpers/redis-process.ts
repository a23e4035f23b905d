/** A redis-server of a test's own, on a free loopback port, that can be ended and started again in the same place. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { inTime } from './inbox.js';

const DEADLINE_MS = 20_000;
const BASE = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
/** What each kind prints when it takes commands. */
const READY = /Ready to accept connections|monitor master/;
/** It answers already, mostly that it is not ready. */
const LOADING = /Reading RDB|Loading RDB/;

/** Files and authority of a server that speaks TLS alone. */
export interface RedisTls {
  readonly keyFile: string;
  readonly certFile: string;
  /** PEM; the same for whoever connects. */
  readonly ca: Buffer;
}

/** What makes a port of Redis or of a Sentinel one for TLS, as names and values of options. */
export function tlsOptions({ keyFile, certFile }: RedisTls, port: number): (readonly [string, string])[] {
  return [
    ['port', '0'],
    ['tls-port', String(port)],
    ['tls-key-file', keyFile],
    ['tls-cert-file', certFile],
    ['tls-ca-cert-file', certFile],
    ['tls-auth-clients', 'no'],
    ['tls-replication', 'yes'],
  ];
}

export class RedisProcess {
  readonly port: number;
  /** For whoever asks it: of its first user, where that has one. */
  readonly password: string | undefined;
  readonly tls: RedisTls | undefined;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;

  private constructor(port: number, args: readonly string[], tls?: RedisTls) {
    this.port = port;
    this.#args = args;
    this.tls = tls;
    this.password = /--requirepass (\S+)/.exec(args.join(' '))?.[1];
  }

  /** Running, and gone with the test. @param args more of its command line */
  static async start(t: Test, args: readonly string[] = [], tls?: RedisTls): Promise<RedisProcess> {
    const port = await freePort();
    const options = tls === undefined ? [['port', String(port)] as const] : tlsOptions(tls, port);
    const listening = options.flatMap(([name, value]) => [`--${name}`, value]);
    return RedisProcess.#start(t, new RedisProcess(port, [...listening, ...BASE, ...args], tls));
  }

  /** A Sentinel. @param file its configuration, with the port, which it writes into */
  static startSentinel(t: Test, port: number, file: string, tls?: RedisTls): Promise<RedisProcess> {
    return RedisProcess.#start(t, new RedisProcess(port, [file, '--sentinel'], tls));
  }

  static async #start(t: Test, redis: RedisProcess): Promise<RedisProcess> {
    t.teardown(() => redis.stop());
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Running again, its data not read yet, which takes a while with `--key-load-delay` (µs for each). */
  startLoading(): Promise<void> {
    return this.#launch(LOADING);
  }

  start(): Promise<void> {
    return this.#launch(READY);
  }

  async #launch(sign: RegExp): Promise<void> {
    const child = spawn('redis-server', this.#args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let printed = '';
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed += text;
        if (sign.test(printed)) resolve();
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

  /** As by `kill -9`. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
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

/** Those of this process that somebody was given: the system may give one that is closed again to the next who asks. */
const given = new Set<number>();

export async function freePort(): Promise<number> {
  for (;;) {
    const port = await anyPort();
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}

function anyPort(): Promise<number> {
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
