/** What else nodes share beside queues: durable subscriptions, keys of messages, addresses for replies. */
import t from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import type { RawClient } from '../../helpers/raw-client.js';
import { connectTo, connectToBoth, sendTo, startNodes } from '../../helpers/redis-nodes.js';
import { RedisProcess } from '../../helpers/redis-process.js';

const DURABLE = { durable: 'true' };

async function bodies(client: RawClient, count: number): Promise<string[]> {
  return (await client.messages(count)).map(({ text }) => text);
}

if (requireProgram(t, 'redis-server')) {
  t.test('a durable subscription gets what is published on any node, and can be taken up on any', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [reader, sender] = await connectToBoth(t, nodes);
    await reader.subscribe('/topic/a', 'd', DURABLE);
    for (const body of ['here 1', 'here 2']) await sendTo(sender, '/topic/a', body);
    t.strictSame(await bodies(reader, 2), ['here 1', 'here 2']);
    reader.sendFrame('DISCONNECT', { receipt: 'bye' });
    await reader.receipt('bye');
    for (const body of ['kept 1', 'kept 2', 'kept 3']) await sendTo(sender, '/topic/a', body);
    await sender.subscribe('/topic/a', 'd', DURABLE);
    t.strictSame(await bodies(sender, 3), ['kept 1', 'kept 2', 'kept 3'], 'in order, on the other node');
    sender.sendFrame('UNSUBSCRIBE', { id: 'd', durable: 'true', destination: '/topic/a', receipt: 'gone' });
    await sender.receipt('gone');
    await sendTo(sender, '/topic/a', 'for nobody');
    const [node] = nodes;
    if (node === undefined) return;
    const late = await connectTo(t, node);
    await late.subscribe('/topic/a', 'd', DURABLE);
    late.sendFrame('SEND', { destination: '/topic/a' }, 'new');
    t.strictSame(await bodies(late, 1), ['new'], 'deleted for all');
  });

  t.test('a message-key counts on all nodes, and is free again when its message was refused', async (t) => {
    const broker = { queues: [{ pattern: '/queue/small', maxMessages: 1 }] };
    const nodes = await startNodes(t, await RedisProcess.start(t), 2, { broker });
    const [here, there] = await connectToBoth(t, nodes);
    for (const client of [here, there, here]) await sendTo(client, '/queue/a', 'once', { 'message-key': 'k' });
    await sendTo(there, '/queue/a', 'another', { 'message-key': 'k2' });
    await here.subscribe('/queue/a');
    t.strictSame(await bodies(here, 2), ['once', 'another']);
    await sendTo(there, '/queue/small', 'full', { 'message-key': 's1' });
    there.sendFrame('SEND', { destination: '/queue/small', 'message-key': 's2', receipt: 'r' }, 'refused');
    await there.expectError('queue-full');
    await here.subscribe('/queue/small', 'small');
    t.strictSame(await bodies(here, 1), ['full']);
    here.sendFrame('SEND', { destination: '/queue/small', 'message-key': 's2' }, 'sent again');
    t.strictSame(await bodies(here, 1), ['sent again']);
    t.equal(
      nodes.reduce((sum, { server }) => sum + server.broker.stats().duplicates, 0),
      2,
    );
  });

  t.test('replies find their way to another node, of sessions and of the application', async (t) => {
    const nodes = await startNodes(t, await RedisProcess.start(t), 2);
    const [asking, answering] = await connectToBoth(t, nodes);
    await answering.subscribe('/queue/work');
    await sendTo(asking, '/queue/work', 'question', { 'reply-to': '/temp-queue/r' });
    const question = await answering.frame('MESSAGE');
    await sendTo(answering, question.get('reply-to') ?? '', 'answer');
    const answer = await asking.frame('MESSAGE');
    t.strictSame([answer.text, answer.get('destination')], ['answer', '/temp-queue/r']);
    const reply = nodes[0]?.server.broker.request('/queue/work', 'of the application');
    const asked = await answering.frame('MESSAGE');
    await sendTo(answering, asked.get('reply-to') ?? '', 'for it');
    t.equal((await reply)?.text, 'for it');
    // Nobody is there any more.
    asking.sendFrame('DISCONNECT', { receipt: 'bye' });
    await asking.receipt('bye');
    await sendTo(answering, question.get('reply-to') ?? '', 'too late');
    await answering.fence();
  });
}
