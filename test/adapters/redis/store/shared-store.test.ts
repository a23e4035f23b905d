/** What nodes share in Redis beside streams and records: queues claimed by nodes, against a simple model, and units of a commit. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type {
  AppendResult,
  ClaimResult,
  QueueOperation,
  SharedOperation,
  SharedStore,
  UnitOutcome,
} from '../../../../broker/ports.js';
import { requireProgram } from '../../../helpers/programs.js';
import { checkAsync } from '../../../helpers/properties.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisStore } from '../../../helpers/redis-store.js';

const STREAM = 'queue:/queue/a';
const ROOM = { maxMessages: 1_000, maxBytes: 1_000_000, onFull: 'refuse' } as const;
const NODES = ['one/1', 'two/1'] as const;

function append(text: string, priority = 4, bounds: { readonly maxMessages: number } = ROOM): SharedOperation {
  const times = { publishedEpochMs: 1, expiresEpochMs: 0, notBeforeEpochMs: 0 };
  const message = { priority, octets: Buffer.from(text), weightBytes: text.length, deliveryCount: 0, ...times };
  return {
    kind: 'queue-append',
    stream: STREAM,
    message,
    bounds: { ...ROOM, ...bounds },
    title: 'Queue a',
  };
}

function claim(maxMessages: number, known: readonly number[] | null = null): QueueOperation {
  return {
    kind: 'queue-claim',
    stream: STREAM,
    maxMessages,
    maxBytes: 10_000,
    waits: false,
    isExclusive: false,
    known,
  };
}

async function ask<T>(store: SharedStore, operation: SharedOperation): Promise<T> {
  const [outcome] = await store.commitUnits([[operation]]);
  if (outcome?.isDone !== true) throw outcome?.error ?? new Error('no outcome');
  return outcome.results[0] as T;
}

interface Cluster {
  readonly stores: readonly SharedStore[];
  /** A node leaves the set of members. */
  readonly bury: (incarnation: string) => Promise<unknown>;
}

/** Two nodes that are members. */
async function cluster(t: Test, url: string, keyPrefix: string): Promise<Cluster> {
  const nodes = NODES.map((incarnation) => testRedisStore(url, { keyPrefix, incarnation: () => incarnation }));
  for (const { store } of nodes) {
    await store.open();
    t.teardown(() => store.close());
  }
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  const { commands, keys } = first;
  for (const incarnation of NODES) await commands.command('ZADD', keys.of('nodes'), 1, incarnation);
  return {
    stores: nodes.map(({ store }) => store),
    bury: (incarnation) => commands.command('ZREM', keys.of('nodes'), incarnation),
  };
}

function codes(outcomes: readonly UnitOutcome[]): string[] {
  return outcomes.map((outcome) => (outcome.isDone ? 'done' : outcome.error.code));
}

interface ModelMessage {
  readonly text: string;
  readonly order: number;
  count: number;
}

/** A queue as it should be: what waits, in order, and who has claimed what. */
class QueueModel {
  #waiting: ModelMessage[] = [];
  readonly held: ModelMessage[][] = NODES.map(() => []);
  #appended = 0;

  append(text: string, priority: number): void {
    this.#wait({ text, order: (9 - priority) * 1_000_000 + this.#appended++, count: 0 });
  }

  claim(node: number, most: number): string[] {
    const claimed = this.#waiting.splice(0, most);
    this.held[node]?.push(...claimed);
    return claimed.map(({ text, count }) => `${text} ${count}`);
  }

  /** @param count null: it is consumed */
  release(node: number, index: number, count: number | null): void {
    const [message] = this.held[node]?.splice(index, 1) ?? [];
    if (message !== undefined && count !== null) this.#wait({ ...message, count });
  }

  die(node: number): void {
    for (const message of this.held[node]?.splice(0) ?? []) this.#wait({ ...message, count: message.count + 1 });
  }

  #wait(message: ModelMessage): void {
    this.#waiting.push(message);
    this.#waiting.sort((a, b) => a.order - b.order);
  }
}

const node = fc.nat(1);
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('append' as const), node, priority: fc.constantFrom(0, 4, 9) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('claim' as const), node, most: fc.integer({ min: 1, max: 5 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), node, index: fc.nat(4) }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('return' as const), node, index: fc.nat(4), count: fc.nat(3) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), node }) },
  ),
  { maxLength: 40 },
);

type Step = typeof steps extends fc.Arbitrary<(infer Each)[]> ? Each : never;

async function settleAt(store: SharedStore | undefined, place: number): Promise<void> {
  if (store !== undefined) await ask(store, { kind: 'queue-settle', stream: STREAM, place });
}

