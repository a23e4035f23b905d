import t, { type Test } from 'tap';
import { BrokerFixture, type FixtureClient, frameText } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { MemoryNetwork, type MemoryNodeRelay } from '../../helpers/memory-node-relay.js';
import { PresenceWatcher } from '../../helpers/presence-watcher.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { seedOf } from '../../helpers/seed.js';

const ROOM = '/topic/room';
const AT = '/topic/$presence/room';

interface Node {
  readonly relay: MemoryNodeRelay;
  readonly fixture: BrokerFixture;
}

interface Cluster {
  readonly clock: FakeClock;
  readonly network: MemoryNetwork;
  readonly nodes: readonly [Node, Node, Node];
}

async function startCluster(leaveDelayMs = 0): Promise<Cluster> {
  const network = new MemoryNetwork();
  const clock = new FakeClock();
  const start = async (k: number): Promise<Node> => {
    const relay = network.createRelay();
    const options = { nodeId: `n${k}`, presence: { leaveDelayMs }, feed: { roles: ['*'], statsIntervalMs: 1_000 } };
    const fixture = new BrokerFixture(options, undefined, 'info', null, { clock, nodeRelay: relay });
    await fixture.started;
    return { relay, fixture };
  };
  return { clock, network, nodes: [await start(0), await start(1), await start(2)] };
}

function join({ fixture }: Node, login: string | null, topic = ROOM): FixtureClient {
  const client = fixture.connect(login === null ? {} : { login });
  client.subscribe('1', topic);
  client.frames();
  return client;
}

async function watch({ fixture }: Node, at = AT): Promise<{ client: FixtureClient; seen: PresenceWatcher }> {
  const client = fixture.connect();
  client.subscribe('p', at);
  await fixture.settle();
  return { client, seen: new PresenceWatcher().take(client.frames()) };
}

t.test('a watcher on one node sees who is subscribed on all of them', async (t) => {
  const { nodes } = await startCluster();
  const [a, b, c] = nodes;
  join(a, 'ann');
  const [first, anonymous] = [join(b, 'bob'), join(b, null)];
  const { client, seen } = await watch(c);
  t.strictSame(seen.news(), ['snapshot ann,bob']);
  t.equal(seen.anonymous, 1);
  t.equal(seen.isComplete, true);
  const second = join(c, 'bob');
  join(b, 'eve');
  first.send(frameText('UNSUBSCRIBE', { id: '1' }));
  t.strictSame(seen.take(client.frames()).news(), ['join eve']);
  second.send(frameText('UNSUBSCRIBE', { id: '1' }));
  anonymous.connection.vanish();
  t.strictSame(seen.take(client.frames()).news(), ['leave bob']);
  t.strictSame(
    (await a.fixture.broker.presence(ROOM)).users.map(({ name }) => name),
    ['ann', 'eve'],
  );
});

t.test('a page that is loaded again and comes back on another node neither leaves nor joins', async (t) => {
  const { nodes, clock } = await startCluster(3_000);
  const [a, b, c] = nodes;
  const { client, seen } = await watch(c);
  join(a, 'ann').connection.vanish();
  clock.advance(1_000);
  join(b, 'ann');
  clock.advance(10_000);
  t.strictSame(seen.take(client.frames()).news(), ['snapshot ', 'join ann']);
});

t.test('a topic that nobody watches costs the relay nothing, nor one that nobody watches any more', async (t) => {
  const { nodes } = await startCluster();
  const [a, b] = nodes;
  const heard: string[] = [];
  const publish = a.relay.publish.bind(a.relay);
  a.relay.publish = (destination, octets) => {
    heard.push(destination);
    publish(destination, octets);
  };
  join(a, 'ann').connection.vanish();
  a.fixture.clock.turn();
  t.strictSame(heard, []);
  const { client } = await watch(b);
  const many = Array.from({ length: 10 }, (_, k) => a.fixture.connect({ login: `u${k}` }));
  heard.length = 0;
  for (const each of many) each.subscribe('1', ROOM);
  a.fixture.clock.turn();
  t.strictSame(heard, [AT], 'changes of a turn leave as one');
  client.send(frameText('UNSUBSCRIBE', { id: 'p' }));
  client.frames();
  heard.length = 0;
  join(a, 'eve');
  t.strictSame(heard, []);
});

