/** Queues of a cluster: nodes over one real redis-server, with clients on all of them. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { temporaryDirectory } from '../../helpers/cli.js';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient, ReceivedFrame } from '../../helpers/raw-client.js';
import {
  connectTo,
  connectToBoth,
  SHORT_LEASE_MS,
  sendTo,
  startNodeProcess,
  startNodes,
} from '../../helpers/redis-nodes.js';
import { ask } from '../../helpers/redis-cluster.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { until } from '../../helpers/until.js';

const INDIVIDUAL = { ack: 'client-individual' };

function settle(client: RawClient, command: 'ACK' | 'NACK', message: ReceivedFrame, more = {}): void {
  client.sendFrame(command, { id: message.get('ack') ?? '', ...more });
}

/** Bodies of the next ones, with how often they were delivered. */
async function deliveries(client: RawClient, count: number): Promise<string[]> {
  const messages = await client.messages(count);
  return messages.map((message) => `${message.text} ${message.get('delivery-count') ?? 1}`);
}

/** Whether a SEND has its RECEIPT, rather than ERROR. */
async function isTaken(client: RawClient, destination: string, body: string): Promise<boolean> {
  client.sendFrame('SEND', { destination, receipt: 'r' }, body);
  return (await client.frame()).command === 'RECEIPT';
}

async function started(t: Test): Promise<RedisProcess> {
  return RedisProcess.start(t);
}