if (requireProgram(t, 'redis-server')) {
  const redis = await RedisProcess.start(t, ['--repl-diskless-sync-delay', '0']);

  t.test('two nodes at one queue do what a simple model does', async (t) => {
    const { stores, bury } = await cluster(t, redis.url, 'model:');
    const [any] = stores;
    if (any === undefined) return;
    const comers = testRedisStore(redis.url, { keyPrefix: 'model:' });
    await comers.store.open();
    t.teardown(() => comers.store.close());
    let texts = 0;
    const run = async (all: readonly Step[]): Promise<boolean> => {
      await ask(any, { kind: 'queue-drop', stream: STREAM });
      const model = new QueueModel();
      const places: number[][] = NODES.map(() => []);
      for (const step of all) {
        const store = stores[step.node];
        const own = places[step.node];
        if (store === undefined || own === undefined) continue;
        if (step.kind === 'append') {
          const text = `m${texts++}`;
          model.append(text, step.priority);
          await ask<AppendResult>(store, append(text, step.priority));
        } else if (step.kind === 'claim') {
          const wanted = model.claim(step.node, step.most);
          const { messages } = await ask<ClaimResult>(store, claim(step.most));
          const got = messages.map(({ octets, deliveryCount }) => `${octets.toString()} ${deliveryCount}`);
          if (got.join() !== wanted.join()) throw new Error(`claimed ${got.join()}, wanted ${wanted.join()}`);
          own.push(...messages.map(({ place }) => place));
        } else if (step.kind === 'die') {
          const incarnation = NODES[step.node] ?? '';
          await bury(incarnation);
          await ask(any, { kind: 'queue-reclaim', incarnation });
          await comers.commands.command('ZADD', comers.keys.of('nodes'), 1, incarnation);
          model.die(step.node);
          // What it asks for afterwards of what it had is late.
          for (const place of own.splice(0)) await ask(store, { kind: 'queue-settle', stream: STREAM, place });
        } else {
          const place = own[step.index];
          if (place === undefined) continue;
          own.splice(step.index, 1);
          model.release(step.node, step.index, step.kind === 'settle' ? null : step.count);
          if (step.kind === 'settle') await ask(store, { kind: 'queue-settle', stream: STREAM, place });
          else {
            const back = { deliveryCount: step.count, notBeforeEpochMs: 0 };
            await ask(store, { kind: 'queue-return', stream: STREAM, place, ...back });
          }
        }
      }
      for (const k of NODES.keys()) for (const place of places[k] ?? []) await settleAt(stores[k], place);
      return true;
    };
    await checkAsync(t, fc.asyncProperty(steps, run), 40);
  });

  t.test('units of a commit are refused one by one', async (t) => {
    const { stores } = await cluster(t, redis.url, 'units:');
    const [store] = stores;
    if (store === undefined) return;
    const one = { maxMessages: 2 };
    const outcomes = await store.commitUnits([
      [append('a', 4, one)],
      [append('b', 4, one), append('c', 4, one)],
      [append('d', 4, one)],
      [append('e', 4, one)],
    ]);
    t.strictSame(codes(outcomes), ['done', 'queue-full', 'done', 'queue-full']);
    const { messages } = await ask<ClaimResult>(store, claim(10));
    t.equal(messages.map(({ octets }) => octets.toString()).join(''), 'ad');
  });

  t.test('an answer that was lost leaves nothing claimed; who is no member gets nothing', async (t) => {
    const { stores, bury } = await cluster(t, redis.url, 'lost:');
    const [one, two] = stores;
    if (one === undefined || two === undefined) return;
    for (const text of 'abc') await ask(one, append(text));
    const { messages } = await ask<ClaimResult>(one, claim(1));
    await ask(one, claim(2));
    const again = await ask<ClaimResult>(
      one,
      claim(
        1,
        messages.map(({ place }) => place),
      ),
    );
    t.strictSame(
      again.messages.map(({ octets, deliveryCount }) => `${octets.toString()} ${deliveryCount}`),
      ['b 0'],
    );
    await bury(NODES[0]);
    t.strictSame(await ask<ClaimResult>(one, claim(1)), {
      isMember: false,
      isMore: false,
      messages: [],
      nextDueEpochMs: 0,
    });
    await ask(two, { kind: 'queue-reclaim', incarnation: null });
    const theirs = await ask<ClaimResult>(two, claim(5));
    t.equal(
      theirs.messages.map(({ octets, deliveryCount }) => `${octets.toString()}${deliveryCount}`).join(),
      'a1,b1,c0',
    );
  });

  t.test('what is condemned is for no consumer, and counts until it is taken to be given up', async (t) => {
    const { stores, bury } = await cluster(t, redis.url, 'condemned:');
    const [one, two] = stores;
    if (one === undefined || two === undefined) return;
    const condemned = { reason: 'rejected', retryMs: 2_000 } as const;
    const expire = { kind: 'queue-expire', stream: STREAM, maxMessages: 5 } as const;
    for (const text of 'ab') await ask(one, append(text));
    const { messages } = await ask<ClaimResult>(one, claim(2));
    for (const [k, { place }] of messages.entries()) {
      const back = { deliveryCount: 3, notBeforeEpochMs: k === 0 ? 1 : Number.MAX_SAFE_INTEGER };
      await ask(one, { kind: 'queue-return', stream: STREAM, place, ...back, condemned });
    }
    t.match(await ask(two, claim(5)), { messages: [], nextDueEpochMs: 0 });
    t.match(await ask(two, { kind: 'queue-sizes', stream: STREAM }), { depth: 2, delayed: 2, claimed: 0 });
    t.strictSame(await ask(two, { kind: 'queue-overdue' }), [STREAM]);
    const taken = await ask<ClaimResult>(two, expire);
    t.equal(taken.messages.map(({ octets }) => octets.toString()).join(), 'a', 'when its time has come');
    t.match(taken.messages, [{ deliveryCount: 3, condemned }]);
    await bury(NODES[1]);
    await ask(one, { kind: 'queue-reclaim', incarnation: null });
    t.match(
      await ask(one, claim(5)),
      { messages: [{ deliveryCount: 4, condemned: null }] },
      'who was to do it is gone',
    );
  });

  t.test('what is settled with something else has to be there still, or nothing is done', async (t) => {
    const { stores, bury } = await cluster(t, redis.url, 'gone:');
    const [one, two] = stores;
    if (one === undefined || two === undefined) return;
    for (const text of 'ab') await ask(one, append(text));
    const { messages } = await ask<ClaimResult>(one, claim(2));
    await bury(NODES[0]);
    await ask(two, { kind: 'queue-reclaim', incarnation: null });
    const [a, b] = messages.map(({ place }) => ({ stream: STREAM, place, isRequired: true }));
    if (a === undefined || b === undefined) return;
    const back = { deliveryCount: 1, notBeforeEpochMs: 0 };
    const outcomes = await one.commitUnits([
      [append('c'), { kind: 'queue-settle', ...a }],
      [append('d'), { kind: 'queue-return', ...b, ...back }],
      [append('e'), { kind: 'queue-settle', ...a, isRequired: false }],
    ]);
    t.strictSame(codes(outcomes), ['message-gone', 'message-gone', 'done']);
    const theirs = await ask<ClaimResult>(two, claim(5));
    t.equal(theirs.messages.map(({ octets }) => octets.toString()).join(''), 'abe');
  });

  t.test('a Redis that has lost everything gives no place again', async (t) => {
    const { stores } = await cluster(t, redis.url, 'places:');
    const [one] = stores;
    if (one === undefined) return;
    const { commands, keys } = testRedisStore(redis.url, { keyPrefix: 'places:' });
    await commands.start();
    t.teardown(() => commands.stop());
    for (const text of 'ab') await ask(one, append(text));
    const before = await ask<ClaimResult>(one, claim(2));
    await commands.command('DEL', keys.of('places'));
    // By a clock of milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 2));
    await ask(one, append('c'));
    const [after] = (await ask<ClaimResult>(one, claim(2))).messages;
    t.ok((after?.place ?? 0) > Math.max(...before.messages.map(({ place }) => place)));
  });

  t.test('replicas that have to have it: without them it is refused, and may be there', async (t) => {
    const keyPrefix = 'replicas:';
    const { store } = testRedisStore(redis.url, { keyPrefix, minReplicas: 1, replicaTimeoutMs: 50 });
    await store.open();
    t.teardown(() => store.close());
    await t.rejects(store.commit([{ kind: 'put', key: 'k', value: 'v', expiresEpochMs: 0 }]), { code: 'store-failed' });
    const args = ['--replicaof', '127.0.0.1', String(redis.port), '--repl-diskless-load', 'swapdb'];
    const replica = await RedisProcess.start(t, args);
    t.ok(replica.port > 0);
    const deadline = Date.now() + 20_000;
    for (;;) {
      const [outcome] = await store.commitUnits([[{ kind: 'put', key: 'k', value: 'w', expiresEpochMs: 0 }]]);
      if (outcome?.isDone === true) break;
      if (Date.now() > deadline) throw new Error('the replica has not come');
    }
    t.strictSame(await store.record('k'), { key: 'k', value: 'w', expiresEpochMs: 0 });
  });

  t.test('Redis goes and comes back: refused meanwhile, and later calls succeed', async (t) => {
    const own = await RedisProcess.start(t);
    const { store } = testRedisStore(own.url);
    await store.open();
    t.teardown(() => store.close());
    await own.stop();
    const put: SharedOperation = { kind: 'put', key: 'k', value: 'v', expiresEpochMs: 0 };
    t.strictSame(codes(await store.commitUnits([[put], [put]])), ['store-failed', 'store-failed']);
    await t.rejects(store.read('a', 4, 0, { maxMessages: 1, maxBytes: 1 }), { code: 'store-failed' });
    await own.start();
    const deadline = Date.now() + 20_000;
    while (codes(await store.commitUnits([[put]]))[0] !== 'done') {
      if (Date.now() > deadline) throw new Error('it does not come back');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    t.strictSame(
      (await store.records('')).map(({ key }) => key),
      ['k'],
    );
  });
}
