/**
 * A node under load by topics, by a user who has a session on each node, and by users who come and go: what arrives here
 * of every node, and who is said to be there.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import type { RedisRelayFileOptions } from '../../../adapters/config/relay-options.js';
import { Inbox } from '../../helpers/inbox.js';
import { LoadClient } from '../../crash/load-client.js';
import { PresenceWatcher } from '../../helpers/presence-watcher.js';
import { RawClient } from '../../helpers/raw-client.js';
import { header, type ServerFrame } from '../../helpers/server-frames.js';
import { startTestServer, type TestServer } from '../../helpers/server.js';
import { until } from '../../helpers/until.js';
import { QUEUE_OPTIONS } from './queue-load.js';

export type Place = Omit<RedisRelayFileOptions, 'type'>;

const QUICK = { reconnect: { initialDelayMs: 20, maxDelayMs: 100 }, pingIntervalMs: 2_000 } as const;
const BATCH = 20;
const PAUSE_MS = 20;
/** What is published everywhere behind a fault, all of which has to arrive. */
const ROUNDS_AFTER = 10;
/** Of one round. */
const USER_BATCH = 5;
const USER = 'ann';
const ROOM = '/topic/load/a';
/** What each node's subscriber wants: three topics and what is for its user. */
const OWN = ['/topic/load/a', '/topic/load/b', '/topic/*/c', '/user/queue/load'];
export const KINDS = ['topic', 'user'] as const;
type Kind = (typeof KINDS)[number];

/** What nodes of such a cluster have in common, as a file of options says it. */
export const NODE_OPTIONS = {
  http: false,
  auth: { anonymous: true, trustedHeader: { name: 'X-User', from: 'connect' } },
  broker: { ...QUEUE_OPTIONS, presence: { leaveDelayMs: 0 } },
} as const;

export function relayOptions(place: Place): RedisRelayFileOptions {
  return { type: 'redis', ...QUICK, ...place };
}

export class LoadNode {
  readonly name: string;
  readonly port: number;
  readonly #server: TestServer;
  readonly #publisher: RawClient;
  readonly #seen = new PresenceWatcher();
  #guest: RawClient;
  /** By kind and node: numbers of its publisher, in the order of arrival here. */
  readonly #arrived = new Map<string, number[]>();
  readonly available = new Inbox<boolean>();
  /** What cannot be. */
  readonly faults: string[] = [];
  readonly #sent = { topic: 0, user: 0 };
  #ended = 0;

  private constructor(name: string, server: TestServer, publisher: RawClient, guest: RawClient) {
    this.name = name;
    this.port = server.tcpPort;
    this.#server = server;
    this.#publisher = publisher;
    this.#guest = guest;
    server.server.broker.events.on('availability', (event) => {
      this.available.push(event.available);
    });
  }

  /** @param name one letter of `abc` */
  static async start(t: Test, name: string, place: Place): Promise<LoadNode> {
    const server = await startTestServer({ ...NODE_OPTIONS, relay: relayOptions(place) });
    t.teardown(server.stop);
    const connect = async (headers = {}): Promise<RawClient> => {
      const client = await RawClient.openFor(t, server.tcpPort);
      await client.connect('1.2', headers);
      return client;
    };
    const [publisher, guest] = [await connect(), await connect({ 'X-User': `early-${name}` })];
    const node = new LoadNode(name, server, publisher, guest);
    await guest.subscribe(ROOM, 'room');
    await node.#subscribe(t, OWN, { 'X-User': USER }, (message) => {
      node.#read(message);
    });
    await node.#subscribe(t, ['/topic/$presence/load/a'], {}, (message) => {
      node.#watch(message);
    });
    return node;
  }

  get isAvailable(): boolean {
    return this.broker.health().isOk;
  }

  get broker() {
    return this.#server.server.broker;
  }

  get cluster() {
    const { cluster } = this.broker.stats();
    if (cluster === null) throw new Error('no cluster');
    return cluster;
  }

  sent(kind: Kind): number {
    return this.#sent[kind];
  }

  /** Numbers of that node's publisher, in the order of arrival here. */
  arrived(kind: Kind, from: string): readonly number[] {
    return this.#arrived.get(kind + from) ?? [];
  }

  /** Publishes some, and waits until the subscriber here has them: a node's own traffic goes on. */
  async publish(): Promise<void> {
    const frames: string[] = [];
    const numbered = (kind: Kind, count: number, destination: string): void => {
      for (let k = 0; k < count; k++) {
        frames.push(`SEND\ndestination:${destination}\n\n${this.name} ${this.#sent[kind]++}\0`);
      }
    };
    numbered('topic', BATCH, `/topic/load/${this.name}`);
    numbered('user', USER_BATCH, `/user/${USER}/queue/load`);
    await this.#publisher.send(frames.join(''));
    await until('its own messages', () =>
      KINDS.every((kind) => (this.arrived(kind, this.name).at(-1) ?? -1) >= this.#sent[kind] - 1),
    );
  }

  /** One user leaves the node, another comes: nobody waits until others know. */
  async changeGuest(t: Test): Promise<void> {
    this.#guest.destroy();
    this.#guest = await RawClient.openFor(t, this.port);
    await this.#guest.connect('1.2', { 'X-User': `late-${this.name}` });
    this.#guest.sendFrame('SUBSCRIBE', { id: 'room', destination: ROOM });
  }

  /** Says that nothing more comes, with a RECEIPT: Redis has all of it. */
  async end(): Promise<void> {
    const ends = { topic: `/topic/load/${this.name}`, user: `/user/${USER}/queue/load` };
    for (const [kind, destination] of Object.entries(ends)) {
      this.#publisher.sendFrame('SEND', { destination, receipt: kind }, `${this.name} end`);
      await this.#publisher.receipt(kind);
    }
  }

  /** Every node has ended. */
  async ended(nodes: number): Promise<void> {
    await until('the last message of every node', () => this.#ended >= nodes * KINDS.length);
  }

  /** Its watcher believes that just these are in the room. */
  async believes(users: readonly string[]): Promise<void> {
    const wanted = [...users].sort().join();
    const seen = (): string => [...this.#seen.users].sort().join();
    await until(`presence of ${wanted}`, () => seen() === wanted).catch((error: unknown) => {
      throw new Error(
        `${String(error)}, saw ${seen()}; ${this.#seen.log.slice(-9).join('; ')}; guest unread ${this.#guest.unread} ended ${this.#guest.hasEnded}`,
      );
    });
  }

  async #subscribe(
    t: Test,
    destinations: readonly string[],
    headers: Readonly<Record<string, string>>,
    onMessage: (message: ServerFrame) => void,
  ): Promise<void> {
    const onFault = (text: string): void => {
      this.faults.push(text);
    };
    const client = await LoadClient.open(this.port, { onMessage, onFault, onEnd: () => undefined }, headers);
    t.teardown(() => {
      client.destroy();
    });
    for (const destination of destinations) {
      client.request('SUBSCRIBE', { id: destination, destination }, () => undefined);
    }
    await client.awaiting(0);
  }

  #read(message: ServerFrame): void {
    const kind = header(message, 'destination')?.startsWith('/user/') === true ? 'user' : 'topic';
    const [from = '', number] = message.body.toString().split(' ');
    if (number === 'end') {
      this.#ended++;
      return;
    }
    const numbers = this.#arrived.get(kind + from) ?? [];
    numbers.push(Number(number));
    this.#arrived.set(kind + from, numbers);
  }

  #watch(message: ServerFrame): void {
    try {
      this.#seen.take([message]);
    } catch (error) {
      this.faults.push(String(error));
    }
  }
}