t.test('a node that leaves takes its users along; one that comes later is heard', async (t) => {
  const { nodes, network, clock } = await startCluster(3_000);
  const [a, b, c] = nodes;
  join(b, 'bob');
  const { client, seen } = await watch(a);
  t.strictSame(seen.news(), ['snapshot bob']);
  const stopping = b.fixture.broker.stop(0);
  while (!b.relay.isStopped) {
    clock.advance(20);
    await c.fixture.settle();
  }
  await stopping;
  t.strictSame(seen.take(client.frames()).news(), [], 'its clients may come back on another node');
  clock.advance(4_000);
  t.strictSame(seen.take(client.frames()).news(), ['leave bob']);
  const relay = network.createRelay();
  const late = new BrokerFixture({ nodeId: 'late' }, undefined, 'info', null, { clock, nodeRelay: relay });
  await late.started;
  join({ relay, fixture: late }, 'zoe');
  t.strictSame(seen.take(client.frames()).news(), ['join zoe']);
});

t.test(
  'while others are out of reach a snapshot is this node’s own, and says so; afterwards all are told',
  async (t) => {
    const { nodes } = await startCluster();
    const [a, b, c] = nodes;
    join(a, 'ann');
    const far = join(b, 'bob');
    const before = await watch(c);
    c.relay.setReachable(false);
    const { client, seen } = await watch(c, '/topic/$presence/other');
    t.equal(seen.isComplete, false);
    const there = join(a, 'eve', '/topic/other');
    far.send(frameText('UNSUBSCRIBE', { id: '1' }));
    far.frames();
    join(c, 'own', '/topic/other');
    t.strictSame(seen.take(client.frames()).news(), ['snapshot ', 'join own']);
    c.relay.setReachable(true);
    t.strictSame(seen.take(client.frames()).news(), ['join eve']);
    t.strictSame(before.seen.take(before.client.frames()).news(), ['snapshot ann,bob', 'leave bob']);
    there.connection.vanish();
    t.strictSame(seen.take(client.frames()).news(), ['leave eve']);
  },
);

t.test('a node that does not answer holds a snapshot up for a second at most', async (t) => {
  const { nodes, clock } = await startCluster();
  const [a, b] = nodes;
  join(a, 'ann');
  b.relay.isHeld = true;
  const client = b.fixture.connect();
  client.subscribe('p', AT, { receipt: 'r' });
  await b.fixture.settle();
  t.strictSame(client.frames(), []);
  clock.advance(1_100);
  await b.fixture.settle();
  t.strictSame(
    client.frames().map(({ command }) => command),
    ['RECEIPT', 'MESSAGE'],
  );
});

t.test('what is lost on the way is noticed and asked for again', async (t) => {
  const { nodes } = await startCluster();
  const [a, b] = nodes;
  const { client, seen } = await watch(b);
  const publish = a.relay.publish.bind(a.relay);
  a.relay.publish = () => undefined;
  join(a, 'ann');
  a.relay.publish = publish;
  join(a, 'bob');
  t.strictSame(seen.take(client.frames()).news().sort(), ['join ann', 'join bob', 'snapshot ']);
});

t.test('what cannot be read is left out', async (t) => {
  const { nodes, network } = await startCluster();
  const stranger = network.createRelay();
  await stranger.start({ onMessage: () => undefined, onAvailable: () => undefined });
  const { client, seen } = await watch(nodes[0]);
  for (const text of ['', '{', '{"kind":"watch"}', '[]', 'null']) {
    stranger.publish('/topic/$nodes/watches', Buffer.from(text));
    stranger.publish(AT, Buffer.from(text));
  }
  join(nodes[1], 'ann');
  t.strictSame(seen.take(client.frames()).news(), ['snapshot ', 'join ann']);
});

