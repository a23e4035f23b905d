import t, { type Test } from 'tap';
import { RedisKeys } from '../../../../adapters/redis/connection/redis-keys.js';
import { redisScript } from '../../../../adapters/redis/connection/redis-script.js';
import type { LogLine } from '../../../../adapters/testing/recorded-log.js';
import { Inbox } from '../../../helpers/inbox.js';
import { requireProgram } from '../../../helpers/programs.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisCommands, testRedisSignals } from '../../../helpers/redis-relay.js';

const keys = new RedisKeys('test:');
const TELL = redisScript(`return redis.call(ARGV[1], KEYS[1], ARGV[2])`);

async function start(t: Test, redis: RedisProcess, log: LogLine[] = []) {
  const signals = testRedisSignals(redis.url, {}, log);
  const commands = testRedisCommands(redis.url);
  for (const part of [signals, commands]) {
    t.teardown(() => part.stop());
    await part.start();
  }
  const changes = new Inbox<boolean>();
  signals.onChange((isUp) => {
    changes.push(isUp);
  });
  const tell = (name: string, octets: string | Buffer): Promise<unknown> =>
    commands.run(TELL, [keys.of(name)], [signals.publishCommand, octets]);
  return { signals, changes, tell };
}

t.test('who listens hears what scripts publish, octet by octet, until it stops', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { signals, tell } = await start(t, await RedisProcess.start(t));
  const heard = new Inbox<string>();
  const hear = (octets: Buffer): void => {
    heard.push(octets.toString('latin1'));
  };
  const both = [signals.listen('a/ü', hear), signals.listen('a/ü', hear)];
  for (const { inForce } of both) await inForce;
  t.equal(await tell('a/ü', Buffer.from([0, 255])), 1);
  t.strictSame([await heard.next(), await heard.next()], ['\0\xff', '\0\xff'], 'each for itself');
  both[0]?.stop();
  both[0]?.stop();
  t.equal(await tell('a/ü', '2'), 1);
  t.equal(await heard.next(), '2');
  both[1]?.stop();
  await signals.listen('fence', hear).inForce;
  t.equal(await tell('a/ü', '3'), 0);
  await tell('fence', '.');
  t.equal(await heard.next(), '.');
});

t.test('after a loss everything is in force again before it is told', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const { signals, changes } = await start(t, redis);
  const heard = new Inbox<string>();
  await signals.listen('a', (octets) => heard.push(octets.toString())).inForce;
  await redis.stop();
  t.equal(await changes.next('the loss of Redis'), false);
  t.notOk(signals.isUp);
  t.equal(signals.listen('b', (octets) => heard.push(octets.toString())).inForce, undefined, 'nobody waits');
  await redis.start();
  t.equal(await changes.next('Redis again'), true);
  t.ok(signals.isUp);
  const other = testRedisCommands(redis.url);
  t.teardown(() => other.stop());
  await other.start();
  for (const name of ['a', 'b']) t.equal(await other.run(TELL, [keys.of(name)], ['PUBLISH', name]), 1);
  t.strictSame([await heard.next(), await heard.next()], ['a', 'b']);
});

t.test('a listener that throws takes nothing from the others', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const log: LogLine[] = [];
  const { signals, tell } = await start(t, await RedisProcess.start(t), log);
  const heard = new Inbox<string>();
  signals.listen('a', () => {
    throw new Error('unfit');
  });
  await signals.listen('a', (octets) => heard.push(octets.toString())).inForce;
  await tell('a', '1');
  t.equal(await heard.next(), '1');
  t.match(log, [{ level: 'error', fields: { err: { message: 'unfit' } } }]);
});

t.test('it is shared: stopped by the last', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { signals } = await start(t, await RedisProcess.start(t));
  await signals.start();
  await signals.stop();
  t.ok(signals.isUp);
  await signals.stop();
  t.notOk(signals.isUp);
});
