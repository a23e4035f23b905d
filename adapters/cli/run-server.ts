/** What `hoofbeat serve` does. Loaded by that command alone: `pub` and `sub` start three times as fast without it. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ListenAddress } from '../../broker/ports.js';
import { readConfigFile, type LogLevel, type ServerOptions, type WorkersOption } from '../config/index.js';
import { createClusteredServer } from '../clustered-server.js';
import type { StompServer } from '../stomp-server.js';
import { readVariable, type Environment } from './environment.js';
import { CliError } from './exit-code.js';
import { createLogger } from '../logging/index.js';
import { endOnUncaught } from './crash-policy.js';
import { applyOverrides, readEnvironment } from './overrides.js';
import { DEFAULT_DATA } from './serve-defaults.js';

/** Behind which the admin API begins. */
const ADMIN_PATH = '/api/v1';
/** Signals that follow each other this closely were meant once. */
const SAME_SIGNAL_MS = 500;

export interface ServeFlags {
  readonly config?: string;
  readonly host?: string;
  readonly httpPort?: number;
  readonly tcpPort?: number;
  readonly adminPort?: number;
  readonly data?: string;
  readonly memory?: true;
  readonly workers?: WorkersOption;
  readonly logLevel?: LogLevel;
  readonly json?: true;
}

/** Resolves after SIGTERM or SIGINT, once everything is closed. @throws CliError, OptionsError */
export async function runServer(flags: ServeFlags, environment: Environment, version: string): Promise<void> {
  const file = flags.config ?? readVariable(environment, 'HOOFBEAT_CONFIG');
  const readOptions = async (): Promise<ServerOptions> => {
    const fromFile = file === undefined ? {} : await readConfigFile(file);
    return applyOverrides(applyOverrides({ data: DEFAULT_DATA, ...fromFile }, readEnvironment(environment)), {
      ...flags,
      data: flags.memory === true ? false : flags.data,
    });
  };
  const faults: string[] = [];
  const server = createClusteredServer(await readOptions(), { readOptions }, (text) => {
    faults.push(text);
    process.emit('SIGTERM');
  });
  // A limit on the size of files is an error of the write that would exceed it; unhandled, it would be the end.
  process.on('SIGXFSZ', () => undefined);
  endOnUncaught(createLogger(server.options.log), () => server.stop(0));
  const stopped = onSignal((deadlineMs) => server.stop(deadlineMs));
  try {
    await server.start();
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error));
  }
  if (file !== undefined) reloadOnHangUp(server);
  process.stdout.write(flags.json === true ? jsonLine(server, version) : banner(server, version));
  await stopped;
  const [fault] = faults;
  if (fault !== undefined) throw new CliError(fault);
}

/**
 * The first signal asks everybody to go, in good order; a later one cuts who has not gone. One that comes at once is the same
 * again: npm passes on the SIGINT that the terminal has sent to everyone.
 */
function onSignal(stop: (deadlineMs?: number) => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let firstMs = Infinity;
    const onStop = (): void => {
      const isSecond = performance.now() - firstMs >= SAME_SIGNAL_MS;
      firstMs = Math.min(firstMs, performance.now());
      stop(isSecond ? 0 : undefined).then(resolve, reject);
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onStop);
  });
}

/** As other servers do; on a terminal the signal says that the terminal is gone, and ends the process. */
function reloadOnHangUp(server: StompServer): void {
  if (process.stdin.isTTY) return;
  process.on('SIGHUP', () => {
    server.reload().catch((error: unknown) => {
      process.stderr.write(`reload: ${error instanceof Error ? error.message : String(error)}\n`);
    });
  });
}

function jsonLine(server: StompServer, version: string): string {
  const addresses = server.addresses.map((address) => ({
    ...address,
    urls: urlsOf(server, address).map(([, url]) => url),
  }));
  const { workers } = server.options;
  return `${JSON.stringify({ version, pid: process.pid, workers, addresses })}\n`;
}

function banner(server: StompServer, version: string): string {
  const urls = server.addresses.flatMap((address) => urlsOf(server, address));
  const [, first] = urls[0] ?? ['', ''];
  const self = commandName();
  const { workers } = server.options;
  const by = workers === 1 ? '' : ` with ${workers} worker processes`;
  const lines = [
    `hoofbeat ${version} is listening${by}. Connect a STOMP client to`,
    ...urls.map(([name, url]) => `  ${name.padEnd(9)}  ${url}`),
    `Try it:  ${self} sub -u ${first} -d /topic/hello`,
    `   and    ${self} pub -u ${first} -d /topic/hello -m hi`,
    `Read on: ${fileURLToPath(new URL('../../../README.md', import.meta.url))}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** How this program was called: in a checkout nothing is on the path yet. */
function commandName(): string {
  const script = process.argv[1];
  if (script === undefined || path.basename(script) === 'hoofbeat') return 'hoofbeat';
  return `node ${path.relative(process.cwd(), script)}`;
}

/** What a client is given to connect to this address: name of the way, URL. */
function urlsOf(server: StompServer, address: ListenAddress): [string, string][] {
  const authority = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  if (address.transport === 'tcp') return [['TCP', `tcp://${authority}`]];
  if (address.isAdmin === true) return [['Admin API', `${address.transport}://${authority}${ADMIN_PATH}`]];
  if (address.transport === 'tls') return [['TLS', `tls://${authority}`]];
  const secure = address.transport === 'https' ? 's' : '';
  const { http } = server.options;
  if (http === false) return [];
  const stomp = http.endpoints.flatMap(({ path, sockjs }): [string, string][] => [
    ['WebSocket', `ws${secure}://${authority}${path}`],
    ...(sockjs === false ? [] : ([['SockJS', `http${secure}://${authority}${path}`]] as [string, string][])),
  ]);
  const json = http.jsonEndpoints.map(({ path }): [string, string] => ['JSON', `ws${secure}://${authority}${path}`]);
  return [...stomp, ...json];
}
