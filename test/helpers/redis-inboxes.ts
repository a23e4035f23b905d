/** Users of a cluster and their inboxes, over one real redis-server. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Test } from 'tap';
import { temporaryDirectory } from './cli.js';
import type { RawClient, ReceivedFrame } from './raw-client.js';
import { connectTo, type NodeProcess, SHORT_LEASE_MS, startNodeProcess, startNodes } from './redis-nodes.js';
import type { RedisProcess } from './redis-process.js';
import type { TestServer } from './server.js';

export const AUTH = { users: ['ann', 'bob', 'cid', 'dan'].map((login) => ({ login, passcode: 'secret' })) };
export const RULES = [{ pattern: '/queue/**', maxMessages: 1_000 }];
export const X = '/user/bob/queue/x';
export const INDIVIDUAL = { ack: 'client-individual' };
export const FSYNC = ['--appendonly', 'yes', '--appendfsync', 'always'];

export type Node = Pick<TestServer, 'tcpPort'>;

export const nodesOf = (
  t: Test,
  redis: RedisProcess,
  count: number,
  inbox: object = {},
  leaseMs?: number,
): Promise<TestServer[]> =>
  startNodes(t, redis, count, {
    auth: AUTH,
    broker: { inbox: { rules: RULES, recipients: 'any', ...inbox } },
    ...(leaseMs === undefined ? {} : { leaseMs }),
  });

/** One that can be killed. */
export function processOf(t: Test, redis: RedisProcess): Promise<NodeProcess> {
  const file = path.join(temporaryDirectory(t), 'hoofbeat.json');
  const relay = { type: 'redis', leaseMs: SHORT_LEASE_MS };
  writeFileSync(file, JSON.stringify({ auth: AUTH, relay, broker: { inbox: { rules: RULES, recipients: 'any' } } }));
  return startNodeProcess(t, redis, file);
}

export async function kill({ command }: NodeProcess): Promise<void> {
  const ended = once(command.child, 'exit');
  command.child.kill('SIGKILL');
  await ended;
}

export const login = (t: Test, node: Node | undefined, name: string): Promise<RawClient> =>
  connectTo(t, node ?? { tcpPort: 0 }, { login: name, passcode: 'secret' });

export async function bobAt(t: Test, node: Node | undefined, rest = '/queue/x', headers = {}): Promise<RawClient> {
  const bob = await login(t, node, 'bob');
  await bob.subscribe(`/user${rest}`, 's', headers);
  return bob;
}

export async function leave(client: RawClient): Promise<void> {
  client.sendFrame('DISCONNECT', { receipt: 'bye' });
  await client.receipt('bye');
  await client.closed();
}

export async function next(client: RawClient, count: number): Promise<string> {
  return (await client.messages(count)).map(({ text }) => text).join(' ');
}

export function ack(client: RawClient, message: ReceivedFrame | undefined, receipt?: string): void {
  client.sendFrame('ACK', { id: message?.get('ack') ?? '', ...(receipt === undefined ? {} : { receipt }) });
}

/** What all nodes together keep, as a node was told last. */
export function kept({ server }: TestServer): { readonly users: number; readonly messages: number } {
  return server.broker.stats().inbox;
}