t.test('events and stats of all nodes are told, each with its node', async (t) => {
  const { nodes, clock } = await startCluster();
  const [a, b] = nodes;
  const client = a.fixture.connect();
  client.subscribe('e', '/topic/$broker/events');
  const told = (): string[] =>
    client.bodies().map((body) => {
      const { type = 'stats', node, count = '' } = JSON.parse(body) as { type?: string; node: string; count?: number };
      return `${type} ${node} ${count}`.trim();
    });
  t.strictSame(told().sort(), ['health n0', 'health n1', 'health n2']);
  const other = b.fixture.connect();
  other.publish('/nowhere', 'x');
  other.frames();
  clock.advance(1_100);
  t.strictSame(told(), ['messages-dropped n1 1']);
  client.send(frameText('UNSUBSCRIBE', { id: 'e' }));
  other.publish('/nowhere', 'x');
  other.frames();
  clock.advance(3_000);
  t.strictSame(told(), []);
  client.subscribe('s', '/topic/$broker/stats');
  t.strictSame(told().sort(), ['stats n0', 'stats n1', 'stats n2']);
  clock.advance(1_100);
  t.strictSame(told().sort(), ['stats n0', 'stats n1', 'stats n2']);
});

t.test('PROPERTY: over nodes that lose each other and meet again, watchers end with what is true', async (t) => {
  const seed = seedOf('HOOFBEAT_FUZZ_SEED');
  t.comment(`seed ${seed}`);
  for (let round = 0; round < 15; round++) await run(new SeededRandom(`${seed}-${round}`), t, `${seed}-${round}`);
});

interface There {
  readonly client: FixtureClient;
  readonly name: string | null;
  isIn: boolean;
}

async function run(random: SeededRandom, t: Test, where: string): Promise<void> {
  const leaveDelayMs = random.pick([0, 1_000]);
  const { nodes, clock } = await startCluster(leaveDelayMs);
  const sessions: There[] = [];
  const watchers: Awaited<ReturnType<typeof watch>>[] = [];
  for (let step = 0; step < 80; step++) {
    const dice = random.between(0, 9);
    const node = random.pick(nodes);
    const index = random.between(0, Math.max(0, sessions.length - 1));
    const session = sessions[index];
    if (dice <= 2 || session === undefined) {
      const name = random.pick(['ann', 'bob', 'eve', null]);
      sessions.push({ client: join(node, name), name, isIn: true });
    } else if (dice <= 4) {
      session.client.send(
        session.isIn ? frameText('UNSUBSCRIBE', { id: '1' }) : frameText('SUBSCRIBE', { id: '1', destination: ROOM }),
      );
      session.isIn = !session.isIn;
    } else if (dice === 5) {
      session.client.connection.vanish();
      sessions.splice(index, 1);
    } else if (dice === 6) {
      watchers.push(await watch(node));
    } else if (dice === 7) {
      watchers.shift()?.client.connection.vanish();
    } else if (dice === 8) {
      node.relay.setReachable(node.relay.problem !== null);
    } else clock.advance(random.between(1, 2_000));
    if (random.chance(0.5)) clock.turn();
  }
  for (const { relay } of nodes) if (relay.problem !== null) relay.setReachable(true);
  await nodes[0].fixture.settle();
  clock.advance(leaveDelayMs + 2_000);
  await nodes[0].fixture.settle();
  clock.advance(1_100);
  const there = sessions.filter(({ isIn }) => isIn);
  const users = [...new Set(there.flatMap(({ name }) => name ?? []))].sort();
  for (const { client, seen } of watchers) {
    seen.take(client.frames());
    t.strictSame([...seen.users].sort(), users, where);
    t.equal(seen.anonymous, there.filter(({ name }) => name === null).length, where);
  }
}
