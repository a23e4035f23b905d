/**
 * Faults under load, with figures: a failover of Sentinels, Redis stopped and started, one node cut off. `npm run
 * test:outage` stops Redis for ten seconds.
 */
import t, { type Test } from 'tap';
import type { RedisRelayFileOptions } from '../../../adapters/config/relay-options.js';
import { Inbox } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisCluster } from '../../helpers/redis-cluster.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { RedisSentinels, SENTINEL_NAME } from '../../helpers/redis-sentinels.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { until } from '../../helpers/until.js';

const OUTAGE_MS = Number(process.env['HOOFBEAT_REDIS_OUTAGE_MS'] ?? 1_000);
const BATCH = 20;
const QUICK = { reconnect: { initialDelayMs: 20, maxDelayMs: 100 }, pingIntervalMs: 200 } as const;

type Place = Omit<RedisRelayFileOptions, 'type'>;

/** A node with one publisher, and one subscriber to what every node publishes. */
class LoadNode {
  readonly #server: TestServer;
  readonly #publisher: RawClient;
  readonly #subscriber: RawClient;
  /** Of each node's publisher, in the order of arrival here. */
  readonly arrived = new Map<string, number[]>();
  readonly available = new Inbox<boolean>();
  readonly #own: string;
  #sent = 0;
  #ended = 0;

  private constructor(server: TestServer, own: string, publisher: RawClient, subscriber: RawClient) {
    this.#server = server;
    this.#own = own;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    server.server.broker.events.on('availability', (event) => {
      this.available.push(event.available);
    });
  }

  static async start(t: Test, own: string, place: Place): Promise<LoadNode> {
    const server = await startTestServer({ http: false, relay: { type: 'redis', ...QUICK, ...place } });
    t.teardown(server.stop);
    const [publisher, subscriber] = [
      await RawClient.openFor(t, server.tcpPort),
      await RawClient.openFor(t, server.tcpPort),
    ];
    for (const client of [publisher, subscriber]) await client.connect();
    await subscriber.subscribe('/topic/load/a', 'a');
    await subscriber.subscribe('/topic/load/b', 'b');
    await subscriber.subscribe('/topic/*/c', 'c');
    const node = new LoadNode(server, own, publisher, subscriber);
    void node.#read();
    return node;
  }

  get isAvailable(): boolean {
    return this.#server.server.broker.health().isOk;
  }

  get cluster() {
    const { cluster } = this.#server.server.broker.stats();
    if (cluster === null) throw new Error('no cluster');
    return cluster;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Publishes some, and waits until the subscriber here has them: a node's own traffic goes on. */
  async publish(count = BATCH): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.#sent++);
    const frames = numbers.map((n) => `SEND\ndestination:/topic/load/${this.#own}\n\n${n}\0`);
    await this.#publisher.send(frames.join(''));
    await until('its own messages', () => (this.arrived.get(this.#own)?.at(-1) ?? -1) >= this.#sent - 1);
  }

  /** Says that nothing more comes, with a RECEIPT: Redis has all of it. */
  async end(): Promise<void> {
    this.#publisher.sendFrame('SEND', { destination: `/topic/load/${this.#own}`, receipt: 'end' }, 'end');
    await this.#publisher.receipt('end');
  }

  /** Every node has ended. */
  async ended(nodes: number): Promise<void> {
    await until('the last message of every node', () => this.#ended >= nodes);
  }

  async #read(): Promise<void> {
    for (;;) {
      const frame = await this.#subscriber.frame('MESSAGE').catch(() => null);
      if (frame === null) return;
      const own = frame.get('destination')?.slice(-1) ?? '';
      if (frame.text === 'end') this.#ended++;
      else {
        const numbers = this.arrived.get(own) ?? [];
        numbers.push(Number(frame.text));
        this.arrived.set(own, numbers);
      }
    }
  }
}

type Nodes = Readonly<Record<'a' | 'b' | 'c', LoadNode>>;

async function startThree(t: Test, placeOf: (own: string) => Place): Promise<Nodes> {
  const start = (own: string): Promise<LoadNode> => LoadNode.start(t, own, placeOf(own));
  return { a: await start('a'), b: await start('b'), c: await start('c') };
}

/** Publishes everywhere while `fault` lasts, then `rounds` more, and says that this was all. */
async function load(nodes: Nodes, fault: () => Promise<void>, rounds = 10): Promise<void> {
  const all = Object.values(nodes);
  const round = async (): Promise<void> => {
    await Promise.all(all.map((node) => node.publish()));
  };
  const some = async (): Promise<void> => {
    for (let k = 0; k < rounds; k++) await round();
  };
  await some();
  let isOver = false;
  const over = fault().finally(() => (isOver = true));
  over.catch(() => undefined);
  while (!isOver) await round();
  await over;
  await some();
  await Promise.all(all.map((node) => node.end()));
  await Promise.all(all.map((node) => node.ended(all.length)));
}

/**
 * What must hold whatever happens: a node's own subscribers have everything, nothing comes twice, nothing out of order, and
 * what was published after the fault is everywhere. Prints figures. @returns how many were lost between nodes
 */
function check(t: Test, title: string, nodes: Nodes, rounds = 10): number {
  let lost = 0;
  let delivered = 0;
  for (const [here, node] of Object.entries(nodes)) {
    for (const [from, { sent }] of Object.entries(nodes)) {
      const numbers = node.arrived.get(from) ?? [];
      const isAscending = numbers.every((n, k) => k === 0 || n > (numbers[k - 1] ?? 0));
      t.ok(isAscending, `${from} to ${here}: in order, none twice`);
      t.strictSame(
        numbers.slice(-rounds * BATCH),
        Array.from({ length: rounds * BATCH }, (_, k) => sent - rounds * BATCH + k),
        `${from} to ${here}: all of what came after the fault`,
      );
      if (from === here) t.equal(numbers.length, sent, `${here}: all of its own`);
      lost += sent - numbers.length;
      delivered += numbers.length;
    }
  }
  const gaps = Object.values(nodes).map((node) => node.cluster.gaps);
  const dropped = Object.values(nodes).map((node) => node.cluster.dropped);
  t.comment(
    `${title}: ${delivered} delivered, ${lost} lost, 0 twice; dropped by publishers ${dropped.join(' ')}, gaps ${gaps.join(' ')}`,
  );
  return lost;
}

const isBack = (nodes: Nodes) => () => Object.values(nodes).every(({ isAvailable }) => isAvailable);
const isNoticed = (nodes: Nodes) => () => Object.values(nodes).every(({ cluster }) => cluster.gaps > 0);

t.test('a failover of Sentinels under load: nothing twice, what is lost is counted as gap or dropped', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisSentinels.start(t, [], 2, 3);
  const place = { sentinels: redis.addresses, sentinelName: SENTINEL_NAME };
  const nodes = await startThree(t, () => place);
  await load(nodes, async () => {
    await (await redis.master()).kill();
    await until('the loss', isNoticed(nodes));
    await until('the next master', isBack(nodes));
  });
  t.ok(check(t, 'failover of Sentinels', nodes) > 0, 'the time without a master is lost between nodes');
  for (const node of Object.values(nodes)) t.ok(node.cluster.dropped > 0);
});

t.test('a master of a Redis Cluster dies under load: topics of the others go on', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisCluster.start(t, { replicas: 1 });
  const nodes = await startThree(t, () => ({ clusterNodes: redis.addresses }));
  await load(nodes, async () => {
    await redis.masters[0]?.kill();
    await until('the loss', isNoticed(nodes));
    await until('the replica', isBack(nodes));
  });
  check(t, 'master of a Redis Cluster', nodes);
});

