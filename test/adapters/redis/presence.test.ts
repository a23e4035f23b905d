/** Presence over real nodes: one is killed, Redis goes and comes back, and watchers end with what is true. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { RunningCommand, temporaryDirectory } from '../../helpers/cli.js';
import { Inbox } from '../../helpers/inbox.js';
import { PresenceWatcher } from '../../helpers/presence-watcher.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

const ROOM = '/topic/room';
/** On the node that is killed. */
const DOOMED = Array.from({ length: 300 }, (_, k) => `doomed-${k}`);
const NAMES = ['ann', 'bob', 'eve', ...DOOMED];
const OPTIONS = {
  auth: { anonymous: true, users: NAMES.map((login) => ({ login, passcode: 'x' })) },
  broker: { presence: { leaveDelayMs: 0, maxUsers: 2_000 }, feed: { roles: ['*'] } },
};

function relayOf({ url }: RedisProcess): object {
  return { type: 'redis', url, leaseMs: 600, reconnect: { initialDelayMs: 20, maxDelayMs: 100 } };
}

async function startNode(t: Test, redis: RedisProcess): Promise<TestServer> {
  const node = await startTestServer({ http: false, relay: relayOf(redis) as { type: 'redis' }, ...OPTIONS });
  t.teardown(node.stop);
  return node;
}

async function connectTo(t: Test, tcpPort: number, login?: string): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', login === undefined ? {} : { login, passcode: 'x' });
  return client;
}

async function watch(t: Test, { tcpPort }: TestServer): Promise<[RawClient, PresenceWatcher]> {
  const client = await connectTo(t, tcpPort);
  await client.subscribe('/topic/$presence/room');
  const snapshot = await client.frame('MESSAGE');
  return [client, new PresenceWatcher().read(snapshot.get('presence'), snapshot.text)];
}

/** Reads what it is told until its belief is this. */
async function until(client: RawClient, seen: PresenceWatcher, users: readonly string[]): Promise<void> {
  while ([...seen.users].sort().join() !== [...users].sort().join()) {
    const message = await client.frame('MESSAGE');
    seen.read(message.get('presence'), message.text);
  }
}

t.test('a node with many sessions is killed: watchers see its users go, and nobody else', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis), await startNode(t, redis)];
  const file = path.join(temporaryDirectory(t), 'node.json');
  writeFileSync(file, JSON.stringify({ http: false, tcp: { port: 0 }, relay: relayOf(redis), ...OPTIONS }));
  const killed = new RunningCommand(t, ['serve', '--json', '--log-level', 'silent', '--config', file]);
  await killed.until(({ stdout }) => stdout.includes('\n'), 'its addresses');
  const { addresses } = JSON.parse(killed.stdout) as { addresses: { transport: string; port: number }[] };
  const port = addresses[0]?.port ?? 0;
  const doomed = await Promise.all(DOOMED.map((name) => connectTo(t, port, name)));
  await Promise.all(doomed.map((client) => client.subscribe(ROOM)));
  const [ann, bob] = [await connectTo(t, a.tcpPort, 'ann'), await connectTo(t, port, 'bob')];
  await ann.subscribe(ROOM);
  await bob.subscribe(ROOM);
  const [client, seen] = await watch(t, b);
  await until(client, seen, ['ann', 'bob', ...DOOMED]);
  const again = await connectTo(t, a.tcpPort, 'bob');
  await again.subscribe(ROOM);
  killed.child.kill('SIGKILL');
  await killed.ended;
  await until(client, seen, ['ann', 'bob']);
  t.strictSame((await a.server.broker.presence(ROOM)).users.map(({ name, sessions }) => [name, sessions]).sort(), [
    ['ann', 1],
    ['bob', 1],
  ]);
  t.notOk(seen.log.includes('leave bob'), 'who has a session elsewhere stays');
});

t.test('Redis goes and comes back: presence goes on here, and is right everywhere afterwards', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = [await startNode(t, redis), await startNode(t, redis), await startNode(t, redis)] as const;
  const [a, b, c] = nodes;
  const ann = await connectTo(t, a.tcpPort, 'ann');
  await ann.subscribe(ROOM);
  const [client, seen] = await watch(t, b);
  await until(client, seen, ['ann']);
  const available = new Inbox<boolean>();
  for (const { server } of nodes) server.broker.events.on('availability', (event) => available.push(event.available));
  await redis.stop();
  for (const node of nodes) t.notOk(await available.next(), String(nodes.indexOf(node)));
  const [bob, eve] = [await connectTo(t, b.tcpPort, 'bob'), await connectTo(t, c.tcpPort, 'eve')];
  await bob.subscribe(ROOM);
  await eve.subscribe(ROOM);
  ann.sendFrame('UNSUBSCRIBE', { id: '0', receipt: 'gone' });
  await ann.receipt('gone');
  await until(client, seen, ['ann', 'bob']);
  const [, alone] = await watch(t, c);
  t.strictSame([[...alone.users], alone.isComplete], [['eve'], false]);
  await redis.start();
  await until(client, seen, ['bob', 'eve']);
});
