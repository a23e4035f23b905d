/** What every NodeRelay does, whatever it is made of (broker/ports.ts). Run over each implementation by node-relay.test.ts. */
import t, { type Test } from 'tap';
import type { NodeRelay } from '../../broker/ports.js';
import { Inbox } from '../helpers/inbox.js';

/** One kind of relay. */
export interface NodeRelaySubject {
  readonly name: string;
  /** Relays of one cluster, not started; null when it cannot be run here. */
  newCluster(t: Test): Promise<(() => NodeRelay) | null>;
  /** A destination whose messages come in order with those of `/topic/x`; default: any. @param name what it begins with */
  beside?(name: string): string;
}

/** One node: its relay, and what it was given. */
export class RelayNode {
  readonly relay: NodeRelay;
  /** `destination text`, in the order of arrival. */
  readonly received = new Inbox<string>();
  readonly available = new Inbox<boolean>();

  private constructor(relay: NodeRelay) {
    this.relay = relay;
  }

  static async start(t: Test, relay: NodeRelay): Promise<RelayNode> {
    const node = new RelayNode(relay);
    t.teardown(() => relay.stop());
    await relay.start({
      onMessage: (destination, octets) => {
        node.received.push(`${destination} ${octets.toString()}`);
      },
      onAvailable: (isAvailable) => {
        node.available.push(isAvailable);
      },
    });
    return node;
  }

  publish(destination: string, ...texts: readonly string[]): void {
    for (const text of texts) this.relay.publish(destination, Buffer.from(text));
  }

  async join(...destinations: readonly string[]): Promise<void> {
    for (const destination of destinations) await this.relay.join(destination);
  }

  async next(count: number): Promise<string[]> {
    const texts: string[] = [];
    while (texts.length < count) texts.push(await this.received.next('a message of another node'));
    return texts;
  }
}

