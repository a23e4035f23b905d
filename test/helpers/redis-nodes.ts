/** Nodes of a cluster over one real redis-server, and clients on them. */
import type { Test } from 'tap';
import type { RedisRelayFileOptions } from '../../adapters/config/relay-options.js';
import type { ServerOptions } from '../../adapters/index.js';
import { RunningCommand } from './cli.js';
import { RawClient } from './raw-client.js';
import type { RedisProcess } from './redis-process.js';
import { startTestServer, type TestServer } from './server.js';

/** Of tests that wait for the end of one; in others a machine that is busy must not end any. */
export const SHORT_LEASE_MS = 1_000;
const LEASE_MS = 30_000;

const QUICK = { initialDelayMs: 20, maxDelayMs: 100 };

export interface NodeOptions {
  readonly leaseMs?: number;
  readonly broker?: ServerOptions['broker'];
  readonly auth?: ServerOptions['auth'];
  /** Default: at once. */
  readonly reconnect?: RedisRelayFileOptions['reconnect'];
}

/** Nodes in this process. */
export async function startNodes(
  t: Test,
  redis: Pick<RedisProcess, 'url'>,
  count: number,
  { leaseMs = LEASE_MS, broker = {}, auth, reconnect = QUICK }: NodeOptions = {},
): Promise<TestServer[]> {
  const relay = { type: 'redis', url: redis.url, reconnect, leaseMs } as const;
  const nodes: TestServer[] = [];
  for (let k = 0; k < count; k++) {
    const node = await startTestServer({ http: false, relay, broker, ...(auth === undefined ? {} : { auth }) });
    t.teardown(node.stop);
    nodes.push(node);
  }
  return nodes;
}

export interface NodeProcess {
  readonly command: RunningCommand;
  readonly tcpPort: number;
}

/** A node that can be killed. @param config file of options */
export async function startNodeProcess(t: Test, redis: RedisProcess, config: string): Promise<NodeProcess> {
  const environment = { HOOFBEAT_REDIS_URL: redis.url, HOOFBEAT_TCP_PORT: '0', HOOFBEAT_HTTP_PORT: '0' };
  const args = ['serve', '--json', '--log-level', 'silent', '--config', config];
  const command = new RunningCommand(t, args, environment);
  await command.until(({ stdout }) => stdout.includes('\n'), 'its addresses');
  const { addresses } = JSON.parse(command.stdout) as { addresses: { transport: string; port: number }[] };
  return { command, tcpPort: addresses.find(({ transport }) => transport === 'tcp')?.port ?? 0 };
}

export async function connectTo(
  t: Test,
  { tcpPort }: { readonly tcpPort: number },
  headers: Readonly<Record<string, string>> = {},
): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', headers);
  return client;
}

/** One client on each of two nodes. */
export async function connectToBoth(
  t: Test,
  nodes: readonly TestServer[],
  headers: Readonly<Record<string, string>> = {},
): Promise<[RawClient, RawClient]> {
  const [a, b] = nodes;
  if (a === undefined || b === undefined) throw new Error('wants two nodes');
  return [await connectTo(t, a, headers), await connectTo(t, b, headers)];
}

/** SEND, and its RECEIPT. */
export async function sendTo(
  client: RawClient,
  destination: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  client.sendFrame('SEND', { destination, receipt: body, ...headers }, body);
  await client.receipt(body);
}
