/** Histories of two nodes over a real Redis: places, replays, transactions, and what is said when something is gone. */
import t, { type Test } from 'tap';
import type { ServerOptions } from '../../../../adapters/index.js';
import { temporaryDirectory } from '../../../helpers/cli.js';
import { requireProgram } from '../../../helpers/programs.js';
import { openConnected, type RawClient, type ReceivedFrame } from '../../../helpers/raw-client.js';
import { RedisProcess } from '../../../helpers/redis-process.js';
import { testRedisCommands } from '../../../helpers/redis-relay.js';
import { startNode, TOPIC, type HistoryNode } from './history-nodes.js';

interface Two {
  readonly redis: RedisProcess;
  readonly a: HistoryNode;
  readonly b: HistoryNode;
  /** Connected there. */
  readonly client: (node: HistoryNode) => Promise<RawClient>;
}

const SOFT: ServerOptions['broker'] = { refusals: 'soft' };

function test(
  title: string,
  body: (t: Test, two: Two) => Promise<void>,
  broker: ServerOptions['broker'] = {},
  args: (t: Test) => readonly string[] = () => [],
): void {
  t.test(title, { timeout: 60_000 }, async (t) => {
    if (!requireProgram(t, 'redis-server')) return;
    const redis = await RedisProcess.start(t, args(t));
    const [a, b] = [await startNode(t, redis, broker), await startNode(t, redis, broker)];
    await body(t, { redis, a, b, client: ({ node }) => openConnected(t, node.tcpPort) });
  });
}

async function redisCommand({ url }: RedisProcess, name: string, ...args: string[]): Promise<unknown> {
  const commands = testRedisCommands(url);
  await commands.start();
  const reply = await commands.command(name, ...args);
  await commands.stop();
  return reply;
}

let receipts = 0;

async function publish(client: RawClient, destination: string, ...bodies: readonly string[]): Promise<void> {
  for (const body of bodies) {
    const receipt = `sent-${++receipts}`;
    client.sendFrame('SEND', { destination, receipt }, body);
    await client.receipt(receipt);
  }
}

