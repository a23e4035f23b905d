/** A node that stood still beyond its lease (SIGSTOP): what its clients had sent meanwhile meets what is true by then. */
import t, { type Test } from 'tap';
import { BrokerProcess } from '../../../crash/broker-process.js';
import { temporaryDirectory } from '../../../helpers/cli.js';
import { PresenceWatcher } from '../../../helpers/presence-watcher.js';
import { requireProgram } from '../../../helpers/programs.js';
import type { RawClient } from '../../../helpers/raw-client.js';
import { connectTo, sendTo, SHORT_LEASE_MS } from '../../../helpers/redis-nodes.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../../helpers/server.js';
import { until } from '../../../helpers/until.js';

const INDIVIDUAL = { ack: 'client-individual' };
const ROOM = '/topic/room';

function optionsOf({ url }: RedisProcess, nodeId: string): object {
  return {
    http: false,
    tcp: { port: 0 },
    broker: { nodeId, presence: { leaveDelayMs: 0 } },
    auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
    relay: { type: 'redis', url, leaseMs: SHORT_LEASE_MS, reconnect: { initialDelayMs: 20, maxDelayMs: 100 } },
  };
}

/** One node here, and one that can stand still. */
async function startBoth(
  t: Test,
): Promise<{ near: TestServer; child: BrokerProcess; far: { readonly tcpPort: number } }> {
  const redis = await RedisProcess.start(t);
  const near = await startTestServer(optionsOf(redis, 'near'));
  t.teardown(near.stop);
  const child = BrokerProcess.start(t, temporaryDirectory(t), false, optionsOf(redis, 'far'));
  return { near, child, far: { tcpPort: await child.listening() } };
}

function asUser(name: string): Readonly<Record<string, string>> {
  return { 'X-User': name, 'heart-beat': '0,0' };
}

async function nodesOf({ server }: TestServer): Promise<string[]> {
  const { merged, missing } = await server.broker.cluster.nodes({ deadlineMs: 250 });
  return [...merged.map(({ nodeId }) => nodeId), ...missing].sort();
}

/** What happened in a room until its watcher believes this. */
async function watchUntil(client: RawClient, seen: PresenceWatcher, users: readonly string[]): Promise<string[]> {
  while ([...seen.users].sort().join() !== users.join()) {
    const message = await client.frame('MESSAGE');
    seen.read(message.get('presence'), message.text);
  }
  return seen.news();
}

t.test('what it is sent while it stands still waits until it knows what the others have made', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const { near, child, far } = await startBoth(t);
  const [sender, worker] = [await connectTo(t, far, asUser('ann')), await connectTo(t, far, asUser('bob'))];
  const [reader, other] = [await connectTo(t, near), await connectTo(t, near)];
  const watcher = await connectTo(t, near);
  await watcher.subscribe('/topic/$presence/room');
  const seen = new PresenceWatcher();
  await sender.subscribe(ROOM);
  await watchUntil(watcher, seen, ['ann']);
  await worker.subscribe('/queue/work', 'w', INDIVIDUAL);
  await sendTo(other, '/queue/work', 'task');
  const task = await worker.frame('MESSAGE');

  child.freeze();
  await sender.send('SEND\ndestination:/topic/news\nreceipt:1\n\nlate\0');
  await worker.send(`ACK\nid:${task.get('ack') ?? ''}\nreceipt:2\n\n\0`);
  await until('it to be given up', async () => (await nodesOf(near)).join() === 'near');
  t.strictSame(await watchUntil(watcher, seen, []), ['leave ann']);
  await reader.subscribe('/topic/news', 'd', { durable: 'true' });
  await other.subscribe('/queue/work', 'w', INDIVIDUAL);
  t.equal((await other.frame('MESSAGE')).get('delivery-count'), '2');

  child.resume();
  await sender.receipt('1');
  await worker.receipt('2');
  await sendTo(sender, '/topic/news', 'later');
  const news = (await reader.messages(2)).map(({ text }) => text);
  t.strictSame(news, ['late', 'later'], 'the subscription was made while it stood still');
  t.strictSame(await watchUntil(watcher, seen, ['ann']), ['join ann']);
  other.destroy();
  const again = await worker.frame('MESSAGE');
  t.strictSame([again.text, again.get('delivery-count')], ['task', '3'], 'its own ACK had come too late');
  t.match(child.log, /stood still beyond its lease/);
});