export function nodeRelayContract(subject: NodeRelaySubject): void {
  const [end, fence] = ['/topic/end', '/topic/fence'].map((name) => subject.beside?.(name) ?? name) as [string, string];
  const test = (title: string, body: (t: Test, start: (count: number) => Promise<RelayNode[]>) => Promise<void>) =>
    t.test(`${subject.name}: ${title}`, async (t) => {
      const create = await subject.newCluster(t);
      if (create === null) return;
      await body(t, (count) => Promise.all(Array.from({ length: count }, () => RelayNode.start(t, create()))));
    });

  test('what is published goes to the nodes that have joined, not back and to nobody else', async (t, start) => {
    const [a, b, c, d] = (await start(4)) as [RelayNode, RelayNode, RelayNode, RelayNode];
    await Promise.all([a, b, c].map((node) => node.join('/topic/x')));
    await Promise.all([a, b, c, d].map((node) => node.join(end)));
    a.publish('/topic/x', 'one', 'two');
    a.publish(end, '.');
    t.strictSame(await b.next(3), ['/topic/x one', '/topic/x two', `${end} .`]);
    t.strictSame(await c.next(3), ['/topic/x one', '/topic/x two', `${end} .`]);
    t.strictSame(await d.next(1), [`${end} .`]);
    b.publish(end, 'back');
    t.strictSame(await a.next(1), [`${end} back`], 'its own were not given back');
  });

  test('octets arrive as they were', async (t, start) => {
    const [a, b] = (await start(2)) as [RelayNode, RelayNode];
    const arrived = new Inbox<Buffer>();
    await b.relay.stop();
    await b.relay.start({ onMessage: (_, octets) => arrived.push(Buffer.from(octets)), onAvailable: () => undefined });
    await b.relay.join('/topic/ünï/\u{1F40E}');
    const octets = Buffer.from(Array.from({ length: 70_000 }, (_, k) => (k * 7) % 256));
    a.relay.publish('/topic/ünï/\u{1F40E}', octets);
    t.ok(octets.equals(await arrived.next()));
    a.relay.publish('/topic/ünï/\u{1F40E}', Buffer.alloc(0));
    t.equal((await arrived.next()).length, 0);
  });

  test('patterns are joined like destinations, and overlapping claims get each message once', async (t, start) => {
    const [a, b] = (await start(2)) as [RelayNode, RelayNode];
    for (const claim of ['/topic/dev/*/temp', '/topic/dev/**', '/topic/dev/7/temp', '/topic/*/7/te?p', '/topic/end']) {
      await b.join(claim);
    }
    a.publish('/topic/dev/7/temp', '1', '2');
    a.publish('/topic/dev/8/temp', '3');
    a.publish('/topic/other/7', '4');
    a.publish('/topic/end', '.');
    const wanted = ['/topic/dev/7/temp 1', '/topic/dev/7/temp 2', '/topic/dev/8/temp 3', '/topic/end .'];
    // More may be delivered than was asked for, and destinations may overtake each other.
    const arrived: string[] = [];
    while (arrived.length < wanted.length) {
      const [line = ''] = await b.next(1);
      if (!line.startsWith('/topic/other')) arrived.push(line);
    }
    t.strictSame(byDestination(arrived), wanted);
  });

  test('a destination is left with its last claim', async (t, start) => {
    const [a, b] = (await start(2)) as [RelayNode, RelayNode];
    await b.relay.join('/topic/x');
    await b.relay.join('/topic/x');
    await b.relay.join(end);
    b.relay.leave('/topic/x');
    a.publish('/topic/x', '1');
    t.strictSame(await b.next(1), ['/topic/x 1']);
    b.relay.leave('/topic/x');
    // What was asked for later is confirmed later.
    await b.relay.join(fence);
    a.publish('/topic/x', '2');
    a.publish(end, '.');
    t.strictSame(await b.next(1), [`${end} .`]);
    b.relay.leave('/topic/x');
    await b.relay.join('/topic/x');
    a.publish('/topic/x', '3');
    t.strictSame(await b.next(1), ['/topic/x 3']);
  });

  test('left and joined again at once, it is joined', async (t, start) => {
    const [a, b] = (await start(2)) as [RelayNode, RelayNode];
    await b.relay.join('/topic/x');
    b.relay.leave('/topic/x');
    await b.relay.join('/topic/x');
    a.publish('/topic/x', '1');
    t.strictSame(await b.next(1), ['/topic/x 1']);
  });

  test('the order of each node and destination is kept, over turns and however much it is', async (t, start) => {
    const [a, b, c] = (await start(3)) as [RelayNode, RelayNode, RelayNode];
    await c.relay.join('/topic/**');
    const [turns, each] = [40, 50];
    for (let turn = 0; turn < turns; turn++) {
      for (let k = 0; k < each; k++) {
        const text = String(turn * each + k);
        a.publish(`/topic/a${k % 2}`, text);
        b.publish(`/topic/b${k % 2}`, text);
      }
      await a.relay.accepted();
    }
    const byDestination = new Map<string, number[]>();
    for (const line of await c.next(2 * turns * each)) {
      const [destination = '', text] = line.split(' ');
      byDestination.set(destination, [...(byDestination.get(destination) ?? []), Number(text)]);
    }
    t.equal(byDestination.size, 4);
    for (const [destination, numbers] of byDestination) {
      t.strictSame(
        numbers,
        [...numbers].sort((x, y) => x - y),
        destination,
      );
      t.equal(numbers.length, (turns * each) / 2);
    }
  });

  test('counts say what went and came', async (t, start) => {
    const [a, b] = (await start(2)) as [RelayNode, RelayNode];
    await b.relay.join('/topic/x');
    a.publish('/topic/x', '1', '2');
    a.publish('/topic/nobody', '3');
    await a.relay.accepted();
    await b.next(2);
    t.strictSame({ ...a.relay.counts }, { published: 3, received: 0, dropped: 0, gaps: 0 });
    t.strictSame({ ...b.relay.counts }, { published: 0, received: 2, dropped: 0, gaps: 0 });
    t.equal(a.relay.problem, null);
    t.ok(a.relay.isAccepting);
    t.equal(await a.available.next(), true);
  });

  test('a node that has stopped hears nothing, and what it publishes is dropped', async (t, start) => {
    const [a, b, c] = (await start(3)) as [RelayNode, RelayNode, RelayNode];
    for (const { relay } of [b, c]) await relay.join('/topic/x');
    a.publish('/topic/x', 'last');
    await a.relay.stop();
    await b.next(1);
    await b.relay.stop();
    a.publish('/topic/x', 'late');
    await t.rejects(a.relay.accepted(), { code: 'relay-lost' });
    t.equal(a.relay.counts.dropped, 1);
    t.notOk(a.relay.isAccepting);
    t.strictSame(await c.next(1), ['/topic/x last']);
    t.equal(b.received.length, 0);
  });
}

/** In the order they came, for each destination. */
function byDestination(lines: readonly string[]): string[] {
  const destinationOf = (line: string): string => line.slice(0, line.indexOf(' '));
  return [...lines].sort((one, other) => destinationOf(one).localeCompare(destinationOf(other)));
}
