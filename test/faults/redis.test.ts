/**
 * A Redis that is there and refuses, or is slow: what nodes then promise and say. One that is gone, cut off, failing over or
 * losing a master under load is in test/adapters/redis/ (outages, faults, inbox-faults, history/faults).
 */
import t, { type Test } from 'tap';
import { requireProgram } from '../helpers/programs.js';
import { openConnected } from '../helpers/raw-client.js';
import { ask } from '../helpers/redis-cluster.js';
import { startNodes } from '../helpers/redis-nodes.js';
import { RedisProcess } from '../helpers/redis-process.js';
import { settle } from '../helpers/settling.js';
import type { TestServer } from '../helpers/server.js';
import { until } from '../helpers/until.js';
import { recordFault } from './fault-record.js';

const QUEUE = '/queue/kept';
let nodes: readonly TestServer[] = [];
let redis: RedisProcess;
let number = 0;
const confirmed = new Set<string>();

t.before(async () => {
  if (!requireProgram(t, 'redis-server')) return;
  redis = await RedisProcess.start(t);
  nodes = await startNodes(t, redis, 2, { leaseMs: 3_000 });
});

function node(index: number): TestServer {
  const found = nodes[index];
  if (found === undefined) throw new Error('no redis-server');
  return found;
}

/** @returns the code of what refused it; null: it was confirmed */
async function send(t: Test, index: number, destination = QUEUE): Promise<string | null> {
  const client = await openConnected(t, node(index).tcpPort);
  const body = `m${++number}`;
  client.sendFrame('SEND', { destination, receipt: body }, body);
  const frame = await client.frame();
  client.destroy();
  if (frame.command === 'RECEIPT' && destination === QUEUE) confirmed.add(body);
  return frame.command === 'RECEIPT' ? null : (frame.get('code') ?? '');
}

function problems(index: number): string {
  const { problems: all } = node(index).server.broker.health();
  return all.map((problem) => `${problem.part}: ${problem.message}`).join('; ');
}

async function healed(t: Test): Promise<void> {
  await until('both nodes to take messages', async () => (await send(t, 0)) === null && (await send(t, 1)) === null);
  await until('health to say so', () => problems(0) === '' && problems(1) === '');
}

t.test('maxmemory reached: stored messages are refused, what is there can be had, and it heals', async (t) => {
  if (nodes.length === 0) return;
  t.equal(await send(t, 0), null);
  await ask(redis, 'CONFIG', 'SET', 'maxmemory', '1');
  const code = await send(t, 0);
  t.equal(code, 'store-full');
  await until('health to name it', () => /OOM/.test(problems(0)));
  const said = problems(0);
  t.notMatch(said, /lease/, 'every node keeps its place');
  // Consumers alone can make room.
  const consumer = await openConnected(t, node(1).tcpPort);
  await consumer.subscribe(QUEUE, '0', { ack: 'client-individual' });
  const [message] = await consumer.messages(1);
  t.ok(confirmed.delete(message?.text ?? ''));
  settle(consumer, 'ACK', message, { receipt: 'acked' });
  await consumer.receipt('acked');
  consumer.destroy();
  await ask(redis, 'CONFIG', 'SET', 'maxmemory', '0');
  await healed(t);
  recordFault({
    group: 'Redis',
    fault: 'maxmemory reached (OOM)',
    defence: 'adapters/redis/store/redis-store.ts',
    outcome: `SEND is answered ${String(code)}, what is there can be had and acknowledged, leases are renewed; health: ${said.slice(0, 120)}; heals by itself`,
  });
});

t.test('a replica (READONLY): nothing is confirmed that it did not take', async (t) => {
  if (nodes.length === 0) return;
  await ask(redis, 'REPLICAOF', '127.0.0.1', '1');
  const code = await send(t, 0);
  t.match(code, /^(store-failed|relay-unavailable)$/);
  await until('health to name it', () => problems(0) !== '');
  const said = problems(0);
  await ask(redis, 'REPLICAOF', 'NO', 'ONE');
  await healed(t);
  recordFault({
    group: 'Redis',
    fault: 'a replica (READONLY)',
    defence: 'adapters/redis/connection/redis-commands.ts',
    outcome: `SEND is answered ${String(code)}, the connection is left and looked for anew; health: ${said.slice(0, 120)}; heals by itself`,
  });
});

t.test('no right to PUBLISH: a topic’s SEND with receipt is refused, and health says so', async (t) => {
  if (nodes.length === 0) return;
  const hearer = await openConnected(t, node(1).tcpPort);
  await hearer.subscribe('/topic/news');
  t.equal(await send(t, 0, '/topic/news'), null);
  t.equal((await hearer.frame()).command, 'MESSAGE');
  await ask(redis, 'ACL', 'SETUSER', 'default', '-publish');
  await until('it is refused', async () => (await send(t, 0, '/topic/news')) !== null);
  t.match(problems(0), /relay: Redis refuses messages: NOPERM/);
  const said = problems(0);
  await ask(redis, 'ACL', 'SETUSER', 'default', '+publish');
  await until('it is taken again', async () => (await send(t, 0, '/topic/news')) === null && problems(0) === '');
  recordFault({
    group: 'Redis',
    fault: 'no right to PUBLISH (NOPERM)',
    defence: 'adapters/redis/relay/redis-relay.ts',
    outcome: `SEND with receipt to a topic is refused; health: ${said.slice(0, 120)}; over when for 2 s none was refused`,
  });
});

t.test('a Redis that stands still for a second: RECEIPTs are late, nothing else', async (t) => {
  if (nodes.length === 0) return;
  await ask(redis, 'CLIENT', 'PAUSE', '1000', 'ALL');
  t.equal(await send(t, 0), null);
  t.equal(await send(t, 1), null);
  t.equal(problems(0), '');
  recordFault({
    group: 'Redis',
    fault: 'slow: answers nothing for 1 s (CLIENT PAUSE)',
    defence: 'relay.pingIntervalMs',
    outcome: 'RECEIPTs come when it answers; no ERROR, health stays well',
  });
});

t.test('all that was confirmed is there, once each', async (t) => {
  if (nodes.length === 0) return;
  const heir = await openConnected(t, node(1).tcpPort);
  await heir.subscribe(QUEUE);
  const bodies = (await heir.messages(confirmed.size)).map(({ text }) => text);
  t.strictSame(new Set(bodies), confirmed);
  await heir.fence();
});
