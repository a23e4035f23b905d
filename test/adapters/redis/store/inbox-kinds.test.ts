/** Inboxes in Redis: who is there as this node's own patterns have it, against a simple model, and without memory. */
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { SubscriptionIndex } from '../../../../broker/destinations/subscription-index.js';
import { isPattern } from '../../../../broker/destinations/pattern.js';
import { interestIn, isWider } from '../../../../broker/inbox/interest.js';
import type {
  InboxAppendResult,
  InboxClaimResult,
  InboxOperation,
  InboxSizes,
  InboxStoreBounds,
  SharedStore,
} from '../../../../broker/ports.js';
import { requireProgram } from '../../../helpers/programs.js';
import { checkAsync } from '../../../helpers/properties.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { type TestRedisStore, testRedisStore } from '../../../helpers/redis-store.js';

const NODES = ['one/1', 'two/1'] as const;
const ROOM: InboxStoreBounds = {
  rule: '/queue/**',
  maxMessages: 100,
  maxBytes: 1_000_000,
  maxUsers: 100,
  maxTotalBytes: 1_000_000,
};

type Append = Extract<InboxOperation, { kind: 'inbox-append' }>;

function append(user: string, rest: string, text: string, bounds: Partial<InboxStoreBounds> = {}): Append {
  const times = { publishedEpochMs: 1, expiresEpochMs: 0, notBeforeEpochMs: 0 };
  const message = { octets: Buffer.from(text), weightBytes: 1_000, deliveryCount: 0, ...times };
  return {
    kind: 'inbox-append',
    user,
    rest,
    message,
    bounds: { ...ROOM, ...bounds },
    isForKnown: false,
    missed: null,
  };
}

const claim = (user: string, interests: readonly string[], known: readonly number[] | null = null): InboxOperation => ({
  kind: 'inbox-claim',
  user,
  interests,
  maxMessages: 1_000,
  maxBytes: 1_000_000,
  known,
});

const interest = (user: string, joined: readonly string[], left: readonly string[] = []): InboxOperation => ({
  kind: 'inbox-interest',
  joined: joined.map((each) => ({ user, interest: each })),
  left: left.map((each) => ({ user, interest: each })),
});

async function ask<T>(store: SharedStore, operation: InboxOperation): Promise<T> {
  const [outcome] = await store.commitUnits([[operation]]);
  if (outcome?.isDone !== true) throw outcome?.error ?? new Error('no outcome');
  return outcome.results[0] as T;
}

/** Two nodes that are members and hear what they are told. */
async function nodes(t: Test, url: string, keyPrefix: string): Promise<[TestRedisStore, TestRedisStore]> {
  const open = async (incarnation: string): Promise<TestRedisStore> => {
    const node = testRedisStore(url, { keyPrefix, incarnation: () => incarnation });
    const heard = new Promise<void>((resolve) => {
      node.store.listen({
        onWake: () => undefined,
        onInbox: () => undefined,
        onUserMessage: () => undefined,
        onDisplaced: () => undefined,
        onAnnounced: () => undefined,
        onReachable: resolve,
      });
    });
    await node.store.open();
    t.teardown(() => node.store.close());
    await node.commands.command('ZADD', node.keys.of('nodes'), 1, incarnation);
    // With its first commit it begins to listen.
    await ask(node.store, interest('nobody', []));
    await heard;
    return node;
  };
  return [await open(NODES[0]), await open(NODES[1])];
}

/** Keys of inboxes that are left. */
async function keysLeft({ commands, keys }: TestRedisStore): Promise<string[]> {
  const names = (await commands.command('KEYS', `${keys.of('inbox:')}*`)) as readonly Buffer[];
  return names.map((name) => name.toString()).filter((name) => !name.endsWith('inbox:totals'));
}

const segment = fc.constantFrom('a', 'b', 'ab', 'aab', 'b.a');
const part = fc.constantFrom(
  'a',
  'b',
  '*',
  '**',
  '***',
  'a*',
  '*b',
  '*a*b',
  '{x}',
  '{x}{y}',
  'a{x}',
  '{x:[a]+}',
  '?',
  'a?',
);
const end = fc.constantFrom('', '', '/');
const path = (each: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom('/', '/', ''), fc.array(each, { minLength: 1, maxLength: 4 }), end)
    .map(([start, segments, last]) => `${start}${segments.join('/')}${last}`);

const step = fc.record({
  kind: fc.constantFrom('append', 'append', 'append', 'claim', 'claim', 'settle', 'return', 'lose', 'die'),
  node: fc.nat(1),
  user: fc.constantFrom('ann', 'bob'),
  rest: fc.constantFrom('/queue/x', '/queue/y'),
  index: fc.nat(4),
});

type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

/** Claimed by a node. */
interface Held {
  readonly user: string;
  readonly place: number;
  readonly text: string;
}