t.test(`Redis stopped for ${OUTAGE_MS} ms and started: no crash, local traffic unharmed, memory bounded`, async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = await startThree(t, () => ({ url: redis.url, maxPendingBytes: 64 * 1024 }));
  const before = process.memoryUsage().rss;
  await load(nodes, async () => {
    await redis.stop();
    await until('the loss', isNoticed(nodes));
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    await redis.start();
    await until('Redis again', isBack(nodes));
  });
  t.comment(`memory: ${Math.round((process.memoryUsage().rss - before) / 1024 / 1024)} MB more, all three nodes`);
  t.ok(check(t, `Redis stopped for ${OUTAGE_MS} ms`, nodes) > 0);
  for (const { cluster } of Object.values(nodes)) {
    t.ok(cluster.dropped > 0, 'nothing is kept for later');
    t.equal(cluster.gaps, 1, 'one outage is one gap');
  }
});

t.test('one node cut off from Redis: it and the others go on, and the hole is told where it is', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const proxy = await TcpProxy.start(t, redis.port);
  const far = `redis://127.0.0.1:${proxy.port}`;
  const nodes = await startThree(t, (own) => ({ url: own === 'a' ? far : redis.url, maxPendingBytes: 64 * 1024 }));
  await load(nodes, async () => {
    proxy.isFrozen = true;
    await until('the loss', () => nodes.a.cluster.gaps > 0);
    t.ok(nodes.b.isAvailable && nodes.c.isAvailable, 'the others notice nothing');
    proxy.isFrozen = false;
    await until('healed', isBack(nodes));
  });
  check(t, 'one node cut off', nodes);
  t.match(
    [nodes.b.cluster, nodes.c.cluster],
    [
      { dropped: 0, gaps: 0 },
      { dropped: 0, gaps: 0 },
    ],
  );
  for (const [from, to] of [
    ['b', 'c'],
    ['c', 'b'],
  ] as const) {
    t.equal(nodes[to].arrived.get(from)?.length, nodes[from].sent, `${from} to ${to}: all`);
  }
  t.ok(nodes.a.cluster.dropped > 0);
});
