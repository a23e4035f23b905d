import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { requireProgram } from '../../../helpers/programs.js';
import { TestMember } from '../../../helpers/redis-members.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { settle } from '../../../helpers/settle.js';

/** By Redis' clock nothing is ever over by itself: tests end leases, and turn the clocks of nodes. */
const LEASE_MS = 600_000;
const NODES = '{test:}nodes';

async function started(t: Test, redis: RedisProcess, ...nodeIds: readonly string[]): Promise<TestMember[]> {
  const all: TestMember[] = [];
  for (const nodeId of nodeIds) {
    const node = create(t, redis, nodeId);
    await node.members.start();
    all.push(node);
  }
  for (const node of all) await quiet(node);
  return all;
}

function create(t: Test, { url }: RedisProcess, nodeId: string): TestMember {
  const node = new TestMember(url, nodeId, LEASE_MS);
  t.teardown(() => node.members.stop());
  return node;
}

/** Its lease is renewed; what it was told until then is left out. */
async function quiet(node: TestMember): Promise<void> {
  await node.members.refresh();
  while (node.told.length > 0) await node.told.next();
}

/** For a node that has been in touch for long enough to remove others. */
async function outgrowGrace(node: TestMember): Promise<void> {
  for (let passedMs = 0; passedMs <= LEASE_MS; passedMs += LEASE_MS / 3) {
    node.clock.advance(LEASE_MS / 3);
    await node.members.refresh();
  }
}

/** As if it had not renewed for a lease. */
async function endLease(node: TestMember): Promise<void> {
  await node.commands.command('ZADD', NODES, 1, node.members.incarnation);
}

async function redisFor(t: Test, args: readonly string[] = []): Promise<RedisProcess | null> {
  return requireProgram(t, 'redis-server') ? RedisProcess.start(t, args) : null;
}

t.test('nodes know each other from joining to leaving', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [a, b] = (await started(t, redis, 'a', 'b')) as [TestMember, TestMember];
  const c = create(t, redis, 'c');
  await c.members.start();
  t.equal(await c.told.next(), 'joined c');
  t.strictSame([c.names, c.members.isMember], [['a', 'b', 'c'], true]);
  await a.members.refresh();
  t.equal(await a.told.next(), 'node joined c');
  await c.members.stop();
  t.notOk(c.members.isMember);
  a.clock.advance(LEASE_MS / 3);
  t.equal(await a.told.next(), 'node gone c', 'asked a third of a lease later at the latest');
  await b.members.refresh();
  t.strictSame(b.names, ['a', 'b']);
});

t.test('a node that does not renew is given up, and comes back as another', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [a, b, frozen] = (await started(t, redis, 'a', 'b', 'f')) as [TestMember, TestMember, TestMember];
  const former = frozen.members.incarnation;
  await endLease(frozen);
  await a.members.refresh();
  t.equal(a.told.length, 0, 'not by a node that has just come itself');
  for (const node of [a, b]) await outgrowGrace(node);
  for (const node of [a, b]) t.equal(await node.told.next(), 'node gone f');
  t.strictSame(a.names, ['a', 'b']);
  frozen.clock.advance(LEASE_MS / 3);
  t.equal(await frozen.told.next(), 'given up f');
  t.equal(await frozen.told.next(), 'joined f');
  t.not(frozen.members.incarnation, former);
  t.match(frozen.members.incarnation, /^f\/[0-9a-f]{16}$/);
  await a.members.refresh();
  t.equal(await a.told.next(), 'node joined f');
});

t.test('a node that was given up is not kept out by its own former lease, which a failover brings back', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [a] = (await started(t, redis, 'a')) as [TestMember];
  const former = a.members.incarnation;
  await a.commands.command('ZREM', NODES, former);
  await a.members.refresh();
  const second = a.members.incarnation;
  t.not(second, former);
  await a.commands.command('ZREM', NODES, second);
  await a.commands.command('ZADD', NODES, Date.now() + 2 * LEASE_MS, former);
  await a.members.refresh();
  t.equal(a.members.problem, null);
  t.ok(a.members.isMember);
  t.not(a.members.incarnation, second);
  t.equal(await a.commands.command('ZSCORE', NODES, former), null, 'it gave way');
});