if (requireProgram(t, 'redis-server')) {
  const redis = await RedisProcess.start(t);

  t.test('the store finds what a pattern covers, or more where it says so', async (t) => {
    const [{ store }] = await nodes(t, redis.url, 'covers:');
    let users = 0;
    const property = fc.asyncProperty(fc.array(path(part), { maxLength: 4 }), path(segment), async (patterns, rest) => {
      const user = `u${users++}`;
      await ask<InboxAppendResult>(store, append(user, rest, 'x'));
      for (const pattern of patterns.filter(isPattern)) {
        const index = new SubscriptionIndex<string>('/');
        index.add(pattern, '');
        const isCovered = index.match(rest).length > 0;
        const written = interestIn(pattern, '/');
        const scan = { user, interests: [written], after: 0, maxMessages: 10, maxBytes: 10_000 };
        const { messages } = await ask<InboxClaimResult>(store, { kind: 'inbox-scan', ...scan });
        const isFound = messages.length > 0;
        const isRight = isWider(written) ? isFound || !isCovered : isFound === isCovered;
        if (!isRight) throw new Error(`${pattern} and ${rest}: found ${isFound}, covers ${isCovered}`);
      }
      const { messages } = await ask<InboxClaimResult>(store, claim(user, [interestIn(rest, '/')]));
      if (messages.length !== 1) throw new Error(`${rest} is not found by its own name`);
      await ask(store, { kind: 'inbox-settle', user, place: messages[0]?.place ?? 0 });
    });
    await checkAsync(t, property, 400);
  });

  t.test('whatever nodes do, each message is there once, and nothing is left when all are settled', async (t) => {
    const [one, two] = await nodes(t, redis.url, 'model:');
    const both = [one, two] as const;
    let texts = 0;
    const run = async (steps: readonly Step[]): Promise<void> => {
      const waiting = new Set<string>();
      const held: Held[][] = [[], []];
      for (const { kind, node, user, rest, index } of steps) {
        const { store, commands, keys } = both[node === 0 ? 0 : 1];
        const own = held[node] ?? [];
        if (kind === 'append') {
          const text = `${user} ${rest} ${String(texts++)}`;
          await ask(store, append(user, rest, text));
          waiting.add(text);
        } else if (kind === 'claim' || kind === 'lose') {
          const known = own.filter((each) => each.user === user).map(({ place }) => place);
          if (kind === 'lose') await ask(store, claim(user, [`=${rest}`]));
          const wanted = [...waiting].filter((text) => text.startsWith(`${user} ${rest} `));
          const { messages } = await ask<InboxClaimResult>(store, claim(user, [`=${rest}`], known));
          const got = messages.map(({ place, octets }) => ({ user, place, text: octets.toString() }));
          if (
            got
              .map(({ text }) => text)
              .sort()
              .join() !== wanted.sort().join()
          ) {
            throw new Error(`${kind} gave ${got.map(({ text }) => text).join()}, wanted ${wanted.join()}`);
          }
          for (const { text } of got) waiting.delete(text);
          own.push(...got);
        } else if (kind === 'die') {
          const incarnation = NODES[node] ?? '';
          await commands.command('ZREM', keys.of('nodes'), incarnation);
          await ask(store, { kind: 'inbox-reclaim', incarnation });
          await commands.command('ZADD', keys.of('nodes'), 1, incarnation);
          for (const { user: whose, place, text } of own.splice(0)) {
            waiting.add(text);
            await ask(store, { kind: 'inbox-settle', user: whose, place });
          }
        } else {
          const [message] = own.splice(index, 1);
          if (message === undefined) continue;
          const { user: whose, place, text } = message;
          if (kind === 'settle') await ask(store, { kind: 'inbox-settle', user: whose, place });
          else {
            waiting.add(text);
            const back = { deliveryCount: 1, notBeforeEpochMs: 0 };
            await ask(store, { kind: 'inbox-return', user: whose, place, ...back });
          }
        }
      }
      const { messages } = await ask<InboxSizes>(one.store, { kind: 'inbox-sweep' });
      const expected = waiting.size + held.flat().length;
      if (messages !== expected) throw new Error(`${messages} are counted, wanted ${expected}`);
      for (const k of [0, 1] as const) {
        for (const user of ['ann', 'bob']) await ask(both[k].store, claim(user, ['*//**'], []));
        for (const user of ['ann', 'bob']) {
          const { messages: all } = await ask<InboxClaimResult>(both[k].store, claim(user, ['*//**'], []));
          for (const { place } of all) await ask(both[k].store, { kind: 'inbox-settle', user, place });
        }
      }
      const { users, bytes } = await ask<InboxSizes>(one.store, { kind: 'inbox-sweep' });
      const left = (await keysLeft(one)).filter((key) => !key.endsWith('inbox:nodes'));
      if (users + bytes + left.length > 0) throw new Error(`left: ${users} users, ${bytes} octets, ${left.join()}`);
    };
    await checkAsync(t, fc.asyncProperty(fc.array(step, { maxLength: 30 }), run), 60);
  });

  t.test('interests: of nodes that are there, until they leave or are gone', async (t) => {
    const [one, two] = await nodes(t, redis.url, 'interests:');
    const outcome = async (rest: string): Promise<string> =>
      (await ask<InboxAppendResult>(one.store, append('bob', rest, 'x'))).outcome;
    await ask(two.store, interest('bob', ['=/queue/x', '*//queue/y/*']));
    await ask(two.store, interest('bob', ['=/queue/x']));
    t.strictSame(
      [await outcome('/queue/x'), await outcome('/queue/y/z'), await outcome('/queue/y')],
      ['there', 'there', 'kept'],
    );
    await ask(two.store, interest('bob', [], ['=/queue/x']));
    t.strictSame([await outcome('/queue/x'), await outcome('/queue/y/z')], ['kept', 'there']);
    t.strictSame(await ask(one.store, interest('bob', ['=/queue/x'])), ['bob'], 'something is kept for bob');
    t.equal(await ask(two.store, { kind: 'inbox-forget' }), 0);
    t.equal(await outcome('/queue/y/z'), 'kept', 'all of it is taken back');
    await one.commands.command('ZREM', one.keys.of('nodes'), NODES[0]);
    t.equal(await outcome('/queue/x'), 'kept', 'who is none of the nodes is not there');
    await ask(two.store, { kind: 'inbox-reclaim', incarnation: null });
    t.notOk(
      (await keysLeft(one)).some((key) => key.includes('here') || key.includes('exact') || key.includes('globs')),
    );
  });

  t.test('of many interests some are taken back at a time, of a node that is gone too', async (t) => {
    const [one, two] = await nodes(t, redis.url, 'many:');
    const many = Array.from({ length: 1_300 }, (_, k) => `=/queue/${String(k)}`);
    const tell = (): Promise<unknown> => ask(two.store, interest('bob', many));
    const forget = (): Promise<unknown> => ask(two.store, { kind: 'inbox-forget' });
    await tell();
    t.strictSame([await forget(), await forget(), await forget(), await forget()], [788, 276, 0, 0]);
    await tell();
    await one.commands.command('ZREM', one.keys.of('nodes'), NODES[1]);
    const reclaim = (): Promise<unknown> => ask(one.store, { kind: 'inbox-reclaim', incarnation: NODES[1] });
    t.strictSame([await reclaim(), await reclaim(), await reclaim()], [788, 276, 0]);
    t.notOk((await keysLeft(one)).some((key) => key.includes('here') || key.includes('exact')));
  });

  t.test('what was passed on is kept when every node that heard it had nobody', async (t) => {
    const [one, two] = await nodes(t, redis.url, 'missed:');
    const outcome = async (missed: string | null): Promise<string> =>
      (await ask<InboxAppendResult>(one.store, { ...append('bob', '/queue/x', 'x'), missed })).outcome;
    await ask(two.store, interest('bob', ['=/queue/x']));
    t.strictSame([await outcome(null), await outcome('0')], ['there', 'kept'], 'by one node');
    await ask(one.store, interest('bob', ['=/queue/x']));
    t.equal(await outcome(null), 'there');
    t.strictSame([await outcome('1'), await outcome('1')], ['there', 'kept'], 'by two');
  });

  t.test('a Redis without memory refuses what is to be kept, and takes acks, claims and who comes', async (t) => {
    const full = await RedisProcess.start(t, ['--maxmemory-policy', 'noeviction']);
    const [one, two] = await nodes(t, full.url, 'full:');
    await ask(one.store, append('bob', '/queue/x', 'a'));
    await ask(one.store, append('bob', '/queue/x', 'b'));
    await one.commands.command('CONFIG', 'SET', 'maxmemory', '1');
    await t.rejects(ask(one.store, append('bob', '/queue/x', 'c')), { code: 'store-full' });
    t.strictSame(await ask(two.store, interest('bob', ['=/queue/x', '*//queue/*'])), ['bob']);
    const { messages } = await ask<InboxClaimResult>(two.store, claim('bob', ['=/queue/x']));
    t.equal(messages.map(({ octets }) => octets.toString()).join(), 'a,b');
    const [a, b] = messages.map(({ place }) => place);
    await ask(two.store, { kind: 'inbox-settle', user: 'bob', place: a ?? 0 });
    await ask(two.store, { kind: 'inbox-return', user: 'bob', place: b ?? 0, deliveryCount: 1, notBeforeEpochMs: 0 });
    await two.commands.command('ZREM', two.keys.of('nodes'), NODES[1]);
    await ask(one.store, { kind: 'inbox-reclaim', incarnation: NODES[1] });
    t.match(await ask<InboxSizes>(one.store, { kind: 'inbox-sweep' }), { messages: 1, users: 1 });
  });
}
