import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { RelayNode } from '../../../contracts/node-relay-contract.js';
import { requireProgram } from '../../../helpers/programs.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisCommands, testRedisRelay } from '../../../helpers/redis-relay.js';

const startNode = (t: Test, url: string): Promise<RelayNode> => RelayNode.start(t, testRedisRelay(url));

/** Publishes numbers, one in each turn, for as long as somebody may want them, as a broker does. */
class Counting {
  next = 0;
  #isOver = false;
  readonly #node: RelayNode;
  readonly #destination: string;
  readonly #run: Promise<void>;

  constructor(t: Test, node: RelayNode, destination: string) {
    this.#node = node;
    this.#destination = destination;
    this.#run = this.#count();
    t.teardown(() => this.stop());
  }

  async untilQuiet(): Promise<void> {
    while (this.#node.relay.isWanted(this.#destination)) await nextTurn();
    // What is on its way is counted when it has arrived.
    this.#node.publish('/topic/fence', '.');
    await this.#node.relay.accepted();
  }

  stop(): Promise<void> {
    this.#isOver = true;
    return this.#run;
  }

  async #count(): Promise<void> {
    while (!this.#isOver) {
      const { relay } = this.#node;
      if (relay.isWanted(this.#destination)) this.#node.publish(this.#destination, String(this.next));
      this.next++;
      await nextTurn();
    }
  }
}

t.test('what nobody else wants is not published any more, until another node joins', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url)];
  // Subscribers of its own do not count.
  await a.relay.join('/topic/x');
  await a.relay.join('/topic/**');
  t.ok(a.relay.isWanted('/topic/x'), 'nothing is known at first');
  const counting = new Counting(t, a, '/topic/x');
  await counting.untilQuiet();
  const { published } = a.relay.counts;
  for (let turn = 0; turn < 50; turn++) await nextTurn();
  t.equal(a.relay.counts.published, published);
  await b.relay.join('/topic/x');
  t.ok(a.relay.isWanted('/topic/x'));
});

t.test('a destination that another node wants never becomes quiet', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b, c] = [await startNode(t, redis.url), await startNode(t, redis.url), await startNode(t, redis.url)];
  await b.relay.join('/topic/x');
  await c.relay.join('/topic/p/*');
  for (const destination of ['/topic/x', '/topic/p/1']) {
    for (let k = 0; k < 50; k++) {
      t.ok(a.relay.isWanted(destination));
      a.publish(destination, String(k));
      await a.relay.accepted();
    }
  }
});

t.test('silence is kept for as long as it is needed', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url)];
  const counting = new Counting(t, a, '/topic/x');
  await counting.untilQuiet();
  const { published } = a.relay.counts;
  // Longer than a lease.
  const end = performance.now() + 2_500;
  while (performance.now() < end) await nextTurn();
  t.notOk(a.relay.isWanted('/topic/x'));
  t.equal(a.relay.counts.published, published);
  await b.relay.join('/topic/*');
  t.ok(a.relay.isWanted('/topic/x'));
});

for (const claim of ['/topic/x', '/topic/*']) {
  t.test(`whoever joins ${claim} misses nothing from then on, whenever that is`, async (t) => {
    if (!requireProgram(t, 'redis-server')) return;
    const redis = await RedisProcess.start(t);
    const [a, b] = [await startNode(t, redis.url), await startNode(t, redis.url)];
    await a.relay.join('/topic/x');
    const counting = new Counting(t, a, '/topic/x');
    for (let round = 0; round < 40; round++) {
      // Also in the midst of becoming quiet.
      if (round % 4 === 0) await counting.untilQuiet();
      else for (let turn = 0; turn < round * 3; turn++) await nextTurn();
      await b.relay.join(claim);
      const { next: first } = counting;
      let number = -1;
      while (number < first) number = Number((await b.received.next()).split(' ')[1]);
      t.equal(number, first);
      for (let k = 1; k <= 20; k++) t.equal(await b.received.next(), `/topic/x ${first + k}`);
      b.relay.leave(claim);
      await b.relay.join(`/topic/fence/${round}`);
      while (b.received.length > 0) await b.received.next();
    }
  });
}

t.test('a node that does not answer is waited for until its lease is over', async (t) => {
  if (!requireProgram(t, 'redis-server')) return;
  const redis = await RedisProcess.start(t);
  const commands = testRedisCommands(redis.url);
  await commands.start();
  t.teardown(() => commands.stop());
  await commands.command('HSET', '{test:}quiet', 'test:topic:topic/x', `00112233445566=${Date.now() + 2_000}`);
  const node = await startNode(t, redis.url);
  const start = performance.now();
  await node.relay.join('/topic/x');
  t.ok(performance.now() - start >= 1_999);
  t.equal(await commands.command('HLEN', '{test:}quiet'), 0);
  // One that died long ago is nobody.
  await commands.command('HSET', '{test:}quiet', 'test:topic:topic/y', `00112233445566=${Date.now() - 3_000}`);
  await node.relay.join('/topic/y');
  t.equal(await commands.command('HLEN', '{test:}quiet'), 0);
});
