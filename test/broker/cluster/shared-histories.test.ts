import fc from 'fast-check';
import t from 'tap';
import type { BrokerOptions, Partially } from '../../../broker/index.js';
import { BrokerFixture, type FixtureClient } from '../../helpers/broker-fixture.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { MemoryHistories, type MemoryNode } from '../../helpers/memory-histories.js';
import { MemoryNetwork } from '../../helpers/memory-node-relay.js';
import { checkAsync } from '../../helpers/properties.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';

const TOPIC = '/topic/h/a';
const RULE = { pattern: '/topic/h/**' };
const HOLE_MS = 100;
const CHECK_MS = 6_000;

interface Node {
  readonly fixture: BrokerFixture;
  readonly port: MemoryNode;
}

interface Cluster {
  readonly shared: MemoryHistories;
  readonly nodes: readonly [Node, Node];
  readonly clock: FakeClock;
}

async function startCluster(options: Partially<BrokerOptions> = {}): Promise<Cluster> {
  const [shared, network, clock] = [new MemoryHistories(), new MemoryNetwork(), new FakeClock()];
  const start = async (nodeId: string): Promise<Node> => {
    const port = shared.createNode();
    const ports = { clock, store: port.store, nodeRelay: network.createRelay(), nodeHistories: port };
    const fixture = new BrokerFixture({ nodeId, history: [RULE], ...options }, undefined, 'info', null, ports);
    await fixture.started;
    return { fixture, port };
  };
  return { shared, clock, nodes: [await start('a'), await start('b')] };
}

/** Everything that is under way is done; what was told is heard or not, as the test says. */
async function settle({ nodes }: Cluster): Promise<void> {
  for (let k = 0; k < 3; k++) for (const { fixture } of nodes) await fixture.settle();
}

async function pass(cluster: Cluster, ms: number): Promise<void> {
  cluster.clock.advance(ms);
  await settle(cluster);
}

function told(frames: readonly ServerFrame[]): string[] {
  return frames
    .filter(({ command }) => command === 'MESSAGE')
    .map((frame) =>
      `${header(frame, 'offset') ?? ''} ${String(frame.body)} ${header(frame, 'recovered') ?? ''}`.trim(),
    );
}

async function publish(cluster: Cluster, at: 0 | 1, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) cluster.nodes[at].fixture.connect().publish(TOPIC, body);
  await settle(cluster);
}

async function subscribed(
  cluster: Cluster,
  at: 0 | 1,
  destination = TOPIC,
  headers: Readonly<Record<string, string>> = {},
): Promise<FixtureClient> {
  const client = cluster.nodes[at].fixture.connect();
  client.subscribe('s', destination, headers);
  await settle(cluster);
  return client;
}

t.test('what comes out of turn waits for what is before it, and is not asked for when that comes', async (t) => {
  const cluster = await startCluster();
  const [, b] = cluster.nodes;
  const client = await subscribed(cluster, 1);
  await publish(cluster, 0, '1', '2', '3');
  const before = b.port.asked;
  b.port.deliver(2);
  b.port.deliver(1);
  t.strictSame(told(client.frames()), [], 'the first is missing');
  b.port.deliver();
  t.strictSame(told(client.frames()), ['1 1', '2 2', '3 3']);
  await pass(cluster, HOLE_MS);
  t.equal(b.port.asked, before, 'nothing was asked');
});

t.test('what does not come is asked for after a while, before anything behind it is shown', async (t) => {
  const cluster = await startCluster();
  const [, b] = cluster.nodes;
  const client = await subscribed(cluster, 1);
  await publish(cluster, 0, '1', '2', '3', '4', '5');
  b.port.told.splice(1, 3);
  b.port.deliver();
  t.strictSame(told(client.frames()), ['1 1']);
  await pass(cluster, HOLE_MS);
  t.strictSame(told(client.frames()), ['2 2', '3 3', '4 4', '5 5']);
});

