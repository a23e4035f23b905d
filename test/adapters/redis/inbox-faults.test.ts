/** Inboxes of users of a cluster when nodes die or stand still, and when Redis is away. */
import t from 'tap';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import {
  X,
  INDIVIDUAL,
  FSYNC,
  nodesOf,
  processOf,
  kill,
  login,
  bobAt,
  leave,
  next,
  ack,
  kept,
} from '../../helpers/redis-inboxes.js';
import { SHORT_LEASE_MS, sendTo } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { until } from '../../helpers/until.js';

if (requireProgram(t, 'redis-server')) {
  t.jobs = 3;

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
    // More than one script tells anew.
    for (let k = 0; k < 700; k++) {
      cid.sendFrame('SUBSCRIBE', { id: String(k), destination: `/user/queue/${k}` });
    }
    await cid.subscribe('/user/queue/x', 's');
    const bob = await bobAt(t, b, '/queue/x', INDIVIDUAL);
    const [first] = await bob.messages(1);
    await redis.kill();
    ack(bob, first);
    await until('the loss', () => a?.server.broker.health().isOk === false);
    await redis.start();
    const isThere = (): boolean => [a, b].every((node) => node?.server.broker.health().isOk === true);
    await until('both nodes', isThere);
    for (const rest of ['x', '0', '350', '699']) {
      await sendTo(ann, `/user/cid/queue/${rest}`, `live ${rest}`);
      t.equal(await next(cid, 1), `live ${rest}`);
    }
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
}
