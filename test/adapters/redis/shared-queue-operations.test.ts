/** What an operator does with queues of a cluster, at either of two nodes over one real redis-server. */
import t from 'tap';
import type { MoveOptions, QueueOperations } from '../../../broker/index.js';
import { requireProgram } from '../../helpers/programs.js';
import { connectToBoth, sendTo, startNodes } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import type { TestServer } from '../../helpers/server.js';

const INDIVIDUAL = { ack: 'client-individual' };
const ALL: MoveOptions = { target: null, numbers: null, limit: Infinity };

function queueAt(node: TestServer | undefined, destination: string): QueueOperations {
  const queue = node?.server.broker.operations.queue(destination) ?? null;
  if (queue === null) throw new Error(`no ${destination}`);
  return queue;
}

async function bodiesIn(node: TestServer | undefined, destination: string): Promise<string[]> {
  const { messages } = await queueAt(node, destination).browse(null, 10_000);
  return messages.map(({ body }) => body.toString());
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, k) => `m${k}`);
}

if (requireProgram(t, 'redis-server')) {
  t.test('what waits is browsed page by page from another node, and nobody claims it', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [sender] = await connectToBoth(t, nodes);
    const bodies = numbered(300);
    for (const body of bodies) sender.sendFrame('SEND', { destination: '/queue/a', colour: 'red' }, body);
    await sendTo(sender, '/queue/a', 'urgent', { priority: '9' });
    await sendTo(sender, '/queue/a', 'later', { AMQ_SCHEDULED_DELAY: '60000' });
    const queue = queueAt(nodes[1], '/queue/a');
    const all: string[] = [];
    let place = null;
    do {
      const { messages, next } = await queue.browse(place, 7);
      t.ok(messages.length <= 7);
      all.push(...messages.map(({ body }) => body.toString()));
      place = next;
    } while (place !== null);
    t.strictSame(all, ['urgent', ...bodies]);
    t.strictSame(await bodiesIn(nodes[1], '/queue/a'), all, 'more than a page of the store at once');
    const { messages } = await queue.browse(null, 2);
    t.match(messages, [{ priority: 9, deliveryCount: 0, isStored: true, expiresEpochMs: 0 }, { priority: 4 }]);
    t.ok(messages[1]?.headers.some(([name, value]) => name === 'colour' && value === 'red'));
    const details = await queue.readDetails();
    t.match(details, { destination: '/queue/a', depth: 302, delayed: 1, unsettled: 0, subscriberCount: 0 });
    t.ok(details.bytes > 302);
  });

  t.test('purge drops what waits at once, and leaves what consumers of any node have', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [here, there] = await connectToBoth(t, nodes);
    await there.subscribe('/queue/a', 's', { ...INDIVIDUAL, 'prefetch-count': '1' });
    for (const body of ['held', 'waits', 'waits too']) await sendTo(here, '/queue/a', body);
    await sendTo(here, '/queue/a', 'later', { AMQ_SCHEDULED_DELAY: '60000' });
    const held = await there.frame('MESSAGE');
    const queue = queueAt(nodes[0], '/queue/a');
    t.match(await queue.readDetails(), { depth: 3, delayed: 1, unsettled: 1 });
    t.equal(await queue.purge(), 3);
    t.match(await queue.readDetails(), { depth: 0, bytes: 0, delayed: 0, unsettled: 1 });
    t.equal(await queue.purge(), 0);
    // It comes back in full, and what is sent afterwards behind it.
    there.sendFrame('NACK', { id: held.get('ack') ?? '' });
    const again = await there.frame('MESSAGE');
    t.strictSame([again.text, again.get('delivery-count')], ['held', '2']);
    await sendTo(here, '/queue/a', 'new');
    there.sendFrame('ACK', { id: again.get('ack') ?? '' });
    t.equal((await there.frame('MESSAGE')).text, 'new');
    t.match(await queue.readDetails(), { depth: 0, unsettled: 1 });
  });

  t.test('messages are removed by number, those whose time has not come too', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [here, there] = await connectToBoth(t, nodes);
    for (const body of 'abc') await sendTo(here, '/queue/a', body);
    const queue = queueAt(nodes[1], '/queue/a');
    const numbers = (await queue.browse(null, 10)).messages.map(({ number }) => number);
    const [a = 0, b = 0, c = 0] = numbers;
    t.equal(await queue.remove(new Set([b, b + 1_000_000])), 1);
    t.equal(await queue.remove(new Set([b])), 0);
    const { bytes } = await queue.readDetails();
    t.equal(await queue.remove(new Set([c])), 1);
    t.equal((await queue.readDetails()).bytes, bytes / 2, 'of messages that weigh the same');
    await there.subscribe('/queue/a', 's', INDIVIDUAL);
    t.equal((await there.frame('MESSAGE')).text, 'a');
    t.equal(await queue.remove(new Set([a])), 0, 'a consumer has it');
    t.match(await queue.readDetails(), { depth: 0, bytes: 0, unsettled: 1 });
  });

  t.test('dead letters go back to where they come from, without the words of their death', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [here, there] = await connectToBoth(t, nodes);
    await here.subscribe('/queue/work', 's', INDIVIDUAL);
    for (const body of ['one', 'two']) {
      await sendTo(there, '/queue/work', body, { kind: 'job' });
      const message = await here.frame('MESSAGE');
      here.sendFrame('NACK', { id: message.get('ack') ?? '', requeue: 'false', receipt: `refused ${body}` });
      await here.receipt(`refused ${body}`);
    }
    await sendTo(there, '/queue/DLQ', 'of nowhere');
    t.strictSame(await queueAt(nodes[1], '/queue/DLQ').move(ALL), { moved: 2, skipped: 1, stoppedBy: null });
    const [one, two] = await here.messages(2);
    t.strictSame([one?.text, two?.text], ['one', 'two']);
    t.strictSame(
      ['destination', 'kind', 'dead-letter-reason', 'original-destination'].map((name) => one?.get(name)),
      ['/queue/work', 'job', undefined, undefined],
    );
    t.strictSame(await bodiesIn(nodes[0], '/queue/DLQ'), ['of nowhere']);
  });

  t.test('a move goes as far as its target has room, its limit, or its numbers', async (t) => {
    const queues = [{ pattern: '/queue/small', maxMessages: 2 }];
    const nodes = await startNodes(t, await RedisProcess.start(t), 2, { broker: { queues } });
    const [here] = await connectToBoth(t, nodes);
    for (const body of 'abcdef') await sendTo(here, '/queue/a', body);
    const queue = queueAt(nodes[1], '/queue/a');
    await t.rejects(queue.move({ ...ALL, target: '/queue/a' }), { code: 'destination-invalid' });
    t.match(await queue.move({ ...ALL, target: '/nowhere/x' }), {
      moved: 0,
      stoppedBy: { code: 'destination-invalid' },
    });
    t.match(await queue.move({ ...ALL, target: '/queue/small' }), { moved: 2, stoppedBy: { code: 'queue-full' } });
    t.strictSame(await bodiesIn(nodes[0], '/queue/small'), ['a', 'b']);
    t.strictSame(await bodiesIn(nodes[0], '/queue/a'), ['c', 'd', 'e', 'f'], 'what was refused is in its place');
    t.match(await queue.move({ ...ALL, target: '/queue/b', limit: 1 }), { moved: 1, stoppedBy: null });
    const { messages } = await queue.browse(null, 10);
    const numbers = new Set([messages[2]?.number ?? 0, 1]);
    t.match(await queue.move({ ...ALL, target: '/queue/b', numbers }), { moved: 1, stoppedBy: null });
    t.strictSame(await bodiesIn(nodes[0], '/queue/b'), ['c', 'f']);
    t.strictSame(await bodiesIn(nodes[0], '/queue/a'), ['d', 'e']);
  });

  t.test('what is moved and consumed at the same time is nowhere twice', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [here, there] = await connectToBoth(t, nodes);
    const bodies = numbered(1_000);
    for (const body of bodies) here.sendFrame('SEND', { destination: '/queue/a' }, body);
    await here.fence();
    there.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/a' });
    const moves = nodes.map((node) => queueAt(node, '/queue/a').move({ ...ALL, target: '/queue/b' }));
    const moved = (await Promise.all(moves)).reduce((sum, each) => sum + each.moved, 0);
    const consumed = (await there.messages(bodies.length - moved)).map(({ text }) => text);
    const arrived = await bodiesIn(nodes[0], '/queue/b');
    t.equal(arrived.length, moved);
    t.strictSame([...consumed, ...arrived].sort(), [...bodies].sort());
    await there.fence();
    t.match(await queueAt(nodes[0], '/queue/a').readDetails(), { depth: 0, bytes: 0 });
  });

  t.test('each node lists what the queues hold it remembers; without Redis nothing is made up', async (t) => {
    const redis = await RedisProcess.start(t);
    const nodes = await startNodes(t, redis, 2);
    const [here, there] = await connectToBoth(t, nodes);
    await sendTo(here, '/queue/a', 'first');
    await sendTo(there, '/queue/a', 'second');
    for (const { server } of nodes) {
      const { operations } = server.broker;
      await operations.readQueues();
      t.match(operations.destination('/queue/a')?.queue, { depth: 2, isDurable: true });
      t.equal(operations.queue('/topic/t'), null);
    }
    await redis.stop();
    const queue = queueAt(nodes[0], '/queue/a');
    await t.rejects(queue.readDetails(), { code: 'store-failed' });
    await t.rejects(queue.browse(null, 1), { code: 'store-failed' });
    await t.rejects(queue.purge(), { code: 'store-failed' });
    await t.rejects(queue.move(ALL), { code: 'store-failed' });
  });
}
