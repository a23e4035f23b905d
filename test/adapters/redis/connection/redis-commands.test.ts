import t, { type Test } from 'tap';
import { RedisKeys } from '../../../../adapters/redis/connection/redis-keys.js';
import type { RedisCommands } from '../../../../adapters/redis/connection/redis-commands.js';
import { redisScript } from '../../../../adapters/redis/connection/redis-script.js';
import { Inbox } from '../../../helpers/inbox.js';
import { requireProgram } from '../../../helpers/programs.js';
import { freePort, RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisCommands } from '../../../helpers/redis-relay.js';

const keys = new RedisKeys('test:');
const PUSH = redisScript(`return redis.call('RPUSH', KEYS[1], unpack(ARGV))`);
const ECHO = redisScript(`return {ARGV[1], tonumber(ARGV[2]), false, {KEYS[1]}}`);

async function start(t: Test, redis: RedisProcess, more: Parameters<typeof testRedisCommands>[1] = {}) {
  const commands = testRedisCommands(redis.url, more);
  const changes = new Inbox<string>();
  commands.onChange((isUp, why) => {
    changes.push(isUp ? 'up' : why);
  });
  t.teardown(() => commands.stop());
  await commands.start();
  return { commands, changes };
}

async function texts(commands: RedisCommands, name: string): Promise<string[]> {
  return ((await commands.command('LRANGE', keys.of(name), 0, -1)) as Buffer[]).map(String);
}

t.test('keys of a cluster are in one slot of Redis', async (t) => {
  t.equal(keys.of('queue:/queue/{a}'), '{test:}queue:/queue/{a}');
  t.equal(new RedisKeys('').of('x'), '{:}x', 'an empty hash tag would be none');
});

t.test('scripts and commands answer with octets, numbers, null and lists, or with the error they made', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { commands, changes } = await start(t, await RedisProcess.start(t));
  t.ok(commands.isUp);
  t.equal(await changes.next(), 'up');
  const octets = Buffer.from([0, 255, 13, 10]);
  t.strictSame(await commands.run(ECHO, [keys.of('k')], [octets, 7]), [octets, 7, null, [Buffer.from('{test:}k')]]);
  t.strictSame(await commands.command('SET', keys.of('s'), 'ü'), Buffer.from('OK'));
  await t.rejects(commands.run(PUSH, [keys.of('s')], ['1']), { name: 'ReplyError', message: /WRONGTYPE/ });
  await t.rejects(commands.command('NOTHING'), { name: 'ReplyError' });
  t.equal(await commands.waitReplicas(1, 1), 0);
  t.equal(changes.length, 0, 'errors of others do not end the connection');
});

t.test('scripts that Redis has forgotten are shown again', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { commands } = await start(t, await RedisProcess.start(t));
  t.equal(await commands.run(PUSH, [keys.of('l')], ['1']), 1);
  await commands.command('SCRIPT', 'FLUSH');
  const both = [commands.run(PUSH, [keys.of('l')], ['2']), commands.run(PUSH, [keys.of('l')], ['3'])];
  t.strictSame(await Promise.all(both), [2, 3]);
  t.strictSame(await texts(commands, 'l'), ['1', '2', '3']);
});

t.test('what is asked runs in that order, scripts and commands alike', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { commands } = await start(t, await RedisProcess.start(t));
  const wanted = Array.from({ length: 1_000 }, (_, k) => String(k));
  const asked = wanted.map((text, k) =>
    k % 3 === 0 ? commands.command('RPUSH', keys.of('l'), text) : commands.run(PUSH, [keys.of('l')], [text]),
  );
  t.strictSame(
    await Promise.all(asked),
    wanted.map((_, k) => k + 1),
  );
  t.strictSame(await texts(commands, 'l'), wanted);
});

t.test('without a connection nothing is sent, and the next one knows scripts again', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { commands, changes } = await start(t, redis);
  t.equal(await changes.next(), 'up');
  await commands.run(PUSH, [keys.of('l')], ['1']);
  await redis.stop();
  t.match(await changes.next('the loss of Redis'), /^Redis: /);
  t.notOk(commands.isUp);
  await t.rejects(commands.run(PUSH, [keys.of('l')], ['2']), { code: 'relay-unavailable', message: /Redis: / });
  await redis.start();
  t.equal(await changes.next('Redis again'), 'up');
  t.equal(await commands.run(PUSH, [keys.of('l')], ['3']), 1);
});

t.test('a Redis that is not there at the start is found later', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const commands = testRedisCommands(`redis://127.0.0.1:${await freePort()}`);
  t.teardown(() => commands.stop());
  await commands.start();
  t.notOk(commands.isUp);
  await t.rejects(commands.command('PING'), { code: 'relay-unavailable', message: /ECONNREFUSED/ });
});

t.test('what was on its way when the connection broke may have been done', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { commands, changes } = await start(t, redis, { pingIntervalMs: 100 });
  t.equal(await changes.next(), 'up');
  redis.freeze();
  const asked = [commands.run(PUSH, [keys.of('l')], ['1']), commands.command('RPUSH', keys.of('l'), '2')];
  for (const one of asked) await t.rejects(one, { code: 'relay-lost' });
  t.equal(await changes.next('the loss of Redis'), 'Redis: no sign of life within 100 ms');
  redis.resume();
  t.equal(await changes.next('Redis again'), 'up');
});

t.test('what is on its way is bounded', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { commands } = await start(t, redis, { maxPendingBytes: 10_000 });
  redis.freeze();
  const push = (): Promise<unknown> => commands.command('RPUSH', keys.of('l'), Buffer.alloc(1_000));
  const asked = Array.from({ length: 10 }, push);
  await t.rejects(push(), { code: 'relay-unavailable', message: /octets are on their way/ });
  const vital = commands.run(redisScript("return redis.call('LLEN', KEYS[1])"), [keys.of('l')], [], true);
  t.notOk(commands.hasRoom);
  const room = commands.room().then(() => commands.hasRoom);
  redis.resume();
  t.strictSame([await vital, await room], [10, true]);
  t.strictSame(await Promise.all(asked), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  t.equal(await commands.command('RPUSH', keys.of('l'), '11'), 11);
});

t.test('a server that became a replica is left, and nothing was done', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { commands, changes } = await start(t, redis);
  t.equal(await changes.next(), 'up');
  await commands.command('REPLICAOF', '127.0.0.1', await freePort());
  await t.rejects(commands.command('SET', keys.of('s'), '1'), { code: 'relay-unavailable', message: /READONLY/ });
  t.match(await changes.next('the connection is left'), /READONLY/);
  t.equal(await changes.next('another connection'), 'up');
});

t.test('it stops with the last of those that share it, and what was asked is answered', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { commands } = await start(t, redis);
  await commands.start();
  await commands.stop();
  t.ok(commands.isUp, 'one of two still uses it');
  const asked = commands.command('RPUSH', keys.of('l'), '1');
  const stopped = commands.stop();
  await t.rejects(commands.command('RPUSH', keys.of('l'), '2'), { code: 'relay-unavailable', message: /stops/ });
  t.equal(await asked, 1);
  await stopped;
  t.notOk(commands.isUp);
  await commands.start();
  t.strictSame(await texts(commands, 'l'), ['1']);
});