t.test('the end is missed: nothing comes behind it, and it is found all the same', async (t) => {
  const cluster = await startCluster();
  const [, b] = cluster.nodes;
  const [exact, wild] = [await subscribed(cluster, 1), await subscribed(cluster, 1, '/topic/h/*')];
  await publish(cluster, 0, '1', '2');
  b.port.lose();
  await pass(cluster, CHECK_MS);
  for (const client of [exact, wild]) t.strictSame(told(client.frames()), ['1 1', '2 2']);
  b.port.isDeaf = true;
  await publish(cluster, 0, '3');
  b.port.reach();
  await settle(cluster);
  for (const client of [exact, wild]) t.strictSame(told(client.frames()), ['3 3'], 'at once after a loss');
});

t.test('a node’s own messages are shown when they have their place, not when they are told', async (t) => {
  const cluster = await startCluster();
  const [a] = cluster.nodes;
  const client = a.fixture.connect();
  client.subscribe('s', TOPIC, { 'no-local': 'true' });
  await settle(cluster);
  client.publish(TOPIC, 'own', { receipt: 'r' });
  // The store has it, and the answer is on its way.
  a.fixture.clock.turn();
  a.port.deliver();
  await settle(cluster);
  t.strictSame(told(client.frames()), [], 'it knows who sent it');
  await publish(cluster, 1, 'other');
  a.port.deliver();
  t.strictSame(told(client.frames()), ['2 other']);
});

t.test('messages for nobody here are not kept, and what was missed meanwhile is no news later', async (t) => {
  const cluster = await startCluster();
  const [a, b] = cluster.nodes;
  const gone = await subscribed(cluster, 1);
  await publish(cluster, 0, '1');
  b.port.deliver();
  t.strictSame(told(gone.frames()), ['1 1']);
  gone.send('UNSUBSCRIBE\nid:s\n\n\0');
  t.strictSame([...b.port.claims], []);
  await publish(cluster, 0, '2', '3');
  const wild = await subscribed(cluster, 1, '/topic/h/**');
  await publish(cluster, 0, '4');
  b.port.deliver();
  await pass(cluster, CHECK_MS);
  t.strictSame(told(wild.frames()), ['4 4']);
  t.equal(a.fixture.broker.stats().history.messages, 0, 'nobody is subscribed there');
});

t.test('a refused SEND is seen by nobody; afterwards nothing is missing', async (t) => {
  const cluster = await startCluster();
  const [a, b] = cluster.nodes;
  const clients = [await subscribed(cluster, 0), await subscribed(cluster, 1)];
  a.port.isAway = true;
  const sender = a.fixture.connect();
  sender.publish(TOPIC, 'refused', { receipt: 'r' });
  await settle(cluster);
  t.equal(sender.error(), 'store-failed');
  await publish(cluster, 1, '1');
  a.port.reach();
  await pass(cluster, CHECK_MS);
  b.port.deliver();
  for (const client of clients) t.strictSame(told(client.frames()), ['1 1']);
});

t.test('one SUBSCRIBE asks, those behind it do not, and none that a live node can answer', async (t) => {
  const cluster = await startCluster();
  const [, b] = cluster.nodes;
  await publish(cluster, 0, '1', '2');
  const first = await subscribed(cluster, 1, TOPIC, { replay: 'all' });
  t.strictSame(told(first.frames()), ['1 1 true', '2 2']);
  const { epoch } = cluster.shared.history(TOPIC);
  const before = b.port.asked;
  for (let k = 0; k < 50; k++) {
    const client = b.fixture.connect();
    client.subscribe('s', TOPIC, { 'resume-epoch': epoch, 'resume-offset': '1' });
    await settle(cluster);
    t.strictSame(told(client.frames()), ['2 2 true']);
  }
  t.equal(b.port.asked, before);
});

