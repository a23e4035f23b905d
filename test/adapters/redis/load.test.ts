/** Everything that nodes share, on all nodes at once: what has to arrive does, once each, in the order of its publisher. */
import t, { type Test } from 'tap';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

const BATCHES = 60;
const BATCH = 40;
const EACH = BATCHES * BATCH;
const NODES = [0, 1, 2] as const;
/** Of one message to each of them. */
const KINDS = ['shared', 'kept', 'local'] as const;

async function startNode(t: Test, url: string): Promise<TestServer> {
  const node = await startTestServer({
    http: false,
    relay: { type: 'redis', url },
    broker: { history: [{ pattern: '/topic/kept', maxMessages: 100_000, maxBytes: 64_000_000 }] },
  });
  t.teardown(node.stop);
  return node;
}

async function connectTo(t: Test, { tcpPort }: TestServer): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect();
  return client;
}

/** Of all three kinds; those of `local` are wanted on their own node alone. */
function destinationOf(kind: (typeof KINDS)[number], publisher: number): string {
  return kind === 'kept' ? '/topic/kept' : `/topic/${kind}/${publisher}`;
}

class Publisher {
  readonly #client: RawClient;
  readonly #number: number;
  #sent = 0;

  constructor(client: RawClient, number: number) {
    this.#client = client;
    this.#number = number;
  }

  /** Messages to each kind, in one write; resolves once the node has taken them. */
  async send(): Promise<void> {
    const frames: string[] = [];
    const end = this.#sent + BATCH;
    for (; this.#sent < end; this.#sent++) {
      for (const kind of KINDS) {
        const receipt = this.#sent === end - 1 && kind === 'local' ? `receipt:${end}\n` : '';
        const head = `SEND\ndestination:${destinationOf(kind, this.#number)}\n${receipt}\n`;
        frames.push(`${head}${this.#number} ${this.#sent}\0`);
      }
    }
    await this.#client.send(frames.join(''));
    await this.#client.receipt(String(end));
  }
}

/** Numbers by publisher, in the order they arrived, and the offsets of a history. */
async function read(client: RawClient, count: number): Promise<{ byPublisher: number[][]; offsets: number[] }> {
  const byPublisher: number[][] = NODES.map(() => []);
  const offsets: number[] = [];
  for (const message of await client.messages(count)) {
    const [publisher, number] = message.text.split(' ').map(Number);
    byPublisher[publisher ?? 0]?.push(number ?? NaN);
    const offset = message.get('offset');
    if (offset !== undefined) offsets.push(Number(offset));
  }
  return { byPublisher, offsets };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);

t.test('three nodes, publishers and subscribers on all of them', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = await Promise.all(NODES.map(() => startNode(t, redis.url)));
  const clients = (): Promise<RawClient[]> => Promise.all(nodes.map((node) => connectTo(t, node)));
  const [exact, wild, kept, local, joining] = [
    await clients(),
    await clients(),
    await clients(),
    await clients(),
    await clients(),
  ];
  for (const [k, client] of local.entries()) await client.subscribe(`/topic/local/${k}`);
  for (const client of kept) await client.subscribe('/topic/kept');
  for (const client of wild) await client.subscribe('/topic/shared/*');
  for (const client of exact) for (const k of NODES) await client.subscribe(`/topic/shared/${k}`, String(k));
  const publishers = (await clients()).map((client, k) => new Publisher(client, k));
  const sendAll = (): Promise<unknown> => Promise.all(publishers.map((publisher) => publisher.send()));

  for (let batch = 0; batch < BATCHES / 2; batch++) await sendAll();
  const early = nodes.map(({ server }) => server.broker.stats().cluster?.published ?? NaN);
  // From here on what one node had for itself is wanted by another too.
  await Promise.all(joining.map((client, k) => client.subscribe(`/topic/local/${(k + 1) % NODES.length}`)));
  for (let batch = BATCHES / 2; batch < BATCHES; batch++) await sendAll();

  for (const client of [...exact, ...wild]) {
    const { byPublisher } = await read(client, NODES.length * EACH);
    for (const k of NODES) t.strictSame(byPublisher[k], range(0, EACH));
  }
  for (const client of kept) {
    const { byPublisher, offsets } = await read(client, NODES.length * EACH);
    for (const k of NODES) t.strictSame(byPublisher[k], range(0, EACH));
    t.strictSame(offsets, range(1, NODES.length * EACH + 1), 'the same order everywhere');
  }
  for (const [k, client] of local.entries()) t.strictSame((await read(client, EACH)).byPublisher[k], range(0, EACH));
  for (const [k, client] of joining.entries()) {
    const { byPublisher } = await read(client, EACH / 2);
    t.strictSame(byPublisher[(k + 1) % NODES.length], range(EACH / 2, EACH), 'all from its RECEIPT on');
  }
  for (const client of [...exact, ...wild, ...kept, ...local, ...joining]) await client.fence();
  for (const published of early) t.ok(published < EACH, 'what nobody else wants stays on its node');
  for (const { server } of nodes) t.match(server.broker.stats().cluster, { dropped: 0, gaps: 0 });
});
