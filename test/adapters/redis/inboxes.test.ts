/** Inboxes of users of a cluster: nodes over one real redis-server, and users who come and go on all of them. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient } from '../../helpers/raw-client.js';
import { X, nodesOf, login, bobAt, leave, next, kept } from '../../helpers/redis-inboxes.js';
import { sendTo } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { until } from '../../helpers/until.js';

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
    /** What comes before its RECEIPT. */
    const readUntil = async (bob: RawClient, command: string, headers = {}): Promise<void> => {
      bob.sendFrame(command, { ...headers, receipt: command });
      for (let frame = await bob.frame(); frame.command !== 'RECEIPT'; frame = await bob.frame()) {
        got.push(Number(frame.text));
      }
    };
    for (let hop = 0; !state.isSent; hop++) {
      const bob = await bobAt(t, nodes[hop % 3]);
      for (let k = 0; k < hop % 5; k++) await readUntil(bob, 'BEGIN', { transaction: String(k) });
      await readUntil(bob, 'DISCONNECT');
      await bob.closed();
    }
    const last = await bobAt(t, nodes[0]);
    for (let left = count - got.length; left > 0; left--) got.push(Number((await last.frame('MESSAGE')).text));
    await sending;
    t.strictSame(
      got.sort((a, b) => a - b),
      Array.from({ length: count }, (_, k) => k),
    );
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