/** Publishes everywhere while `fault` lasts, then some more, and says that this was all. */
export async function load(nodes: readonly LoadNode[], fault: () => Promise<void>): Promise<void> {
  const round = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.publish()));
  };
  const some = async (): Promise<void> => {
    for (let k = 0; k < ROUNDS_AFTER; k++) await round();
  };
  await some();
  let isOver = false;
  const over = fault().finally(() => (isOver = true));
  over.catch(() => undefined);
  while (!isOver) {
    await round();
    // Most of a fault is waiting.
    await delay(PAUSE_MS);
  }
  await over;
  await some();
  await Promise.all(nodes.map((node) => node.end()));
  await Promise.all(nodes.map((node) => node.ended(nodes.length)));
}

/**
 * What must hold whatever happens: a node's own subscribers have everything, nothing comes twice, nothing out of order, what
 * was published after the fault is everywhere, and everybody knows who is there. Prints figures.
 * @returns how many were lost between nodes
 */
export async function check(t: Test, title: string, nodes: readonly LoadNode[]): Promise<number> {
  const figures = KINDS.map((kind) => checkKind(t, kind, nodes));
  for (const [k, { delivered, lost }] of figures.entries()) {
    t.comment(`${title}, ${KINDS[k] ?? ''}s: ${delivered} delivered, ${lost} lost, 0 twice`);
  }
  const gaps = nodes.map((node) => node.cluster.gaps);
  const dropped = nodes.map((node) => node.cluster.dropped);
  t.comment(`${title}: dropped by publishers ${dropped.join(' ')}, gaps ${gaps.join(' ')}`);
  const users = [USER, ...nodes.map(({ name }) => `late-${name}`)];
  for (const node of nodes) await node.believes(users);
  t.strictSame(
    nodes.flatMap(({ faults }) => faults),
    [],
  );
  for (const { broker } of nodes) {
    await until(`${users.length} users to be counted`, async () => {
      const { merged, missing } = await broker.cluster.countUsers();
      return missing.length === 0 && merged === users.length;
    });
  }
  return figures.reduce((sum, { lost }) => sum + lost, 0);
}

function checkKind(t: Test, kind: Kind, nodes: readonly LoadNode[]): { delivered: number; lost: number } {
  let delivered = 0;
  let lost = 0;
  const after = ROUNDS_AFTER * (kind === 'topic' ? BATCH : USER_BATCH);
  for (const here of nodes) {
    for (const from of nodes) {
      const sent = from.sent(kind);
      const numbers = here.arrived(kind, from.name);
      const way = `${kind}, ${from.name} to ${here.name}`;
      t.ok(
        numbers.every((n, k) => k === 0 || n > (numbers[k - 1] ?? 0)),
        `${way}: in order, none twice`,
      );
      t.strictSame(
        numbers.slice(-after),
        Array.from({ length: after }, (_, k) => sent - after + k),
        `${way}: all of what came after the fault`,
      );
      if (from === here) t.equal(numbers.length, sent, `${way}: all of its own`);
      lost += sent - numbers.length;
      delivered += numbers.length;
    }
  }
  return { delivered, lost };
}

export const isBack = (nodes: readonly LoadNode[]) => () => nodes.every(({ isAvailable }) => isAvailable);
export const isNoticed = (nodes: readonly LoadNode[]) => () => nodes.every(({ cluster }) => cluster.gaps > 0);
