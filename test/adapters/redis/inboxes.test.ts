/** Inboxes of users of a cluster: nodes over one real redis-server, and users who come and go on all of them. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient, ReceivedFrame } from '../../helpers/raw-client.js';
import {
  connectTo,
  type NodeProcess,
  SHORT_LEASE_MS,
  sendTo,
  startNodeProcess,
  startNodes,
} from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import type { TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';

const AUTH = { users: ['ann', 'bob', 'cid', 'dan'].map((login) => ({ login, passcode: 'secret' })) };
const RULES = [{ pattern: '/queue/**', maxMessages: 1_000 }];
const X = '/user/bob/queue/x';
const INDIVIDUAL = { ack: 'client-individual' };
const FSYNC = ['--appendonly', 'yes', '--appendfsync', 'always'];

type Node = Pick<TestServer, 'tcpPort'>;

const nodesOf = (
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
function processOf(t: Test, redis: RedisProcess): Promise<NodeProcess> {
  const file = path.join(temporaryDirectory(t), 'hoofbeat.json');
  const relay = { type: 'redis', leaseMs: SHORT_LEASE_MS };
  writeFileSync(file, JSON.stringify({ auth: AUTH, relay, broker: { inbox: { rules: RULES, recipients: 'any' } } }));
  return startNodeProcess(t, redis, file);
}

async function kill({ command }: NodeProcess): Promise<void> {
  const ended = once(command.child, 'exit');
  command.child.kill('SIGKILL');
  await ended;
}

const login = (t: Test, node: Node | undefined, name: string): Promise<RawClient> =>
  connectTo(t, node ?? { tcpPort: 0 }, { login: name, passcode: 'secret' });

async function bobAt(t: Test, node: Node | undefined, rest = '/queue/x', headers = {}): Promise<RawClient> {
  const bob = await login(t, node, 'bob');
  await bob.subscribe(`/user${rest}`, 's', headers);
  return bob;
}

async function leave(client: RawClient): Promise<void> {
  client.sendFrame('DISCONNECT', { receipt: 'bye' });
  await client.receipt('bye');
  await client.closed();
}

async function next(client: RawClient, count: number): Promise<string> {
  return (await client.messages(count)).map(({ text }) => text).join(' ');
}

function ack(client: RawClient, message: ReceivedFrame | undefined, receipt?: string): void {
  client.sendFrame('ACK', { id: message?.get('ack') ?? '', ...(receipt === undefined ? {} : { receipt }) });
}

/** What all nodes together keep, as a node was told last. */
function kept({ server }: TestServer): { readonly users: number; readonly messages: number } {
  return server.broker.stats().inbox;
}