async function subscribe(
  client: RawClient,
  destination: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ReceivedFrame> {
  const receipt = `subscribed-${++receipts}`;
  client.sendFrame('SUBSCRIBE', { id: receipt, destination, receipt, ...headers });
  return client.receipt(receipt);
}

function positionOf(frame: ReceivedFrame | undefined): Record<string, string> {
  return { 'resume-epoch': frame?.get('epoch') ?? '', 'resume-offset': frame?.get('offset') ?? '' };
}

function told(frames: readonly ReceivedFrame[]): string[] {
  return frames.map((frame) => `${frame.get('offset') ?? '-'} ${frame.text} ${frame.get('recovered') ?? ''}`.trim());
}

/** Of a SEND that was refused softly. */
async function refusal(client: RawClient): Promise<string | undefined> {
  return (await client.frame('MESSAGE')).get('code');
}

test('each message has one place, on whichever node it was published', async (t, { a, b, client }) => {
  const [left, right] = [await client(a), await client(b)];
  const [onA, onB, wild] = [await client(a), await client(b), await client(b)];
  const start = await subscribe(onA, TOPIC);
  t.strictSame(positionOf(await subscribe(onB, TOPIC)), positionOf(start), 'before the first too');
  await subscribe(wild, '/topic/h/**');
  await publish(left, TOPIC, 'one');
  await publish(right, TOPIC, 'two');
  await publish(left, TOPIC, 'three');
  const wanted = ['1 one', '2 two', '3 three'];
  for (const subscriber of [onA, onB, wild]) {
    const messages = await subscriber.messages(3);
    t.strictSame(told(messages), wanted);
    t.strictSame(new Set(messages.map((frame) => frame.get('epoch'))), new Set([start.get('epoch')]));
    await subscriber.fence();
  }
});

test(
  'who was cut resumes on the other node; beyond what is kept it is told so',
  async (t, { redis, a, b, client }) => {
    const [sender, before] = [await client(a), await client(a)];
    await subscribe(before, TOPIC);
    await publish(sender, TOPIC, 'seen');
    const [seen] = await before.messages(1);
    before.destroy();
    await publish(sender, TOPIC, '2', '3');
    const soon = await client(b);
    t.equal((await subscribe(soon, TOPIC, positionOf(seen))).get('recovered'), 'true');
    await publish(sender, TOPIC, 'live');
    t.strictSame(told(await soon.messages(3)), ['2 2 true', '3 3', '4 live']);
    const again = await client(b);
    t.equal((await subscribe(again, TOPIC, positionOf(seen))).get('recovered'), 'true', 'from what the node has');
    t.strictSame(told(await again.messages(3)), ['2 2 true', '3 3', '4 live']);
    await publish(sender, TOPIC, '5', '6');
    t.equal(Number(await redisCommand(redis, 'XLEN', `{hoofbeat:}history-entries:${TOPIC}`)), 4, 'and no more is kept');
    const late = await client(b);
    const answer = await subscribe(late, TOPIC, positionOf(seen));
    t.strictSame([answer.get('recovered'), answer.get('offset')], ['false', '6']);
    const asking = await client(b);
    t.equal((await subscribe(asking, TOPIC, { replay: 'all' })).get('recovered'), 'false');
    t.strictSame(told(await asking.messages(4)), ['3 3 false', '4 live', '5 5', '6 6']);
    await asking.fence();
  },
  { history: [{ pattern: '/topic/h/**', maxMessages: 4 }] },
);

test('replays ask for older messages than the node has', async (t, { a, b, client }) => {
  const sender = await client(a);
  await publish(sender, TOPIC, 'a', 'b', 'c', 'd', 'e');
  const first = await client(b);
  t.equal((await subscribe(first, TOPIC, { replay: 'last=2' })).get('recovered'), 'true');
  t.strictSame(told(await first.messages(2)), ['4 d true', '5 e']);
  for (const [replay, ...wanted] of [
    ['last=4', '2 b true', '3 c', '4 d', '5 e'],
    ['all', '1 a true', '2 b', '3 c', '4 d', '5 e'],
    ['last-value', '5 e true'],
  ] as const) {
    const client_ = await client(b);
    t.equal((await subscribe(client_, TOPIC, { replay })).get('recovered'), 'true');
    t.strictSame(told(await client_.messages(wanted.length)), wanted, replay);
    await client_.fence();
  }
});

test(
  'last values by key, those of other nodes too',
  async (t, { a, b, client }) => {
    const sender = await client(a);
    for (const [symbol, price] of [
      ['x', '1'],
      ['y', '2'],
      ['x', '3'],
    ] as const) {
      sender.sendFrame('SEND', { destination: TOPIC, symbol, receipt: price }, price);
      await sender.receipt(price);
    }
    const subscriber = await client(b);
    await subscribe(subscriber, TOPIC, { replay: 'last-value' });
    t.strictSame(told(await subscriber.messages(2)), ['2 2 true', '3 3']);
    await subscriber.fence();
  },
  { history: [{ pattern: '/topic/h/**', keyHeader: 'symbol' }] },
);

test('a replay by pattern is merged in the order of publication, whoever published', async (t, { a, b, client }) => {
  const [left, right] = [await client(a), await client(b)];
  const wanted: string[] = [];
  for (let k = 0; k < 12; k++) {
    const destination = `/topic/h/${k % 3}`;
    await publish(k % 2 === 0 ? left : right, destination, String(k));
    wanted.push(String(k));
  }
  for (const [k, node] of [a, b].entries()) {
    const wild = await client(node);
    t.equal((await subscribe(wild, '/topic/h/*', { replay: 'all' })).get('recovered'), 'true');
    t.strictSame(
      (await wild.messages(12 + k)).slice(0, 12).map(({ text }) => text),
      wanted,
    );
    await publish(left, '/topic/h/new', 'live');
    t.strictSame(told(await wild.messages(1)), [`${k + 1} live`]);
    await wild.fence();
  }
});

test('a transaction takes effect at once, its queue and its history', async (t, { a, b, client }) => {
  const [sender, worker, here, there] = [await client(a), await client(a), await client(a), await client(b)];
  await worker.subscribe('/queue/jobs');
  for (const subscriber of [here, there]) await subscribe(subscriber, TOPIC);
  for (const end of ['ABORT', 'COMMIT']) {
    sender.sendFrame('BEGIN', { transaction: 't' });
    sender.sendFrame('SEND', { destination: TOPIC, transaction: 't' }, `${end} 1`);
    sender.sendFrame('SEND', { destination: '/queue/jobs', transaction: 't', persistent: 'true' }, `${end} job`);
    sender.sendFrame('SEND', { destination: TOPIC, transaction: 't' }, `${end} 2`);
    for (const each of [worker, here, there]) await each.fence();
    sender.sendFrame(end, { transaction: 't', receipt: end });
    await sender.receipt(end);
  }
  t.equal((await worker.frame('MESSAGE')).text, 'COMMIT job');
  for (const subscriber of [here, there]) {
    t.strictSame(told(await subscriber.messages(2)), ['1 COMMIT 1', '2 COMMIT 2']);
    await subscriber.fence();
  }
});

test('no-local holds, though Redis tells this node of its own messages too', async (t, { a, b, client }) => {
  const [self, other] = [await client(a), await client(b)];
  await subscribe(self, TOPIC, { 'no-local': 'true' });
  for (let k = 0; k < 20; k++) await publish(self, TOPIC, `own ${k}`);
  await publish(other, TOPIC, 'of another');
  t.strictSame(told(await self.messages(1)), ['21 of another']);
  await self.fence();
});

test('headers that only a history may write, escapes and binary bodies arrive as on one node', async (t, two) => {
  const [sender, subscriber] = [await two.client(two.a), await two.client(two.b)];
  await subscribe(subscriber, TOPIC);
  const body = Buffer.from(Array.from({ length: 1_000 }, (_, k) => k % 256));
  const headers = {
    destination: TOPIC,
    offset: '99',
    epoch: 'mine',
    recovered: 'true',
    note: 'a\\cb\\nü',
    'content-length': '1000',
    receipt: 'r',
  };
  sender.sendFrame('SEND', headers, body);
  await sender.receipt('r');
  const [message] = await subscriber.messages(1);
  t.strictSame([message?.get('offset'), message?.get('recovered'), message?.get('note')], ['1', undefined, 'a:b\nü']);
  t.not(message?.get('epoch'), 'mine');
  t.ok(message?.body.equals(body));
});

test(
  'Redis away: nothing is shown that has no place, and afterwards there is no hole',
  async (t, two) => {
    const { redis, a, b, client } = two;
    const [sender, here, there] = [await client(a), await client(a), await client(b)];
    const start = await subscribe(here, TOPIC);
    await subscribe(there, TOPIC);
    await sender.subscribe('/user/queue/errors', 'errors');
    await publish(sender, TOPIC, '1');
    await here.messages(1);
    await redis.stop();
    sender.sendFrame('SEND', { destination: TOPIC, receipt: 'refused' }, 'refused');
    t.equal(await refusal(sender), 'store-failed');
    sender.sendFrame('SEND', { destination: TOPIC }, 'refused too');
    t.equal(await refusal(sender), 'store-failed');
    const late = await client(b);
    await late.subscribe('/user/queue/errors', 'errors');
    late.sendFrame('SUBSCRIBE', { id: 'p', destination: '/topic/h/other', receipt: 'p', replay: 'all' });
    t.equal(await refusal(late), 'relay-unavailable');
    t.equal((await subscribe(late, '/topic/h/other')).get('epoch'), undefined, 'nobody knows');
    const resumed = await client(b);
    t.equal((await subscribe(resumed, TOPIC, positionOf(start))).get('recovered'), 'true', 'the node has it');
    t.strictSame(told(await resumed.messages(1)), ['1 1 true']);
    await redis.start();
    await until(async () => {
      sender.sendFrame('SEND', { destination: TOPIC, receipt: 'again' }, 'again');
      const frame = await sender.frame();
      return frame.command === 'RECEIPT';
    });
    await publish(sender, '/topic/h/other', 'heard');
    t.strictSame(told(await here.messages(1)), ['2 again']);
    t.strictSame(told(await there.messages(2)), ['1 1', '2 again']);
    t.strictSame(told(await resumed.messages(1)), ['2 again']);
    t.strictSame(told(await late.messages(1)), ['1 heard']);
    await until(() => Promise.resolve([a, b].every(({ node }) => node.server.broker.health().isOk)));
    for (const each of [here, there, resumed, late]) await each.fence();
  },
  SOFT,
  keeping,
);

test('Redis emptied: another epoch, told to those who stay and to those who come back', async (t, two) => {
  const { redis, a, b, client } = two;
  const [sender, stays, comes] = [await client(a), await client(b), await client(b)];
  await subscribe(stays, TOPIC);
  await publish(sender, TOPIC, '1', '2');
  const [, seen] = await stays.messages(2);
  await redisCommand(redis, 'FLUSHALL');
  await publish(sender, TOPIC, 'new');
  const [message] = await stays.messages(1);
  t.strictSame(told([message as ReceivedFrame]), ['1 new false']);
  t.not(message?.get('epoch'), seen?.get('epoch'));
  const answer = await subscribe(comes, TOPIC, positionOf(seen));
  t.strictSame(
    [answer.get('recovered'), answer.get('offset'), answer.get('epoch')],
    ['false', '1', message?.get('epoch')],
  );
  await publish(sender, TOPIC, 'more');
  t.strictSame(told(await stays.messages(1)), ['2 more']);
});

test(
  'the end was lost: places before it are good, those behind it are not, and no offset is given twice',
  async (t, two) => {
    const { redis, a, b, client } = two;
    const [sender, stays] = [await client(a), await client(b)];
    await subscribe(stays, TOPIC);
    await publish(sender, TOPIC, '1', '2');
    await redisCommand(redis, 'SAVE');
    await publish(sender, TOPIC, 'lost', 'lost too');
    const [, kept, lost] = await stays.messages(4);
    await redis.stop();
    await redis.start();
    const behind = await resumed(t, a, positionOf(kept));
    t.equal(behind.answer.get('recovered'), 'true', 'up to there it is the same');
    t.equal((await resumed(t, a, positionOf(lost))).answer.get('recovered'), 'false');
    await until(async () => {
      const publisher = await client(a);
      publisher.sendFrame('SEND', { destination: TOPIC, receipt: 'r' }, 'new');
      return (await publisher.frame()).command === 'RECEIPT';
    });
    const [told1] = await stays.messages(1);
    t.strictSame([told1?.text, told1?.get('offset'), told1?.get('recovered')], ['new', '3', 'false']);
    t.not(told1?.get('epoch'), lost?.get('epoch'));
    t.strictSame(told(await behind.client.messages(1)), ['3 new true']);
    const other = await client(b);
    t.equal(
      (await subscribe(other, TOPIC, positionOf(lost))).get('recovered'),
      'false',
      'offset 3 was another message',
    );
    const older = await client(b);
    t.equal((await subscribe(older, TOPIC, positionOf(kept))).get('recovered'), 'true');
    t.strictSame(told(await older.messages(1)), ['3 new true']);
  },
  {},
  (t) => ['--dir', temporaryDirectory(t)],
);

test(
  'a history of which a node has missed too much says so, once',
  async (t, { redis, a, b, client }) => {
    const [sender, stays] = [await client(a), await client(b)];
    await subscribe(stays, TOPIC);
    await publish(sender, TOPIC, '1');
    await stays.messages(1);
    b.proxy.isClosed = true;
    await publish(sender, TOPIC, '2', '3', '4', '5', '6');
    b.proxy.isClosed = false;
    t.strictSame(told(await stays.messages(3)), ['4 4 false', '5 5', '6 6']);
    await publish(sender, TOPIC, '7');
    t.strictSame(told(await stays.messages(1)), ['7 7']);
    t.equal(b.node.server.broker.stats().history.gaps, 1);
    t.ok(redis.port > 0);
  },
  { history: [{ pattern: '/topic/h/**', maxMessages: 3 }] },
);

test('a node that was away has everything afterwards, of topics too that nobody there had heard of', async (t, two) => {
  const { a, b, client } = two;
  const [sender, exact, wild] = [await client(a), await client(b), await client(b)];
  await publish(sender, '/topic/h/old', 'before');
  await subscribe(exact, TOPIC);
  await subscribe(wild, '/topic/h/**');
  b.proxy.isClosed = true;
  await publish(sender, TOPIC, '1', '2');
  await publish(sender, '/topic/h/unheard/of', 'x', 'y');
  await publish(sender, '/topic/h/old', 'after');
  b.proxy.isClosed = false;
  t.strictSame(told(await exact.messages(2)), ['1 1', '2 2']);
  t.strictSame(told(await wild.messages(5)).sort(), ['1 1', '1 x', '2 2', '2 after', '2 y']);
  await until(() => Promise.resolve(b.node.server.broker.health().isOk));
  for (const each of [exact, wild]) await each.fence();
});

test(
  'all together are bounded: those published to the longest ago are forgotten, and say so',
  async (t, two) => {
    const { a, b, client } = two;
    const [sender, early] = [await client(a), await client(b)];
    await subscribe(early, '/topic/h/0');
    await publish(sender, '/topic/h/0', 'first');
    const [seen] = await early.messages(1);
    early.sendFrame('UNSUBSCRIBE', { id: `subscribed-${receipts - 1}`, receipt: 'left' });
    await early.receipt('left');
    for (let k = 1; k < 60; k++) await publish(sender, `/topic/h/${k}`, 'x'.repeat(1_000));
    const late = await client(b);
    t.equal((await subscribe(late, '/topic/h/0', positionOf(seen))).get('recovered'), 'false');
    t.equal((await subscribe(late, '/topic/h/59', { replay: 'all' })).get('recovered'), 'true');
    await late.messages(1);
    const [bytes] = (await redisCommand(two.redis, 'HMGET', '{hoofbeat:}histories', 'bytes')) as Buffer[];
    t.ok(Number(bytes?.toString()) <= 100_000, String(bytes));
    const [count] = [await redisCommand(two.redis, 'ZCARD', '{hoofbeat:}histories:index')];
    t.ok(Number(count) < 45, `${String(count)} histories`);
    await publish(sender, '/topic/h/0', 'another first', 'another second');
    t.equal((await subscribe(await client(a), '/topic/h/0', positionOf(seen))).get('recovered'), 'false');
  },
  { limits: { maxHistoryBytes: 100_000 } },
);

test(
  'messages that are too old are gone, with their memory',
  async (t, { redis, a, b, client }) => {
    const [sender, subscriber] = [await client(a), await client(b)];
    await subscribe(subscriber, TOPIC);
    await publish(sender, TOPIC, '1', '2');
    const [first] = await subscriber.messages(2);
    await until(async () => Number(await redisCommand(redis, 'EXISTS', `{hoofbeat:}history-entries:${TOPIC}`)) === 0);
    const late = await client(a);
    t.equal((await subscribe(late, TOPIC, positionOf(first))).get('recovered'), 'false');
    await publish(sender, TOPIC, '3');
    t.strictSame(told(await subscriber.messages(1)), ['3 3'], 'the count goes on');
  },
  { history: [{ pattern: '/topic/h/**', maxAgeMs: 150 }] },
);

function keeping(t: Test): string[] {
  return ['--dir', temporaryDirectory(t), '--appendonly', 'yes', '--appendfsync', 'always'];
}

/** Tries again at once; each try is a round trip. */
async function until(isDone: () => Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + 10_000; Date.now() < endMs;) {
    if (await isDone()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error('it never came to pass');
}

/** Subscribed with a position, once Redis is there again: until then that is refused. */
async function resumed(
  t: Test,
  { node }: HistoryNode,
  position: Readonly<Record<string, string>>,
): Promise<{ readonly client: RawClient; readonly answer: ReceivedFrame }> {
  for (const endMs = Date.now() + 10_000; Date.now() < endMs;) {
    const client = await openConnected(t, node.tcpPort);
    client.sendFrame('SUBSCRIBE', { id: 's', destination: TOPIC, receipt: 's', ...position });
    const answer = await client.frame();
    if (answer.command === 'RECEIPT') return { client, answer };
  }
  throw new Error('it was never taken');
}