if (requireProgram(t, 'redis-server')) {
  t.test('what is sent on one node is consumed on another, whether somebody waits or not', async (t) => {
    const nodes = await startNodes(t, await started(t), 2);
    const [sender, reader] = await connectToBoth(t, nodes);
    await reader.subscribe('/queue/a');
    sender.sendFrame('SEND', { destination: '/queue/a' }, 'awaited');
    t.equal((await reader.frame('MESSAGE')).text, 'awaited');
    for (const [body, priority] of ['low 1', 'high 9', 'lower 0'].map((text) => text.split(' '))) {
      await sendTo(sender, '/queue/b', body ?? '', { priority: priority ?? '' });
    }
    await reader.subscribe('/queue/b', 'b');
    t.strictSame(await deliveries(reader, 3), ['high 1', 'low 1', 'lower 1']);
  });

  t.test('competing consumers on three nodes get every message once', async (t) => {
    const nodes = await startNodes(t, await started(t), 3);
    const senders = await Promise.all(nodes.map((node) => connectTo(t, node)));
    const consumers = await Promise.all(nodes.map((node) => connectTo(t, node)));
    const each = 1_000;
    for (const [k, consumer] of consumers.entries()) {
      await consumer.subscribe('/queue/load', 's', { ...INDIVIDUAL, 'prefetch-count': String(10 * (k + 1)) });
    }
    const got: string[] = [];
    let isOver = (): void => undefined;
    const over = new Promise<void>((resolve) => {
      isOver = resolve;
    });
    const consume = async (consumer: RawClient): Promise<void> => {
      for (;;) {
        const message = await Promise.race([consumer.frame('MESSAGE'), over]);
        if (message === undefined) return;
        got.push(message.text);
        settle(consumer, 'ACK', message);
        if (got.length === each * senders.length) isOver();
      }
    };
    const consuming = consumers.map(consume);
    const publish = async (sender: RawClient, k: number): Promise<void> => {
      for (let n = 0; n < each; n += 100) {
        const frames = Array.from({ length: 100 }, (_, at) => `SEND\ndestination:/queue/load\n\n${k}-${n + at}\0`);
        await sender.send(frames.join(''));
      }
    };
    await Promise.all(senders.map(publish));
    await Promise.all(consuming);
    t.equal(new Set(got).size, each * senders.length);
  });

  t.test('what a client refuses, or leaves behind, goes to whoever is there on another node', async (t) => {
    const nodes = await startNodes(t, await started(t), 2, { broker: { queueDefaults: { maxDeliveries: 3 } } });
    const [first, second] = await connectToBoth(t, nodes);
    await first.subscribe('/queue/a', 's', INDIVIDUAL);
    for (const body of 'abc') await sendTo(second, '/queue/a', body);
    const [a, b, c] = await first.messages(3);
    if (a === undefined || b === undefined || c === undefined) return;
    await first.subscribe('/queue/DLQ', 'dead');
    settle(first, 'NACK', a, { requeue: 'false' });
    t.equal((await first.frame('MESSAGE')).get('dead-letter-reason'), 'rejected');
    settle(first, 'ACK', b, { receipt: 'acked' });
    await first.receipt('acked');
    await second.subscribe('/queue/a', 's', INDIVIDUAL);
    first.destroy();
    t.strictSame(await deliveries(second, 1), ['c 2'], 'in its place, and counted');
    await second.fence();
  });

  t.test(
    'what a full dead-letter queue does not take waits with nobody, and no client is refused for it',
    async (t) => {
      const nodes = await startNodes(t, await started(t), 2, {
        broker: { queues: [{ pattern: '/queue/DLQ', maxMessages: 1 }] },
      });
      const [first, second] = await connectToBoth(t, nodes);
      await first.subscribe('/queue/a', 's', INDIVIDUAL);
      for (const body of 'ab') {
        await sendTo(second, '/queue/a', body);
        settle(first, 'NACK', await first.frame('MESSAGE'), { requeue: 'false', receipt: body });
        await first.receipt(body);
      }
      const refused = (): number =>
        nodes.reduce((sum, { server }) => sum + server.broker.stats().deadLettersRefused, 0);
      await until('a second try', () => refused() > 1);
      const queue = nodes[0]?.server.broker.operations.queue('/queue/a');
      t.match(await queue?.readDetails(), { depth: 1, delayed: 1, unsettled: 0 });
      first.sendFrame('UNSUBSCRIBE', { id: 's' });
      await second.subscribe('/queue/a', 's', INDIVIDUAL);
      await sendTo(first, '/queue/a', 'c');
      t.strictSame(await deliveries(second, 1), ['c 1'], 'nobody gets what was rejected');
      await second.subscribe('/queue/DLQ', 'dead');
      const letters = (await second.messages(2)).map((letter) => [letter.text, letter.get('dead-letter-reason')]);
      t.strictSame(letters, [
        ['a', 'rejected'],
        ['b', 'rejected'],
      ]);
      t.match(await queue?.readDetails(), { depth: 0, bytes: 0, delayed: 0 });
    },
  );

  t.test('a transaction acknowledges and sends, on whatever node the queues are consumed', async (t) => {
    const nodes = await startNodes(t, await started(t), 2, {
      broker: { queues: [{ pattern: '/queue/small', maxMessages: 1 }] },
    });
    const [worker, other] = await connectToBoth(t, nodes);
    await sendTo(other, '/queue/in', 'task');
    await worker.subscribe('/queue/in', 's', INDIVIDUAL);
    const task = await worker.frame('MESSAGE');
    worker.sendFrame('BEGIN', { transaction: 'tx' });
    settle(worker, 'ACK', task, { transaction: 'tx' });
    worker.sendFrame('SEND', { destination: '/queue/out', transaction: 'tx' }, 'result');
    worker.sendFrame('COMMIT', { transaction: 'tx', receipt: 'done' });
    await worker.receipt('done');
    await other.subscribe('/queue/out', 'out');
    t.equal((await other.frame('MESSAGE')).text, 'result');
    // All or nothing: the second does not fit.
    await sendTo(other, '/queue/in', 'next');
    const next = await worker.frame('MESSAGE');
    worker.sendFrame('BEGIN', { transaction: 'tx' });
    settle(worker, 'ACK', next, { transaction: 'tx' });
    for (const body of ['fits', 'does not']) {
      worker.sendFrame('SEND', { destination: '/queue/small', transaction: 'tx' }, body);
    }
    worker.sendFrame('COMMIT', { transaction: 'tx', receipt: 'never' });
    await worker.expectError('queue-full');
    await other.subscribe('/queue/in', 'in');
    t.strictSame(await deliveries(other, 1), ['next 2']);
    await sendTo(other, '/queue/small', 'room for one');
  });

  t.test('selectors, browsers and exclusive consumers mean the queue of all nodes', async (t) => {
    const nodes = await startNodes(t, await started(t), 2);
    const [here, there] = await connectToBoth(t, nodes);
    for (const [k, body] of Array.from('abcd').entries()) await sendTo(here, '/queue/a', body, { kind: `k${k % 2}` });
    await there.subscribe('/queue/a', 'look', { browser: 'true' });
    const seen = await there.messages(5);
    t.equal(seen.map(({ text }) => text).join(''), 'abcd');
    t.equal(seen.at(-1)?.get('browser'), 'end');
    await there.subscribe('/queue/a', 'odd', { selector: "kind = 'k1'" });
    t.strictSame(await deliveries(there, 2), ['b 1', 'd 1']);
    await sendTo(here, '/queue/a', 'f', { kind: 'k1' });
    t.strictSame(await deliveries(there, 1), ['f 1'], 'what comes later too');
    await here.subscribe('/queue/a', 'rest');
    t.strictSame(await deliveries(here, 2), ['a 1', 'c 1']);
    await here.subscribe('/queue/x', 'only', { exclusive: 'true' });
    await sendTo(there, '/queue/x', 'first');
    t.strictSame(await deliveries(here, 1), ['first 1']);
    await there.subscribe('/queue/x', 'x');
    await sendTo(there, '/queue/x', 'second');
    t.strictSame(await deliveries(here, 1), ['second 1']);
    here.sendFrame('UNSUBSCRIBE', { id: 'only', receipt: 'gone' });
    await here.receipt('gone');
    await sendTo(here, '/queue/x', 'third');
    t.strictSame(await deliveries(there, 1), ['third 1']);
  });

  t.test('delays and times to live hold, whoever waits', async (t) => {
    const queues = [
      { pattern: '/queue/short', ttlMs: 30, onExpiry: 'dead-letter', deadLetter: '/queue/late' },
    ] as const;
    const nodes = await startNodes(t, await started(t), 2, { broker: { queues } });
    const [here, there] = await connectToBoth(t, nodes);
    await there.subscribe('/queue/a');
    const sentAt = Date.now();
    await sendTo(here, '/queue/a', 'later', { AMQ_SCHEDULED_DELAY: '200' });
    await there.frame('MESSAGE');
    t.ok(Date.now() - sentAt >= 200);
    await there.subscribe('/queue/late', 'late');
    await sendTo(here, '/queue/short', 'nobody came');
    t.equal((await there.frame('MESSAGE')).get('dead-letter-reason'), 'expired');
  });

  t.test('a node that stops gives back at once what it had', async (t) => {
    const [stopping, staying] = await startNodes(t, await started(t), 2);
    if (stopping === undefined || staying === undefined) return;
    const [client, other] = await connectToBoth(t, [stopping, staying]);
    for (const body of 'ab') await sendTo(client, '/queue/a', body);
    await client.subscribe('/queue/a', 's', INDIVIDUAL);
    await client.messages(2);
    await other.subscribe('/queue/a', 's', INDIVIDUAL);
    await stopping.stop();
    t.strictSame(await deliveries(other, 2), ['a 2', 'b 2']);
  });

  t.test('what a killed node had comes again within its lease, once and counted', async (t) => {
    const redis = await started(t);
    const config = path.join(temporaryDirectory(t), 'hoofbeat.json');
    writeFileSync(config, JSON.stringify({ relay: { type: 'redis', leaseMs: SHORT_LEASE_MS } }));
    const killed = await startNodeProcess(t, redis, config);
    const [staying] = await startNodes(t, redis, 1, { leaseMs: SHORT_LEASE_MS });
    if (staying === undefined) return;
    const [doomed, other] = [await connectTo(t, killed), await connectTo(t, staying)];
    const bodies = Array.from({ length: 50 }, (_, k) => `m${k}`);
    for (const body of bodies) await sendTo(doomed, '/queue/a', body);
    await doomed.subscribe('/queue/a', 's', INDIVIDUAL);
    const got = await doomed.messages(bodies.length);
    for (const message of got.slice(0, 10)) settle(doomed, 'ACK', message);
    await doomed.fence();
    await other.subscribe('/queue/a', 's', INDIVIDUAL);
    killed.command.child.kill('SIGKILL');
    const again = await deliveries(other, bodies.length - 10);
    t.strictSame(
      again,
      bodies.slice(10).map((body) => `${body} 2`),
    );
    await other.fence();
    t.ok(staying.server.broker.health().isOk);
  });

  t.test('while Redis is away: refused, kept, and nothing lost', async (t) => {
    const redis = await started(t);
    const nodes = await startNodes(t, redis, 2);
    const [node] = nodes;
    const [client, other] = await connectToBoth(t, nodes);
    for (const body of 'ab') await sendTo(client, '/queue/a', body);
    await client.subscribe('/queue/a', 's', INDIVIDUAL);
    const [a, b] = await client.messages(2);
    if (a === undefined || b === undefined || node === undefined) return;
    // Standing still, it loses nothing that it has.
    redis.freeze();
    settle(client, 'ACK', a, { receipt: 'kept' });
    redis.resume();
    await client.receipt('kept');
    settle(client, 'NACK', b);
    await other.subscribe('/queue/a', 's', INDIVIDUAL);
    const [message] = await Promise.race([client.messages(1), other.messages(1)]);
    t.equal(`${message?.text ?? ''} ${message?.get('delivery-count') ?? ''}`, 'b 2');
    const refusing = await connectTo(t, node);
    await sendTo(refusing, '/queue/c', 'c');
    await refusing.subscribe('/queue/c', 's', INDIVIDUAL);
    const c = await refusing.frame('MESSAGE');
    await redis.stop();
    settle(refusing, 'NACK', c, { requeue: 'false', receipt: 'for good' });
    await refusing.expectError('store-failed');
    const third = await connectTo(t, node);
    third.sendFrame('SEND', { destination: '/queue/a', receipt: 'r' }, 'x');
    await third.expectError('store-failed');
    t.notOk(node.server.broker.health().isOk);
    await redis.start();
    let fourth = await connectTo(t, node);
    while (!(await isTaken(fourth, '/queue/b', 'y'))) fourth = await connectTo(t, node);
    await fourth.subscribe('/queue/b');
    t.equal((await fourth.frame('MESSAGE')).text, 'y');
  });

  t.test('Redis back without its data: clients go on, and what they still hold settles nothing else', async (t) => {
    const redis = await started(t);
    const nodes = await startNodes(t, redis, 2);
    const [client, other] = await connectToBoth(t, nodes);
    const durable = await connectTo(t, nodes[0] ?? { tcpPort: 0 }, { 'client-id': 'c' });
    await durable.subscribe('/topic/a', 'd', { 'activemq.subscriptionName': 'n' });
    await client.subscribe('/queue/a', 's', INDIVIDUAL);
    for (const body of 'ab') await sendTo(other, '/queue/a', body);
    const old = await client.messages(2);
    await redis.stop();
    await redis.start();
    const isWell = (): boolean => nodes.every(({ server }) => server.broker.health().isOk);
    await until('the loss', () => !isWell());
    await until('Redis', isWell);
    for (const body of 'xy') await sendTo(other, '/queue/a', body);
    await client.messages(2);
    for (const message of old) {
      settle(client, 'ACK', message, { receipt: message.text });
      await client.receipt(message.text);
    }
    client.destroy();
    await other.subscribe('/queue/a', 's', INDIVIDUAL);
    t.strictSame(await deliveries(other, 2), ['x 2', 'y 2']);
    await sendTo(other, '/topic/a', 'news');
    t.equal((await durable.frame('MESSAGE')).text, 'news', 'a durable subscription that is in use is made again');
    durable.sendFrame('DISCONNECT', { receipt: 'bye' });
    await durable.receipt('bye');
    await sendTo(other, '/topic/a', 'kept');
    const again = await connectTo(t, nodes[1] ?? { tcpPort: 0 }, { 'client-id': 'c' });
    await again.subscribe('/topic/a', 'd', { 'activemq.subscriptionName': 'n' });
    t.equal((await again.frame('MESSAGE')).text, 'kept');
  });

  t.test('an answer that was lost on its way to who has left: what it brought is there for others', async (t) => {
    const redis = await started(t);
    const proxy = await TcpProxy.start(t, redis.port);
    const [far] = await startNodes(t, { url: `redis://127.0.0.1:${proxy.port}` }, 1);
    const [near] = await startNodes(t, redis, 1);
    if (far === undefined || near === undefined) return;
    const [doomed, other] = await connectToBoth(t, [far, near]);
    for (const body of 'ab') await sendTo(other, '/queue/a', body);
    doomed.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/a', ...INDIVIDUAL });
    // Claimed, and nothing comes back.
    proxy.isDeaf = true;
    const claimed = async (): Promise<boolean> => Number(await ask(redis, 'EXISTS', '{hoofbeat:}claimants')) === 1;
    await until('the claim', claimed);
    doomed.destroy();
    await until('its end', () => far.server.broker.stats().connections.current === 0);
    proxy.cut();
    proxy.isDeaf = false;
    await other.subscribe('/queue/a', 's', INDIVIDUAL);
    t.strictSame(await deliveries(other, 2), ['a 1', 'b 1']);
  });
}
