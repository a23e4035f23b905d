/** What can be seen from the machine a server runs on, or is to run on: its configuration, ports, store and Redis. */
import { createServer } from 'node:net';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { BrokerError } from '../../../broker/errors.js';
import { DEFAULT_BROKER_OPTIONS } from '../../../broker/options.js';
import type { ResolvedServerOptions } from '../../config/index.js';
import { maxOpenFiles, socketsWithin } from '../../open-files.js';
import { bindFault } from '../../listeners.js';
import { inspectDataFile } from '../../stores/sqlite-file.js';
import { fail, type Finding, ok, warn } from './finding.js';

export interface ListenedPort {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Where clients would connect. */
  readonly urls: readonly URL[];
  /** Of the admin API; null: this is another port. */
  readonly healthUrl: URL | null;
}

const ASK_TIMEOUT_MS = 3_000;
/** What a server has open without clients. */
const USUAL_FILES = 40;
/** Less is soon full. */
const LOW_DISK_BYTES = 512 * 1024 * 1024;

/** In the order in which they are opened. */
export function portsOf({ tcp, http, admin }: ResolvedServerOptions): ListenedPort[] {
  const ports: ListenedPort[] = [];
  const authority = (host: string, port: number): string => {
    const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host;
    return `${reachable.includes(':') && !reachable.startsWith('[') ? `[${reachable}]` : reachable}:${port}`;
  };
  if (tcp !== false) {
    const scheme = tcp.tls === undefined ? 'tcp' : 'tls';
    // Whoever shows no PROXY header is refused there.
    const urls = tcp.proxyProtocol ? [] : [new URL(`${scheme}://${authority(tcp.host, tcp.port)}`)];
    ports.push({ name: 'tcp', host: tcp.host, port: tcp.port, urls, healthUrl: null });
  }
  if (http !== false) {
    const scheme = http.tls === undefined ? '' : 's';
    const urls = http.endpoints.map(
      ({ path: at, sockjs }) =>
        new URL(`${sockjs === false ? 'ws' : 'http'}${scheme}://${authority(http.host, http.port)}${at}`),
    );
    ports.push({ name: 'http', host: http.host, port: http.port, urls, healthUrl: null });
  }
  if (admin !== false && admin.port !== 'http') {
    const scheme = admin.tls === undefined ? 'http' : 'https';
    const healthUrl = new URL(`${scheme}://${authority(admin.host, admin.port)}/api/v1/health/live`);
    ports.push({ name: 'admin', host: admin.host, port: admin.port, urls: [], healthUrl });
  }
  return ports.filter(({ port }) => port !== 0);
}

/** @returns null when it is taken */
export async function checkPort({ name, host, port }: ListenedPort): Promise<Finding | null> {
  const check = `port ${name} ${host}:${port}`;
  const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen({ host, port }, () => {
      server.close(() => {
        resolve(null);
      });
    });
  });
  if (error === null) return ok(check, 'free');
  if (error.code === 'EADDRINUSE') return null;
  return fail(check, bindFault(host, port, error), 'name another host or port in the configuration');
}

/** Who answers there, as far as that is not looked at by a round trip. */
export async function checkTaken({ name, host, port, urls, healthUrl }: ListenedPort): Promise<Finding> {
  const check = `port ${name} ${host}:${port}`;
  if (urls.length > 0) return ok(check, 'taken; the round trips tell by whom');
  if (healthUrl === null) return warn(check, 'taken, and wants a PROXY header: it cannot be asked from here');
  try {
    const response = await fetch(healthUrl, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
    const { isLive } = (await response.json()) as { isLive?: boolean };
    if (isLive === true) return ok(check, 'taken by the admin API of a running hoofbeat');
  } catch {
    // Neither HTTP nor JSON, or nothing at all: somebody else.
  }
  return fail(check, 'taken by another program', 'end it, or name another port');
}

/** What is there to be thought about before others find out. */
export function* checkOptions(options: ResolvedServerOptions): Generator<Finding> {
  const check = 'configuration';
  const { admin, http, auth, data } = options;
  if (admin !== false && admin.tokens.length === 0 && admin.jwt === null) {
    yield warn(
      check,
      'the admin API has no token, so it serves health alone',
      'set HOOFBEAT_ADMIN_TOKEN or admin.tokens',
    );
  }
  const isPublic = [http, options.tcp].some((each) => each !== false && !/^(127\.|localhost$|::1$)/.test(each.host));
  if (isPublic && auth.anonymous) {
    yield warn(check, 'everybody on the network may connect without a login', 'set auth.anonymous: false');
  }
  if (isPublic && http !== false && http.endpoints.some(({ trustProxy }) => !trustProxy)) {
    yield ok(
      check,
      'behind a proxy set trustProxy on the endpoint, or origins and the addresses of clients are the proxy’s',
    );
  }
  if (data === false) yield warn(check, 'data: false: persistent messages end with the process', 'name a directory');
}

/** Each connection is an open file. Looked at from here: of a service, its own unit or container says how many it may. */
export function checkOpenFiles({ broker }: Pick<ResolvedServerOptions, 'broker'>): Finding {
  const check = 'open files';
  const limit = maxOpenFiles();
  if (limit === null) return ok(check, 'no bound is known');
  const text = `${limit} (ulimit -n), so about ${socketsWithin(limit, USUAL_FILES)} connections at a time`;
  const { maxConnections } = broker.limits;
  const wanted = Math.min(
    maxConnections,
    maxConnections === DEFAULT_BROKER_OPTIONS.limits.maxConnections ? 4_000 : Infinity,
  );
  if (socketsWithin(limit, USUAL_FILES) >= wanted) return ok(check, text);
  return warn(check, `${text}; broker.limits.maxConnections is ${maxConnections}`, 'raise it: LimitNOFILE, ulimit -n');
}

export async function checkStore(directory: string, isRunning: boolean): Promise<Finding> {
  const check = `store ${directory}`;
  try {
    const { bytes } = inspectDataFile(directory);
    const free = await freeBytes(directory);
    if (free !== null && free < LOW_DISK_BYTES) {
      return warn(check, `only ${mib(free)} are free on its disk`, 'make room, or move it');
    }
    return ok(check, bytes === null ? 'not there yet; it will be made' : `sound, ${mib(bytes)}`);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    const { message } = error;
    if (/in use by another process/.test(message)) {
      if (isRunning) return ok(check, 'in use by the running server');
      return fail(check, 'in use by a process that answers on none of the ports', 'find it: `fuser` names it');
    }
    const advice = /permission|read-only/.test(message)
      ? 'give the user of the server the directory'
      : /damaged/.test(message)
        ? 'restore a backup, or move the file away'
        : 'see the data directory in the README';
    return fail(check, message, advice);
  }
}

async function freeBytes(directory: string): Promise<number | null> {
  for (const each of [directory, path.dirname(path.resolve(directory))]) {
    try {
      const { bavail, bsize } = await statfs(each);
      return bavail * bsize;
    } catch {
      // Not made yet: the one above it will do.
    }
  }
  return null;
}

function mib(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.round(bytes / 1024 / 1024)} MiB`;
}