t.test('what was asked before a message was recorded is no answer for who asks behind it', async (t) => {
  const cluster = await startCluster();
  const [, b] = cluster.nodes;
  b.port.isSlow = true;
  const early = await subscribed(cluster, 1);
  await publish(cluster, 0, '1');
  b.port.lose();
  const late = await subscribed(cluster, 1, TOPIC, { replay: 'last=1' });
  for (let k = 0; k < 3; k++) {
    b.port.answer();
    await settle(cluster);
  }
  t.strictSame(told(late.frames()), ['1 1 true']);
  t.strictSame(told(early.frames()), ['1 1']);
});

interface Step {
  readonly kind: 'publish' | 'deliver' | 'lose' | 'deaf' | 'away' | 'reach' | 'wait' | 'check' | 'move' | 'unsubscribe';
  readonly node: number;
  readonly amount: number;
}

const STEP: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step['kind'][]>(
    ...(['publish', 'publish', 'publish', 'publish', 'deliver', 'deliver', 'deliver', 'lose', 'deaf', 'away'] as const),
    ...(['reach', 'reach', 'wait', 'check', 'move', 'move', 'unsubscribe'] as const),
  ),
  node: fc.nat(1),
  amount: fc.integer({ min: 0, max: 4 }),
});

/** One that stays, or moves to the other node and resumes: it has to see one message behind the other. */
class Witness {
  readonly name: string;
  readonly seen: string[] = [];
  readonly #cluster: Cluster;
  readonly #destination: string;
  #client: FixtureClient | null = null;
  #at: 0 | 1;
  #position: { readonly epoch: string; readonly offset: number } | null = null;

  constructor(name: string, cluster: Cluster, at: 0 | 1, destination: string) {
    this.name = name;
    this.#cluster = cluster;
    this.#at = at;
    this.#destination = destination;
  }

  get offset(): number {
    return this.#position?.offset ?? 0;
  }