if (requireProgram(t, 'redis-server')) {
  t.jobs = 3;

  void t.test('who was away gets it on whatever node, once, in the order of all nodes', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a, b, c] = await nodesOf(t, redis, 3);
    const [annA, annB] = [await login(t, a, 'ann'), await login(t, b, 'ann')];
    for (const body of ['1', '3', '5']) {
      await sendTo(annA, X, body);
      await sendTo(annB, X, String(Number(body) + 1));
    }
    if (a !== undefined) await until('what is kept', () => kept(a).messages === 6 && kept(a).users === 1);
    if (b !== undefined) await until('the other node to hear of it', () => kept(b).messages === 6);
    t.match((await a?.server.broker.cluster.stats())?.merged.inbox, { kept: 6, messages: 6, users: 1 });
    const bob = await bobAt(t, c);
    t.equal(await next(bob, 6), '1 2 3 4 5 6');
    await leave(bob);
    const again = await bobAt(t, b);
    await sendTo(annA, X, '7');
    t.equal(await next(again, 1), '7');
    if (a !== undefined) await until('an empty inbox', () => kept(a).messages === 0);
    const { merged } = (await a?.server.broker.cluster.stats()) ?? {};
    t.match(merged?.inbox, { kept: 6, delivered: 6, messages: 0 });
  });

  void t.test('who is on any node is there: each session has it, and nothing is kept', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a, b, c] = await nodesOf(t, redis, 3);
    const ann = await login(t, a, 'ann');
    const there = [await bobAt(t, b), await bobAt(t, c, '/queue/**'), await bobAt(t, c, '/queue/{name}')];
    await sendTo(ann, X, '1');
    await a?.server.broker.convertAndSendToUser('bob', '/queue/x', '2');
    const here = await bobAt(t, a);
    await sendTo(ann, X, '3');
    for (const each of there) t.equal(await next(each, 3), '1 2 3');
    t.equal(await next(here, 1), '3');
    await sendTo(ann, '/user/bob/queue/y/z', 'covered by one');
    t.equal(await next(there[1] as RawClient, 1), 'covered by one');
    for (const each of [here, ...there]) each.destroy();
    t.match((await a?.server.broker.cluster.stats())?.merged.inbox, { kept: 0, refused: 0 });
  });

  void t.test('a pattern that only its node can read finds what is kept', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a, b] = await nodesOf(t, redis, 2);
    const ann = await login(t, a, 'ann');
    const bob = await bobAt(t, b, '/queue/r{digit:[0-9]}');
    for (const rest of ['rx', 'r1', 'r2']) await sendTo(ann, `/user/bob/queue/${rest}`, rest);
    t.equal(await next(bob, 2), 'r1 r2');
    t.equal(await next(await bobAt(t, a, '/queue/r?'), 1), 'rx');
  });

  void t.test('who goes from node to node misses nothing and has nothing twice', async (t) => {
    const redis = await RedisProcess.start(t);
    const nodes = await nodesOf(t, redis, 3);
    const senders = [await login(t, nodes[0], 'ann'), await login(t, nodes[1], 'ann')];
    const count = 600;
    const got: number[] = [];
    const state = { isSent: false };
    const sending = Promise.all(
      senders.map(async (ann, s) => {
        for (let k = s; k < count; k += senders.length) await sendTo(ann, X, String(k));
      }),
    ).then(() => {
      state.isSent = true;
    });
    for (let hop = 0; !state.isSent || got.length < count; hop++) {
      const bob = await bobAt(t, nodes[hop % 3]);
      if (state.isSent) while (got.length < count) got.push(Number((await bob.frame('MESSAGE')).text));
      else got.push(Number((await bob.frame('MESSAGE')).text));
      bob.sendFrame('DISCONNECT', { receipt: 'bye' });
      for (let frame = await bob.frame(); frame.command !== 'RECEIPT'; frame = await bob.frame())
        got.push(Number(frame.text));
      await bob.closed();
    }
    await sending;
    t.strictSame(
      got.sort((a, b) => a - b),
      Array.from({ length: count }, (_, k) => k),
    );
  });

  void t.test('what a dead node had and was not acknowledged comes back within its lease', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a] = await nodesOf(t, redis, 1, {}, SHORT_LEASE_MS);
    const dying = await processOf(t, redis);
    const ann = await login(t, a, 'ann');
    for (const body of ['1', '2', '3', '4']) await sendTo(ann, X, body);
    const bob = await bobAt(t, dying, '/queue/x', { ...INDIVIDUAL, 'prefetch-count': '3' });
    const [first] = await bob.messages(3);
    ack(bob, first, 'r');
    await until('the RECEIPT', async () => (await bob.frame()).command === 'RECEIPT');
    await kill(dying);
    // Of the connection, not of the lease: nobody hears it there.
    await sendTo(ann, X, '5');
    const again = await bobAt(t, a, '/queue/x', INDIVIDUAL);
    const messages = await again.messages(4);
    t.strictSame(messages.map(({ text }) => text).sort(), ['2', '3', '4', '5']);
    const redelivered = messages.filter((message) => message.get('redelivered') === 'true');
    t.strictSame(
      redelivered.map((message) => `${message.text} ${message.get('delivery-count')}`),
      ['2 2', '3 2', '4 2'],
      'in their order',
    );
    for (const message of messages) ack(again, message);
    if (a !== undefined) await until('an empty inbox', () => kept(a).messages === 0);
  });

  void t.test('who is connected to a node that dies is away from then on', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a] = await nodesOf(t, redis, 1, {}, SHORT_LEASE_MS);
    const dying = await processOf(t, redis);
    const ann = await login(t, a, 'ann');
    const bob = await bobAt(t, dying);
    await sendTo(ann, X, 'live');
    t.equal(await next(bob, 1), 'live');
    await kill(dying);
    for (const body of ['1', '2', '3']) await sendTo(ann, X, body);
    t.equal(await next(await bobAt(t, a), 3), '1 2 3');
  });

  void t.test('a node that stood still for longer than its lease: others have what it had', async (t) => {
    const redis = await RedisProcess.start(t);
    const [a] = await nodesOf(t, redis, 1, {}, SHORT_LEASE_MS);
    const frozen = await processOf(t, redis);
    const ann = await login(t, a, 'ann');
    for (const body of ['1', '2']) await sendTo(ann, X, body);
    const bob = await bobAt(t, frozen, '/queue/x', { ...INDIVIDUAL, 'prefetch-count': '1' });
    const [first] = await bob.messages(1);
    frozen.command.child.kill('SIGSTOP');
    const other = await bobAt(t, a, '/queue/x', INDIVIDUAL);
    const messages = await other.messages(2);
    t.equal(messages.map(({ text }) => text).join(' '), '1 2');
    frozen.command.child.kill('SIGCONT');
    ack(bob, first, 'late');
    // It may go on with what it had before it learns that it was given up.
    await until('the RECEIPT', async () => (await bob.frame()).command === 'RECEIPT');
    bob.destroy();
    await leave(other);
    t.equal(await next(await bobAt(t, a), 2), '1 2', 'the late ACK settled nothing');
  });

  void t.test('Redis started again with all it had: what is kept is there, and who is there is found', async (t) => {
    const redis = await RedisProcess.start(t, [...FSYNC, '--dir', temporaryDirectory(t)]);
    const [a, b] = await nodesOf(t, redis, 2);
    const ann = await login(t, a, 'ann');
    await sendTo(ann, X, '1');
    const cid = await login(t, b, 'cid');
    await cid.subscribe('/user/queue/x', 's');
    const bob = await bobAt(t, b, '/queue/x', INDIVIDUAL);
    const [first] = await bob.messages(1);
    await redis.kill();
    ack(bob, first);
    await until('the loss', () => a?.server.broker.health().isOk === false);
    await redis.start();
    const isThere = (): boolean => [a, b].every((node) => node?.server.broker.health().isOk === true);
    await until('both nodes', isThere);
    await sendTo(ann, '/user/cid/queue/x', 'live');
    t.equal(await next(cid, 1), 'live');
    await leave(bob);
    await sendTo(ann, X, '2');
    await sendTo(ann, X, '3');
    t.equal(await next(await bobAt(t, a), 2), '2 3', 'the ACK was not lost');
  });

  void t.test('without Redis: refused for who is not here, delivered to who is, and claimed afterwards', async (t) => {
    const redis = await RedisProcess.start(t, [...FSYNC, '--dir', temporaryDirectory(t)]);
    const [a, b] = await nodesOf(t, redis, 2);
    const ann = await login(t, a, 'ann');
    await sendTo(ann, X, 'kept');
    const cid = await login(t, a, 'cid');
    await cid.subscribe('/user/queue/x', 's');
    await redis.kill();
    await until('the loss', () => a?.server.broker.health().isOk === false);
    const bob = await bobAt(t, a);
    ann.sendFrame('SEND', { destination: X }, 'live');
    ann.sendFrame('SEND', { destination: '/user/cid/queue/x' }, 'live');
    t.equal(await next(cid, 1), 'live');
    t.equal(await next(bob, 1), 'live');
    await t.rejects(a?.server.broker.convertAndSendToUser('dan', '/queue/x', 'away') ?? Promise.resolve(), {
      code: 'store-failed',
    });
    await redis.start();
    t.equal(await next(bob, 1), 'kept');
    await until('the other node', () => b?.server.broker.health().isOk === true);
    const late = await login(t, b, 'ann');
    await until('who is there is known', async () => {
      late.sendFrame('SEND', { destination: X, receipt: 'r' }, 'again');
      return (await late.frame()).command === 'RECEIPT';
    });
    t.equal(await next(bob, 1), 'again');
  });

  void t.test('bounds hold for all nodes together', async (t) => {
    const redis = await RedisProcess.start(t);
    const rules = [{ pattern: '/queue/**', maxMessages: 3 }];
    const [a, b] = await nodesOf(t, redis, 2, { rules, maxUsers: 2, recipients: 'known' });
    const [annA, annB] = [await login(t, a, 'ann'), await login(t, b, 'ann')];
    await sendTo(annA, X, 'unknown');
    await leave(await login(t, b, 'bob'));
    await sendTo(annB, '/user/ann/queue/y', 'to myself, not kept');
    for (const [k, sender] of [annA, annB, annA, annB, annA].entries()) await sendTo(sender, X, String(k));
    await leave(await login(t, a, 'cid'));
    await leave(await login(t, a, 'dan'));
    await sendTo(annA, '/user/cid/queue/x', 'the second user');
    await sendTo(annB, '/user/dan/queue/x', 'one too many');
    const { merged } = (await a?.server.broker.cluster.stats()) ?? {};
    t.match(merged?.inbox, { kept: 6, overflow: 2, refused: 2 });
    t.equal(await next(await bobAt(t, b), 3), '2 3 4');
  });
}