t.test('the end of a lease that is known is looked at when it comes', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [a, b] = (await started(t, redis, 'a', 'b')) as [TestMember, TestMember];
  await outgrowGrace(a);
  await quiet(a);
  const passingMs = 5_000;
  const [seconds, micros] = (await a.commands.command('TIME')) as [Buffer, Buffer];
  const nowMs = Number(seconds) * 1_000 + Number(micros) / 1_000;
  await a.commands.command('ZADD', NODES, Math.round(nowMs + passingMs), b.members.incarnation);
  await a.members.refresh();
  await endLease(b);
  a.clock.advance(passingMs + 2);
  t.equal(await a.told.next(), 'node gone b', 'far earlier than its own next renewal');
});

t.test('a nodeId that is in use: the later start fails, and takes it over when nobody renews', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [first] = (await started(t, redis, 'x')) as [TestMember];
  const later = create(t, redis, 'x');
  let outcome: unknown = null;
  const starting = later.members.start().then(
    () => (outcome = 'started'),
    (error: unknown) => (outcome = error),
  );
  while (outcome === null) {
    first.clock.advance(LEASE_MS / 3);
    await first.members.refresh();
    later.clock.advance(LEASE_MS / 6);
    await settle();
  }
  await starting;
  t.match(outcome, { code: 'node-id-in-use', message: /broker\.nodeId.*"x"/ });
  await endLease(first);
  const heir = create(t, redis, 'x');
  await heir.members.start();
  t.equal(await heir.told.next(), 'joined x');
  t.equal(await heir.told.next(), 'node gone x', 'what its former run held is free');
  await quiet(first);
  t.match(first.members.problem?.message, /another node .* is called "x" too/);
  t.equal(first.log.filter(({ level }) => level === 'error').length, 1);
  t.notOk(first.members.isMember);
  await heir.members.stop();
  first.clock.advance(LEASE_MS / 3);
  t.equal(await first.told.next(), 'joined x');
  t.equal(first.members.problem, null);
});

t.test('Redis away for longer than a lease: nobody is given up by its return', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'hoofbeat-redis-'));
  t.teardown(() => rm(dir, { recursive: true }));
  const redis = await redisFor(t, ['--dir', dir, '--appendonly', 'yes']);
  if (redis === null) return;
  const all = (await started(t, redis, 'a', 'b', 'c')) as [TestMember, TestMember, TestMember];
  const [a, b, c] = all;
  for (const node of all) await outgrowGrace(node);
  for (const node of all) await quiet(node);
  for (const node of all) await endLease(node);
  await redis.stop();
  for (const node of all) node.clock.advance(LEASE_MS);
  await c.commands.stop();
  const back = [a, b].map((node) => new Promise<void>((resolve) => node.commands.onChange(() => resolve())));
  await redis.start();
  await Promise.all(back);
  for (const node of [a, b]) await node.members.refresh();
  for (const node of [a, b]) t.strictSame([node.names, node.told.length], [['a', 'b', 'c'], 0]);
  await outgrowGrace(a);
  t.equal(await a.told.next(), 'node gone c', 'who has not come back within a lease is given up');
  t.strictSame(a.names, ['a', 'b']);
});

t.test('Redis has lost everything: nodes join again under their names, and who does not is given up', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  const [a, b, silent] = (await started(t, redis, 'a', 'b', 's')) as [TestMember, TestMember, TestMember];
  const before = a.members.incarnation;
  await a.commands.command('FLUSHALL');
  for (const node of [a, b]) await node.members.refresh();
  t.equal(await a.told.next(), 'joined a');
  t.equal(await b.told.next(), 'joined b');
  t.equal(a.members.incarnation, before);
  await a.members.refresh();
  t.strictSame([a.names, a.told.length], [['a', 'b', 's'], 0]);
  await outgrowGrace(a);
  t.equal(await a.told.next(), 'node gone s');
  await silent.members.refresh();
  t.equal(await silent.told.next(), 'joined s', 'it was Redis that lost it');
});

t.test('a node starts without Redis, and joins when it comes', async (t) => {
  const redis = await redisFor(t);
  if (redis === null) return;
  await redis.stop();
  const node = create(t, redis, 'a');
  await node.members.start();
  t.strictSame([node.members.isMember, node.members.problem, node.names], [false, null, ['a']]);
  await redis.start();
  t.equal(await node.told.next(), 'joined a');
});