  async connect(): Promise<void> {
    if (this.#client !== null) return;
    const position = this.#destination === TOPIC ? this.#position : null;
    const headers: Record<string, string> =
      position === null ? {} : { 'resume-epoch': position.epoch, 'resume-offset': String(position.offset) };
    this.#client = this.#cluster.nodes[this.#at].fixture.connect();
    this.#client.subscribe('s', this.#destination, { receipt: 'r', ...headers });
    await settle(this.#cluster);
    this.read();
  }

  async move(): Promise<void> {
    this.read();
    if (this.#destination !== TOPIC || this.#position === null) return;
    this.#client?.connection.vanish();
    this.#client = null;
    this.#at = this.#at === 0 ? 1 : 0;
    await this.connect();
  }

  read(): void {
    for (const frame of this.#client?.frames() ?? []) {
      // What it asked for could not be had just now: it comes back later.
      if (frame.command === 'ERROR') this.#client = null;
      else if (frame.command === 'RECEIPT') this.#onReceipt(frame);
      else if (frame.command === 'MESSAGE') this.#onMessage(frame);
    }
  }

  #onReceipt(frame: ServerFrame): void {
    const [recovered, offset] = [header(frame, 'recovered'), header(frame, 'offset')];
    if (recovered === 'false') throw new Error(`${this.name}: not recovered behind ${this.offset}`);
    if (recovered === 'true' || offset === undefined) return;
    this.#position = { epoch: header(frame, 'epoch') ?? '', offset: Number(offset) };
  }

  #onMessage(frame: ServerFrame): void {
    const offset = Number(header(frame, 'offset'));
    if (header(frame, 'recovered') === 'false') throw new Error(`${this.name}: a loss before ${offset}`);
    if (this.#position !== null && offset !== this.offset + 1) {
      throw new Error(`${this.name}: ${offset} behind ${this.offset}`);
    }
    this.#position = { epoch: header(frame, 'epoch') ?? '', offset };
    this.seen.push(`${offset} ${String(frame.body)}`);
  }
}

async function run(cluster: Cluster, witnesses: readonly Witness[], step: Step, text: string): Promise<void> {
  const { kind, amount } = step;
  const at = step.node === 0 ? 0 : 1;
  const { fixture, port } = cluster.nodes[at];
  if (kind === 'publish') {
    const sender = fixture.connect();
    for (let k = 0; k <= amount; k++) sender.publish(TOPIC, `${text}.${k}`);
  } else if (kind === 'deliver') port.deliver(amount === 4 ? undefined : amount);
  else if (kind === 'lose') port.lose();
  else if (kind === 'deaf') port.isDeaf = true;
  else if (kind === 'away') port.isAway = true;
  else if (kind === 'reach') port.reach();
  else if (kind === 'move') await witnesses[amount % witnesses.length]?.move();
  else if (kind !== 'unsubscribe') cluster.clock.advance(kind === 'wait' ? HOLE_MS : CHECK_MS);
  else {
    // Somebody who comes and goes, so that histories are known, forgotten, and known again.
    const client = fixture.connect();
    client.subscribe('s', amount < 2 ? TOPIC : '/topic/h/*');
    await settle(cluster);
    client.connection.vanish();
  }
  await settle(cluster);
  for (const witness of witnesses) witness.read();
}

t.test('whatever is lost, late, out of turn or out of reach: everybody sees one sequence', async (t) => {
  const property = fc.asyncProperty(fc.array(STEP, { minLength: 5, maxLength: 50 }), async (steps) => {
    const cluster = await startCluster();
    const witnesses = [
      new Witness('exact a', cluster, 0, TOPIC),
      new Witness('exact b', cluster, 1, TOPIC),
      new Witness('pattern a', cluster, 0, '/topic/h/*'),
      new Witness('pattern b', cluster, 1, '/topic/**'),
    ];
    for (const witness of witnesses) await witness.connect();
    for (const [k, step] of steps.entries()) await run(cluster, witnesses, step, String(k));
    for (const { port } of cluster.nodes) port.reach();
    await pass(cluster, CHECK_MS);
    for (const witness of witnesses) await witness.connect();
    await publish(cluster, 0, 'last');
    for (const { port } of cluster.nodes) port.deliver();
    await pass(cluster, HOLE_MS);
    await pass(cluster, CHECK_MS);
    const { end, kept } = cluster.shared.history(TOPIC);
    for (const witness of witnesses) {
      witness.read();
      if (witness.offset !== end) throw new Error(`${witness.name} ends at ${witness.offset} of ${end}`);
      if (witness.seen.length !== kept.length) throw new Error(`${witness.name} has seen ${witness.seen.length}`);
    }
  });
  await checkAsync(t, property, 150);
});

t.test('an end that was lost: nobody is left with a hole that was not told', async (t) => {
  for (const [lost, recovered] of [
    [1, 'false'],
    [0, undefined],
  ] as const) {
    const cluster = await startCluster();
    const [, b] = cluster.nodes;
    const client = await subscribed(cluster, 1);
    await publish(cluster, 0, '1', '2', '3');
    b.port.deliver();
    t.strictSame(told(client.frames()), ['1 1', '2 2', '3 3']);
    cluster.shared.restart(lost);
    await publish(cluster, 0, 'new', 'newer');
    b.port.deliver();
    await settle(cluster);
    const offset = 4 - lost;
    t.strictSame(told(client.frames()), [`${offset} new ${recovered ?? ''}`.trim(), `${offset + 1} newer`]);
    const { former } = cluster.shared.history(TOPIC);
    t.strictSame(former, [{ epoch: 'e1', end: 3 - lost }]);
    for (const [position, answer] of [
      ['2', 'true'],
      ['3', lost === 0 ? 'true' : 'false'],
    ] as const) {
      const back = b.fixture.connect();
      back.subscribe('s', TOPIC, { 'resume-epoch': 'e1', 'resume-offset': position, receipt: 'r' });
      await settle(cluster);
      t.equal(header(back.frames()[0], 'recovered'), answer, `behind ${position}, ${lost} lost`);
    }
  }
});
