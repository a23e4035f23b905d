/** Everything that nodes share, on all nodes at once: what has to arrive does, once each, in the order of its publisher. */
import t, { type Test } from 'tap';
import { LoadClient } from '../../crash/load-client.js';
import { inTime } from '../../helpers/inbox.js';
import { requireProgram } from '../../helpers/programs.js';
import { RawClient } from '../../helpers/raw-client.js';
import { RedisProcess } from '../../helpers/redis-process.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';

const BATCHES = 30;
const BATCH = 40;
const EACH = BATCHES * BATCH;
const NODES = [0, 1, 2] as const;
/** Of one message to each of them. */
const KINDS = ['shared', 'kept', 'local', 'user', 'queue'] as const;
/** Has a session on each node. */
const USER = 'ann';
const QUEUE = '/queue/load';

async function startNode(t: Test, url: string): Promise<TestServer> {
  const node = await startTestServer({
    http: false,
    auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
    relay: { type: 'redis', url },
    broker: { history: [{ pattern: '/topic/kept', maxMessages: 100_000, maxBytes: 64_000_000 }] },
  });
  t.teardown(node.stop);
  return node;
}

async function connectTo(t: Test, { tcpPort }: TestServer, headers = {}): Promise<RawClient> {
  const client = await RawClient.openFor(t, tcpPort);
  await client.connect('1.2', headers);
  return client;
}

/** Those of `local` are wanted on their own node alone. */
function destinationOf(kind: (typeof KINDS)[number], publisher: number): string {
  switch (kind) {
    case 'kept':
      return '/topic/kept';
    case 'user':
      return `/user/${USER}/queue/load`;
    case 'queue':
      return QUEUE;
    default:
      return `/topic/${kind}/${publisher}`;
  }
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

/** Consumers of one queue, one on each node. Any of them may get nothing for a while: no deadline is theirs. */
class Consumers {
  /** By consumer and publisher. */
  readonly got: number[][][] = NODES.map(() => NODES.map(() => []));
  readonly faults: string[] = [];
  readonly all: Promise<void>;
  readonly #clients: LoadClient[] = [];
  #rest: number;
  #onAll: () => void = () => undefined;

  constructor(count: number) {
    this.#rest = count;
    this.all = new Promise((resolve) => (this.#onAll = resolve));
  }

  async open({ tcpPort }: TestServer, ack: string): Promise<void> {
    const consumer = this.#clients.length;
    const client = await LoadClient.open(tcpPort, {
      onMessage: (message) => {
        this.#take(consumer, message);
      },
      onFault: (text) => this.faults.push(text),
      onEnd: () => undefined,
    });
    this.#clients.push(client);
    client.request('SUBSCRIBE', { id: 'q', destination: QUEUE, ack }, () => undefined);
    await client.awaiting(0);
  }

  /** What is settled is settled, and nothing more was there to come. */
  async leave(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.leave()));
  }

  #take(consumer: number, message: ServerFrame): void {
    const [publisher, number] = message.body.toString().split(' ').map(Number);
    this.got[consumer]?.[publisher ?? 0]?.push(number ?? NaN);
    const ack = header(message, 'ack');
    if (ack !== undefined) this.#clients[consumer]?.send('ACK', { id: ack });
    if (--this.#rest === 0) this.#onAll();
  }
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);

t.test('three nodes, publishers and subscribers on all of them', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const nodes = await Promise.all(NODES.map(() => startNode(t, redis.url)));
  const clients = (headers = {}): Promise<RawClient[]> => Promise.all(nodes.map((node) => connectTo(t, node, headers)));
  const [exact, wild, kept, local, joining, user] = [
    await clients(),
    await clients(),
    await clients(),
    await clients(),
    await clients(),
    await clients({ 'X-User': USER }),
  ];
  for (const client of user) await client.subscribe('/user/queue/load');
  const consumers = new Consumers(NODES.length * EACH);
  for (const [k, node] of nodes.entries()) await consumers.open(node, k === 0 ? 'auto' : 'client-individual');
  for (const [k, client] of local.entries()) await client.subscribe(`/topic/local/${k}`);
  for (const client of kept) await client.subscribe('/topic/kept');
  for (const client of wild) await client.subscribe('/topic/shared/*');
  for (const client of exact) for (const k of NODES) await client.subscribe(`/topic/shared/${k}`, String(k));
  const publishers = (await clients()).map((client, k) => new Publisher(client, k));
  const sendAll = (): Promise<unknown> => Promise.all(publishers.map((publisher) => publisher.send()));

  for (let batch = 0; batch < BATCHES / 2; batch++) await sendAll();
  // From here on what one node had for itself is wanted by another too.
  await Promise.all(joining.map((client, k) => client.subscribe(`/topic/local/${(k + 1) % NODES.length}`)));
  for (let batch = BATCHES / 2; batch < BATCHES; batch++) await sendAll();

  for (const client of [...exact, ...wild, ...user]) {
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
  await inTime(consumers.all, 'everything in the queue', 60_000);
  await consumers.leave();
  t.strictSame(consumers.faults, []);
  for (const k of NODES) {
    const parts = consumers.got.map((byPublisher) => byPublisher[k] ?? []);
    t.strictSame(
      parts.flat().sort((a, b) => a - b),
      range(0, EACH),
      'each message to one consumer',
    );
    for (const part of parts)
      t.strictSame(
        part,
        [...part].sort((a, b) => a - b),
        'in order',
      );
  }
  t.ok(consumers.got.filter((each) => each.flat().length > 0).length > 1, 'consumers of several nodes');
  for (const client of [...exact, ...wild, ...kept, ...local, ...joining, ...user]) await client.fence();
  for (const { server } of nodes) t.match(server.broker.stats().cluster, { dropped: 0, gaps: 0 });
});
